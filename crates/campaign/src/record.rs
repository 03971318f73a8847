//! What a campaign writes into the ledger: one record per decision and per outcome.
//!
//! The ledger keeps opaque bytes; here they get their meaning. A record is JSON, one object, with its kind
//! beside it in the entry, so that `ledger show` can be read by people and by any program. The formats are
//! ours. Records are only ever added to: a new field must have a default.

mod staging;

use std::fmt;

use eligibility::{Decision, GateRow, HOLD_COMPANION, SmsoId, Verdict, beside_held};
use firmware_image::{Eui64, FileDigest, ImageDigest, Nonce, Release, SignedRelease};
use ledger::{Entry, NewEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use transfer_engine::Moment;

use crate::order::{CampaignId, Target};
use crate::policy::CampaignPolicy;
use crate::risk::RiskGroup;
use crate::stage::Outcome;
pub use staging::{StagedRecord, StagingFailedRecord};

/// One decision or outcome of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The order was accepted; its verdicts follow in the same append.
    Order(OrderRecord),
    /// The gate decided about one device of the order.
    Verdict(PlanRecord),
    /// A wave may begin.
    WaveOpened(WaveRecord),
    /// A device has its turn with the wave that is open, before its own.
    BroughtForward(ForwardRecord),
    /// The image may be sent to the device's hub.
    Instructed(InstructedRecord),
    /// A try to bring the image to the hub failed.
    StagingFailed(StagingFailedRecord),
    /// The hub holds and verified the image.
    Staged(StagedRecord),
    /// The device holds and verified the image.
    Delivered(DeliveredRecord),
    /// The device may be told to activate.
    Ordered(OrderedRecord),
    /// The device runs the target, and is watched.
    Soaking(SoakingRecord),
    /// The device runs a step of its way, and gets the next.
    Stepped(SteppedRecord),
    /// How it ended for a device.
    Outcome(OutcomeRecord),
    /// Nothing more is sent or activated.
    Halted(HaltedRecord),
    /// People stand behind it.
    Approved(ApprovedRecord),
    /// An operator has everything wait.
    Paused(CommandRecord),
    /// It goes on.
    Resumed(CommandRecord),
    /// An operator ended it.
    Aborted(CommandRecord),
    /// Every device has an outcome.
    Finished(FinishedRecord),
}

/// See [`Record::Order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// Who instructed.
    pub instructing_party: String,
    /// The SMSO addressed.
    pub smso: String,
    /// Images and the product list entries they lead to.
    pub targets: Vec<Target>,
    /// How to proceed.
    pub policy: CampaignPolicy,
    /// How many devices were ordered: as many verdicts follow.
    pub devices: u32,
}

impl OrderRecord {
    /// Returns the SMSO's id.
    pub(crate) fn smso(&self) -> Option<SmsoId> {
        self.smso.parse().ok()
    }
}

/// See [`Record::Verdict`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The device.
    pub device: Eui64,
    /// What kind of device, as in the inventory; empty when it is unknown there.
    pub kind: String,
    /// Its installation; empty when unknown.
    pub installation: String,
    /// Its hub, when known.
    pub hub: Option<Eui64>,
    /// Its channel on the hub.
    pub channel: u8,
    /// The gate's words.
    pub verdict: Judgement,
    /// The file it is to get, when allowed.
    pub image: Option<FileDigest>,
    /// Its wave, when allowed.
    pub wave: Option<u16>,
    /// Who goes first; 0 is a Dormant Meter (clause 4.24).
    pub priority: u8,
}

/// A verdict as plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// True when the gate allows it.
    pub allowed: bool,
    /// True when the gate has nothing against it but the day: it is asked again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// The row of the gate table.
    pub row: String,
    /// The row's code.
    pub code: String,
    /// The combination it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmc: Option<String>,
    /// References of the documents it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The day the evidence was complete, as YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<String>,
    /// One sentence for people.
    pub detail: String,
}

impl From<&Verdict<'_>> for Judgement {
    fn from(verdict: &Verdict<'_>) -> Judgement {
        let record = verdict.record();
        let evidence =
            record.evidence.into_iter().chain(record.reference.map(|dmc| format!("equivalent to {dmc}")));
        Judgement {
            allowed: verdict.is_allowed(),
            waits: matches!(verdict.decision(), Decision::Hold(_)),
            row: record.row.to_owned(),
            code: record.code.to_owned(),
            dmc: record.dmc,
            evidence: evidence.collect(),
            rests_on: record.rests_on,
            detail: record.detail,
        }
    }
}

