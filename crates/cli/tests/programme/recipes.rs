//! What the corpus says, as it stands in the TOML files: documents as they are to be forged, the state of who gets
//! them, and what must come of it. Times are seconds from the moment at which the corpus plays.

use serde::Deserialize;

use crate::edits::Edit;

/// A file of the corpus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    pub vector: Vec<Vector>,
}

/// One document for four consumers; exactly one of the five kinds is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    pub name: String,
    /// Threats of RFC 9124, attacks of TUF and Uptane.
    #[serde(default)]
    pub threats: Vec<String>,
    pub image: Option<ImageRecipe>,
    pub order: Option<OrderRecipe>,
    pub root: Option<RootRecipe>,
    pub release: Option<ReleaseRecipe>,
    pub status: Option<StatusRecipe>,
    /// What is done to the document after it was signed.
    #[serde(default)]
    pub edits: Vec<Edit>,
    #[serde(default)]
    pub state: State,
    /// What comes of it: `taken`, or the word of an attack.
    pub expect: String,
    pub verifier: Option<String>,
    pub hub: Option<String>,
    pub meter: Option<String>,
    pub cli: Option<String>,
}

/// What a consumer is and holds when the document comes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    pub running: u32,
    pub confirmed: u64,
    pub hardware: u16,
    /// Which orders the device obeyed before.
    pub obeyed: u64,
    /// The trust roots so far, the factory's first.
    pub roots: Vec<RootRecipe>,
    pub clock: i64,
    /// What a hub was given before; a status and a release of the image when nothing is said.
    pub statuses: Option<Vec<StatusRecipe>>,
    pub releases: Option<Vec<ReleaseRecipe>>,
    /// What somebody does to the stored image before the order to activate comes.
    pub decay: Option<u32>,
}

impl Default for State {
    fn default() -> State {
        State {
            running: OLD,
            confirmed: 5,
            hardware: 0x0101,
            obeyed: 0,
            roots: vec![RootRecipe::default()],
            clock: 0,
            statuses: None,
            releases: None,
            decay: None,
        }
    }
}

/// An image to be forged; the manufacturer's key at the forger's hand unless `by` says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageRecipe {
    pub by: Vec<String>,
    pub manufacturer: u16,
    /// The consumer's own when nothing is said.
    pub image_type: Option<u16>,
    pub version: u32,
    pub hardware: Option<[u16; 2]>,
    pub destination: bool,
    pub text: String,
    /// The payload is repeated to this length; 0 for once.
    pub len: usize,
    pub sequence: u64,
    pub minimum_root: u64,
    pub predecessors: Option<Vec<[u32; 2]>>,
    pub format: u64,
    pub elements: Vec<(u16, String)>,
    /// Signed for another type or manufacturer than the header names.
    pub class_type: Option<u16>,
    pub class_manufacturer: Option<u16>,
    /// Components whose digest or size in the manifest is another's.
    pub lies: Vec<String>,
    pub list: Vec<Edit>,
    pub promise: Vec<Edit>,
    pub manifest: Vec<Edit>,
    pub envelope: Vec<Edit>,
    /// The signature brings its payload along.
    pub attached: bool,
    /// The digest is of the manifest without the header of its byte string.
    pub naive_digest: bool,
}

impl Default for ImageRecipe {
    fn default() -> ImageRecipe {
        ImageRecipe {
            by: vec!["maker".to_owned()],
            manufacturer: MANUFACTURER,
            image_type: None,
            version: NEW,
            hardware: None,
            destination: false,
            text: "the firmware of a very small device".to_owned(),
            len: 0,
            sequence: 7,
            minimum_root: 0,
            predecessors: None,
            format: 0,
            elements: Vec::new(),
            class_type: None,
            class_manufacturer: None,
            lies: Vec::new(),
            list: Vec::new(),
            promise: Vec::new(),
            manifest: Vec::new(),
            envelope: Vec::new(),
            attached: false,
            naive_digest: false,
        }
    }
}

/// An order to be forged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderRecipe {
    pub by: String,
    /// `own` or `other`.
    pub device: String,
    /// `held` or `other`.
    pub image: String,
    pub epoch: Option<u64>,
    /// One more than the last that was obeyed when nothing is said.
    pub counter: Option<u64>,
    /// `asked` or `other`.
    pub nonce: String,
    pub format: u64,
    pub inside: Vec<Edit>,
}

