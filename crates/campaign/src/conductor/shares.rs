//! Shares: how several campaigns divide what is short among them, by their weights.
//!
//! The engine sends to all hubs that it was given, whoever has the longest path first, and knows no campaigns. So while two
//! or more have images to bring, it is given no more hubs at a time than fill the head-end and each cell, and whose hub is
//! next is decided here:
//!
//! ```text
//! device to be staged ──► waits with its cell and campaign ──► slot of its cell and of the head-end ──► engine
//!                          class first, then the least `bytes / weight` so far, then the longest path
//! ```
//!
//! That is start-time fair queueing, over images instead of packets: once for each cell and once for the head-end. A cell
//! decides who is next in it only while its slots are used up; otherwise the head-end chooses among all who wait there, so
//! that what is short decides. A campaign that had nothing to send comes back at the present of the others: it neither makes up
//! for that time nor has lost anything by it, and what it left was used by the others. A carrier's budget is not shared so.
//!
//! As long as only one campaign has images to bring, nothing waits here. When a second comes, what is more than the slots is
//! taken back from the engine; hubs keep what they hold. How many slots fill a link is reckoned from the rate of lines, and
//! there are more as soon as a link is seen not to be full although somebody waits.

mod link;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::{Answer, ByteRate, CellId, Fault, Moment};

use crate::order::CampaignId;
use crate::stage::Stage;
pub(super) use link::Link;

/// Between two looks at whether links are full. A line carries some hundred blocks meanwhile.
pub(super) const LOOK: Duration = Duration::from_secs(30);

/// What the engine is doing for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) cell: CellId,
    /// What its campaign was charged.
    pub(super) bytes: u64,
}

/// What it takes to stage an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) priority: u8,
    pub(super) bytes: u64,
    pub(super) tail: Duration,
}

/// How the engine's work for a device has ended, as far as its campaign is charged for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Landing {
    /// So much was sent.
    Sent(u64),
    /// It used what it was charged.
    Taken,
    /// Nothing to speak of was sent.
    Unused,
}

impl Landing {
    pub(super) fn of(result: &Result<Answer, Fault>) -> Landing {
        match result {
            Ok(Answer::Staged(report)) => Landing::Sent(report.bytes_sent),
            Err(Fault::Unreachable { .. }) => Landing::Unused,
            _ => Landing::Taken,
        }
    }
}

/// What lies before a device; the longest first.
type Path = Reverse<Duration>;

/// Those of a campaign who wait in a cell.
type Queue = BTreeSet<(Path, Eui64)>;

/// A class and a campaign.
type Party = (u8, CampaignId);

/// Whose turn it is; lost and rebuilt by a restart.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) line: ByteRate,
    /// Devices of each campaign that are instructed and not staged.
    pub(super) left: BTreeMap<CampaignId, u64>,
    /// Two campaigns or more have something to send; `is_met`: and that was seen to.
    pub(super) is_met: bool,
    pub(super) head_end: Link,
    pub(super) cells: BTreeMap<CellId, Link>,
    /// By cell, class and campaign.
    pub(super) waiting: BTreeMap<CellId, BTreeMap<u8, BTreeMap<CampaignId, Queue>>>,
    /// Cells that have a slot, by who may be next in them.
    ready: BTreeMap<Party, BTreeSet<(Path, CellId)>>,
    next_in: BTreeMap<CellId, Vec<(Party, Path)>>,
    pub(super) looked_at: Option<Moment>,
    /// Stagings that the engine was given.
    pub(super) begun: u64,
}

impl Shares {
    pub(super) fn new(head_end: ByteRate, line: ByteRate) -> Shares {
        Shares {
            line,
            left: BTreeMap::new(),
            is_met: false,
            head_end: Link::new(head_end, line),
            cells: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ready: BTreeMap::new(),
            next_in: BTreeMap::new(),
            looked_at: None,
            begun: 0,
        }
    }

    /// Says whether campaigns have to share.
    pub(super) fn is_shared(&self) -> bool {
        self.left.len() > 1
    }

    /// Notes that a device has come to another stage.
    pub(super) fn note_stages(&mut self, campaign: &CampaignId, before: Option<Stage>, after: Option<Stage>) {
        let counts = |stage: Option<Stage>| stage == Some(Stage::Instructed);
        match (counts(before), counts(after)) {
            (false, true) => *self.left.entry(campaign.clone()).or_default() += 1,
            (true, false) => {
                if let Some(left) = self.left.get_mut(campaign) {
                    *left -= 1;
                    if *left == 0 {
                        self.left.remove(campaign);
                    }
                }
            }
            _ => {}
        }
    }

    /// Forgets a campaign that is over.
    pub(super) fn forget(&mut self, campaign: &CampaignId) {
        self.left.remove(campaign);
        for link in self.cells.values_mut().chain([&mut self.head_end]) {
            link.used.remove(campaign);
        }
        let cells: Vec<CellId> = self.waiting.keys().copied().collect();
        for cell in cells {
            for class in self.waiting.get_mut(&cell).into_iter().flat_map(BTreeMap::values_mut) {
                class.remove(campaign);
            }
            self.refresh(cell);
        }
    }

