//! The life cycle of a download on the meter, as a table.
//!
//! ```text
//! Normal -> Querying -> Downloading -> Verifying -> Reporting -> Waiting -> CountDown -> (reboot) Normal
//! ```

/// How far the meter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is under way.
    Normal,
    /// A Query Next Image Request is out.
    Querying,
    /// Blocks are being fetched.
    Downloading,
    /// The image is complete and being checked.
    Verifying,
    /// An Upgrade End Request is out.
    Reporting,
    /// A verified image waits to be activated.
    Waiting,
    /// The moment of activation is known.
    CountDown,
}

impl Stage {
    #[cfg(test)]
    const ALL: [Stage; 7] = [
        Stage::Normal,
        Stage::Querying,
        Stage::Downloading,
        Stage::Verifying,
        Stage::Reporting,
        Stage::Waiting,
        Stage::CountDown,
    ];

    /// Returns whether the life cycle has this step; a restart leads to `Normal` or `Waiting` from anywhere.
    pub(crate) fn may_become(self, next: Stage) -> bool {
        use Stage::{CountDown, Downloading, Normal, Querying, Reporting, Verifying, Waiting};
        matches!(
            (self, next),
            (Normal, Querying)
                | (Querying, Normal | Downloading | Verifying | Reporting | Waiting | CountDown)
                | (Downloading, Normal | Verifying)
                | (Verifying, Reporting)
                | (Reporting, Normal | Waiting | CountDown)
                | (Waiting, Normal | Querying | CountDown)
                | (CountDown, Normal | Waiting)
        )
    }

    /// Returns ImageUpgradeStatus, attribute 0x0006 (ZCL OTA, table of values).
    pub(crate) fn upgrade_status(self) -> u8 {
        match self {
            Stage::Normal | Stage::Querying => 0,
            Stage::Downloading => 1,
            Stage::Verifying | Stage::Reporting => 2,
            Stage::Waiting => 3,
            Stage::CountDown => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;

    #[test]
    fn the_life_cycle_has_exactly_these_steps() {
        let mut table = String::new();
        for from in Stage::ALL {
            let next: Vec<String> =
                Stage::ALL.iter().filter(|to| from.may_become(**to)).map(|to| format!("{to:?}")).collect();
            table += &format!("{from:?}: {}\n", next.join(" "));
        }
        let expected = "\
            Normal: Querying\n\
            Querying: Normal Downloading Verifying Reporting Waiting CountDown\n\
            Downloading: Normal Verifying\n\
            Verifying: Reporting\n\
            Reporting: Normal Waiting CountDown\n\
            Waiting: Normal Querying CountDown\n\
            CountDown: Normal Waiting\n";
        assert_eq!(table, expected);
    }
}
