//! The life cycle of a task, as one table.
//!
//! ```text
//!            ┌─ Stage ────► Survey ─┬─ not ours ► Initiate ─┬────────────────────┐
//!            │                      │                       ▼                    ▼
//!            │                      ├─ ours ──► ReadFirstMissing ─┬─► ReadBitmap ─► SendBlocks
//!            │                      │            ▲      ▲         │       ▲           │
//!            │                      │            │      └─────────┼───────┴── round ──┘
//! Associate ─┤                      └─ further ──┼──────┐         ▼
//!            │                         failed,   │      ▼       Verify
//!            │                         holes? ◄──┴─ (AwaitVerify) ◄─┴─► Confirm ─► done
//!            ├─ Activate ─► WriteOrder ─► Activate ─► done   (no answer: ReconcileActivation)
//!            ├─ ReadHanStatus ─► done
//!            ├─ ReadVersion ─► done
//!            └─ WritePaper ─► WritePaper ─► … ─► done
//! ```
//!
//! Any step may fall back to `Associate` when the association is gone: the hub rebooted, or its keys are others now.
//! The order of the requests is that of the Blue Book's image transfer procedure, IEC 62056-6-2.

use crate::engine::SessionState;

/// Where a task stands. Every step but `Survey` and `SendBlocks` is one request
/// that waits for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// AARQ.
    Associate,
    /// Attributes 5, 2, 7 and 6 together: what is in the slot, and may we?
    Survey,
    /// Method 1.
    Initiate,
    /// Attribute 4: cheap, so read first.
    ReadFirstMissing,
    /// Attribute 3: read only when attribute 4 is short.
    ReadBitmap,
    /// Method 2, many times.
    SendBlocks,
    /// Method 3.
    Verify,
    /// Attribute 6 while the hub verifies.
    AwaitVerify,
    /// Attribute 7 after the transfer: is that our image?
    Confirm,
    /// Our order object beside the slot.
    WriteOrder,
    /// Method 4.
    Activate,
    /// Attribute 6 after an activation that was not answered.
    ReconcileActivation,
    /// Our HAN status object.
    ReadHanStatus,
    /// Active firmware identifier.
    ReadVersion,
    /// Our object for signed papers: one of them.
    WritePaper,
}

impl Step {
    /// All steps, in the order of the picture.
    #[cfg(test)]
    pub(crate) const ALL: [Step; 15] = [
        Step::Associate,
        Step::Survey,
        Step::Initiate,
        Step::ReadFirstMissing,
        Step::ReadBitmap,
        Step::SendBlocks,
        Step::Verify,
        Step::AwaitVerify,
        Step::Confirm,
        Step::WriteOrder,
        Step::Activate,
        Step::ReconcileActivation,
        Step::ReadHanStatus,
        Step::ReadVersion,
        Step::WritePaper,
    ];

    /// Says whether a task may go from this step to `next`.
    pub(crate) fn may_become(self, next: Step) -> bool {
        use Step::*;
        match (self, next) {
            // A hub that rebooted has forgotten us: begin again, the slot remembers its blocks.
            (_, Associate) => true,
            (Associate, Survey | WriteOrder | Activate | ReadHanStatus | ReadVersion | WritePaper) => true,
            (Survey, Initiate | ReadFirstMissing | AwaitVerify) => true,
            (Initiate, ReadFirstMissing | SendBlocks) => true,
            (ReadFirstMissing, ReadBitmap | SendBlocks | Verify | Initiate) => true,
            (ReadBitmap, SendBlocks | Verify) => true,
            (SendBlocks, ReadFirstMissing | ReadBitmap) => true,
            // A failed verification may have found holes.
            (Verify | AwaitVerify, AwaitVerify | Confirm | ReadFirstMissing) => true,
            (WriteOrder, Activate) | (WritePaper, WritePaper) => true,
            (Activate, ReconcileActivation) | (ReconcileActivation, Activate) => true,
            _ => false,
        }
    }

    /// Says what it is in words for operators.
    pub(crate) fn state(self) -> SessionState {
        match self {
            Step::Associate => SessionState::Associating,
            Step::WritePaper | Step::Survey | Step::Initiate => SessionState::Preparing,
            Step::ReadFirstMissing | Step::ReadBitmap | Step::SendBlocks => SessionState::Sending,
            Step::Verify | Step::AwaitVerify | Step::Confirm => SessionState::Verifying,
            Step::WriteOrder | Step::Activate | Step::ReconcileActivation => SessionState::Activating,
            Step::ReadHanStatus | Step::ReadVersion => SessionState::Reading,
        }
    }

    /// Names the request in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Associate => "AARQ",
            Step::Survey => "GET of the image slot",
            Step::Confirm => "GET image_to_activate_info",
            Step::AwaitVerify | Step::ReconcileActivation => "GET image_transfer_status",
            Step::Initiate => "ACTION image_transfer_initiate",
            Step::ReadFirstMissing => "GET image_first_not_transferred_block_number",
            Step::ReadBitmap => "GET image_transferred_blocks_status",
            Step::SendBlocks => "ACTION image_block_transfer",
            Step::Verify => "ACTION image_verify",
            Step::WriteOrder => "SET activation order",
            Step::Activate => "ACTION image_activate",
            Step::ReadHanStatus => "GET HAN status",
            Step::ReadVersion => "GET active firmware identifier",
            Step::WritePaper => "SET papers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_transitions_is_this_one() {
        let table: Vec<String> = Step::ALL
            .iter()
            .map(|from| {
                let to: Vec<String> = Step::ALL
                    .iter()
                    .filter(|to| from.may_become(**to) && **to != Step::Associate)
                    .map(|to| format!("{to:?}"))
                    .collect();
                format!("{from:?}: {}", to.join(" "))
            })
            .collect();
        let expected = "\
Associate: Survey WriteOrder Activate ReadHanStatus ReadVersion WritePaper
Survey: Initiate ReadFirstMissing AwaitVerify
Initiate: ReadFirstMissing SendBlocks
ReadFirstMissing: Initiate ReadBitmap SendBlocks Verify
ReadBitmap: SendBlocks Verify
SendBlocks: ReadFirstMissing ReadBitmap
Verify: ReadFirstMissing AwaitVerify Confirm
AwaitVerify: ReadFirstMissing AwaitVerify Confirm
Confirm: 
WriteOrder: Activate
Activate: ReconcileActivation
ReconcileActivation: Activate
ReadHanStatus: 
ReadVersion: 
WritePaper: WritePaper";
        assert_eq!(table.join("\n"), expected);
    }
}
