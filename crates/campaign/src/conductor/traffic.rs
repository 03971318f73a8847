//! What operators watch: traffic by campaign and cell, sessions by what they are at. Only counted here; how it is
//! written down is for the shells.

use transfer_engine::{CellTraffic, Counters, SessionState};

use super::{CarrierTraffic, Conductor};
use crate::order::CampaignId;
use crate::state::Tally;

/// One look at everything that is counted.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// What the engine has counted since it began.
    pub engine: Counters,
    /// Hubs in each state of a session.
    pub sessions: Vec<(SessionState, u64)>,
    /// How often a hub model was left alone because it flooded us.
    pub breakers_opened: u64,
    /// The same for each hub model that was met, by manufacturer and model.
    pub models: Vec<(String, u32)>,
    /// Each cell by name.
    pub cells: Vec<(String, CellTraffic)>,
    /// Each carrier that something has been agreed about.
    pub carriers: Vec<CarrierTraffic>,
    /// Each campaign.
    pub campaigns: Vec<CampaignTraffic>,
}

/// What one campaign has cost and brought.
#[derive(Clone, Debug)]
pub struct CampaignTraffic {
    /// Which one.
    pub id: CampaignId,
    /// Its devices.
    pub tally: Tally,
    /// Bytes of stagings that have ended, headers included.
    pub wan_bytes: u64,
    /// Blocks of them that were sent again.
    pub blocks_repaired: u64,
}

impl Conductor {
    /// Returns the engine's counters.
    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    /// Returns how many hubs are being talked to.
    pub fn busy_hubs(&self) -> usize {
        self.engine.busy_hubs()
    }

    /// Counts the hubs in each state of a session, in the order of [`SessionState::ALL`].
    pub fn sessions(&self) -> [u64; SessionState::ALL.len()] {
        self.engine.sessions_by_state()
    }

    /// Counts everything. Looks at every hub and every device: for a scrape every few seconds.
    pub fn traffic(&self) -> Traffic {
        let counts = self.engine.sessions_by_state();
        let cells =
            self.cells.iter().map(|((name, _), cell)| (name.clone(), self.engine.cell_traffic(*cell)));
        let campaigns = self.campaigns.values().map(|state| CampaignTraffic {
            id: state.id.clone(),
            tally: state.tally(),
            wan_bytes: state.rows().map(|row| row.wan_bytes).sum(),
            blocks_repaired: state.rows().map(|row| u64::from(row.blocks_repaired)).sum(),
        });
        Traffic {
            engine: self.engine.counters(),
            sessions: SessionState::ALL.into_iter().zip(counts).collect(),
            breakers_opened: self.engine.breakers_opened(),
            models: self.breakers(),
            cells: cells.collect(),
            carriers: self.carriers_today(),
            campaigns: campaigns.collect(),
        }
    }
}
