//! What a configuration settles before anything is opened: the gate, and what may be put on the air. For commands that
//! answer beforehand what the engine would do.

use std::path::Path;

use campaign::BudgetBook;
use eligibility::{GateConfig, Inventory};
use transfer_engine::{ByteRate, LineRate};

use super::budgets::Budgets;
use super::config::{Config, Gate};
use crate::exit::{ExitCode, Failure};

/// The terms under which a campaign would be run.
pub(in crate::commands) struct Terms {
    pub(in crate::commands) gate: GateConfig,
    budgets: Budgets,
}

impl Terms {
    /// Reads them from the configuration of `serve`, or takes its defaults.
    pub(in crate::commands) fn read(path: Option<&Path>) -> Result<Terms, Failure> {
        let Some(path) = path else {
            return Ok(Terms { gate: Gate::default().config(), budgets: Budgets::default() });
        };
        let config = Config::read(path)?;
        Ok(Terms { gate: config.gate(), budgets: config.budgets })
    }

    /// Checks that carriers and cells with a budget of their own are in the inventory.
    pub(in crate::commands) fn book(&self, inventory: &Inventory) -> Result<BudgetBook, Failure> {
        self.budgets
            .book(inventory)
            .map_err(|fault| Failure::message(ExitCode::BadInput, format_args!("the configuration, {fault}")))
    }

    /// Returns what the whole head-end may send of blocks.
    pub(in crate::commands) fn head_end_rate(&self) -> ByteRate {
        self.for_blocks(self.budgets.global_rate_bytes_per_s.get())
    }

    /// Returns what a cell that has no budget of its own may be sent of blocks.
    pub(in crate::commands) fn cell_rate(&self) -> ByteRate {
        self.for_blocks(self.budgets.cell_rate_bytes_per_s.get())
    }

    /// Returns how fast a hub's line is filled, as the engine is told it.
    pub(in crate::commands) fn link_rate(&self) -> LineRate {
        self.budgets.link_rate()
    }

    /// Returns what requests leave to blocks of a shared budget.
    pub(in crate::commands) fn for_blocks(&self, rate: u64) -> ByteRate {
        let reserved = u64::from(self.budgets.reserve_permille.min(1_000));
        ByteRate(rate - rate / 1_000 * reserved)
    }
}
