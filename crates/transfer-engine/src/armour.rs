//! Inbound armour: what hubs may make us read, and when a whole model is left alone.
//!
//! In 2023 a batch of devices answered every request with an error a hundred times larger than the answer, and the
//! head-end that read them all served nobody else. So bytes are counted before they are parsed: every hub has an
//! allowance (GCRA, 8 B a hub) to which every request adds, and what goes beyond is dropped unread. A model whose hubs keep going beyond is
//! broken as a whole: its breaker opens and its hubs are not talked to for a pause. Then they are, and if nothing has
//! changed the breaker opens again after as few frames.
//!
//! A device behind a hub has an allowance of its own for answers about it that are longer than usual, far smaller than its
//! hub's: it runs out first, so that the hub's other devices can still be asked.
//!
//! ```text
//!   closed ──too many frames beyond allowances──► open ──pause──► closed
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;
use crate::budget::{AirTime, ByteRate, Pacer};

/// A hub model, for the breaker: an index below [`MODELS`], chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ModelId(pub u16);

/// Models that are told apart; more share the last breaker. SMETS1 knows a few dozen hub models.
pub const MODELS: u16 = 256;

/// How much hubs may say.
#[derive(Clone, Copy, Debug)]
pub struct ArmourRules {
    /// What one hub may send in the long run, headers included. An answer to a probe is 73 B every three seconds.
    pub hub_rate: ByteRate,
    /// How much time of that rate may come at once: 64 s of 1 kB/s hold the bitmap of the largest image.
    pub hub_burst: Duration,
    /// How far answers about one HAN device may be longer than usual in the long run, all together.
    pub device_rate: ByteRate,
    /// How much time of that rate may come at once.
    pub device_burst: Duration,
    /// So many frames beyond the allowance of their hubs open a model's breaker, if they are the greater part of what
    /// the model says within `window`.
    pub excess_frames: u32,
    /// The time over which frames are counted.
    pub window: Duration,
    /// How long a model is left alone.
    pub pause: Duration,
}

impl Default for ArmourRules {
    fn default() -> ArmourRules {
        ArmourRules {
            hub_rate: ByteRate(1_000),
            hub_burst: Duration::from_secs(64),
            device_rate: ByteRate(100),
            device_burst: Duration::from_secs(64),
            excess_frames: 100,
            window: Duration::from_secs(60),
            pause: Duration::from_secs(600),
        }
    }
}

/// What a request earns its answer, bytes with headers: the answer to a confirmed block takes 41, the state of a
/// hub's devices some 200.
const ANSWER: u64 = 256;

/// Devices that have lately been told of at length; more are told apart again when some of these have paid.
const DEVICES: usize = 4_096;

/// One model's breaker.
#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    window_began: Moment,
    heard: u32,
    excess: u32,
    /// Left alone until then.
    open_until: Moment,
    openings: u32,
}

/// The allowances of all hubs and the breakers of all models.
#[derive(Debug)]
pub(crate) struct Armour {
    rules: ArmourRules,
    allowances: Pacer,
    breakers: Vec<Breaker>,
    /// Until when a hub's devices have paid for long answers about them; most never have to.
    devices: BTreeMap<(u32, u8), Moment>,
}

impl Armour {
    pub(crate) fn new(rules: ArmourRules, start: Moment) -> Armour {
        let breakers = vec![Breaker::default(); usize::from(MODELS)];
        Armour { rules, allowances: Pacer::new(start), breakers, devices: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self) {
        self.allowances.add(());
    }

    /// Notes that so many frames were sent that will be answered: what we ask for is ours to read.
    pub(crate) fn expects(&mut self, hub: u32, answers: u32) {
        if answers == 0 {
            // Blocks that nobody answers: the hub's allowance stays where it is, in memory that is not at hand.
            return;
        }
        self.allowances.credit(hub, AirTime::of(u64::from(answers) * ANSWER, self.rules.hub_rate));
    }

    /// Decides, before anything is parsed, whether a frame of so many bytes is read.
    pub(crate) fn admits(&mut self, now: Moment, hub: u32, model: ModelId, bytes: u64) -> bool {
        let frame = AirTime::of(bytes, self.rules.hub_rate);
        let burst = AirTime::lasting(self.rules.hub_burst);
        let within = self.allowances.ready_at(hub, frame, burst) <= now;
        if within {
            self.allowances.charge(hub, now, frame);
        }
        self.count(now, model, within);
        within
    }

    /// Decides whether an answer about a HAN device is read: one of usual length always is.
    pub(crate) fn admits_device(&mut self, now: Moment, hub: u32, channel: u8, bytes: u64) -> bool {
        let beyond = bytes.saturating_sub(ANSWER);
        if beyond == 0 {
            return true;
        }
        if self.devices.len() >= DEVICES {
            self.devices.retain(|_, paid_until| *paid_until > now);
        }
        let known = self.devices.get(&(hub, channel)).copied();
        let air_time = Duration::from_micros(beyond * 1_000_000 / self.rules.device_rate.0.max(1));
        let paid_until = known.map_or(now, |paid_until| paid_until.max(now)) + air_time;
        let within = paid_until.saturating_since(now) <= self.rules.device_burst;
        if within && (known.is_some() || self.devices.len() < DEVICES) {
            self.devices.insert((hub, channel), paid_until);
        }
        within
    }

    fn count(&mut self, now: Moment, model: ModelId, within: bool) {
        let rules = self.rules;
        let breaker = &mut self.breakers[usize::from(model.0.min(MODELS - 1))];
        if now.saturating_since(breaker.window_began) > rules.window {
            *breaker = Breaker { window_began: now, heard: 0, excess: 0, ..*breaker };
        }
        breaker.heard += 1;
        breaker.excess += u32::from(!within);
        let broken = breaker.excess >= rules.excess_frames && breaker.excess * 2 > breaker.heard;
        if broken && breaker.open_until <= now {
            breaker.open_until = now + rules.pause;
            breaker.openings += 1;
            (breaker.heard, breaker.excess) = (0, 0);
        }
    }

    /// Returns until when a model is left alone, if it is.
    pub(crate) fn left_alone(&self, now: Moment, model: ModelId) -> Option<Moment> {
        let until = self.breakers[usize::from(model.0.min(MODELS - 1))].open_until;
        (until > now).then_some(until)
    }

    /// Returns how often the breaker of a model has opened.
    pub(crate) fn openings_of(&self, model: ModelId) -> u32 {
        self.breakers[usize::from(model.0.min(MODELS - 1))].openings
    }

    /// Returns how often breakers have opened.
    pub(crate) fn openings(&self) -> u64 {
        self.breakers.iter().map(|breaker| u64::from(breaker.openings)).sum()
    }
}