impl Judgement {
    /// Says whether the device is served, now or when its day has come.
    pub fn may_come(&self) -> bool {
        self.allowed || self.waits
    }

    /// Has a device that is allowed wait for another one of its home.
    pub(crate) fn beside_held(self, companion: Eui64) -> Judgement {
        Judgement {
            allowed: false,
            waits: true,
            row: GateRow::A4.to_string(),
            code: HOLD_COMPANION.to_owned(),
            detail: beside_held(companion),
            evidence: Vec::new(),
            rests_on: None,
            ..self
        }
    }

    /// A refusal of ours, which is no row of the gate.
    pub(crate) fn refusal(code: &str, detail: &str) -> Judgement {
        Judgement {
            allowed: false,
            waits: false,
            row: "-".to_owned(),
            code: code.to_owned(),
            dmc: None,
            evidence: Vec::new(),
            rests_on: None,
            detail: detail.to_owned(),
        }
    }
}

/// See [`Record::WaveOpened`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveRecord {
    /// Which wave; 0 is the pilot.
    pub wave: u16,
}

/// See [`Record::BroughtForward`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardRecord {
    /// The device.
    pub device: Eui64,
    /// The wave that it is counted in from now on.
    pub wave: u16,
}

/// See [`Record::Instructed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructedRecord {
    /// The device.
    pub device: Eui64,
    /// The gate's row when it was asked again at this moment.
    pub row: String,
    /// What the gate said then, where that is not what it said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    /// The supplier that it had; none in records of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// The file to be sent.
    pub image: FileDigest,
    /// The groups with a limit in which it counts as at risk from now on, as the lists had it at this moment; none where
    /// there are no limits, and in records of before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<RiskGroup>>,
}

/// See [`Record::Delivered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredRecord {
    /// The device.
    pub device: Eui64,
}

/// See [`Record::Ordered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedRecord {
    /// The device.
    pub device: Eui64,
    /// The payload the order names.
    pub image: ImageDigest,
    /// The order's counter: strictly rising per device.
    pub counter: u64,
    /// The count in which that is; 0 in records of before there were several.
    #[serde(default)]
    pub epoch: u32,
    /// What the device had drawn for it; zeros in records of before orders carried it.
    #[serde(default = "no_nonce")]
    pub nonce: Nonce,
    /// The gate's row when it was asked again at this moment.
    pub row: String,
    /// What the gate said then, where that is not what it said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    /// The other devices of its home that the hub had heard of lately: they must be heard of after its soak, too. None where
    /// nothing soaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Eui64>,
}

fn no_nonce() -> Nonce {
    Nonce::from_bytes([0; 8])
}

/// See [`Record::Soaking`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoakingRecord {
    /// The device.
    pub device: Eui64,
    /// What the device says it runs.
    pub running: String,
}

/// See [`Record::Stepped`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteppedRecord {
    /// The device.
    pub device: Eui64,
    /// What the device says it runs.
    pub running: String,
    /// The file it is to get next.
    pub image: FileDigest,
}

/// See [`Record::Outcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The device.
    pub device: Eui64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in one phrase; a gate code for refusals.
    pub reason: String,
    /// What the gate said, where it ended it and said other things before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    /// What the device says it runs, when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Why nothing more should be tried with the device until somebody has seen to it: a word of `exclusions.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<String>,
}

/// See [`Record::Halted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltedRecord {
    /// The wave whose devices failed.
    pub wave: u16,
    /// Why.
    pub reason: String,
}

/// What an operator asked for; see [`Record::Paused`], [`Record::Resumed`] and [`Record::Aborted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Who asked, as the one who passed it on knows.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// See [`Record::Approved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedRecord {
    /// Which operators signed, as the trust root named them then.
    pub by: Vec<String>,
    /// The release's number.
    pub serial: u64,
    /// The first second, since 1970, at which it is no longer good.
    pub expires_s: u64,
    /// The release as it came, in hexadecimal: who signed what can be verified again from the ledger alone.
    pub release: String,
}

impl ApprovedRecord {
    pub(crate) fn new(signed: &SignedRelease, by: Vec<String>, release: &Release) -> ApprovedRecord {
        let release_text = signed.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let expires_s = release.validity.expires.0;
        ApprovedRecord { by, serial: release.serial, expires_s, release: release_text }
    }

    /// Returns the release, if the record holds one.
    pub(crate) fn signed(&self) -> Option<SignedRelease> {
        let digits = self.release.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> =
            digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect();
        SignedRelease::from_bytes(bytes?).ok()
    }
}

impl fmt::Display for CommandRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.by, self.reason)
    }
}

