//! What must have happened at least once in a run of the swarm: a simulator can pass everything by being too gentle, and
//! then this fails.

use std::collections::BTreeMap;

use campaign::{Outcome, OutcomeClass};
use firmware_image::Attack;
use fleet::{Census, DeviceKind, Edges, FaultKind, SecurityEvent, Simulation};
use transfer_engine::SessionState;

use crate::policy::Audit;

/// The codes of the gate, and of the conductor, with which a world of ours can refuse.
const REFUSALS: &[&str] = &[
    "EARLY_NOT_IN_EFFECT",
    "HOLD_NOT_NOTIFIED",
    "NO_EVIDENCE",
    "REJECT_ACTIVE",
    "REJECT_ENROLLED",
    "REJECT_FW_NOT_IN_DMC",
    "REJECT_PATH",
    "REJECT_WRONG_SMSO",
    "SE_NOT_FINAL",
    "SKIP_EXCLUDED",
];

/// Rules of the decision table that must have been all that stood in the way of some device, as the auditor says: without
/// the rule, the gate would have let it pass.
const ALONE: &[&str] = &[
    "when planned: instructed",
    "when planned: dormant",
    "when planned: shared",
    "when planned: not enrolled",
    "when planned: combination",
    "when planned: companions",
    "when planned: not excluded",
    "when planned: notified",
    "when planned: path",
    "when planned: evidence",
    "in flight: dormant",
    "in flight: companions",
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

/// What security logs must say: images verified and refused, versions changed, a low battery, all four ways in which a
/// transfer from hub to device ends, and how activations ended. Orders without an image, orders for later, worn flash,
/// images altered at power on, and devices that nobody could tell their order for a day are left to the devices' tests.
const ALERTS: &[&str] = &[
    "0x8F72", "0x8F1C", "0x8F43", "0x8F1F", "0x0128 0", "0x0128 1", "0x0128 2", "0x0128 3", "0x00CA 0",
    "0x00CA 2", "0x00CA 3",
];

/// What is wrong with devices from the beginning and nobody knows.
const TROUBLES: &[&str] =
    &["AlreadyCurrent", "DoesNotComeUp", "FailsLater", "FlashDefect", "LowBattery", "WrongHardware"];

/// A meter's stages, by their numbers.
const STAGES: [&str; 7] =
    ["Normal", "Querying", "Downloading", "Verifying", "Reporting", "Waiting", "CountDown"];

/// The steps of a meter's life cycle. Left out are those that need an image which goes bad in a meter's own flash, as its
/// hub passes on no bad one: Reporting to Normal, Waiting to Normal, CountDown to Normal or Waiting. The devices' tests
/// take them.
const METER_STEPS: &[(u8, &[u8])] =
    &[(0, &[1]), (1, &[0, 2, 3, 4, 5, 6]), (2, &[0, 3]), (3, &[4]), (4, &[5, 6]), (5, &[1, 6])];

/// Image transfer status (IEC 62056-6-2), by its numbers.
const STATUSES: [&str; 8] = [
    "NotInitiated",
    "Initiated",
    "VerificationInitiated",
    "VerificationSuccessful",
    "VerificationFailed",
    "ActivationInitiated",
    "ActivationSuccessful",
    "ActivationFailed",
];

/// The steps of a hub's slot. Left out are those that a single campaign does not take: a slot that has activated, or failed
/// to, begins again with the next one; and one that verifies for milliseconds is not begun anew in them.
const SLOT_STEPS: &[(u8, &[u8])] =
    &[(0, &[1]), (1, &[0, 2]), (2, &[3, 4]), (3, &[0, 5]), (4, &[0, 1]), (5, &[6, 7])];

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
            note(format!("alert {}", alert_of(entry.event)));
        }
        for device in census.everybody() {
            if let Some(trouble) = device.trouble {
                note(format!("trouble {trouble:?}"));
            }
            for attack in Attack::ALL.into_iter().filter(|attack| device.attacks.of(*attack) > 0) {
                note(format!("attack {attack}"));
            }
            match device.kind {
                DeviceKind::Hub => note_steps("slot", &STATUSES, device.edges, &mut note),
                _ => note_steps("meter", &STAGES, device.edges, &mut note),
            }
        }
    }

    /// Notes which rules stood alone in the way of a device.
    pub fn note_audit(&mut self, audit: &Audit) {
        self.words.extend(audit.alone.iter().map(|words| (words.clone(), 1)));
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
        self.words.keys().filter(|what| !expected.contains(what)).cloned().collect()
    }

    /// Returns what has happened in the fewest seeds, and in how many.
    pub fn rarest(&self, count: usize) -> Vec<String> {
        let mut rare: Vec<(u64, &String)> = self.words.iter().map(|(what, seeds)| (*seeds, what)).collect();
        rare.sort();
        rare.iter().take(count).map(|(seeds, what)| format!("{what} ({seeds})")).collect()
    }
}

/// Names an entry of a security log by its code, and by what the code says it is.
fn alert_of(event: SecurityEvent) -> String {
    match event {
        SecurityEvent::ActivationEnded(outcome) => format!("0x00CA {}", outcome.code()),
        SecurityEvent::TransferEnded(outcome) => format!("0x0128 {}", outcome.code()),
        other => format!("0x{:04X}", other.code()),
    }
}

fn note_steps(who: &str, names: &[&str], edges: Edges, note: &mut impl FnMut(String)) {
    for from in 0..names.len() as u8 {
        for to in (0..names.len() as u8).filter(|to| *to != from && edges.has(from, *to)) {
            note(step(who, names, from, to));
        }
    }
}

fn step(who: &str, names: &[&str], from: u8, to: u8) -> String {
    format!("{who} {} to {}", names[usize::from(from)], names[usize::from(to)])
}

fn expected() -> Vec<String> {
    let steps = |who, names: &'static [&str], table: &'static [(u8, &[u8])]| {
        table.iter().flat_map(move |(from, next)| next.iter().map(move |to| step(who, names, *from, *to)))
    };
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
        .chain(ALERTS.iter().map(|code| format!("alert {code}")))
        .chain(TROUBLES.iter().map(|trouble| format!("trouble {trouble}")))
        .chain(ATTACKS.iter().map(|attack| format!("attack {attack}")))
        .chain(steps("meter", &STAGES, METER_STEPS))
        .chain(steps("slot", &STATUSES, SLOT_STEPS))
        .collect()
}
