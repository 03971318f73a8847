//! Waves: who is served when. A pure function of the eligible devices and the policy.
//!
//! Devices of one installation are kept in one wave, because they share a hub and a WAN link, and because a
//! home should be visited once. Installations with a Dormant Meter to serve come first (TMAD clause 4.24, as
//! the conclusions report describes it); within a class they keep the order of the inventory.

use std::collections::BTreeMap;

use firmware_image::Eui64;

use crate::policy::Permille;

/// A device that the gate allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) device: Eui64,
    pub(crate) installation: String,
    /// 0 for a Dormant Meter, 1 for a device associated with one.
    pub(crate) priority: u8,
}

/// Deals the candidates into waves; returns the wave of each, in the order of the candidates.
pub(crate) fn deal_waves(candidates: &[Candidate], shares: &[Permille]) -> Vec<u16> {
    let mut best: BTreeMap<&str, u8> = BTreeMap::new();
    let mut installations: Vec<&str> = Vec::new();
    for candidate in candidates {
        let name = candidate.installation.as_str();
        match best.get_mut(name) {
            Some(priority) => *priority = (*priority).min(candidate.priority),
            None => {
                best.insert(name, candidate.priority);
                installations.push(name);
            }
        }
    }
    installations.sort_by_key(|name| best[name]);
    let mut wave_of: BTreeMap<&str, u16> = BTreeMap::new();
    let mut next = 0;
    for (wave, share) in shares.iter().enumerate() {
        let size = share.of(installations.len());
        for name in installations.iter().skip(next).take(size) {
            wave_of.insert(name, wave as u16);
        }
        next += size;
    }
    let rest = shares.len() as u16;
    candidates.iter().map(|one| wave_of.get(one.installation.as_str()).copied().unwrap_or(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u8, installation: &str, priority: u8) -> Candidate {
        let device = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 0, number]);
        Candidate { device, installation: installation.to_owned(), priority }
    }

    #[test]
    fn dormant_installations_come_first_and_homes_stay_together() {
        let candidates = [
            candidate(1, "a", 1),
            candidate(2, "b", 1),
            candidate(3, "b", 0),
            candidate(4, "c", 0),
            candidate(5, "d", 1),
        ];
        // One of four installations in the pilot, two in the first wave, the rest in the last.
        let waves = deal_waves(&candidates, &[Permille(250), Permille(500)]);
        assert_eq!(waves, [1, 0, 0, 1, 2]);
    }

    #[test]
    fn a_pilot_is_never_empty() {
        assert_eq!(deal_waves(&[candidate(1, "a", 0)], &[Permille(10)]), [0]);
    }
}
