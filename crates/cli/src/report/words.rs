//! What the words of a campaign mean, one plain sentence each: outcomes, and the codes of the gate.

use campaign::{Outcome, OutcomeClass, Stage};

/// Returns the meaning of an outcome.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Activated => "The device says that it runs the new firmware.",
        Outcome::AlreadyOnTarget => "The device ran the new firmware before the campaign reached it.",
        Outcome::Refused => "The gate refused the update; nothing was activated.",
        Outcome::HeldUnactivated => "The gate refused it after the transfer; the image was not activated.",
        Outcome::WithdrawnInDoubt => {
            "It may have been told to activate, was found idle, and the gate does not allow to tell it again."
        }
        Outcome::Halted => "The campaign was halted before the device was through.",
        Outcome::Aborted => "An operator aborted the campaign before the device was through.",
        Outcome::HeldBack => {
            "Its turn never came: a device before it in its home failed, or too many of its group had."
        }
        Outcome::NoWan => "The hub was never reached.",
        Outcome::TransferFailed => "The hub was reached, but did not take the whole image.",
        Outcome::HubRejectedImage => "The hub took the image and found it wrong.",
        Outcome::DeviceRejectedImage => "The device took the image and found it wrong.",
        Outcome::DeviceDeclined => {
            "The device said that it does not fetch the image: it has no room, or no charge to spare."
        }
        Outcome::HanTimeout => "The image did not get from the hub to the device in time.",
        Outcome::OrderRefused => "The device or its hub refused the activation order.",
        Outcome::RolledBack => "The new firmware did not come up and the device went back to the old one.",
        Outcome::ActivationUnconfirmed => "The device never confirmed which firmware it runs.",
        Outcome::Unhealthy => "The device ran the new firmware and did not stay well while it was watched.",
    }
}

/// Returns the sum that a class of outcomes belongs to, as the headline names it.
pub(crate) fn class(class: OutcomeClass) -> &'static str {
    match class {
        OutcomeClass::Done => "done",
        OutcomeClass::Failed => "failed",
        OutcomeClass::Excluded => "excluded",
    }
}

/// Returns what a device that has no outcome yet is waiting for.
pub(crate) fn waiting_at(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "its turn",
        Stage::Instructed => "the transfer to its hub",
        Stage::Staged => "the transfer to the device",
        Stage::Delivered => "its activation order",
        Stage::Ordered => "word of what it runs",
        Stage::Soaking => "the end of its watch",
        Stage::Ended => "nothing",
    }
}

/// Writes an outcome as people do: `no_wan` as `no WAN`.
pub(crate) fn spoken(outcome: Outcome) -> String {
    let words = outcome.as_str().split('_').map(|word| match word {
        "wan" => "WAN",
        "han" => "HAN",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the row of the gate's table in which a code stands, and its meaning.
pub(crate) fn code(code: &str) -> (&'static str, &'static str) {
    CODES.iter().find(|(known, ..)| *known == code).map_or(UNKNOWN_CODE, |(_, row, text)| (row, text))
}

/// A ledger may be younger than the program that reports on it.
const UNKNOWN_CODE: (&str, &str) = ("–", "This version of the report does not know the code.");

/// The codes of the gate's table, in its order, then those of the campaign itself.
const CODES: [(&str, &str, &str); 24] = [
    ("REJECT_UNKNOWN_DEVICE", "A0", "The inventory does not know the device."),
    ("REJECT_UNKNOWN_MODEL", "A0", "The product list has no entry for the device as it is, or is to be."),
    ("REJECT_NOT_DCC", "A1", "The instruction does not come from the DCC."),
    ("REJECT_WRONG_SMSO", "A1", "The instruction addresses an SMSO that does not operate the installation."),
    ("REJECT_ACTIVE", "A2", "The meter is Active, or the device serves no Dormant Meter."),
    ("REJECT_ENROLLED", "A3", "The device is enrolled with the DCC, so its supplier updates it."),
    (
        "REJECT_FW_NOT_IN_DMC",
        "A4",
        "The home would not end in a device model combination that was tested or reported.",
    ),
    ("SKIP_EXCLUDED", "A5", "The device or its installation is in an exclusion category."),
    ("REJECT_IMAGE", "A9", "The image is not the one registered for this model, hardware and version."),
    ("REJECT_PATH", "A10", "The target may not be installed over the version that the device runs."),
    ("EPCL", "B1", "The combination is on the Eligible Product Combinations List."),
    ("EARLY_MT_SIT", "B2", "The combination is proposed, and its MT and SIT are complete."),
    ("EARLY_DMCT_REPORT", "B3", "The combination is proposed, and its DMCT EPCL Report is issued."),
    (
        "EARLY_DMCT_REPORT_SE",
        "B4",
        "It is proposed as equivalent to a tested combination, and the report is issued.",
    ),
    ("SE_NOT_FINAL", "B5", "Equivalence is claimed, but no final report confirms it."),
    ("TESTING_INCOMPLETE", "B6", "Testing of the combination is not complete and no report is issued."),
    ("NO_EVIDENCE", "B7", "Neither a complete test nor an issued report speaks for the combination."),
    ("DMC_UNECONOMIC", "B8", "The combination is declared uneconomic to test."),
    (
        "EARLY_NOT_IN_EFFECT",
        "B2–B4",
        "The evidence is there, but the rule for early firmware is not in effect yet.",
    ),
    ("ALREADY_ON_TARGET", "–", "The device runs the target already."),
    ("NO_IMAGE_FOR_MODEL", "–", "The order has no image for the device's model."),
    ("HOLD_COMPANION", "A4", "Another device of the home has to wait, and is needed for the combination."),
    ("SUPPLIER_CHANGED", "–", "The device has another supplier than when it was instructed."),
    ("OTHER_CAMPAIGN_IN_PROGRESS", "–", "Another campaign is at work on the device."),
];
