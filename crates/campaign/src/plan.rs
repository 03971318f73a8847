//! Waves: who is served when. A pure function of the eligible devices and the policy.
//!
//! Devices of one installation are kept in one wave, because they share a hub and a WAN link, and because a
//! home should be visited once. Installations with a Dormant Meter to serve come first (TMAD clause 4.24, as
//! the conclusions report describes it); within a class they keep the order of the inventory, but for the floor of the policy.

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
    pub(crate) supplier: String,
}

/// A home to be served, as its most urgent device has it.
#[derive(Clone, Copy, Debug)]
struct Visit<'a> {
    installation: &'a str,
    priority: u8,
    supplier: &'a str,
}

/// Deals the candidates into waves; returns the wave of each, in the order of the candidates. Of the homes of one class
/// each wave takes up to `floor` of every supplier first.
pub(crate) fn deal_waves(candidates: &[Candidate], shares: &[Permille], floor: usize) -> Vec<u16> {
    let mut left = visits(candidates);
    let homes = left.len();
    let mut wave_of: BTreeMap<&str, u16> = BTreeMap::new();
    for (wave, share) in shares.iter().enumerate() {
        put_floors_first(&mut left, floor);
        let size = share.of(homes).min(left.len());
        wave_of.extend(left.drain(..size).map(|visit| (visit.installation, wave as u16)));
    }
    let rest = shares.len() as u16;
    candidates.iter().map(|one| wave_of.get(one.installation.as_str()).copied().unwrap_or(rest)).collect()
}

/// Returns each home once: those with a Dormant Meter first, otherwise in the order of the candidates.
fn visits(candidates: &[Candidate]) -> Vec<Visit<'_>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut visits: Vec<Visit<'_>> = Vec::new();
    for Candidate { installation, priority, supplier, .. } in candidates {
        let visit = Visit { installation, priority: *priority, supplier };
        match places.get(installation.as_str()).and_then(|place| visits.get_mut(*place)) {
            Some(known) if *priority < known.priority => *known = visit,
            Some(_) => {}
            None => {
                places.insert(installation, visits.len());
                visits.push(visit);
            }
        }
    }
    visits.sort_by_key(|visit| visit.priority);
    visits
}

/// Moves up to `floor` homes of every supplier to the front of their class, one of each in turn, so that a supplier with
/// few homes does not wait behind one with many.
fn put_floors_first(visits: &mut [Visit<'_>], floor: usize) {
    let mut before: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    let mut keyed: Vec<(u8, usize, Visit<'_>)> = Vec::with_capacity(visits.len());
    for visit in visits.iter() {
        let round = before.entry((visit.priority, visit.supplier)).or_default();
        keyed.push((visit.priority, (*round).min(floor), *visit));
        *round += 1;
    }
    // Stable: within a round, and behind the floors, homes keep their order.
    keyed.sort_by_key(|(priority, round, _)| (*priority, *round));
    for (place, (_, _, visit)) in visits.iter_mut().zip(keyed) {
        *place = visit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u8, installation: &str, priority: u8) -> Candidate {
        of_supplier(number, installation, priority, "one")
    }

    fn of_supplier(number: u8, installation: &str, priority: u8, supplier: &str) -> Candidate {
        let device = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 0, number]);
        let (installation, supplier) = (installation.to_owned(), supplier.to_owned());
        Candidate { device, installation, priority, supplier }
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
        let waves = deal_waves(&candidates, &[Permille(250), Permille(500)], 0);
        assert_eq!(waves, [1, 0, 0, 1, 2]);
    }

    #[test]
    fn a_pilot_is_never_empty() {
        assert_eq!(deal_waves(&[candidate(1, "a", 0)], &[Permille(10)], 0), [0]);
    }

    #[test]
    fn a_floor_gives_every_supplier_homes_in_every_wave_and_none_comes_before_a_dormant_one() {
        let homes = ["a", "b", "c", "d", "e", "f", "g", "h"];
        // Six Dormant homes of the large supplier stand before the only one of the small; one of the tiny is not Dormant.
        let supplier = |place: usize| ["large", "small", "tiny"][place.saturating_sub(5)];
        let candidates: Vec<Candidate> = (0u8..)
            .zip(homes)
            .map(|(place, home)| {
                let supplier = supplier(usize::from(place));
                of_supplier(place, home, u8::from(supplier == "tiny"), supplier)
            })
            .collect();
        let waves = [Permille(250), Permille(250)];
        assert_eq!(deal_waves(&candidates, &waves, 0), [0, 0, 1, 1, 2, 2, 2, 2]);
        // The large and the small supplier have their turns alternately; the tiny one waits for all Dormant Meters.
        assert_eq!(deal_waves(&candidates, &waves, 1), [0, 1, 1, 2, 2, 2, 0, 2]);
        assert_eq!(deal_waves(&candidates, &[Permille(875)], 1)[7], 1);
    }
}
