//! How far a device has come, as one table, and the words for how it ends.

use serde::{Deserialize, Serialize};

/// How far a device has come in a campaign.
///
/// ```text
/// Planned ─► Instructed ─► Staged ─► Delivered ─► Ordered ─► Soaking ─► Ended
///    ▲                      │           │           │          │
///    └──────────────────────┴───────────┴───────────┴──────────┘
/// ```
///
/// Every stage may end. Back to `Planned` goes a device that runs a step of its way and has another before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Allowed, and waiting for its wave or its turn.
    Planned,
    /// The instruction is in the ledger: its hub may be sent the image.
    Instructed,
    /// The hub holds and has verified the image.
    Staged,
    /// The device holds and has verified the image; it still runs the old one.
    Delivered,
    /// The activation order is in the ledger.
    Ordered,
    /// It says that it runs the new image, and is watched for a while before that counts.
    Soaking,
    /// There is an outcome.
    Ended,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 7] = [
        Stage::Planned,
        Stage::Instructed,
        Stage::Staged,
        Stage::Delivered,
        Stage::Ordered,
        Stage::Soaking,
        Stage::Ended,
    ];

    /// Says whether a device may go from this stage to `next`. Nothing ever leaves `Ended`.
    pub fn may_become(self, next: Stage) -> bool {
        use Stage::*;
        matches!(
            (self, next),
            (Planned, Instructed)
                | (Instructed, Staged)
                | (Staged, Delivered)
                | (Delivered, Ordered)
                | (Ordered, Soaking)
                | (Staged | Delivered | Ordered | Soaking, Planned)
                | (Planned | Instructed | Staged | Delivered | Ordered | Soaking, Ended)
        )
    }

    /// Returns the stage's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Planned => "planned",
            Stage::Instructed => "instructed",
            Stage::Staged => "staged",
            Stage::Delivered => "delivered",
            Stage::Ordered => "ordered",
            Stage::Soaking => "soaking",
            Stage::Ended => "ended",
        }
    }
}

/// How it ended for a device. Each device of an order ends with exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The device says that it runs the new firmware.
    Activated,
    /// It ran the new firmware before we came.
    AlreadyOnTarget,
    /// The gate refused it, when it was planned, instructed or about to be sent its image; the row and its code say why.
    Refused,
    /// The gate allowed it first and refused it later: the image stays where it is, not activated.
    HeldUnactivated,
    /// It may have been told to activate, was found idle, and the gate does not allow to tell it again.
    WithdrawnInDoubt,
    /// The campaign was halted before its turn, or while it was under way.
    Halted,
    /// An operator aborted the campaign before its turn, or while it was under way.
    Aborted,
    /// Its turn never came: a device before it in its home failed, or too many of its group had.
    HeldBack,
    /// The hub was never reached.
    NoWan,
    /// The hub was reached, but would not or could not take the image.
    TransferFailed,
    /// The hub took the image and found it wrong.
    HubRejectedImage,
    /// The device took the image and found it wrong.
    DeviceRejectedImage,
    /// The device said, again and again, that it does not fetch the image.
    DeviceDeclined,
    /// The image did not reach the device in time.
    HanTimeout,
    /// The device or its hub refused the activation order.
    OrderRefused,
    /// The new firmware did not come up and the device went back to the old one.
    RolledBack,
    /// The device never confirmed what it runs.
    ActivationUnconfirmed,
    /// The device ran the new firmware, and did not stay well while it was watched.
    Unhealthy,
}

/// The four sums that add up to the order; the fourth is what has no outcome yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeClass {
    /// The device runs the target firmware.
    Done,
    /// We tried and it does not.
    Failed,
    /// By rule, it was not to be tried (any more).
    Excluded,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 18] = [
        Outcome::Activated,
        Outcome::AlreadyOnTarget,
        Outcome::Refused,
        Outcome::HeldUnactivated,
        Outcome::WithdrawnInDoubt,
        Outcome::Halted,
        Outcome::Aborted,
        Outcome::HeldBack,
        Outcome::NoWan,
        Outcome::TransferFailed,
        Outcome::HubRejectedImage,
        Outcome::DeviceRejectedImage,
        Outcome::DeviceDeclined,
        Outcome::HanTimeout,
        Outcome::OrderRefused,
        Outcome::RolledBack,
        Outcome::ActivationUnconfirmed,
        Outcome::Unhealthy,
    ];

    /// Returns which sum this outcome belongs to.
    pub fn class(self) -> OutcomeClass {
        match self {
            Outcome::Activated | Outcome::AlreadyOnTarget => OutcomeClass::Done,
            Outcome::Refused
            | Outcome::HeldUnactivated
            | Outcome::WithdrawnInDoubt
            | Outcome::Halted
            | Outcome::Aborted
            | Outcome::HeldBack => OutcomeClass::Excluded,
            Outcome::NoWan
            | Outcome::TransferFailed
            | Outcome::HubRejectedImage
            | Outcome::DeviceRejectedImage
            | Outcome::DeviceDeclined
            | Outcome::HanTimeout
            | Outcome::OrderRefused
            | Outcome::RolledBack
            | Outcome::ActivationUnconfirmed
            | Outcome::Unhealthy => OutcomeClass::Failed,
        }
    }

    /// Says whether the image, rather than a link or a rule, is to blame: this is what halts a campaign.
    pub fn blames_image(self) -> bool {
        matches!(
            self,
            Outcome::HubRejectedImage
                | Outcome::DeviceRejectedImage
                | Outcome::RolledBack
                | Outcome::ActivationUnconfirmed
                | Outcome::Unhealthy
        )
    }

    /// Returns the outcome's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Activated => "activated",
            Outcome::AlreadyOnTarget => "already_on_target",
            Outcome::Refused => "refused",
            Outcome::HeldUnactivated => "held_unactivated",
            Outcome::WithdrawnInDoubt => "withdrawn_in_doubt",
            Outcome::Halted => "halted",
            Outcome::Aborted => "aborted",
            Outcome::HeldBack => "held_back",
            Outcome::NoWan => "no_wan",
            Outcome::TransferFailed => "transfer_failed",
            Outcome::HubRejectedImage => "hub_rejected_image",
            Outcome::DeviceRejectedImage => "device_rejected_image",
            Outcome::DeviceDeclined => "device_declined",
            Outcome::HanTimeout => "han_timeout",
            Outcome::OrderRefused => "order_refused",
            Outcome::RolledBack => "rolled_back",
            Outcome::ActivationUnconfirmed => "activation_unconfirmed",
            Outcome::Unhealthy => "unhealthy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_stages_is_this_one() {
        let table: Vec<String> = Stage::ALL
            .iter()
            .map(|from| {
                let to: Vec<&str> =
                    Stage::ALL.iter().filter(|to| from.may_become(**to)).map(|to| to.as_str()).collect();
                format!("{}: {}", from.as_str(), to.join(" "))
            })
            .collect();
        assert_eq!(
            table.join("\n"),
            "planned: instructed ended\ninstructed: staged ended\nstaged: planned delivered ended\n\
             delivered: planned ordered ended\nordered: planned soaking ended\nsoaking: planned ended\nended: "
        );
    }

    #[test]
    fn only_what_the_device_says_it_runs_counts_as_done() {
        let done: Vec<_> =
            Outcome::ALL.iter().filter(|outcome| outcome.class() == OutcomeClass::Done).collect();
        assert_eq!(done, [&Outcome::Activated, &Outcome::AlreadyOnTarget]);
    }
}
