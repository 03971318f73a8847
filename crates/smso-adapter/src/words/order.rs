//! The order as it is asked for.

use std::fmt;

use campaign::{CampaignId, CampaignOrder, CampaignPolicy, Conductor, OrderError, Target, instructing_party};
use eligibility::SmsoId;
use firmware_image::Eui64;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::{Problem, ProblemKind};

/// An order to bring images to devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Its name; one is made when there is none. Giving one makes it safe to ask twice: the second time is
    /// answered with 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CampaignId>,
    /// Who instructs; only `DCC` passes the gate.
    pub instructing_party: String,
    /// The SMSO that is addressed.
    pub smso: String,
    /// The images, by the digest of their file, and the product list entries they bring devices to. Of several for one
    /// model the newest is where devices are to go; those that may not take it directly go over the others.
    pub targets: Vec<Target>,
    /// The devices.
    pub devices: DeviceSelection,
    /// How to proceed; what is left out has its default.
    #[serde(default)]
    pub policy: CampaignPolicy,
}

/// Which devices are meant: the word `"all"`, or a list of EUI-64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSelection {
    /// Every device of the inventory that is of the model of one of the targets.
    All,
    /// These.
    These(Vec<Eui64>),
}

impl OrderRequest {
    /// Makes the order. Only the inventory can say which devices "all" are, and only now.
    pub(crate) fn into_order(
        self,
        conductor: &Conductor,
        fresh_id: CampaignId,
    ) -> Result<CampaignOrder, Problem> {
        let smso = SmsoId::new(&self.smso)
            .map_err(|error| ProblemKind::InvalidRequest.because(format!("smso: {error}")))?;
        let devices = match self.devices {
            DeviceSelection::These(devices) => devices,
            DeviceSelection::All => fitting(conductor, &self.targets)?,
        };
        Ok(CampaignOrder {
            id: self.id.unwrap_or(fresh_id),
            instructing_party: instructing_party(&self.instructing_party),
            smso,
            targets: self.targets,
            devices,
            policy: self.policy,
        })
    }
}

/// Returns the devices whose kind, manufacturer and model are those of a target.
fn fitting(conductor: &Conductor, targets: &[Target]) -> Result<Vec<Eui64>, OrderError> {
    let desk = conductor.desk();
    let targets = targets.iter().map(|target| &target.cpl_entry);
    if let Some(unknown) = targets.clone().find(|target| desk.register.entry(target).is_none()) {
        return Err(OrderError::UnknownEntry(unknown.clone()));
    }
    let fits = |device: &eligibility::DeviceView<'_>| {
        targets.clone().any(|target| desk.register.is_for_model(device.entry, target))
    };
    Ok(desk.inventory.devices().filter(fits).map(|device| device.id).collect())
}

impl Serialize for DeviceSelection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DeviceSelection::All => serializer.serialize_str("all"),
            DeviceSelection::These(devices) => serializer.collect_seq(devices),
        }
    }
}

/// By hand, because serde's untagged enums forget which device of fifty thousand was wrong.
impl<'de> Deserialize<'de> for DeviceSelection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeviceSelection, D::Error> {
        struct Selection;

        impl<'de> Visitor<'de> for Selection {
            type Value = DeviceSelection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a list of EUI-64")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<DeviceSelection, E> {
                match word {
                    "all" => Ok(DeviceSelection::All),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<DeviceSelection, A::Error> {
                let mut devices = Vec::new();
                while let Some(device) = list.next_element()? {
                    devices.push(device);
                }
                Ok(DeviceSelection::These(devices))
            }
        }

        deserializer.deserialize_any(Selection)
    }
}
