//! A meter or a hub, as the programme sees it.

use bytes::Bytes;
use firmware_image::FileVersion;
use fleet::{ActivationOutcome, FlashFault, FlashPlace, Hub, Meter, SectorPool, SecurityEntry};
use transfer_engine::Moment;
use wire::{DeviceChallenge, ImageTransferStatus};

/// The device on the bench.
pub enum Device {
    Meter(Box<Meter>),
    Hub(Box<Hub>),
}

/// Says the same to either.
macro_rules! either {
    ($device:expr, $it:ident => $said:expr) => {
        match $device {
            Device::Meter($it) => $said,
            Device::Hub($it) => $said,
        }
    };
}

impl Device {
    /// Returns another device in the same state.
    pub fn fork(&self) -> Device {
        match self {
            Device::Meter(meter) => Device::Meter(meter.clone()),
            Device::Hub(hub) => Device::Hub(Box::new(hub.fork().expect("the hub has no keys"))),
        }
    }

    pub fn advance(&mut self, now: Moment, pool: &mut SectorPool) {
        either!(self, it => it.advance(now, pool));
    }

    pub fn poll_timeout(&self) -> Option<Moment> {
        either!(self, it => it.poll_timeout())
    }

    pub fn is_up(&self, now: Moment) -> bool {
        match self {
            Device::Meter(meter) => meter.is_up(),
            Device::Hub(hub) => hub.is_up(now),
        }
    }

    pub fn is_dead(&self) -> bool {
        either!(self, it => it.is_dead())
    }

    pub fn plan_cut(&mut self, cut: FlashFault) {
        either!(self, it => it.plan_cut(cut));
    }

    pub fn operations(&self) -> u64 {
        either!(self, it => it.flash_operations())
    }

    pub fn flash_digest(&self) -> [u8; 32] {
        either!(self, it => it.flash_digest())
    }

    pub fn running_version(&self) -> FileVersion {
        either!(self, it => it.running_version())
    }

    pub fn running_image(&self, pool: &mut SectorPool) -> Option<Bytes> {
        either!(self, it => it.running_image(pool))
    }

    pub fn image_on_trial(&self, pool: &mut SectorPool) -> Option<Bytes> {
        either!(self, it => it.image_on_trial(pool))
    }

    pub fn security_counter(&self) -> u64 {
        either!(self, it => it.security_counter())
    }

    pub fn security_log(&self) -> Vec<SecurityEntry> {
        either!(self, it => it.security_log())
    }

    pub fn last_outcome(&self) -> Option<ActivationOutcome> {
        either!(self, it => it.last_outcome())
    }

    pub fn challenge(&self) -> DeviceChallenge {
        either!(self, it => it.challenge())
    }

    pub fn decay(&mut self, place: FlashPlace, offset: u32, bit: u8) {
        either!(self, it => it.decay(place, offset, bit));
    }

    /// Flips one bit of the image that is to be activated.
    pub fn decay_new(&mut self, offset: u32, bit: u8) {
        match self {
            Device::Meter(meter) => meter.decay_spare(offset, bit),
            Device::Hub(hub) => hub.decay_staged(0, offset, bit),
        }
    }

    pub fn decay_running(&mut self, offset: u32, bit: u8) {
        either!(self, it => it.decay_running(offset, bit));
    }

    /// Returns whether the image is complete and the next thing that the device does is to verify it.
    pub fn is_about_to_verify(&self) -> bool {
        match self {
            // The image that runs was the first.
            Device::Meter(meter) => meter.counters().downloads == 2,
            Device::Hub(hub) => hub.transfer_status(0) == Some(ImageTransferStatus::VerificationInitiated),
        }
    }

    /// Returns whether the device holds a verified image that does not run.
    pub fn holds_verified(&self, pool: &mut SectorPool) -> bool {
        match self {
            Device::Meter(meter) => meter.staged_image(pool).is_some(),
            Device::Hub(hub) => hub.transfer_status(0) == Some(ImageTransferStatus::VerificationSuccessful),
        }
    }

    pub fn reboot(&mut self, now: Moment) {
        either!(self, it => it.reboot(now));
    }
}