/// See [`Record::Finished`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedRecord {
    /// Devices that run the target.
    pub done: u32,
    /// Devices that were tried and do not.
    pub failed: u32,
    /// Devices that were not to be tried.
    pub excluded: u32,
}

impl Record {
    /// Returns the word under which it stands in the ledger.
    pub fn kind(&self) -> &'static str {
        match self {
            Record::Order(_) => "order",
            Record::Verdict(_) => "verdict",
            Record::WaveOpened(_) => "wave-opened",
            Record::BroughtForward(_) => "brought-forward",
            Record::Instructed(_) => "instructed",
            Record::StagingFailed(_) => "staging-failed",
            Record::Staged(_) => "staged",
            Record::Delivered(_) => "delivered",
            Record::Ordered(_) => "activation-ordered",
            Record::Soaking(_) => "soaking",
            Record::Stepped(_) => "stepped",
            Record::Outcome(_) => "outcome",
            Record::Halted(_) => "halted",
            Record::Approved(_) => "approved",
            Record::Paused(_) => "paused",
            Record::Resumed(_) => "resumed",
            Record::Aborted(_) => "aborted",
            Record::Finished(_) => "finished",
        }
    }

    /// Makes the ledger entry.
    pub fn to_entry(&self, now: Moment, campaign: &CampaignId) -> NewEntry {
        let body = match self {
            Record::Order(body) => serde_json::to_vec(body),
            Record::Verdict(body) => serde_json::to_vec(body),
            Record::WaveOpened(body) => serde_json::to_vec(body),
            Record::BroughtForward(body) => serde_json::to_vec(body),
            Record::Instructed(body) => serde_json::to_vec(body),
            Record::StagingFailed(body) => serde_json::to_vec(body),
            Record::Staged(body) => serde_json::to_vec(body),
            Record::Delivered(body) => serde_json::to_vec(body),
            Record::Ordered(body) => serde_json::to_vec(body),
            Record::Soaking(body) => serde_json::to_vec(body),
            Record::Stepped(body) => serde_json::to_vec(body),
            Record::Outcome(body) => serde_json::to_vec(body),
            Record::Halted(body) => serde_json::to_vec(body),
            Record::Approved(body) => serde_json::to_vec(body),
            Record::Paused(body) | Record::Resumed(body) | Record::Aborted(body) => serde_json::to_vec(body),
            Record::Finished(body) => serde_json::to_vec(body),
        };
        NewEntry {
            recorded_at_us: now.as_micros(),
            kind: self.kind().to_owned(),
            subject: campaign.as_str().to_owned(),
            body: body.expect("records hold strings and numbers only"),
        }
    }

    /// Reads a ledger entry.
    pub fn from_entry(entry: &Entry) -> Result<Record, RecordError> {
        fn body<T: DeserializeOwned>(entry: &Entry) -> Result<T, RecordError> {
            serde_json::from_slice(&entry.body).map_err(|source| RecordError::Body {
                index: entry.index.0,
                kind: entry.kind.clone(),
                source,
            })
        }
        Ok(match entry.kind.as_str() {
            "order" => Record::Order(body(entry)?),
            "verdict" => Record::Verdict(body(entry)?),
            "wave-opened" => Record::WaveOpened(body(entry)?),
            "brought-forward" => Record::BroughtForward(body(entry)?),
            "instructed" => Record::Instructed(body(entry)?),
            "staging-failed" => Record::StagingFailed(body(entry)?),
            "staged" => Record::Staged(body(entry)?),
            "delivered" => Record::Delivered(body(entry)?),
            "activation-ordered" => Record::Ordered(body(entry)?),
            "soaking" => Record::Soaking(body(entry)?),
            "stepped" => Record::Stepped(body(entry)?),
            "outcome" => Record::Outcome(body(entry)?),
            "halted" => Record::Halted(body(entry)?),
            "approved" => Record::Approved(body(entry)?),
            "paused" => Record::Paused(body(entry)?),
            "resumed" => Record::Resumed(body(entry)?),
            "aborted" => Record::Aborted(body(entry)?),
            "finished" => Record::Finished(body(entry)?),
            _ => return Err(RecordError::Kind { index: entry.index.0, kind: entry.kind.clone() }),
        })
    }
}

/// Why a ledger entry is no record of ours.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The kind.
    #[error("entry {index}: unknown kind {kind:?}")]
    Kind {
        /// Which entry.
        index: u64,
        /// What was found.
        kind: String,
    },
    /// The body.
    #[error("entry {index}: the body is no {kind} record")]
    Body {
        /// Which entry.
        index: u64,
        /// What was expected.
        kind: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
