//! What the faults of a home's devices do to them. When they strike is drawn in [`crate::faults`].

use super::{Commons, HUB_ADDRESS, Home, due};
use crate::faults::{DeviceFault, DeviceFaults};
use crate::hub::Hub;
use crate::meter::Meter;
use firmware_image::Eui64;
use transfer_engine::Moment;

/// How often devices of a home are replaced at most; more is no world that we know, and what is kept has a bound.
const MOST_SWAPS: usize = 64;

/// A device that was taken out of the home, and how it was then.
pub(crate) enum Retired {
    Hub(Box<Hub>),
    Meter(Box<Meter>),
}

impl Home {
    /// Gives the home faults of its own.
    pub(crate) fn set_faults(&mut self, faults: Option<Box<DeviceFaults>>) {
        self.faults = faults;
    }

    /// Returns the faults of the home, if the world has any.
    pub(crate) fn faults(&self) -> Option<&DeviceFaults> {
        self.faults.as_deref()
    }

    /// Returns the devices that were taken out.
    pub(crate) fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// Ends losses on the radio and all faults.
    pub(crate) fn calm(&mut self) {
        self.han.calm();
        if let Some(faults) = &mut self.faults {
            faults.calm();
        }
    }

    /// Lets the fault happen that is due.
    pub(super) fn strike(&mut self, now: Moment, commons: &mut Commons) {
        let Some(fault) = self.faults.as_mut().and_then(|faults| faults.take(now)) else { return };
        let happened = self.suffer(now, fault, commons);
        if let Some(faults) = self.faults.as_mut().filter(|_| happened) {
            faults.count(fault);
        }
        self.collect_from_hub(now, commons);
        for index in 0..self.meters.len() {
            self.collect_from_meter(index, now, commons);
        }
    }

    /// Does what a fault does; returns whether it happened at all.
    fn suffer(&mut self, now: Moment, fault: DeviceFault, commons: &mut Commons) -> bool {
        match fault {
            // What has no power does not start.
            DeviceFault::Reboot { channel } if now < self.dark_until && self.is_on_mains(channel) => {
                return false;
            }
            DeviceFault::Reboot { channel: 0 } => self.hub.reboot(now),
            DeviceFault::Reboot { channel } => self.each_meter(channel, |meter| meter.reboot(now)),
            DeviceFault::PowerCut { lasts } => {
                self.dark_until = self.dark_until.max(now + lasts);
                let lasts = self.dark_until.saturating_since(now);
                self.hub.cut_power(now, lasts);
                for member in self.meters.iter_mut().filter(|member| member.meter.is_on_mains()) {
                    member.meter.cut_power(now, lasts);
                }
            }
            DeviceFault::ClockJump { channel: 0, by, ahead } => self.hub.jump_clock(by, ahead),
            DeviceFault::ClockJump { channel, by, ahead } => {
                self.each_meter(channel, |meter| meter.jump_clock(by, ahead));
            }
            DeviceFault::Swap { .. } if self.retired.len() >= MOST_SWAPS => return false,
            DeviceFault::Swap { channel: 0 } => self.swap_hub(now),
            DeviceFault::Swap { channel } => return self.swap_meter(now, channel, commons),
        }
        true
    }

    fn is_on_mains(&self, channel: u8) -> bool {
        let mut others = self.meters.iter().filter(|member| member.address == u16::from(channel));
        others.all(|member| member.meter.is_on_mains())
    }

    fn each_meter(&mut self, channel: u8, mut act: impl FnMut(&mut Meter)) {
        for member in self.meters.iter_mut().filter(|member| member.address == u16::from(channel)) {
            act(&mut member.meter);
        }
    }

    /// Puts another hub of the same model in the place of the one that is there, with the same devices joined to it.
    fn swap_hub(&mut self, now: Moment) {
        let successor = self.hub.successor(self.stranger(HUB_ADDRESS), now);
        let hub = std::mem::replace(&mut self.hub, successor);
        self.in_flight.clear();
        self.retired.push(Retired::Hub(Box::new(hub)));
    }

    /// Puts another meter of the same model in the place of one, and joins it to the hub. Nobody joins a meter to a hub
    /// that is off: then it stays.
    fn swap_meter(&mut self, now: Moment, channel: u8, commons: &mut Commons) -> bool {
        let address = u16::from(channel);
        let eui = self.stranger(address);
        if !self.hub.is_up(now) || !self.hub.recommission(now, &mut commons.pool, channel, eui) {
            return false;
        }
        let Some(member) = self.meters.iter_mut().find(|member| member.address == address) else {
            return false;
        };
        let successor = member.meter.successor(eui, now);
        let meter = std::mem::replace(&mut member.meter, successor);
        member.due = due(member.meter.poll_timeout());
        self.retired.push(Retired::Meter(Box::new(meter)));
        true
    }

    /// Makes an identifier that no device of the world has: that of the first device in the place, with a locally
    /// administered prefix that counts the replacements.
    fn stranger(&self, address: u16) -> Eui64 {
        let there = self.meters.iter().find(|member| member.address == address);
        let first = there.map_or(self.hub.eui(), |member| member.meter.eui());
        let mut bytes = first.to_bytes();
        bytes[1] = 0x53;
        bytes[2] = (self.retired.len() + 1) as u8;
        Eui64::from_bytes(bytes)
    }
}
