//! How often a device refused something, by the attack it would have been.

use firmware_image::Attack;

/// Refusals, counted by attack. The device tells nobody but its log and these counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttackCounts([u32; Attack::ALL.len()]);

impl AttackCounts {
    /// Returns how often this was refused.
    pub fn of(&self, attack: Attack) -> u32 {
        Attack::ALL.iter().position(|known| *known == attack).map_or(0, |place| self.0[place])
    }

    /// Returns how often anything was refused.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, attack: Attack) {
        if let Some(place) = Attack::ALL.iter().position(|known| *known == attack) {
            self.0[place] = self.0[place].saturating_add(1);
        }
    }
}
