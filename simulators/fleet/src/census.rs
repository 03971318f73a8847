//! The census: what every device runs and has been through, and what the links carried.
//!
//! Plain numbers for reports; the words and the file formats are the reader's.

use crate::attacks::AttackCounts;
use crate::board::BoardHistory;
use crate::boot::ActivationOutcome;
use crate::edges::Edges;
use crate::faults::{DeviceFaults, FaultCounts, FaultKind, LinkFaults, ReplyFaults};
use crate::fleet::Member;
use crate::home::{HanTraffic, Retired};
use crate::hub::Hub;
use crate::link::{Fate, LossReason};
use crate::meter::Meter;
use crate::said::Said;
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
    /// Devices that were replaced, as they were then.
    pub retired: Vec<DeviceCensus>,
    /// What went wrong by itself.
    pub faults: FaultCounts,
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
    /// What wakes and blocks drew from its battery, in nanoampere-hours, if it has one.
    pub battery_drawn_nah: Option<u64>,
    /// Images and orders that it declined because its battery was low.
    pub battery_refusals: u64,
    /// Blocks received again.
    pub duplicate_blocks: u64,
    /// Frames and datagrams that made no sense.
    pub malformed_frames: u64,
    /// Images received in full and verified: by a hub from the WAN, by a meter from its hub.
    pub images_taken: u64,
    /// Times the supply failed.
    pub power_cuts: u64,
    /// Those of them that came in the middle of a flash operation.
    pub flash_cuts: u64,
    /// What it refused, by the attack it would have been.
    pub attacks: AttackCounts,
    /// Which steps it has taken: of a meter's stages, or of the image transfer status of any slot of a hub.
    pub edges: Edges,
    /// Which codes it has sent.
    pub said: Said,
    /// What its board has been through.
    pub history: BoardHistory,
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
    /// Lost because the link carried in the other direction only.
    pub lost_half_open: u64,
    /// Lost because bits had flipped.
    pub lost_corrupted: u64,
    /// Delivered after others that had set off later, perhaps.
    pub late: u64,
    /// Delivered with flipped bits.
    pub wrong: u64,
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
            Fate::DeliverLate(_) => {
                self.delivered += 1;
                self.late += 1;
            }
            Fate::DeliverWrong(..) => {
                self.delivered += 1;
                self.wrong += 1;
            }
            Fate::Lost(LossReason::Burst) => self.lost_in_burst += 1,
            Fate::Lost(LossReason::HalfOpen) => self.lost_half_open += 1,
            Fate::Lost(LossReason::Corrupted) => self.lost_corrupted += 1,
        }
    }
}

impl Census {
    /// Sums a count over all devices, for example `census.total(|device| device.activations)`.
    pub fn total(&self, count: impl Fn(&DeviceCensus) -> u64) -> u64 {
        self.devices.iter().map(count).sum()
    }

    /// Returns every device there is or was.
    pub fn everybody(&self) -> impl Iterator<Item = &DeviceCensus> {
        self.devices.iter().chain(&self.retired)
    }

    pub(crate) fn take(members: &[Member], wan: WanTraffic) -> Census {
        let mut census = Census {
            devices: Vec::new(),
            wan,
            han: HanTraffic::default(),
            retired: Vec::new(),
            faults: link_faults(&wan),
        };
        for member in members {
            census.han.add(member.home.traffic());
            for record in &member.record.devices {
                census.devices.extend(match record.kind {
                    DeviceKind::Hub => Some(hub_census(member.home.hub(), member, record)),
                    _ => member
                        .home
                        .meters()
                        .find(|meter| meter.short_address() == u16::from(record.channel))
                        .map(|meter| meter_census(meter, member, record)),
                });
            }
            for retired in member.home.retired() {
                census.retired.extend(match retired {
                    Retired::Hub(hub) => Some(hub_census(hub, member, &member.record.devices[0])),
                    Retired::Meter(meter) => {
                        let mut records = member.record.devices.iter();
                        let record =
                            records.find(|record| meter.short_address() == u16::from(record.channel));
                        record.map(|record| meter_census(meter, member, record))
                    }
                });
            }
            add_faults(&mut census.faults, member);
        }
        let flash_cuts: u64 = census.everybody().map(|device| device.flash_cuts).sum();
        census.faults.count(FaultKind::FlashCut, flash_cuts);
        let battery_refusals: u64 = census.everybody().map(|device| device.battery_refusals).sum();
        census.faults.count(FaultKind::LowBattery, battery_refusals);
        let worn = census.everybody().map(|device| u64::from(device.history.worn_sectors())).sum();
        census.faults.count(FaultKind::WornFlash, worn);
        census
    }
}

