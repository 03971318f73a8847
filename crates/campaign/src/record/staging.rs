//! What is recorded of the WAN leg: an image that its hub holds, and each try to bring it there that failed.

use firmware_image::Eui64;
use serde::{Deserialize, Serialize};
use transfer_engine::LegReport;

/// See [`Record::Staged`](super::Record::Staged).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedRecord {
    /// The device whose slot it is.
    pub device: Eui64,
    /// Blocks of the image.
    pub blocks: u32,
    /// Blocks sent, repairs included.
    pub blocks_sent: u32,
    /// Blocks sent more than once.
    pub blocks_repaired: u32,
    /// Blocks the hub held before.
    pub blocks_held: u32,
    /// Bytes sent, headers included.
    pub bytes_sent: u64,
    /// How long it took, milliseconds.
    pub elapsed_ms: u64,
}

impl StagedRecord {
    pub(crate) fn new(device: Eui64, report: &LegReport) -> StagedRecord {
        StagedRecord {
            device,
            blocks: report.blocks,
            blocks_sent: report.blocks_sent,
            blocks_repaired: report.blocks_repaired,
            blocks_held: report.blocks_held,
            bytes_sent: report.bytes_sent,
            elapsed_ms: report.elapsed.as_millis() as u64,
        }
    }
}

/// See [`Record::StagingFailed`](super::Record::StagingFailed). One a try, so that a head-end that starts again goes on
/// counting where the one before it died, and an auditor sees what was tried before a device was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingFailedRecord {
    /// The device.
    pub device: Eui64,
    /// Which try it was, from 1; a device that gets another image on its way begins again.
    pub attempt: u8,
    /// What went wrong, in one phrase.
    pub fault: String,
    /// How long it rests until the next try, milliseconds; none when there is no next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
