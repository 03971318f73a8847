//! Groups of devices that are at risk together: what the limits of the policy are about. Who waits for whom because of
//! them is the conductor's.

use std::fmt;

use eligibility::{CellId, SupplierId};
use serde::{Deserialize, Serialize};

use crate::policy::CampaignPolicy;

/// Devices that are at risk together. In a record it is one word and a name, such as `{"supplier":"SUP-1"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskGroup {
    /// The devices of one supplier.
    Supplier(SupplierId),
    /// The devices of one model, as manufacturer and model of the product list.
    Model(String),
    /// The devices in one radio cell.
    Cell(CellId),
}

impl fmt::Display for RiskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RiskGroup::Supplier(name) => write!(f, "supplier {name}"),
            RiskGroup::Model(name) => write!(f, "model {name}"),
            RiskGroup::Cell(name) => write!(f, "cell {name}"),
        }
    }
}

impl CampaignPolicy {
    /// Says whether any group has a limit.
    pub(crate) fn limits_risk(&self) -> bool {
        let limits =
            [self.at_risk_most_per_supplier, self.at_risk_most_per_model, self.at_risk_most_per_cell];
        limits.iter().any(|most| *most > 0)
    }

    /// Returns how many devices of a group may be at risk at a time; 0 is no limit.
    pub(crate) fn most_at_risk(&self, group: &RiskGroup) -> u32 {
        match group {
            RiskGroup::Supplier(_) => self.at_risk_most_per_supplier,
            RiskGroup::Model(_) => self.at_risk_most_per_model,
            RiskGroup::Cell(_) => self.at_risk_most_per_cell,
        }
    }
}
