//! Random streams of the simulated world: every draw is named by a seed, an entity and a purpose.
//!
//! Because each link, device and decision draws from its own stream, adding a draw in one place changes nothing
//! anywhere else, and the same seed gives the same world on every machine. The generator is named
//! (`Pcg64Mcg`): `StdRng` may change between releases of its library.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Bits of the longest gap: four thousand million frames are more than any link carries.
const GAP_BITS: usize = 32;

/// A stream of random numbers that belongs to one entity and one purpose.
///
/// The state is the first 16 bytes of SHA-256 over a domain tag, the seed, the entity and the purpose, so that
/// neighbouring seeds and entities share nothing. Building one costs about 0.1 µs.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64Mcg);

/// What a stream is drawn for; the number is part of every seed's meaning and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Purpose {
    /// Which link, status, evidence and faults a home gets.
    Home = 1,
    /// Loss and jitter from the head-end to the hub.
    WanDown = 2,
    /// Loss and jitter from the hub to the head-end.
    WanUp = 3,
    /// Loss on the home's radio.
    Han = 4,
    /// Phases and faults of one device.
    Device = 5,
    /// The order of one deck of cards that is dealt to the homes.
    Deck = 6,
    /// Datagrams that others overtake, in one direction of a link.
    Reordering = 7,
    /// Datagrams whose bits flip, in one direction of a link.
    Corruption = 8,
    /// When a link carries in one direction only.
    HalfOpen = 9,
    /// When a cell has too much to carry.
    CellCongestion = 10,
    /// When the rate of a link collapses.
    RateCollapse = 11,
    /// When a device starts again by itself.
    Reboot = 12,
    /// When the mains of a home fail.
    PowerCut = 13,
    /// When the clock of a device jumps, and how far.
    ClockJump = 14,
    /// When a device is replaced.
    Swap = 15,
    /// Which answers to activations are lost.
    ActivationAnswer = 16,
    /// When the hubs of one model storm.
    Storm = 17,
    /// When the supplier of a home changes.
    SupplierChange = 18,
    /// How far the clock of a hub is off at first.
    ClockOffset = 19,
    /// When a bit of a device's flash flips, and which.
    BitRot = 20,
    /// Which sector of a home's flash is worn, and how.
    Wear = 21,
}

impl Stream {
    /// Opens the stream of `purpose` for `entity` under `seed`.
    pub(crate) fn open(seed: u64, entity: u64, purpose: Purpose) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"lamplighter/random/v1\0");
        hash.update(seed.to_be_bytes());
        hash.update(entity.to_be_bytes());
        hash.update((purpose as u32).to_be_bytes());
        let digest = hash.finalize();
        let mut state = [0u8; 16];
        state.copy_from_slice(&digest[..16]);
        Stream(Pcg64Mcg::new(u128::from_be_bytes(state)))
    }

    /// Draws whether an event of this share happens; a share of zero or one costs no draw.
    pub(crate) fn happens(&mut self, share: Share) -> bool {
        match share.threshold() {
            0 => false,
            u64::MAX => true,
            threshold => self.0.next_u64() < threshold,
        }
    }

    /// Draws how many trials fail before one of this share happens; a share of zero or one costs no draw.
    ///
    /// By inversion, with products of powers instead of logarithms: a product is the same on every machine.
    pub(crate) fn gap(&mut self, share: Share) -> u64 {
        if share <= Share::NONE {
            return u64::MAX;
        }
        if share >= Share::ALL {
            return 0;
        }
        // 53 bits, never zero: P(gap >= n) = P(drawn <= (1 - share)^n).
        let drawn = ((self.0.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        let mut powers = [0.0; GAP_BITS];
        powers[0] = 1.0 - share.value();
        for bit in 1..GAP_BITS {
            powers[bit] = powers[bit - 1] * powers[bit - 1];
        }
        let (mut gap, mut reached) = (0, 1.0);
        for bit in (0..GAP_BITS).rev() {
            if reached * powers[bit] >= drawn {
                reached *= powers[bit];
                gap |= 1 << bit;
            }
        }
        gap
    }

    /// Draws a span in [0, `below`), to the microsecond.
    pub(crate) fn span(&mut self, below: Duration) -> Duration {
        let micros = u64::try_from(below.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros))
    }

    /// Draws a whole number below `bound`, which must be positive.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Multiply-shift: the bias of 2^-64 times the bound is far below anything a simulation can show.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// Returns the seed of a region of a world: regions share nothing but the world's seed.
pub fn region_seed(seed: u64, region: u32) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"lamplighter/region/v1\0");
    hash.update(seed.to_be_bytes());
    hash.update(region.to_be_bytes());
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest is longer than eight bytes"))
}

/// Losses that strike each frame of a link independently, drawn as gaps: how many frames pass until one is lost.
///
/// A run of frames that nothing strikes is then one subtraction, and a frame costs a draw only when it is lost.
#[derive(Clone, Debug)]
pub(crate) struct Losses {
    stream: Stream,
    share: Share,
    /// Frames that will pass before the next one is lost; without bound where nothing is ever lost.
    clear: u64,
}