/// Counts what the links did to datagrams by their own nature.
fn link_faults(wan: &WanTraffic) -> FaultCounts {
    let mut counts = FaultCounts::default();
    for link in [&wan.down, &wan.up] {
        counts.count(FaultKind::Noise, link.lost_to_noise);
        counts.count(FaultKind::Burst, link.lost_in_burst);
        counts.count(FaultKind::Duplicate, link.doubled);
        counts.count(FaultKind::Outage, link.lost_in_outage);
    }
    counts
}

/// Adds what struck one home by the world's faults.
pub(crate) fn add_faults(counts: &mut FaultCounts, member: &Member) {
    let links = [member.down.faults(), member.up.faults()];
    let links = links.into_iter().flatten().map(LinkFaults::counts);
    let replies = member.reply_faults.as_deref().map(ReplyFaults::counts);
    let devices = member.home.faults().map(DeviceFaults::counts);
    for more in links.chain(replies).chain(devices) {
        counts.add(more);
    }
}

fn meter_census(meter: &Meter, member: &Member, record: &DeviceRecord) -> DeviceCensus {
    let counters = meter.counters();
    DeviceCensus {
        hub: member.record.hub,
        eui: meter.eui(),
        kind: record.kind,
        trouble: record.trouble.filter(|_| meter.eui() == record.eui),
        running_version: meter.running_version(),
        activations: counters.activations,
        rollbacks: counters.rollbacks,
        last_outcome: meter.last_outcome(),
        rejections: counters.rejections,
        orders_refused: counters.orders_refused,
        blocks_received: counters.blocks_received,
        battery_drawn_nah: meter.battery_drawn_nah(),
        battery_refusals: counters.battery_refusals,
        duplicate_blocks: counters.stale_answers,
        malformed_frames: counters.malformed_frames,
        images_taken: counters.images_verified,
        power_cuts: counters.power_cuts,
        flash_cuts: meter.board().flash_cuts(),
        attacks: counters.attacks,
        edges: counters.edges,
        said: counters.said,
        history: meter.history(),
    }
}

fn hub_census(hub: &Hub, member: &Member, record: &DeviceRecord) -> DeviceCensus {
    let counters = hub.counters();
    DeviceCensus {
        hub: member.record.hub,
        eui: hub.eui(),
        kind: record.kind,
        trouble: record.trouble.filter(|_| hub.eui() == record.eui),
        running_version: hub.running_version(),
        activations: counters.activations,
        rollbacks: counters.rollbacks,
        last_outcome: hub.last_outcome(),
        rejections: counters.images_rejected,
        orders_refused: counters.orders_refused,
        blocks_received: counters.blocks_received,
        battery_drawn_nah: None,
        battery_refusals: 0,
        duplicate_blocks: counters.duplicate_blocks,
        malformed_frames: counters.malformed_frames,
        images_taken: counters.images_verified,
        power_cuts: counters.power_cuts,
        flash_cuts: hub.board().flash_cuts(),
        attacks: counters.attacks,
        edges: counters.edges,
        said: counters.said,
        history: hub.history(),
    }
}
