//! An emulated line: air time, delay, a bounded buffer, and what goes wrong on the way.

use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use transfer_engine::Moment;

/// IP and UDP headers, bytes.
const OVERHEAD: usize = 28;

/// The numbers of a line, the same both ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) bits_per_s: u64,
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    pub(crate) duplicates: f64,
    /// The share of datagrams that others may overtake.
    pub(crate) stragglers: f64,
    pub(crate) buffer: usize,
}

impl Profile {
    /// The 2G line of the measurements: 40 kbit/s, 0.76 s there and back.
    pub(crate) fn gprs(loss: f64) -> Profile {
        Profile {
            bits_per_s: 40_000,
            latency: Duration::from_millis(380),
            jitter: Duration::ZERO,
            loss,
            duplicates: 0.0,
            stragglers: 0.0,
            buffer: 65_536,
        }
    }
}

/// One direction of a line.
#[derive(Debug)]
pub(crate) struct Direction {
    pub(crate) profile: Profile,
    free_at: Moment,
    last_arrival: Moment,
    /// Bytes that used the air.
    pub(crate) carried: u64,
    /// Bytes that the radio lost.
    pub(crate) lost: u64,
    /// The longest wait for the air.
    pub(crate) deepest: Duration,
}

impl Direction {
    pub(crate) fn new(profile: Profile) -> Direction {
        let (free_at, last_arrival) = (Moment::default(), Moment::default());
        Direction { profile, free_at, last_arrival, carried: 0, lost: 0, deepest: Duration::ZERO }
    }

    /// Says when a datagram arrives: never, once or twice.
    pub(crate) fn carry(&mut self, random: &mut Pcg64Mcg, now: Moment, len: usize) -> Vec<Moment> {
        let bits = ((len + OVERHEAD) * 8) as u64;
        let air = Duration::from_nanos(bits * 1_000_000_000 / self.profile.bits_per_s);
        let waits = self.free_at.saturating_since(now);
        let room = Duration::from_nanos(self.profile.buffer as u64 * 8_000_000_000 / self.profile.bits_per_s);
        if waits + air > room {
            return Vec::new();
        }
        self.deepest = self.deepest.max(waits);
        self.free_at = self.free_at.max(now) + air;
        self.carried += (len + OVERHEAD) as u64;
        if random.random_bool(self.profile.loss) {
            self.lost += (len + OVERHEAD) as u64;
            return Vec::new();
        }
        let jitter = self.profile.jitter.mul_f64(random.random_range(0.0..1.0));
        let mut arrival = (self.free_at + self.profile.latency + jitter).max(self.last_arrival);
        if random.random_bool(self.profile.stragglers) {
            arrival = arrival + Duration::from_millis(random.random_range(0..3_000));
        } else {
            self.last_arrival = arrival;
        }
        let mut arrivals = vec![arrival];
        if random.random_bool(self.profile.duplicates) {
            arrivals.push(arrival + Duration::from_millis(random.random_range(0..2_000)));
        }
        arrivals
    }
}
