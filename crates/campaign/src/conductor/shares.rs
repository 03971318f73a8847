//! Shares: how several campaigns divide what is short among them, by their weights.
//!
//! The engine sends to all hubs that it was given, whoever has the longest path first, and knows no campaigns. So while two
//! or more have images to bring, it is given no more hubs at a time than fill the head-end, each carrier and each cell, and
//! whose hub is next is decided here:
//!
//! ```text
//! device to be staged ──► waits with its cell and campaign ──► slot of cell, carrier and head-end ──► engine
//!                          class first, then the least `bytes / weight` so far, then the longest path
//! ```
//!
//! That is start-time fair queueing, over images instead of packets: once for each cell, each carrier and the head-end. A cell
//! or a carrier decides who is next in it only while its slots are used up; otherwise the one above chooses among all who wait
//! there, so that what is short decides. A campaign that had nothing to send comes back at the present of the others: it
//! neither makes up for that time nor has lost anything by it, and what it left was used by the others.
//!
//! As long as only one campaign has images to bring, nothing waits here. When a second comes, what is more than the slots is
//! taken back from the engine; hubs keep what they hold. How many slots fill a link is reckoned from the rate of lines, and
//! there are more as soon as a link is seen not to be full although somebody waits.

mod branch;
mod link;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::{Answer, ByteRate, CarrierId, CellId, Fault, Moment};

