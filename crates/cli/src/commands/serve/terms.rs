//! What a configuration settles before anything is opened: the gate, and what may be put on the air. For commands that
//! answer beforehand what the engine would do.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;

use campaign::{BudgetBook, CampaignPolicy};
use eligibility::{GateConfig, Inventory};
use fleet::{CampaignSpec, OrderTerms};
use transfer_engine::{ByteRate, CarrierPlan, EngineConfig, LineRate};

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

    /// Returns the budgets of the whole head-end; what else is configured of an engine decides nothing beforehand.
    pub(in crate::commands) fn engine(&self) -> EngineConfig {
        EngineConfig {
            global_rate: ByteRate(self.budgets.global_rate_bytes_per_s.get()),
            global_profile: self.budgets.global_profile_permille.0,
            reserve_permille: self.budgets.reserve_permille,
            ..EngineConfig::default()
        }
    }

    /// Returns what a cell that has no budget of its own may be sent.
    pub(in crate::commands) fn cell_rate(&self) -> ByteRate {
        ByteRate(self.budgets.cell_rate_bytes_per_s.get())
    }

    /// Returns how fast a hub's line is filled, as the engine is told it.
    pub(in crate::commands) fn link_rate(&self) -> LineRate {
        self.budgets.link_rate()
    }

    /// Has a world's campaign run under a policy and these budgets. Cells with a budget of their own and carriers are the
    /// caller's to find a place for: `cell_rate` is that of all cells, and `carrier` that of all homes.
    pub(in crate::commands) fn put_on(
        &self,
        campaign: &mut CampaignSpec,
        policy: CampaignPolicy,
        cell_rate: Option<ByteRate>,
        carrier: Option<CarrierPlan>,
    ) {
        let budgets = &self.budgets;
        let rate = |rate: ByteRate| NonZeroU64::new(rate.0).unwrap_or(NonZeroU64::MIN);
        let burst_ms = u32::try_from(budgets.burst().as_millis()).ok().and_then(NonZeroU32::new);
        campaign.global_rate_bytes_per_s = budgets.global_rate_bytes_per_s;
        campaign.cell_rate_bytes_per_s = cell_rate.map_or(budgets.cell_rate_bytes_per_s, rate);
        campaign.link_rate_bytes_per_s = rate(budgets.link_rate().ceiling());
        campaign.link_rate_agreed = matches!(budgets.link_rate(), LineRate::Fixed(_));
        campaign.burst_ms = burst_ms.unwrap_or(campaign.burst_ms);
        campaign.terms = Some(OrderTerms {
            policy,
            global_profile: budgets.global_profile_permille.0,
            line_burst: budgets.line_burst(),
            reserve_permille: budgets.reserve_permille,
            carrier,
        });
    }
}
