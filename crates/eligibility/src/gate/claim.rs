//! What is asked of the gate, and what it is configured with.
//!
//! There is deliberately no place here for anybody's confidence, approval or override.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use firmware_image::{Eui64, ImageDigest, ImageIdentity, VerifiedImage};
use jiff::civil::Date;

use crate::cpl::ImageSize;
use crate::targets::Targets;
use crate::text::SmsoId;

/// The question: may this device get this image, as a part of this order?
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The device.
    pub device: Eui64,
    /// What each device of the order is to run. Names at least this device and all others of its installation that the
    /// order updates; devices of other installations may stand there and are not looked at.
    pub targets: &'a Targets,
    /// Who instructs.
    pub instructed_by: &'a InstructingParty,
    /// The SMSO that the instruction addresses.
    pub addressed_smso: &'a SmsoId,
    /// The image on offer.
    pub image: &'a OfferedImage,
    /// What the asker knows about slots and WAN at this moment.
    pub circumstances: Circumstances,
}

/// What a planner or a transfer knows and no list says. Where it is not known, its row is not asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the allocation has a slot for this device (row A7).
    pub slot: Slot,
    /// Whether the SMSO reaches the hub (row A8).
    pub wan: WanContact,
}

/// A slot under the allocation. Whoever gives slots serves Dormant Meters first (TMAD clause 4.24, `[S1]`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Nobody gave any, and nobody asks.
    #[default]
    NotAsked,
    /// It has one.
    Free,
    /// All are taken for now.
    Taken,
}

/// Contact with the hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WanContact {
    /// Nobody tried, and nobody asks.
    #[default]
    NotAsked,
    /// It answers.
    Reached,
    /// It does not answer.
    Lost,
}

/// Who instructs a firmware update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructingParty {
    /// The DCC: the only party whose instruction counts (`[S1]`).
    Dcc,
    /// Anybody else, by name.
    Other(String),
}

/// `DCC`, or the other party's name.
impl fmt::Display for InstructingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            InstructingParty::Dcc => "DCC",
            InstructingParty::Other(name) => name,
        })
    }
}

/// Any text that is not exactly `DCC` names somebody else.
impl FromStr for InstructingParty {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "DCC" { InstructingParty::Dcc } else { InstructingParty::Other(text.to_string()) })
    }
}

/// What the image on offer says of itself, after its signature was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedImage {
    /// The SHA-256 of the payload.
    pub digest: ImageDigest,
    /// The length of the payload.
    pub size: ImageSize,
    /// Manufacturer code, image type, version and hardware range of its header. The product list names models in
    /// words, so the two codes are bound to a model only through the digest.
    pub identity: ImageIdentity,
}

impl OfferedImage {
    /// Describes an image whose signature was verified.
    pub fn of(image: &VerifiedImage) -> Self {
        let size = ImageSize::of(image.file().payload());
        Self { digest: image.image_digest(), size, identity: image.identity() }
    }
}

/// What the table leaves to configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateConfig {
    /// The day TMAD V7.0 takes effect. Before it no early update is allowed: only row B1 is.
    pub tmad_v7_effective: Date,
    /// Whether hub and displays of a Mixed installation (one meter Dormant, one Active) may be updated. No public
    /// wording was found for them, so the default is no (`[I]`).
    pub allow_shared_in_mixed: bool,
    /// Whether suppliers must have been told before (row A6).
    pub notice: NoticePolicy,
}

/// Whether a supplier must have been told of an update. A template of such a notice is public (`[S2]`), its lead time
/// was not found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoticePolicy {
    /// Row A6 is not asked.
    #[default]
    NotAsked,
    /// A notice must cover the day, and must have been issued so many days before it.
    Required {
        /// How many.
        lead_days: u16,
    },
}

impl GateConfig {
    /// TMAD V7.0 on 11 September 2020, the earliest day on which the conclusions report (section 7) expected it; shared
    /// devices of Mixed installations refused; notices not asked for.
    pub const AS_EXPECTED: GateConfig = GateConfig {
        tmad_v7_effective: jiff::civil::date(2020, 9, 11),
        allow_shared_in_mixed: false,
        notice: NoticePolicy::NotAsked,
    };
}
