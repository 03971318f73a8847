//! What the SMSO is instructed to do, and under which policy: the input of everything else.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use eligibility::{CplEntryId, InstructingParty, SmsoId};
use firmware_image::{Eui64, FileDigest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::policy::{CampaignPolicy, PolicyFault};

/// The name of a campaign: 1 to 64 letters, digits, `-`, `_` or `.`. Every device under way holds it; clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CampaignId(Arc<str>);

impl CampaignId {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CampaignId {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<CampaignId, OrderError> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(sound) {
            return Err(OrderError::Id { found: text.chars().take(80).collect() });
        }
        Ok(CampaignId(text.into()))
    }
}

impl TryFrom<String> for CampaignId {
    type Error = OrderError;

    fn try_from(text: String) -> Result<CampaignId, OrderError> {
        text.parse()
    }
}

impl From<CampaignId> for String {
    fn from(id: CampaignId) -> String {
        id.as_str().to_owned()
    }
}

/// One image of an order and the product list entry it brings devices to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The file, by its SHA-256.
    pub image: FileDigest,
    /// The CPL entry that names this model with this firmware.
    #[serde(with = "as_text")]
    pub cpl_entry: CplEntryId,
}

/// Ids of the gate's files as their text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Returns the word for an instructing party, as it stands in ledgers and requests.
pub(crate) fn party_word(party: &InstructingParty) -> &str {
    match party {
        InstructingParty::Dcc => "DCC",
        InstructingParty::Other(name) => name,
    }
}

/// Reads the word for an instructing party: `DCC` in any case is the DCC, and anything else is somebody else.
pub fn instructing_party(word: &str) -> InstructingParty {
    if word.eq_ignore_ascii_case("DCC") {
        InstructingParty::Dcc
    } else {
        InstructingParty::Other(word.to_owned())
    }
}

/// An order to bring firmware to devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignOrder {
    /// Its name; an order with a known name is refused.
    pub id: CampaignId,
    /// Who instructs. Only the DCC may (gate row A1).
    pub instructing_party: InstructingParty,
    /// The SMSO that is addressed.
    pub smso: SmsoId,
    /// The images. Of several for one model the newest is where devices are to go, and the others are steps on the way.
    pub targets: Vec<Target>,
    /// The devices, each once.
    pub devices: Vec<Eui64>,
    /// How to proceed.
    pub policy: CampaignPolicy,
}

/// The most devices one order may name: the limit of DUIS service request 11.1 (domain.md 4.2).
pub const MAX_DEVICES: usize = 50_000;

/// Images one order may name: one per device model of an installation, and some to spare.
pub const MAX_TARGETS: usize = 64;

impl CampaignOrder {
    /// Checks what can be checked without knowing the fleet.
    pub(crate) fn check(&self) -> Result<(), OrderError> {
        self.policy.check()?;
        if self.targets.is_empty() || self.targets.len() > MAX_TARGETS {
            return Err(OrderError::Targets { found: self.targets.len() });
        }
        if self.devices.is_empty() || self.devices.len() > MAX_DEVICES {
            return Err(OrderError::Devices { found: self.devices.len() });
        }
        let mut seen = BTreeSet::new();
        match self.devices.iter().find(|device| !seen.insert(**device)) {
            Some(twice) => Err(OrderError::DeviceTwice(*twice)),
            None => Ok(()),
        }
    }
}

/// Why an order is not accepted at all. What concerns single devices is a verdict instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// The name.
    #[error("campaign id must be 1 to 64 letters, digits, '-', '_' or '.', found {found:?}")]
    Id {
        /// What was found, shortened.
        found: String,
    },
    /// The name is taken.
    #[error("campaign {0} exists already")]
    Exists(CampaignId),
    /// The policy.
    #[error("policy: {0}")]
    Policy(PolicyFault),
    /// The number of images.
    #[error("targets: expected 1 to {MAX_TARGETS}, found {found}")]
    Targets {
        /// How many were named.
        found: usize,
    },
    /// The number of devices.
    #[error("devices: expected 1 to {MAX_DEVICES}, found {found}")]
    Devices {
        /// How many were named.
        found: usize,
    },
    /// A device is named twice.
    #[error("devices: {0} is named twice")]
    DeviceTwice(Eui64),
    /// An image is not at the desk.
    #[error("targets: no verified image {0} at the desk; hand it in first")]
    UnknownImage(FileDigest),
    /// A CPL entry is unknown.
    #[error("targets: no entry {0} in the product list")]
    UnknownEntry(CplEntryId),
}
