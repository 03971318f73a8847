//! Links as values: what happens to one datagram on the WAN of a hub, and to one frame on a home's radio.
//!
//! A WAN link is two independent directions. Each one serialises datagrams at its rate behind a bounded queue,
//! delays them, and may lose or double them. Order is kept: GPRS delivers in sequence within a bearer (inference
//! from acknowledged RLC mode), so jitter delays but does not overtake. What goes wrong beyond that, reordering among it,
//! is [`crate::faults`]' to draw.
//!
//! ```text
//!  offered ──► outage, half-open? ──► queue full? ──► air time at the rate ──► noise or burst? ──► latency + jitter
//!                                                                  delivered ◄── corrupted, overtaken? ◄──┘
//! ```

use crate::faults::{Flip, LinkFaults, Strike};
use crate::random::{Losses, Share, Stream};
use std::sync::Arc;
use std::time::Duration;
use transfer_engine::Moment;

/// Bytes that every datagram carries besides its payload: 20 of IPv4 and 8 of UDP, charged at the link's rate.
pub const DATAGRAM_OVERHEAD_LEN: usize = 28;

/// A transmission rate in bits per second; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRate(pub std::num::NonZeroU32);

impl BitRate {
    /// Returns how long `len` bytes occupy the air.
    pub fn air_time(self, len: usize) -> Duration {
        let bits = (len as u64).saturating_mul(8);
        Duration::from_micros(bits.saturating_mul(1_000_000).div_ceil(u64::from(self.0.get())))
    }
}

/// Loss that comes in bursts: the Gilbert-Elliott model, stepped once per datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Probability per datagram that a good spell ends.
    pub enter: Share,
    /// Probability per datagram that a bad spell ends.
    pub leave: Share,
    /// Loss during a bad spell.
    pub loss: Share,
}

/// When a link exists at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The link is always there.
    Always,
    /// The hub has no WAN.
    Never,
    /// The link is gone for `outage` out of every `period`; each link has its own phase.
    Interrupted {
        /// From the start of one outage to the start of the next.
        period: Duration,
        /// How long each outage lasts.
        outage: Duration,
    },
}

/// The numbers of one kind of WAN link; many links share one profile.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkProfile {
    /// What reports call it.
    pub name: String,
    /// Rate from the head-end to the hub.
    pub down: BitRate,
    /// Rate from the hub to the head-end.
    pub up: BitRate,
    /// One-way delay that every datagram has.
    pub latency: Duration,
    /// Further delay, evenly distributed from zero to this.
    pub jitter: Duration,
    /// Loss that strikes each datagram independently.
    pub loss: Share,
    /// Loss in bursts, on top.
    pub burst: Option<Burst>,
    /// Datagrams that arrive twice.
    pub duplicates: Share,
    /// Bytes (with overhead) that may wait for the air in each direction; more are dropped.
    pub queue_len: u32,
    /// When the link exists.
    pub reach: Reach,
}

/// The direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the head-end to the hub.
    Down,
    /// From the hub to the head-end.
    Up,
}

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives once, at this moment.
    Deliver(Moment),
    /// It arrives twice, both times at this moment.
    DeliverTwice(Moment),
    /// It arrives at this moment, and others that set off later may be there before it.
    DeliverLate(Moment),
    /// It arrives at this moment with flipped bits.
    DeliverWrong(Moment, Flip),
    /// It does not arrive.
    Lost(LossReason),
}

impl Fate {
    /// Returns when it arrives, if it does.
    pub fn arrives_at(self) -> Option<Moment> {
        match self {
            Fate::Deliver(at)
            | Fate::DeliverTwice(at)
            | Fate::DeliverLate(at)
            | Fate::DeliverWrong(at, _) => Some(at),
            Fate::Lost(_) => None,
        }
    }
}

/// Why a datagram was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// The link was not there.
    Outage,
    /// Too much was waiting for the air.
    QueueFull,
    /// Independent loss.
    Noise,
    /// Loss in a bad spell.
    Burst,
    /// The link carried in the other direction only.
    HalfOpen,
    /// Bits had flipped, and the checksum showed it.
    Corrupted,
}

/// One direction of one hub's WAN link.
#[derive(Clone, Debug)]
pub struct Link {
    profile: Arc<LinkProfile>,
    rate: BitRate,
    stream: Stream,
    /// When the air is free again.
    free_at: Moment,
    /// When the datagram before this one arrives; nothing overtakes it.
    previous_arrival: Moment,
    in_bad_spell: bool,
    /// Where in its outage period this link was at moment zero.
    phase: Duration,
    faults: Option<Box<LinkFaults>>,
}

impl Link {
    /// Opens one direction; `phase` (below the outage period) must be the same for both directions of a link.
    pub(crate) fn new(
        profile: Arc<LinkProfile>,
        direction: Direction,
        phase: Duration,
        stream: Stream,
    ) -> Link {
        let rate = match direction {
            Direction::Down => profile.down,
            Direction::Up => profile.up,
        };
        Link {
            profile,
            rate,
            stream,
            free_at: Moment::default(),
            previous_arrival: Moment::default(),
            in_bad_spell: false,
            phase,
            faults: None,
        }
    }