impl Default for OrderRecipe {
    fn default() -> OrderRecipe {
        OrderRecipe {
            by: "order".to_owned(),
            device: "own".to_owned(),
            image: "held".to_owned(),
            epoch: None,
            counter: None,
            nonce: "asked".to_owned(),
            format: 2,
            inside: Vec::new(),
        }
    }
}

/// A trust root to be forged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootRecipe {
    pub by: Vec<String>,
    /// Its place in the chain when nothing is said.
    pub version: Option<u64>,
    pub issued: i64,
    pub expires: i64,
    pub threshold: u64,
    pub keys: Vec<String>,
    pub maker_threshold: u64,
    pub makers: Vec<String>,
    pub maker_types: Vec<u16>,
    pub operator_threshold: u64,
    /// Key and holder: `ann Ann`.
    pub operators: Vec<String>,
    pub status: Vec<String>,
    pub order: Vec<String>,
    pub revoked: Vec<String>,
    pub epoch: u64,
    pub format: u64,
    pub algorithm: i64,
    pub inside: Vec<Edit>,
    /// Keys stand as they are given, and signatures too.
    pub as_given: bool,
}

impl Default for RootRecipe {
    fn default() -> RootRecipe {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        RootRecipe {
            by: names(&["r1", "r2"]),
            version: None,
            issued: -DAY,
            expires: 300 * DAY,
            threshold: 2,
            keys: names(&["r1", "r2", "r3"]),
            maker_threshold: 1,
            makers: names(&["maker"]),
            maker_types: vec![HUB_TYPE, METER_TYPE],
            operator_threshold: 2,
            operators: names(&["ann Ann", "bob Bob"]),
            status: names(&["status"]),
            order: names(&["order"]),
            revoked: Vec::new(),
            epoch: 1,
            format: 1,
            algorithm: crate::pen::ED25519,
            inside: Vec::new(),
            as_given: false,
        }
    }
}

/// A release to be forged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseRecipe {
    pub by: Vec<String>,
    pub serial: u64,
    pub campaign: String,
    /// The newest root held when nothing is said.
    pub root_version: Option<u64>,
    pub issued: i64,
    pub expires: i64,
    /// `offered`, the file as it comes; `original`, as it was before it was edited; `other`.
    pub names: String,
    /// Images beside that one.
    pub more: u8,
    pub format: u64,
    pub inside: Vec<Edit>,
    pub as_given: bool,
}

impl Default for ReleaseRecipe {
    fn default() -> ReleaseRecipe {
        ReleaseRecipe {
            by: vec!["ann".to_owned(), "bob".to_owned()],
            serial: 1,
            campaign: "winter".to_owned(),
            root_version: None,
            issued: -HOUR,
            expires: 20 * DAY,
            names: "offered".to_owned(),
            more: 0,
            format: 1,
            inside: Vec::new(),
            as_given: false,
        }
    }
}

/// A status to be forged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusRecipe {
    pub by: String,
    pub serial: u64,
    pub issued: i64,
    pub expires: i64,
    /// The newest root held when nothing is said.
    pub newest_root: Option<u64>,
    /// Manufacturer, image type, lowest counter; type 0 stands for the consumer's own.
    pub floors: Vec<(u16, u16, u64)>,
    pub format: u64,
    pub inside: Vec<Edit>,
}

impl Default for StatusRecipe {
    fn default() -> StatusRecipe {
        StatusRecipe {
            by: "status".to_owned(),
            serial: 1,
            issued: -HOUR,
            expires: 20 * HOUR,
            newest_root: None,
            floors: Vec::new(),
            format: 1,
            inside: Vec::new(),
        }
    }
}

pub const MANUFACTURER: u16 = 0x10E5;
pub const HUB_TYPE: u16 = 0x0001;
pub const METER_TYPE: u16 = 0x0011;
pub const OLD: u32 = 0x0102_0303;
pub const NEW: u32 = 0x0102_0304;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;
/// 2026-01-01T00:00:00Z, the moment at which the corpus plays.
pub const NOW: u64 = 1_767_225_600;

/// Returns a moment so many seconds from that one.
pub fn moment(offset: i64) -> u64 {
    NOW.saturating_add_signed(offset)
}