    /// Returns when links are looked at next.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.looked_at.map(|at| at + LOOK)
    }

    /// Finds out who may be next in a cell.
    pub(super) fn refresh(&mut self, cell: CellId) {
        for (party, path) in self.next_in.remove(&cell).unwrap_or_default() {
            if let Some(cells) = self.ready.get_mut(&party) {
                cells.remove(&(path, cell));
                if cells.is_empty() {
                    self.ready.remove(&party);
                }
            }
        }
        let Some(classes) = self.waiting.get_mut(&cell) else { return };
        classes.retain(|_, campaigns| {
            campaigns.retain(|_, queue| !queue.is_empty());
            !campaigns.is_empty()
        });
        let Some((class, campaigns)) = classes.first_key_value() else {
            self.waiting.remove(&cell);
            return;
        };
        let Some(link) = self.cells.get(&cell).filter(|link| link.is_free()) else { return };
        let least = campaigns.keys().min_by_key(|campaign| link.start(campaign));
        let may = campaigns.iter().filter(|(campaign, _)| !link.was_full || Some(*campaign) == least);
        let next: Vec<(Party, Path)> = may
            .filter_map(|(campaign, queue)| Some(((*class, campaign.clone()), queue.first()?.0)))
            .collect();
        for (party, path) in &next {
            self.ready.entry(party.clone()).or_default().insert((*path, cell));
        }
        self.next_in.insert(cell, next);
    }

    /// Takes whoever is next out of those who wait.
    pub(super) fn pop(&mut self) -> Option<Eui64> {
        if !self.head_end.is_free() {
            return None;
        }
        let class = self.ready.keys().next()?.0;
        let parties = self.ready.keys().take_while(|(other, _)| *other == class);
        let next = parties.min_by_key(|(_, campaign)| self.head_end.start(campaign))?.clone();
        let (_, cell) = *self.ready.get(&next)?.first()?;
        let (class, campaign) = next;
        let queue = self.waiting.get_mut(&cell)?.get_mut(&class)?.get_mut(&campaign)?;
        let (_, device) = queue.pop_first()?;
        self.refresh(cell);
        Some(device)
    }

    pub(super) fn take_all(&mut self) -> Vec<Eui64> {
        (self.ready, self.next_in) = (BTreeMap::new(), BTreeMap::new());
        let waiting = std::mem::take(&mut self.waiting).into_values().flat_map(BTreeMap::into_values);
        let queues = waiting.flat_map(BTreeMap::into_values).flatten();
        queues.map(|(_, device)| device).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::link::SLOTS_MIN;
    use super::*;

    fn name(text: &str) -> CampaignId {
        text.parse().expect("a name")
    }

    fn wait(shares: &mut Shares, cell: u32, class: u8, campaign: &str, device: u8) {
        let (cell, path) = (CellId(cell), Duration::from_secs(u64::from(device)));
        shares.cells.entry(cell).or_insert_with(|| Link::new(ByteRate(2), ByteRate(1)));
        let queue = shares.waiting.entry(cell).or_default().entry(class).or_default();
        let device = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 0, device]);
        queue.entry(name(campaign)).or_default().insert((Reverse(path), device));
        shares.refresh(cell);
    }

    fn popped(shares: &mut Shares) -> Vec<u8> {
        std::iter::from_fn(|| shares.pop()).map(|device| device.to_bytes()[7]).collect()
    }

    #[test]
    fn dormant_meters_come_before_any_weight_and_the_longest_path_first() {
        let mut shares = Shares::new(ByteRate(2), ByteRate(1));
        shares.head_end.charge(&name("a"), 1_000);
        wait(&mut shares, 0, 1, "b", 9);
        wait(&mut shares, 0, 0, "a", 1);
        wait(&mut shares, 1, 0, "a", 2);
        wait(&mut shares, 1, 0, "a", 3);
        assert_eq!(popped(&mut shares), [3, 2, 1, 9]);
    }

    #[test]
    fn a_cell_without_a_slot_holds_up_nobody_elsewhere_and_a_full_head_end_everybody() {
        let mut shares = Shares::new(ByteRate(2), ByteRate(1));
        wait(&mut shares, 0, 0, "a", 1);
        wait(&mut shares, 1, 0, "b", 2);
        shares.cells.get_mut(&CellId(0)).expect("it is there").in_flight = SLOTS_MIN;
        shares.refresh(CellId(0));
        assert_eq!(popped(&mut shares), [2]);
        shares.head_end.in_flight = SLOTS_MIN;
        shares.cells.get_mut(&CellId(0)).expect("it is there").in_flight = 0;
        shares.refresh(CellId(0));
        assert!(popped(&mut shares).is_empty());
    }

    #[test]
    fn a_cell_chooses_who_is_next_in_it_only_while_it_is_full() {
        for (is_short, expected) in [(false, [2, 1]), (true, [1, 2])] {
            let mut shares = Shares::new(ByteRate(2), ByteRate(1));
            // By what the head-end has carried the one is behind, by what the cell has the other.
            shares.head_end.charge(&name("a"), 1_000);
            wait(&mut shares, 0, 0, "a", 1);
            wait(&mut shares, 0, 0, "b", 2);
            let cell = shares.cells.get_mut(&CellId(0)).expect("it is there");
            cell.charge(&name("b"), 1_000);
            cell.was_full = is_short;
            shares.refresh(CellId(0));
            assert_eq!(popped(&mut shares), expected, "{is_short}");
        }
    }
}