    /// Gives this direction faults of its own.
    pub(crate) fn set_faults(&mut self, faults: Option<Box<LinkFaults>>) {
        self.faults = faults;
    }

    /// Returns the faults of this direction, if the world has any.
    pub(crate) fn faults(&self) -> Option<&LinkFaults> {
        self.faults.as_deref()
    }

    /// Ends losses, outages and faults; a link that was never there stays so.
    pub(crate) fn calm(&mut self) {
        let reach = match self.profile.reach {
            Reach::Never => Reach::Never,
            Reach::Always | Reach::Interrupted { .. } => Reach::Always,
        };
        let (loss, burst, duplicates) = (Share::NONE, None, Share::NONE);
        let calm = LinkProfile { loss, burst, duplicates, reach, ..(*self.profile).clone() };
        self.profile = Arc::new(calm);
        self.in_bad_spell = false;
        if let Some(faults) = &mut self.faults {
            faults.calm();
        }
    }

    /// Decides what becomes of a datagram of `payload_len` bytes offered at `now`.
    pub fn judge(&mut self, now: Moment, payload_len: usize) -> Fate {
        if !self.is_there(now) {
            return Fate::Lost(LossReason::Outage);
        }
        if self.faults.as_mut().is_some_and(|faults| faults.is_shut(now)) {
            return Fate::Lost(LossReason::HalfOpen);
        }
        let air_time = self.air_time(now, payload_len + DATAGRAM_OVERHEAD_LEN);
        let waiting = self.free_at.saturating_since(now);
        if waiting + air_time > self.air_time(now, self.profile.queue_len as usize) {
            return Fate::Lost(LossReason::QueueFull);
        }
        // A datagram lost on the air has still used it.
        let sent_at = self.free_at.max(now) + air_time;
        self.free_at = sent_at;
        if self.spell_takes_it() {
            return Fate::Lost(LossReason::Burst);
        }
        if self.stream.happens(self.profile.loss) {
            return Fate::Lost(LossReason::Noise);
        }
        let jitter = match self.profile.jitter {
            Duration::ZERO => Duration::ZERO,
            most => self.stream.span(most),
        };
        let arrival = (sent_at + self.profile.latency + jitter).max(self.previous_arrival);
        match self.faults.as_mut().and_then(|faults| faults.strike(now)) {
            None => {}
            Some(Strike::Drop) => return Fate::Lost(LossReason::Corrupted),
            Some(Strike::Delay(delay)) => return Fate::DeliverLate(arrival + delay),
            Some(Strike::Alter(flip)) => {
                self.previous_arrival = arrival;
                return Fate::DeliverWrong(arrival, flip);
            }
        }
        self.previous_arrival = arrival;
        if self.stream.happens(self.profile.duplicates) {
            Fate::DeliverTwice(arrival)
        } else {
            Fate::Deliver(arrival)
        }
    }

    /// Returns the profile of the link.
    pub fn profile(&self) -> &LinkProfile {
        &self.profile
    }

    /// Returns how long so many bytes occupy the air if they set off now.
    fn air_time(&mut self, now: Moment, len: usize) -> Duration {
        let air_time = self.rate.air_time(len);
        match &mut self.faults {
            Some(faults) => faults.slowed(now, air_time),
            None => air_time,
        }
    }

    fn is_there(&self, now: Moment) -> bool {
        match self.profile.reach {
            Reach::Always => true,
            Reach::Never => false,
            Reach::Interrupted { period, outage } => {
                let at = now.as_micros() as u128 + self.phase.as_micros();
                at % period.as_micros().max(1) >= outage.as_micros()
            }
        }
    }

    fn spell_takes_it(&mut self) -> bool {
        let Some(burst) = self.profile.burst else { return false };
        let turns = if self.in_bad_spell { burst.leave } else { burst.enter };
        if self.stream.happens(turns) {
            self.in_bad_spell = !self.in_bad_spell;
        }
        self.in_bad_spell && self.stream.happens(burst.loss)
    }
}

/// The numbers of the radio in the homes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HanProfile {
    /// From a device's decision to send until the other one has the frame: queueing, air time, acknowledgement.
    pub latency: Duration,
    /// Frames that are lost after the radio's own retries.
    pub loss: Share,
}

/// The radio of one home; every frame takes the same time, so order is kept.
#[derive(Clone, Debug)]
pub(crate) struct HanLink {
    latency: Duration,
    losses: Losses,
}

impl HanLink {
    pub(crate) fn new(profile: HanProfile, stream: Stream) -> HanLink {
        HanLink { latency: profile.latency, losses: Losses::new(profile.loss, stream) }
    }

    /// Ends losses.
    pub(crate) fn calm(&mut self) {
        self.losses.calm();
    }

    /// Decides when a frame sent at `now` arrives; `None` means never.
    pub(crate) fn judge(&mut self, now: Moment) -> Option<Moment> {
        (!self.losses.strike()).then(|| now + self.latency)
    }

    /// Returns how long a frame takes.
    pub(crate) fn latency(&self) -> Duration {
        self.latency
    }

    /// Returns what strikes the frames, for those who let many pass at once.
    pub(crate) fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }
}

#[cfg(test)]
mod tests;
