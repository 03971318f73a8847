//! What befalls the devices of a home at moments of its own: reboots, power cuts, jumping clocks, replacements, bit rot.
//!
//! Here is only when it happens; what it does to a hub or a meter is the home's to do.

use super::schedule::Arrivals;
use super::{FaultCounts, FaultKind};
use crate::random::{Purpose, Stream};
use crate::world::FaultSpec;
use std::time::Duration;
use transfer_engine::{HubId, Moment};

/// The shortest cut that anybody notices; devices ride out less on their capacitors.
const SHORTEST_CUT: Duration = Duration::from_secs(1);

/// Something that befalls a home. Devices are named by their channel: 0 is the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceFault {
    /// A device starts again.
    Reboot { channel: u8 },
    /// The mains fail for so long.
    PowerCut { lasts: Duration },
    /// A device's clock jumps.
    ClockJump { channel: u8, by: Duration, ahead: bool },
    /// A device is replaced by a new one of the same model.
    Swap { channel: u8 },
    /// A bit flips in the flash of a device; which one is drawn from all numbers.
    BitRot { channel: u8, drawn: u64 },
}

impl DeviceFault {
    /// Returns the kind as which it is counted.
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            DeviceFault::Reboot { channel: 0 } => FaultKind::HubReboot,
            DeviceFault::Reboot { .. } => FaultKind::MeterReboot,
            DeviceFault::PowerCut { .. } => FaultKind::PowerCut,
            DeviceFault::ClockJump { .. } => FaultKind::ClockJump,
            DeviceFault::Swap { channel: 0 } => FaultKind::HubSwap,
            DeviceFault::Swap { .. } => FaultKind::MeterSwap,
            DeviceFault::BitRot { .. } => FaultKind::BitRot,
        }
    }
}

/// The schedule of one home; small, and looked at only when its earliest moment has come.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFaults {
    next_at: Moment,
    entries: Vec<Entry>,
    power_cut_most: Duration,
    jump_most: Duration,
    counts: FaultCounts,
}

#[derive(Clone, Debug)]
struct Entry {
    what: What,
    channel: u8,
    arrivals: Arrivals,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Reboot,
    PowerCut,
    ClockJump,
    Swap,
    BitRot,
}

impl DeviceFaults {
    /// Makes the schedule of a home whose devices have these channels; `None` when the world has none of these.
    pub(crate) fn open(
        spec: &FaultSpec,
        seed: u64,
        start: Moment,
        hub: HubId,
        channels: impl Iterator<Item = u8>,
    ) -> Option<DeviceFaults> {
        let mut entries = Vec::new();
        for channel in channels {
            let is_hub = channel == 0;
            let reboots = if is_hub { spec.hub_reboots_per_day } else { spec.meter_reboots_per_day };
            let swaps = if is_hub { spec.hub_swaps_per_day } else { spec.meter_swaps_per_day };
            let rates = [
                (What::Reboot, reboots, Purpose::Reboot),
                (What::ClockJump, spec.clock_jumps_per_day, Purpose::ClockJump),
                (What::Swap, swaps, Purpose::Swap),
                (What::BitRot, spec.flash_bit_flips_per_day, Purpose::BitRot),
            ];
            let mains = is_hub.then_some((What::PowerCut, spec.power_cuts_per_day, Purpose::PowerCut));
            for (what, rate, purpose) in rates.into_iter().chain(mains) {
                let entity = u64::from(hub.0) << 8 | u64::from(channel);
                let arrivals = Arrivals::open(start, rate, || Stream::open(seed, entity, purpose));
                entries.extend(arrivals.map(|arrivals| Entry { what, channel, arrivals }));
            }
        }
        if entries.is_empty() {
            return None;
        }
        let mut faults = DeviceFaults {
            next_at: Moment::MAX,
            entries,
            power_cut_most: Duration::from_secs(spec.power_cut_most_s.into()),
            jump_most: Duration::from_secs(spec.clock_jump_most_s.into()),
            counts: FaultCounts::default(),
        };
        faults.look_ahead();
        Some(faults)
    }

    /// Returns when the next fault of the home is due.
    pub(crate) fn next_at(&self) -> Moment {
        self.next_at
    }

    /// Takes the fault that is due, if one is; those of one moment come by channel.
    pub(crate) fn take(&mut self, now: Moment) -> Option<DeviceFault> {
        let (lasts_most, jump_most) = (self.power_cut_most, self.jump_most);
        let entry = self.entries.iter_mut().filter(|entry| entry.arrivals.next() <= now);
        let entry = entry.min_by_key(|entry| entry.arrivals.next())?;
        let channel = entry.channel;
        let stream = &mut entry.arrivals.stream;
        let fault = match entry.what {
            What::Reboot => DeviceFault::Reboot { channel },
            What::PowerCut => DeviceFault::PowerCut { lasts: stream.span(lasts_most).max(SHORTEST_CUT) },
            What::ClockJump => {
                DeviceFault::ClockJump { channel, by: stream.span(jump_most), ahead: stream.below(2) == 0 }
            }
            What::Swap => DeviceFault::Swap { channel },
            What::BitRot => DeviceFault::BitRot { channel, drawn: stream.below(u64::MAX) },
        };
        entry.arrivals.pass();
        self.look_ahead();
        Some(fault)
    }

    fn look_ahead(&mut self) {
        let moments = self.entries.iter().map(|entry| entry.arrivals.next());
        self.next_at = moments.min().unwrap_or(Moment::MAX);
    }

    /// Counts a fault that was due and did happen.
    pub(crate) fn count(&mut self, fault: DeviceFault) {
        self.counts.count(fault.kind(), 1);
    }

    /// Returns what struck so far.
    pub(crate) fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// Ends all of these faults; what struck stays counted.
    pub(crate) fn calm(&mut self) {
        self.entries.clear();
        self.next_at = Moment::MAX;
    }
}
