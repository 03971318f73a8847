//! What every consumer of a vector is told: the chain of roots, the papers before it, the document itself.

use firmware_image::{
    Attack, DeviceModel, DeviceState, FileVersion, HardwareVersion, ImageDigest, ImageType, ManufacturerCode,
    SecurityCounter, SequenceNumber, SignedRoot, TrustAnchor, UtcSeconds,
};
use fleet::AttackCounts;

use crate::craft::{self, Target, names_of};
use crate::craft_image::{image, payload_of};
use crate::edits::apply;
use crate::pen::{Written, sha256};
use crate::recipes::{ImageRecipe, MANUFACTURER, ReleaseRecipe, State, StatusRecipe, Vector, moment};

/// What came of a document: `taken`, the word of an attack, or one of the words below.
pub type Outcome = String;

pub const TAKEN: &str = "taken";
/// Refused before it counts as a document of its kind: too long to be put together, no such size.
pub const IGNORED: &str = "ignored";
/// Stored, to be passed on, and not run.
pub const HELD: &str = "held";

/// One of the kinds of signed documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    Order,
    Root,
    Release,
    Status,
}

impl Vector {
    pub fn kind(&self) -> Kind {
        let given = [
            self.image.is_some().then_some(Kind::Image),
            self.order.is_some().then_some(Kind::Order),
            self.root.is_some().then_some(Kind::Root),
            self.release.is_some().then_some(Kind::Release),
            self.status.is_some().then_some(Kind::Status),
        ];
        let mut given = given.into_iter().flatten();
        let kind = given.next().unwrap_or_else(|| panic!("{}: no document", self.name));
        assert!(given.next().is_none(), "{}: more than one document", self.name);
        kind
    }

    /// Returns what must come of it at a consumer.
    pub fn expected(&self, consumer: &str) -> &str {
        let own = match consumer {
            "verifier" => &self.verifier,
            "hub" => &self.hub,
            "meter" => &self.meter,
            "cli" => &self.cli,
            other => panic!("no consumer {other}"),
        };
        own.as_deref().unwrap_or(&self.expect)
    }

    /// Writes the image as it is offered, and as it was before it was edited.
    pub fn offered_image(&self, own_type: u16) -> Option<(Written, Written)> {
        let recipe = self.image.as_ref()?;
        let original = image(recipe, own_type);
        let mut offered = original.clone();
        apply(&self.edits, &mut offered);
        Some((offered, original))
    }
}

/// The image that is good for every consumer: what orders, statuses and releases are about.
pub fn companion() -> ImageRecipe {
    ImageRecipe::default()
}

/// The papers that come before a document, as they travel.
pub struct Papers {
    pub statuses: Vec<Vec<u8>>,
    pub releases: Vec<Vec<u8>>,
    /// The file that the hub is asked to let in.
    pub identification: [u8; 32],
}

impl Papers {
    /// Writes what the state names, and where it names nothing, what an honest operator would have given.
    pub fn of(vector: &Vector, target: &Target) -> Papers {
        let (kind, state) = (vector.kind(), &vector.state);
        let companion_file = image(&companion(), target.image_type);
        let (offered, original) =
            vector.offered_image(target.image_type).unwrap_or((companion_file.clone(), companion_file));
        let payload = sha256(&payload_of(vector.image.as_ref().unwrap_or(&companion())));
        let name = |recipe: &ReleaseRecipe| match recipe.names.as_str() {
            "offered" => names_of(&offered.bytes, payload),
            "original" => names_of(&original.bytes, payload),
            _ => names_of(b"another file", sha256(b"another image")),
        };
        let needs_status = !matches!(kind, Kind::Status | Kind::Root);
        let needs_release = !matches!(kind, Kind::Release | Kind::Root);
        let statuses = state.statuses.clone().unwrap_or(if needs_status {
            vec![StatusRecipe::default()]
        } else {
            Vec::new()
        });
        let releases = state.releases.clone().unwrap_or(if needs_release {
            vec![ReleaseRecipe::default()]
        } else {
            Vec::new()
        });
        let by_original = releases.iter().any(|recipe| recipe.names == "original");
        Papers {
            statuses: statuses.iter().map(|recipe| craft::status(recipe, target).bytes).collect(),
            releases: releases
                .iter()
                .map(|recipe| craft::release(recipe, target, name(recipe)).bytes)
                .collect(),
            identification: sha256(if by_original { &original.bytes } else { &offered.bytes }),
        }
    }
}

/// Writes the document that the vector is about.
pub fn document(vector: &Vector, target: &Target) -> Vec<u8> {
    let companion = names_of(&image(&companion(), target.image_type).bytes, target.image);
    let mut written = match vector.kind() {
        Kind::Image => return vector.offered_image(target.image_type).expect("an image").0.bytes,
        Kind::Order => craft::order(vector.order.as_ref().expect("an order"), target),
        Kind::Root => craft::root(vector.root.as_ref().expect("a root"), target.root + 1),
        Kind::Release => {
            let recipe = vector.release.as_ref().expect("a release");
            let other = names_of(b"another file", sha256(b"another image"));
            craft::release(recipe, target, if recipe.names == "other" { other } else { companion })
        }
        Kind::Status => craft::status(vector.status.as_ref().expect("a status"), target),
    };
    apply(&vector.edits, &mut written);
    written.bytes
}

impl State {
    /// Writes the chain of roots that the consumer holds the last of.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        (1..).zip(&self.roots).map(|(place, recipe)| craft::root(recipe, place).bytes).collect()
    }

    /// Follows the chain, which must hold.
    pub fn anchors(&self) -> Vec<TrustAnchor> {
        let mut anchors: Vec<TrustAnchor> = Vec::new();
        for bytes in self.chain() {
            let signed = SignedRoot::from_bytes(&bytes).expect("the chain of a state is sound");
            let next = match anchors.last() {
                None => TrustAnchor::adopt(&signed),
                Some(held) => held.advance(&signed),
            };
            anchors.push(next.expect("the chain of a state holds"));
        }
        anchors
    }

    pub fn now(&self) -> UtcSeconds {
        UtcSeconds(moment(self.clock))
    }

    /// What the device would be judged by, if it is of this type.
    pub fn device(&self, image_type: u16) -> DeviceState {
        let ran = (self.obeyed > 0).then(|| ImageDigest::from_bytes(sha256(&payload_of(&self.earlier()))));
        DeviceState {
            model: self.model(image_type),
            running: FileVersion(self.running),
            counter: SecurityCounter { sequence: SequenceNumber(self.confirmed), image: ran },
        }
    }

    pub fn model(&self, image_type: u16) -> DeviceModel {
        DeviceModel {
            manufacturer: ManufacturerCode(MANUFACTURER),
            image_type: ImageType(image_type),
            hardware: HardwareVersion(self.hardware),
        }
    }

    /// The image that a device which obeyed orders before was brought to by the last of them.
    pub fn earlier(&self) -> ImageRecipe {
        let text = "what ran before".to_owned();
        ImageRecipe { version: self.running, sequence: self.confirmed, text, ..ImageRecipe::default() }
    }
}

/// Says which attacks were counted since.
pub fn counted(before: &AttackCounts, after: &AttackCounts) -> Option<String> {
    let grown: Vec<&str> = Attack::ALL
        .into_iter()
        .filter(|attack| after.of(*attack) > before.of(*attack))
        .map(Attack::word)
        .collect();
    (!grown.is_empty()).then(|| grown.join("+"))
}
