//! What devices must have done at least once in the suite, in words: what was done is read here, `table` says by whom it
//! must be.

pub mod table; // what there is to be done, and who does it

use fleet::{BoardHistory, Edges, Said, SecurityEvent};

/// A meter's stages, by their numbers.
const STAGES: [&str; 7] =
    ["Normal", "Querying", "Downloading", "Verifying", "Reporting", "Waiting", "CountDown"];

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

/// What some devices have done, added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deeds {
    slots: Edges,
    stages: Edges,
    hubs: Said,
    devices: Said,
    boards: BoardHistory,
}

impl Deeds {
    /// Adds a hub's.
    pub fn add_hub(&mut self, edges: Edges, said: Said, history: BoardHistory) {
        self.slots.add(edges);
        self.hubs.add(said);
        self.boards.add(history);
    }

    /// Adds those of a device behind a hub.
    pub fn add_device(&mut self, edges: Edges, said: Said, history: BoardHistory) {
        self.stages.add(edges);
        self.devices.add(said);
        self.boards.add(history);
    }

    /// Returns all of them in words.
    pub fn words(&self) -> Vec<String> {
        let hubs = self.hubs.words().into_iter().map(|word| format!("hub {word}"));
        let devices = self.devices.words().into_iter().map(|word| format!("device {word}"));
        steps("slot", &STATUSES, self.slots)
            .into_iter()
            .chain(steps("meter", &STAGES, self.stages))
            .chain(hubs)
            .chain(devices)
            .chain(self.boards.words())
            .collect()
    }
}

/// Names an entry of a security log by its code, and by what the code says it is.
pub fn alert(event: SecurityEvent) -> String {
    match event {
        SecurityEvent::ActivationEnded(outcome) => format!("alert 0x00CA {}", outcome.code()),
        SecurityEvent::TransferEnded(outcome) => format!("alert 0x0128 {}", outcome.code()),
        other => format!("alert 0x{:04X}", other.code()),
    }
}

fn steps(who: &str, names: &[&str], edges: Edges) -> Vec<String> {
    let numbered = || (0..).zip(names);
    let pairs = numbered().flat_map(|from| numbered().map(move |to| (from, to)));
    let taken = pairs.filter(|((from, _), (to, _))| from != to && edges.has(*from, *to));
    taken.map(|((_, from), (_, to))| format!("{who} {from} to {to}")).collect()
}
