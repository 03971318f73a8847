//! The census: what every device runs and has been through, and what the links carried.
//!
//! Plain numbers for reports; the words and the file formats are the reader's.

use crate::boot::ActivationOutcome;
use crate::fleet::Member;
use crate::home::HanTraffic;
use crate::link::{Fate, LossReason};
use crate::meter::Meter;
use crate::world::{DeviceKind, DeviceRecord, DeviceTrouble};
use firmware_image::{Eui64, FileVersion};
use transfer_engine::HubId;

/// A count of everything in a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Every device, home by home, the hub first.
    pub devices: Vec<DeviceCensus>,
    /// What the WAN links carried.
    pub wan: WanTraffic,
    /// What the homes' radios carried.
    pub han: HanTraffic,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCensus {
    /// Its home.
    pub hub: HubId,
    /// Its identifier.
    pub eui: Eui64,
    /// What it is.
    pub kind: DeviceKind,
    /// What the world had in store for it.
    pub trouble: Option<DeviceTrouble>,
    /// The version that it runs.
    pub running_version: FileVersion,
    /// New images that came up and confirmed themselves.
    pub activations: u64,
    /// Activations that ended with the old image running.
    pub rollbacks: u64,
    /// How the newest activation ended, as the device remembers it.
    pub last_outcome: Option<ActivationOutcome>,
    /// Images discarded by verification.
    pub rejections: u64,
    /// Activation orders not obeyed.
    pub orders_refused: u64,
    /// Blocks received, first copies only.
    pub blocks_received: u64,
    /// Blocks received again.
    pub duplicate_blocks: u64,
    /// Frames and datagrams that made no sense.
    pub malformed_frames: u64,
    /// Times the supply failed.
    pub power_cuts: u64,
}

/// What the WAN links of a fleet carried, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WanTraffic {
    /// From the head-end to the hubs.
    pub down: LinkTraffic,
    /// From the hubs to the head-end.
    pub up: LinkTraffic,
}

/// One direction of all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTraffic {
    /// Datagrams offered.
    pub offered: u64,
    /// Bytes offered, without IP and UDP headers.
    pub offered_bytes: u64,
    /// Datagrams delivered; one that arrives twice counts twice.
    pub delivered: u64,
    /// Datagrams that arrived twice.
    pub doubled: u64,
    /// Lost because the link was not there.
    pub lost_in_outage: u64,
    /// Lost because too much was waiting.
    pub lost_to_queue: u64,
    /// Lost one by one.
    pub lost_to_noise: u64,
    /// Lost in bad spells.
    pub lost_in_burst: u64,
}

impl LinkTraffic {
    /// Counts one datagram of `len` bytes.
    pub(crate) fn count(&mut self, fate: Fate, len: usize) {
        self.offered += 1;
        self.offered_bytes += len as u64;
        match fate {
            Fate::Deliver(_) => self.delivered += 1,
            Fate::DeliverTwice(_) => {
                self.delivered += 2;
                self.doubled += 1;
            }
            Fate::Lost(LossReason::Outage) => self.lost_in_outage += 1,
            Fate::Lost(LossReason::QueueFull) => self.lost_to_queue += 1,
            Fate::Lost(LossReason::Noise) => self.lost_to_noise += 1,
            Fate::Lost(LossReason::Burst) => self.lost_in_burst += 1,
        }
    }
}

impl Census {
    /// Sums a count over all devices, for example `census.total(|device| device.activations)`.
    pub fn total(&self, count: impl Fn(&DeviceCensus) -> u64) -> u64 {
        self.devices.iter().map(count).sum()
    }

    pub(crate) fn take(members: &[Member], wan: WanTraffic) -> Census {
        let mut han = HanTraffic::default();
        let mut devices = Vec::new();
        for member in members {
            han.add(member.home.traffic());
            for record in &member.record.devices {
                devices.extend(match record.kind {
                    DeviceKind::Hub => Some(hub_census(member, record)),
                    _ => member
                        .home
                        .meters()
                        .find(|meter| meter.eui() == record.eui)
                        .map(|meter| meter_census(member, record, meter)),
                });
            }
        }
        Census { devices, wan, han }
    }
}

fn meter_census(member: &Member, record: &DeviceRecord, meter: &Meter) -> DeviceCensus {
    let counters = meter.counters();
    DeviceCensus {
        hub: member.record.hub,
        eui: record.eui,
        kind: record.kind,
        trouble: record.trouble,
        running_version: meter.running_version(),
        activations: counters.activations,
        rollbacks: counters.rollbacks,
        last_outcome: meter.last_outcome(),
        rejections: counters.rejections,
        orders_refused: counters.orders_refused,
        blocks_received: counters.blocks_received,
        duplicate_blocks: counters.stale_answers,
        malformed_frames: counters.malformed_frames,
        power_cuts: counters.power_cuts,
    }
}

fn hub_census(member: &Member, record: &DeviceRecord) -> DeviceCensus {
    let hub = member.home.hub();
    let counters = hub.counters();
    DeviceCensus {
        hub: member.record.hub,
        eui: record.eui,
        kind: record.kind,
        trouble: record.trouble,
        running_version: hub.running_version(),
        activations: counters.activations,
        rollbacks: counters.rollbacks,
        last_outcome: hub.last_outcome(),
        rejections: counters.images_rejected,
        orders_refused: counters.orders_refused,
        blocks_received: counters.blocks_received,
        duplicate_blocks: counters.duplicate_blocks,
        malformed_frames: counters.malformed_frames,
        power_cuts: counters.power_cuts,
    }
}
