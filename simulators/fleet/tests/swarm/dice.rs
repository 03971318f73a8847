//! Dice: what a seed decides about its plan. Not the fleet's streams, so that a plan can change without changing what a
//! world does.

use fleet::{PerDay, Share};

/// A stream of numbers (SplitMix64, Steele and others 2014).
pub struct Dice(u64);

impl Dice {
    /// Makes dice for a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5357_4152_4D00_0001)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws a whole number of a range, both ends included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + ((u128::from(self.next()) * u128::from(most - least + 1)) >> 64) as u64
    }

    /// Draws whether something is so, with a probability of one in so many.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.between(1, many) == 1
    }

    /// Draws a share between two, in thousandths.
    pub fn share(&mut self, least: u64, most: u64) -> Share {
        Share::new(self.between(least, most) as f64 / 1_000.0).expect("thousandths below a thousand")
    }

    /// Draws a share, or none in half of all cases.
    pub fn perhaps(&mut self, least: u64, most: u64) -> Share {
        let share = self.share(least, most);
        if self.one_in(2) { share } else { Share::NONE }
    }

    /// Draws a rate per day between two, or never in half of all cases.
    pub fn perhaps_per_day(&mut self, least: u64, most: u64) -> PerDay {
        let rate = PerDay::new(self.between(least, most) as f64).expect("fewer than one a minute");
        if self.one_in(2) { rate } else { PerDay::NEVER }
    }
}
