//! Where a campaign as a whole stands, as one table.

/// Where a campaign as a whole stands.
///
/// ```text
/// Running ◄─► Paused
///    └────┬─────┘
///         ▼
/// Halted, Aborted, Finished
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Devices are being served.
    Running,
    /// An operator has it wait: nothing is instructed, sent or activated, and images stay where they are. What is
    /// activating is still read back.
    Paused,
    /// It was stopped because too much failed; nothing more is sent or activated.
    Halted,
    /// An operator ended it; nothing more is sent or activated.
    Aborted,
    /// Every device has its outcome.
    Finished,
}

impl Phase {
    /// All phases.
    pub const ALL: [Phase; 5] =
        [Phase::Running, Phase::Paused, Phase::Halted, Phase::Aborted, Phase::Finished];

    /// Says whether a campaign may go from this phase to `next`. Nothing leaves the last three.
    pub fn may_become(self, next: Phase) -> bool {
        use Phase::{Aborted, Finished, Halted, Paused, Running};
        matches!(
            (self, next),
            (Running, Paused) | (Paused, Running) | (Running | Paused, Halted | Aborted | Finished)
        )
    }

    /// Says whether devices may still be instructed and activated, now or after a resumption.
    pub fn is_open(self) -> bool {
        matches!(self, Phase::Running | Phase::Paused)
    }

    /// Returns the phase's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Halted => "halted",
            Phase::Aborted => "aborted",
            Phase::Finished => "finished",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_phases_is_this_one() {
        let table: Vec<String> = Phase::ALL
            .iter()
            .map(|from| {
                let to: Vec<&str> =
                    Phase::ALL.iter().filter(|to| from.may_become(**to)).map(|to| to.as_str()).collect();
                format!("{}: {}", from.as_str(), to.join(" "))
            })
            .collect();
        assert_eq!(
            table.join("\n"),
            "running: paused halted aborted finished\npaused: running halted aborted finished\nhalted: \n\
             aborted: \nfinished: "
        );
        for phase in Phase::ALL {
            let leaves = Phase::ALL.iter().any(|next| phase.may_become(*next));
            assert_eq!(phase.is_open(), leaves, "{}", phase.as_str());
        }
    }
}
