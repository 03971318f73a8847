//! Faults as values: when each kind strikes whom, drawn from streams of their own.
//!
//! ```text
//!  Strikes   every n-th datagram       reordering, corruption, lost answers        drawn as gaps between two strikes
//!  Windows   from a moment to another  half-open, congestion, collapse, storms     drawn when time has come to them
//!  Arrivals  at a moment               reboots, power cuts, clock jumps, swaps, bit rot
//! ```
//!
//! A fault depends on the seed, the entity and what it counts (time or datagrams), and on nothing else: so the same seed
//! gives the same faults in any fidelity, and one more kind changes nothing for the others. What is not in the world has
//! no stream, no timer and no memory. What a strike does is for whom it hits: [`crate::link`], [`crate::home`],
//! [`crate::fleet`] and [`crate::simulation`].

mod devices;
mod replies;
mod schedule;
mod supplier;
mod wan;

pub(crate) use devices::{DeviceFault, DeviceFaults};
pub(crate) use replies::ReplyFaults;
pub use supplier::DeskNews;
pub use wan::Flip;
pub(crate) use wan::{LinkFaults, Strike};

/// The kinds of fault that a world can have, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A datagram lost by itself.
    Noise,
    /// A datagram lost in a bad spell.
    Burst,
    /// A datagram that arrived twice.
    Duplicate,
    /// A datagram lost because there was no link.
    Outage,
    /// A datagram that others overtook.
    Reordering,
    /// A datagram whose bits flipped and whose checksum showed it.
    Corruption,
    /// A datagram whose bits flipped and whose checksum still held.
    UndetectedCorruption,
    /// A datagram lost because the link carried in the other direction only.
    HalfOpen,
    /// A datagram slowed because its cell had too much to carry.
    CellCongestion,
    /// A datagram slowed because the rate of its link had collapsed.
    RateCollapse,
    /// A hub that started again.
    HubReboot,
    /// A device behind a hub that started again.
    MeterReboot,
    /// A home whose mains failed.
    PowerCut,
    /// A flash operation of a device that was cut.
    FlashCut,
    /// An answer to an activation that was lost.
    LostActivationAnswer,
    /// A home whose supplier changed.
    SupplierChange,
    /// An answer that was far too long and said nothing.
    Storm,
    /// A clock that jumped.
    ClockJump,
    /// A device behind a hub that was replaced.
    MeterSwap,
    /// A hub that was replaced.
    HubSwap,
    /// An image or an order that a device declined because its battery was low.
    LowBattery,
    /// A bit that flipped in an image which a device held and did not run.
    BitRot,
    /// A worn sector that a device found in its flash.
    WornFlash,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 23] = [
        FaultKind::Noise,
        FaultKind::Burst,
        FaultKind::Duplicate,
        FaultKind::Outage,
        FaultKind::Reordering,
        FaultKind::Corruption,
        FaultKind::UndetectedCorruption,
        FaultKind::HalfOpen,
        FaultKind::CellCongestion,
        FaultKind::RateCollapse,
        FaultKind::HubReboot,
        FaultKind::MeterReboot,
        FaultKind::PowerCut,
        FaultKind::FlashCut,
        FaultKind::LostActivationAnswer,
        FaultKind::SupplierChange,
        FaultKind::Storm,
        FaultKind::ClockJump,
        FaultKind::MeterSwap,
        FaultKind::HubSwap,
        FaultKind::LowBattery,
        FaultKind::BitRot,
        FaultKind::WornFlash,
    ];

    /// Returns the word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            FaultKind::Noise => "noise",
            FaultKind::Burst => "burst",
            FaultKind::Duplicate => "duplicate",
            FaultKind::Outage => "outage",
            FaultKind::Reordering => "reordering",
            FaultKind::Corruption => "corruption",
            FaultKind::UndetectedCorruption => "undetected corruption",
            FaultKind::HalfOpen => "half-open link",
            FaultKind::CellCongestion => "cell congestion",
            FaultKind::RateCollapse => "rate collapse",
            FaultKind::HubReboot => "hub reboot",
            FaultKind::MeterReboot => "meter reboot",
            FaultKind::PowerCut => "power cut",
            FaultKind::FlashCut => "flash cut",
            FaultKind::LostActivationAnswer => "lost activation answer",
            FaultKind::SupplierChange => "supplier change",
            FaultKind::Storm => "storm",
            FaultKind::ClockJump => "clock jump",
            FaultKind::MeterSwap => "meter swap",
            FaultKind::HubSwap => "hub swap",
            FaultKind::LowBattery => "low battery",
            FaultKind::BitRot => "bit rot",
            FaultKind::WornFlash => "worn flash",
        }
    }
}

/// How often each kind struck: datagrams for faults of links, devices or homes for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultKind::ALL.len()]);

impl FaultCounts {
    /// Returns how often a kind struck.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0[kind as usize]
    }

    /// Returns how often anything struck.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds the strikes of others.
    pub fn add(&mut self, other: &FaultCounts) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    pub(crate) fn count(&mut self, kind: FaultKind, times: u64) {
        self.0[kind as usize] += times;
    }
}

#[cfg(test)]
mod tests;
