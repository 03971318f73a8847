//! What must have happened at least once in a run of the swarm: a simulator can pass everything by being too gentle, and
//! then this fails.

use std::collections::BTreeMap;

use campaign::{Outcome, OutcomeClass};
use firmware_image::Attack;
use fleet::{Census, DeviceKind, FaultKind, Simulation};
use transfer_engine::SessionState;

use crate::policy::Audit;
use crate::sometimes::{Deeds, alert, table};

/// The codes of the gate, and of the conductor, with which a world of ours can refuse.
const REFUSALS: &[&str] = &[
    "EARLY_NOT_IN_EFFECT",
    "HOLD_COMPANION",
    "HOLD_NOT_NOTIFIED",
    "NO_EVIDENCE",
    "REJECT_ACTIVE",
    "REJECT_ENROLLED",
    "REJECT_FW_NOT_IN_DMC",
    "REJECT_PATH",
    "REJECT_WRONG_SMSO",
    "SE_NOT_FINAL",
    "SKIP_EXCLUDED",
    "SUPPLIER_CHANGED",
];

/// Rules of the decision table that must have been all that stood in the way of some device, as the auditor says: without
/// the rule, the gate would have let it pass.
const ALONE: &[&str] = &[
    "when planned: instructed",
    "when planned: dormant",
    "when planned: shared",
    "when planned: not enrolled",
    "when planned: combination",
    "when planned: not excluded",
    "when planned: notified",
    "when planned: path",
    "when planned: evidence",
    "in flight: dormant",
    "in flight: combination",
    "in flight: same supplier",
    "in flight: not excluded",
    "in flight: notified",
    "in flight: evidence",
];

/// What devices refuse in these worlds, as the attack that it would have been; a mishap gives the same word. Images of the
/// wrong hardware are not offered to begin with, and nobody forges roots here: the attack programme does.
const ATTACKS: &[Attack] = &[
    Attack::ArbitrarySoftware,
    Attack::Freeze,
    Attack::Malformed,
    Attack::Replay,
    Attack::Tampering,
    Attack::TooFewSigners,
    Attack::UntrustedKey,
];

/// What is wrong with devices from the beginning and nobody knows.
const TROUBLES: &[&str] = &[
    "AlreadyCurrent",
    "DoesNotComeUp",
    "FailsLater",
    "FlashDefect",
    "LowBattery",
    "SilencesOthers",
    "WrongHardware",
];

/// What has happened.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// In how many seeds.
    words: BTreeMap<String, u64>,
    /// Kept apart: they are looked at in every step.
    sessions: [bool; SessionState::ALL.len()],
}

impl Coverage {
    /// Adds what has happened elsewhere.
    pub fn add(&mut self, other: &Coverage) {
        for (what, seeds) in &other.words {
            *self.words.entry(what.clone()).or_default() += seeds;
        }
        for (seen, also) in self.sessions.iter_mut().zip(other.sessions) {
            *seen |= also;
        }
    }

    /// Notes what sessions are at.
    pub fn note_step(&mut self, simulation: &Simulation) {
        for (seen, count) in self.sessions.iter_mut().zip(simulation.conductor().sessions()) {
            *seen |= count > 0;
        }
    }

    /// Notes how it all ended.
    pub fn note_end(&mut self, simulation: &Simulation, census: &Census) {
        let mut note = |what: String| {
            self.words.insert(what, 1);
        };
        for row in simulation.state().rows() {
            if let Some((outcome, reason)) = &row.outcome {
                note(format!("outcome {}", outcome.as_str()));
                if *outcome == Outcome::Activated {
                    note(format!("activated {}", row.kind));
                }
                let is_code = reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
                if outcome.class() == OutcomeClass::Excluded && is_code {
                    note(format!("refusal {reason}"));
                }
            }
        }
        for kind in FaultKind::ALL.into_iter().filter(|kind| census.faults.of(*kind) > 0) {
            note(format!("fault {}", kind.word()));
        }
        for entry in simulation.fleet().security_entries() {
            note(alert(entry.event));
        }
        let mut deeds = Deeds::default();
        for device in census.everybody() {
            if let Some(trouble) = device.trouble {
                note(format!("trouble {trouble:?}"));
            }
            for attack in Attack::ALL.into_iter().filter(|attack| device.attacks.of(*attack) > 0) {
                note(format!("attack {attack}"));
            }
            match device.kind {
                DeviceKind::Hub => deeds.add_hub(device.edges, device.said, device.history),
                _ => deeds.add_device(device.edges, device.said, device.history),
            }
        }
        deeds.words().into_iter().for_each(note);
    }

    /// Notes which rules stood alone in the way of a device.
    pub fn note_audit(&mut self, audit: &Audit) {
        self.words.extend(audit.alone.iter().map(|words| (words.clone(), 1)));
    }

    /// Returns how many of the things that should have happened did, and how many these are.
    pub fn met(&self) -> (usize, usize) {
        let asked = expected().len() + SessionState::ALL.len();
        (asked - self.missed().len(), asked)
    }

    /// Returns what devices did that nobody is said to do, here or in the devices' tests.
    pub fn unlisted(&self) -> Vec<&str> {
        self.words.keys().map(String::as_str).filter(|what| table::is_unlisted(what)).collect()
    }

    /// Returns what should have happened and did not, in words.
    pub fn missed(&self) -> Vec<String> {
        let sessions = SessionState::ALL.into_iter().zip(self.sessions);
        let sessions =
            sessions.filter(|(_, seen)| !seen).map(|(state, _)| format!("session {}", state.as_str()));
        expected().into_iter().filter(|what| !self.words.contains_key(what)).chain(sessions).collect()
    }

    /// Returns what has happened that nobody expects, in words.
    pub fn unexpected(&self) -> Vec<String> {
        let expected = expected();
        let left = |what: &&String| !table::of_devices().any(|word| word == what.as_str());
        self.words.keys().filter(|what| !expected.contains(what)).filter(left).cloned().collect()
    }

    /// Returns what has happened in the fewest seeds, and in how many.
    pub fn rarest(&self, count: usize) -> Vec<String> {
        let mut rare: Vec<(u64, &String)> = self.words.iter().map(|(what, seeds)| (*seeds, what)).collect();
        rare.sort();
        rare.iter().take(count).map(|(seeds, what)| format!("{what} ({seeds})")).collect()
    }
}

fn expected() -> Vec<String> {
    FaultKind::ALL
        .into_iter()
        .map(|kind| format!("fault {}", kind.word()))
        // No campaign has turns here: other tests do.
        .chain(
            Outcome::ALL
                .into_iter()
                .filter(|outcome| !matches!(outcome, Outcome::HeldBack))
                .map(|outcome| format!("outcome {}", outcome.as_str())),
        )
        .chain(DeviceKind::ALL.into_iter().map(|kind| format!("activated {}", kind.duis_name())))
        .chain(ALONE.iter().map(|words| format!("alone {words}")))
        .chain(REFUSALS.iter().map(|code| format!("refusal {code}")))
        .chain(TROUBLES.iter().map(|trouble| format!("trouble {trouble}")))
        .chain(ATTACKS.iter().map(|attack| format!("attack {attack}")))
        .chain(table::of_swarm().map(str::to_owned))
        .collect()
}
