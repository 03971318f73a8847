//! Which shared budgets a hub is under: its carrier is the communication services provider of the inventory, its cell the
//! inventory's, and what has been agreed about them is in a book that the operator writes.

use std::collections::BTreeMap;

use transfer_engine::{BudgetPlan, ByteRate, CarrierId, CarrierPlan, CellId, Moment};

use super::Conductor;

/// What has been agreed about carriers and cells, by their names in the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetBook {
    /// Each carrier, or SIM pool; one that is not named never binds.
    pub carriers: BTreeMap<String, CarrierPlan>,
    /// Cells with a budget of their own; all others have the usual one.
    pub cells: BTreeMap<String, BudgetPlan>,
}

/// What a carrier has carried since midnight (UTC), in both directions, and what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierTraffic {
    /// Its name.
    pub name: String,
    /// Bytes carried, headers included.
    pub bytes_today: u64,
    /// The cap in bytes, whether agreed so or in money; `None` for none.
    pub cap_bytes: Option<u64>,
}

/// The book, and what of it the engine knows already.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    book: BudgetBook,
    carriers: BTreeMap<String, CarrierId>,
    /// The rates of cells with a budget of their own.
    cell_rates: BTreeMap<CellId, ByteRate>,
}

impl Conductor {
    /// Takes the book. Call it before the first hub is talked to: before [`Conductor::resume`].
    pub fn set_budgets(&mut self, book: BudgetBook) {
        self.agreed.book = book;
    }

    /// Returns the cell of a carrier, entering both in the engine at their first use.
    pub(super) fn cell_of(&mut self, now: Moment, carrier: &str, cell: &str) -> CellId {
        let Agreed { book, carriers, cell_rates } = &mut self.agreed;
        let carrier = match (carriers.get(carrier), book.carriers.get(carrier)) {
            (Some(known), _) => *known,
            (None, Some(plan)) => {
                let id = self.engine.add_carrier(now, *plan);
                carriers.insert(carrier.to_owned(), id);
                id
            }
            // It is there from the beginning and never binds.
            (None, None) => CarrierId(0),
        };
        let own = book.cells.get(cell).copied();
        let plan = own.unwrap_or_else(|| self.settings.cell_rate.into());
        let engine = &mut self.engine;
        let known = self.cells.entry((cell.to_owned(), carrier));
        let id = *known.or_insert_with(|| engine.add_cell_of(now, carrier, plan));
        if let Some(own) = own {
            cell_rates.insert(id, own.rate);
        }
        id
    }

    /// Says whether something has been agreed about a carrier.
    pub(super) fn has_agreed_with(&self, carrier: &str) -> bool {
        self.agreed.book.carriers.contains_key(carrier)
    }

    /// Returns the rate of a cell of the inventory at the best of hours.
    pub(super) fn rate_in(&self, cell: &str) -> ByteRate {
        self.agreed.book.cells.get(cell).map_or(self.settings.cell_rate, |plan| plan.rate)
    }

    /// Returns the rate of a cell at the best of hours.
    pub(super) fn cell_rate_of(&self, cell: CellId) -> ByteRate {
        self.agreed.cell_rates.get(&cell).copied().unwrap_or(self.settings.cell_rate)
    }

    /// Returns what the carriers of the book have carried today.
    pub(super) fn carriers_today(&self) -> Vec<CarrierTraffic> {
        let book = self.agreed.book.carriers.iter();
        let today = |name| {
            let carrier = self.agreed.carriers.get(name);
            carrier.map_or(0, |carrier| self.engine.budgets().carried_today(*carrier))
        };
        book.map(|(name, plan)| CarrierTraffic {
            name: name.clone(),
            bytes_today: today(name),
            cap_bytes: Some(plan.cap.in_bytes()).filter(|cap| *cap < u64::MAX),
        })
        .collect()
    }
}
