//! Groups of devices that are at risk together: what the limits of the policy are about. Who waits for whom because of
//! them is the conductor's.

use std::fmt;

use eligibility::{CellId, DeviceView, PostcodeDistrict, SupplierId};
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
    /// The devices in one postcode district.
    District(PostcodeDistrict),
}

impl fmt::Display for RiskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RiskGroup::Supplier(name) => write!(f, "supplier {name}"),
            RiskGroup::Model(name) => write!(f, "model {name}"),
            RiskGroup::Cell(name) => write!(f, "cell {name}"),
            RiskGroup::District(name) => write!(f, "postcode district {name}"),
        }
    }
}

impl CampaignPolicy {
    /// Says whether any group has a limit.
    pub(crate) fn limits_risk(&self) -> bool {
        let limits = [
            self.at_risk_most_per_supplier,
            self.at_risk_most_per_model,
            self.at_risk_most_per_cell,
            self.at_risk_most_per_district,
        ];
        limits.iter().any(|most| *most > 0)
    }

    /// Returns how many devices of a group may be at risk at a time; 0 is no limit.
    pub(crate) fn most_at_risk(&self, group: &RiskGroup) -> u32 {
        match group {
            RiskGroup::Supplier(_) => self.at_risk_most_per_supplier,
            RiskGroup::Model(_) => self.at_risk_most_per_model,
            RiskGroup::Cell(_) => self.at_risk_most_per_cell,
            RiskGroup::District(_) => self.at_risk_most_per_district,
        }
    }

    /// Returns the groups of a device that have a limit; `model` is what its model is called. One whose district nobody
    /// knows is in none.
    pub(crate) fn groups_of(&self, found: &DeviceView<'_>, model: String) -> Vec<RiskGroup> {
        let known = [RiskGroup::Supplier(found.supplier.clone()), RiskGroup::Model(model)];
        let place = RiskGroup::Cell(found.cell.clone());
        let district = found.postcode_district.cloned().map(RiskGroup::District);
        let groups = known.into_iter().chain([place]).chain(district);
        groups.filter(|group| self.most_at_risk(group) > 0).collect()
    }
}
