//! Why nothing is to be done with a device, and the list that says since when: rows of `exclusions.csv`.
//!
//! ```text
//! device_id, reason, since (a date), doc_ref (or empty)
//! ```
//!
//! The inventory has a column for the reason too; this list adds the day and the document, and can be kept by somebody
//! else. `[S6]` `[S7]` the categories, which the DCC consulted on for *migration* in November 2021 and May 2022. `[I]`
//! That they hold for firmware. The words in the files are ours.

use firmware_image::Eui64;
use jiff::civil::Date;

use crate::table::{Cell, FileKind, RowReader, RowWriter, Table};
use crate::text::{DocRef, ExclusionReason, SharedTexts};

/// Why nothing is to be done with a device now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exclusion {
    /// The master keys are missing.
    MissingMasterKeys,
    /// No WAN communications before migration.
    NoWanBeforeMigration,
    /// No WAN communications during a migration attempt.
    NoWanDuringMigration,
    /// At least five failed migration attempts.
    FiveFailedAttempts,
    /// The gas meter is left out for a HAN error (GT01) and only the electricity side goes on.
    GasMeterHanError,
    /// The combination is uneconomic to test.
    DmcUneconomic,
    /// Dormant through the end of a contract, and the supplier believes that migration cannot succeed.
    SupplierBelief,
    /// For another reason, in the SMSO's words.
    Other(ExclusionReason),
}

/// One row of the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExclusionEntry {
    /// The device.
    pub device: Eui64,
    /// Why.
    pub reason: Exclusion,
    /// From which day on.
    pub since: Date,
    /// Where it is written.
    pub doc_ref: Option<DocRef>,
}

impl Exclusion {
    const NAMED: [(Exclusion, &'static str); 7] = [
        (Exclusion::MissingMasterKeys, "missing-master-keys"),
        (Exclusion::NoWanBeforeMigration, "no-wan-before-migration"),
        (Exclusion::NoWanDuringMigration, "no-wan-during-migration"),
        (Exclusion::FiveFailedAttempts, "five-failed-attempts"),
        (Exclusion::GasMeterHanError, "gas-meter-han-error"),
        (Exclusion::DmcUneconomic, "dmc-uneconomic"),
        (Exclusion::SupplierBelief, "supplier-belief"),
    ];

    /// Returns the word that stands in the file, or the SMSO's own words.
    pub fn as_str(&self) -> &str {
        match self {
            Exclusion::Other(reason) => reason.as_str(),
            named => Self::NAMED.iter().find(|(known, _)| known == named).map_or("", |(_, word)| word),
        }
    }

    /// Says whether one device with this reason excludes its whole installation. Only the gas category does not: it
    /// exists so that the rest of the home can go on.
    pub fn is_of_installation(&self) -> bool {
        *self != Exclusion::GasMeterHanError
    }
}

impl Cell for Exclusion {
    fn expected() -> String {
        ExclusionReason::EXPECTED.to_string()
    }

    fn parse(text: &str, shared: &mut SharedTexts) -> Option<Self> {
        if let Some((named, _)) = Self::NAMED.iter().find(|(_, word)| *word == text) {
            return Some(named.clone());
        }
        ExclusionReason::shared(text, shared).ok().map(Exclusion::Other)
    }

    fn print(&self) -> String {
        self.as_str().to_string()
    }
}

impl Table for ExclusionEntry {
    const FILE: FileKind = FileKind::Exclusions;
    const COLUMNS: &'static [&'static str] = &["device_id", "reason", "since", "doc_ref"];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let device = row.cell("device_id");
        let reason = row.cell("reason");
        let since = row.cell("since");
        let doc_ref = row.cell("doc_ref");
        Some(Self { device: device?, reason: reason?, since: since?, doc_ref: doc_ref? })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("device_id", &self.device);
        row.cell("reason", &self.reason);
        row.cell("since", &self.since);
        row.cell("doc_ref", &self.doc_ref);
    }
}
