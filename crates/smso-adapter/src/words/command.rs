//! An operator's commands, and how they were met.

use campaign::{CampaignId, CampaignState, CommandRecord, Stage};
use serde::{Deserialize, Serialize};

use super::campaign::TallyView;
use super::time::rfc3339;

/// A command's reason. There are no users here, so who asks is what the caller says; whoever puts a proxy with users
/// before the engine has it fill this in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest {
    /// Who asks.
    pub by: String,
    /// Why; it stands in the ledger for good.
    pub reason: String,
}

/// How a campaign stands after a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandView {
    /// The campaign.
    pub id: CampaignId,
    /// Its phase now.
    pub phase: String,
    /// False when it was so before, and nothing was written.
    pub changed: bool,
    /// Devices that may have been told to activate and are still read back.
    pub activating: usize,
    /// The sums.
    pub tally: TallyView,
}

impl From<CommandRequest> for CommandRecord {
    fn from(request: CommandRequest) -> CommandRecord {
        CommandRecord { by: request.by, reason: request.reason }
    }
}

impl CommandView {
    pub(crate) fn of(state: &CampaignState, changed: bool) -> CommandView {
        let tally = state.tally();
        CommandView {
            id: state.id.clone(),
            phase: state.phase.as_str().to_owned(),
            changed,
            activating: [Stage::Ordered, Stage::Soaking]
                .iter()
                .filter_map(|stage| tally.by_stage.get(stage))
                .sum(),
            tally: TallyView::from(&tally),
        }
    }
}

/// Who stands behind a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// The campaign.
    pub id: CampaignId,
    /// The operators who signed its release.
    pub approved_by: Vec<String>,
    /// How many of them its policy asks for.
    pub needed: u8,
    /// Until when the release is good.
    pub expires: String,
    /// False when this very release was taken over before, and nothing was written.
    pub changed: bool,
}

impl ApprovalView {
    pub(crate) fn of(state: &CampaignState, changed: bool) -> ApprovalView {
        let approved = state.approved.as_ref();
        ApprovalView {
            id: state.id.clone(),
            approved_by: approved.map(|record| record.by.clone()).unwrap_or_default(),
            needed: state.order.policy.approvals,
            expires: rfc3339(approved.map_or(0, |record| record.expires_s.saturating_mul(1_000_000))),
            changed,
        }
    }
}