use crate::order::CampaignId;
use crate::stage::Stage;
pub(super) use branch::Branch;
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
    pub(super) head_end: Branch<CarrierId>,
    pub(super) carriers: BTreeMap<CarrierId, Branch<CellId>>,
    pub(super) cells: BTreeMap<CellId, (CarrierId, Link)>,
    /// By cell, class and campaign.
    pub(super) waiting: BTreeMap<CellId, BTreeMap<u8, BTreeMap<CampaignId, Queue>>>,
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
            head_end: Branch::new(head_end, line),
            carriers: BTreeMap::new(),
            cells: BTreeMap::new(),
            waiting: BTreeMap::new(),
            looked_at: None,
            begun: 0,
        }
    }

    /// Says whether campaigns have to share.
    pub(super) fn is_shared(&self) -> bool {
        self.left.len() > 1
    }

    /// Says whether a device waits for its campaign's turn. Looks at all who wait: for a question of somebody's.
    pub(super) fn has_waiting(&self, device: Eui64) -> bool {
        let queues = self.waiting.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        queues.flatten().any(|(_, waiting)| *waiting == device)
    }

    /// Enters a cell at its first use, and its carrier.
    pub(super) fn enter(&mut self, cell: CellId, rate: ByteRate, carrier: CarrierId, carrier_rate: ByteRate) {
        let line = self.line;
        self.carriers.entry(carrier).or_insert_with(|| Branch::new(carrier_rate, line));
        self.cells.entry(cell).or_insert_with(|| (carrier, Link::new(rate, line)));
    }

    /// Returns what images for a cell go through: its own link, its carrier's and the head-end's.
    pub(super) fn links_of(&mut self, cell: CellId) -> impl Iterator<Item = &mut Link> {
        let own = self.cells.get_mut(&cell);
        let carrier = own.as_ref().and_then(|(carrier, _)| self.carriers.get_mut(carrier));
        let above = [carrier.map(|branch| &mut branch.link), Some(&mut self.head_end.link)];
        own.map(|(_, link)| link).into_iter().chain(above.into_iter().flatten())
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
        let cells = self.cells.values_mut().map(|(_, link)| link);
        let carriers = self.carriers.values_mut().map(|branch| &mut branch.link);
        for link in cells.chain(carriers).chain([&mut self.head_end.link]) {
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

    /// Finds out who may be next in a cell, and so in its carrier.
    pub(super) fn refresh(&mut self, cell: CellId) {
        let Some((carrier, link)) = self.cells.get(&cell) else { return };
        let next = match self.waiting.get_mut(&cell) {
            Some(classes) => {
                classes.retain(|_, campaigns| {
                    campaigns.retain(|_, queue| !queue.is_empty());
                    !campaigns.is_empty()
                });
                let waiting = classes.first_key_value().into_iter().flat_map(|(class, campaigns)| {
                    campaigns
                        .iter()
                        .filter_map(|(campaign, queue)| Some(((*class, campaign.clone()), queue.first()?.0)))
                });
                link.may_be_next(waiting)
            }
            None => Vec::new(),
        };
        if self.waiting.get(&cell).is_some_and(BTreeMap::is_empty) {
            self.waiting.remove(&cell);
        }
        if let Some(branch) = self.carriers.get_mut(carrier) {
            branch.note(cell, next);
            self.head_end.note(*carrier, branch.next());
        }
    }

    /// Takes whoever is next out of those who wait.
    pub(super) fn pop(&mut self) -> Option<Eui64> {
        let party = self.head_end.turn()?;
        let carrier = self.head_end.place_of(&party)?;
        let cell = self.carriers.get(&carrier)?.place_of(&party)?;
        let (class, campaign) = party;
        let queue = self.waiting.get_mut(&cell)?.get_mut(&class)?.get_mut(&campaign)?;
        let (_, device) = queue.pop_first()?;
        self.refresh(cell);
        Some(device)
    }

    pub(super) fn take_all(&mut self) -> Vec<Eui64> {
        self.head_end.clear();
        self.carriers.values_mut().for_each(Branch::clear);
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
        shares.enter(cell, ByteRate(2), CarrierId(cell.0 as u16 / 2), ByteRate(2));
        let queue = shares.waiting.entry(cell).or_default().entry(class).or_default();
        let device = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 0, device]);
        queue.entry(name(campaign)).or_default().insert((Reverse(path), device));
        shares.refresh(cell);
    }

    fn cell(shares: &mut Shares, number: u32) -> &mut Link {
        &mut shares.cells.get_mut(&CellId(number)).expect("it is there").1
    }

    fn popped(shares: &mut Shares) -> Vec<u8> {
        std::iter::from_fn(|| shares.pop()).map(|device| device.to_bytes()[7]).collect()
    }

    #[test]
    fn dormant_meters_come_before_any_weight_and_the_longest_path_first() {
        let mut shares = Shares::new(ByteRate(2), ByteRate(1));
        shares.head_end.link.charge(&name("a"), 1_000);
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
        cell(&mut shares, 0).in_flight = SLOTS_MIN;
        shares.refresh(CellId(0));
        assert_eq!(popped(&mut shares), [2]);
        shares.head_end.link.in_flight = SLOTS_MIN;
        cell(&mut shares, 0).in_flight = 0;
        shares.refresh(CellId(0));
        assert!(popped(&mut shares).is_empty());
    }

    #[test]
    fn a_cell_chooses_who_is_next_in_it_only_while_it_is_full() {
        for (is_short, expected) in [(false, [2, 1]), (true, [1, 2])] {
            let mut shares = Shares::new(ByteRate(2), ByteRate(1));
            // By what the head-end has carried the one is behind, by what the cell has the other.
            shares.head_end.link.charge(&name("a"), 1_000);
            wait(&mut shares, 0, 0, "a", 1);
            wait(&mut shares, 0, 0, "b", 2);
            let cell = cell(&mut shares, 0);
            cell.charge(&name("b"), 1_000);
            cell.was_full = is_short;
            shares.refresh(CellId(0));
            assert_eq!(popped(&mut shares), expected, "{is_short}");
        }
    }

    /// Cells 0 and 1 are the one carrier's, cell 2 another's.
    #[test]
    fn a_carrier_chooses_among_all_its_cells_while_it_is_full_and_only_for_them() {
        for (is_short, expected) in [(false, [3, 1, 2]), (true, [3, 2, 1])] {
            let mut shares = Shares::new(ByteRate(2), ByteRate(1));
            shares.head_end.link.charge(&name("a"), 1_000);
            shares.head_end.link.charge(&name("b"), 2_000);
            wait(&mut shares, 0, 0, "a", 1);
            wait(&mut shares, 1, 0, "b", 2);
            wait(&mut shares, 2, 0, "a", 3);
            let carrier = &mut shares.carriers.get_mut(&CarrierId(0)).expect("it is there").link;
            carrier.charge(&name("a"), 1_000);
            carrier.was_full = is_short;
            shares.refresh(CellId(0));
            assert_eq!(popped(&mut shares), expected, "{is_short}");
        }
    }

    #[test]
    fn a_carrier_without_a_slot_holds_up_nobody_on_another() {
        let mut shares = Shares::new(ByteRate(2), ByteRate(1));
        wait(&mut shares, 0, 0, "a", 1);
        wait(&mut shares, 1, 0, "b", 2);
        wait(&mut shares, 2, 0, "b", 3);
        shares.carriers.get_mut(&CarrierId(0)).expect("it is there").link.in_flight = SLOTS_MIN;
        shares.refresh(CellId(1));
        assert_eq!(popped(&mut shares), [3]);
    }
}