impl Losses {
    /// Draws losses of this share from a stream.
    pub(crate) fn new(share: Share, mut stream: Stream) -> Losses {
        let clear = stream.gap(share);
        Losses { stream, share, clear }
    }

    /// Takes the next frame, and returns whether it is lost.
    pub(crate) fn strike(&mut self) -> bool {
        if self.clear == 0 {
            self.clear = self.stream.gap(self.share);
            return true;
        }
        self.pass(1);
        false
    }

    /// Ends losses.
    pub(crate) fn calm(&mut self) {
        self.share = Share::NONE;
        self.clear = u64::MAX;
    }

    /// Returns how many frames will pass before one is lost.
    pub(crate) fn clear_run(&self) -> u64 {
        self.clear
    }

    /// Lets so many frames pass, which must be no more than [`Losses::clear_run`].
    pub(crate) fn pass(&mut self, frames: u64) {
        if self.share > Share::NONE {
            debug_assert!(frames <= self.clear, "a loss was passed over");
            self.clear -= frames;
        }
    }
}

/// A probability or a part of a whole, between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

impl Share {
    /// Nothing, never.
    pub const NONE: Share = Share(0.0);
    /// Everything, always.
    pub const ALL: Share = Share(1.0);

    /// Makes a share, or `None` outside 0 to 1.
    pub fn new(value: f64) -> Option<Share> {
        (0.0..=1.0).contains(&value).then_some(Share(value))
    }

    /// Returns the share as a number between 0 and 1.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// The share on the scale of 64-bit draws; 1.0 saturates to `u64::MAX`.
    fn threshold(self) -> u64 {
        (self.0 * 18_446_744_073_709_551_616.0) as u64
    }
}

impl TryFrom<f64> for Share {
    type Error = NotAShare;

    fn try_from(value: f64) -> Result<Share, NotAShare> {
        Share::new(value).ok_or(NotAShare)
    }
}

/// A number that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a share between 0 and 1")]
pub struct NotAShare;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_pinned_to_known_values() {
        // A change here changes every world of every seed: it must be meant.
        // The number was computed apart, from the definitions of SHA-256 and of PCG's XSL-RR output.
        assert_eq!(Stream::open(7, 0, Purpose::Home).0.next_u64(), 12_692_113_265_658_682_912);
    }

    #[test]
    fn neighbouring_seeds_entities_and_purposes_share_nothing() {
        let mut first: Vec<u64> = Vec::new();
        for seed in 0..4 {
            for entity in 0..4 {
                for purpose in [Purpose::Home, Purpose::WanDown, Purpose::WanUp, Purpose::Han] {
                    first.push(Stream::open(seed, entity, purpose).0.next_u64());
                }
            }
        }
        let drawn = first.len();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), drawn);
    }

    #[test]
    fn never_is_never_always_is_always_and_a_tenth_is_a_tenth() {
        let mut stream = Stream::open(1, 2, Purpose::Han);
        let count = |stream: &mut Stream, share: f64| {
            (0..100_000).filter(|_| stream.happens(Share::new(share).expect("a share"))).count()
        };
        assert_eq!(count(&mut stream, 0.0), 0);
        assert_eq!(count(&mut stream, 1.0), 100_000);
        assert!((9_700..10_300).contains(&count(&mut stream, 0.1)));
    }

    #[test]
    fn losses_drawn_as_gaps_have_their_share_and_a_run_may_be_passed_at_once() {
        let share = Share::new(0.01).expect("a share");
        let losses = || Losses::new(share, Stream::open(3, 4, Purpose::Han));
        let mut singly = losses();
        let struck: Vec<u32> = (0..1_000_000).filter(|_| singly.strike()).collect();
        assert!((9_700..10_300).contains(&struck.len()), "{}", struck.len());
        let (mut at_once, mut next, mut found) = (losses(), 0, Vec::new());
        while found.len() < struck.len() {
            let clear = at_once.clear_run();
            at_once.pass(clear);
            next += u32::try_from(clear).expect("a short gap");
            assert!(at_once.strike());
            found.push(next);
            next += 1;
        }
        assert_eq!(found, struck);
        let mut never = Losses::new(Share::NONE, Stream::open(3, 4, Purpose::Han));
        let mut always = Losses::new(Share::ALL, Stream::open(3, 4, Purpose::Han));
        assert!((0..1_000).all(|_| !never.strike() && always.strike()));
    }

    #[test]
    fn spans_and_numbers_stay_within_their_bounds() {
        let mut stream = Stream::open(1, 2, Purpose::Device);
        for _ in 0..1_000 {
            assert!(stream.span(Duration::from_millis(3)) < Duration::from_millis(3));
            assert!(stream.below(3) < 3);
        }
        assert_eq!(stream.span(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_share_outside_zero_to_one_is_refused() {
        assert!(Share::new(-0.1).is_none() && Share::new(1.1).is_none() && Share::new(f64::NAN).is_none());
    }
}
