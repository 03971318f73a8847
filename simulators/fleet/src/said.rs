//! Which codes a device has sent at least once: one bit for each. Bookkeeping of the simulator, by which tests see that no
//! code is one that nobody ever sends.
//!
//! ```text
//!  statuses  ZCL status: 0x00, 0x01, then 0x7E to 0x99       results  DLMS result: 0 to 16, then 250
//!  rows      HAN states of devices in a hub's rows           own_row  the same of the hub itself
//! ```

use wire::{AccessResult, HanState, ZclStatus};

/// The codes that a device has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    statuses: u32,
    results: u32,
    rows: u16,
    own_row: u16,
    acts: u8,
}

/// What is said without a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// An exception: nobody is associated, or the service is not spoken.
    Exception = 0,
    /// An association in a context that is not spoken.
    Context = 1,
    /// An association by a mechanism that is not known.
    Mechanism = 2,
    /// A device asks for a page.
    Page = 3,
    /// A hub asks for a slower pace.
    Throttle = 4,
}

const ACTS: [(Act, &str); 5] = [
    (Act::Exception, "exception"),
    (Act::Context, "association refused for its context"),
    (Act::Mechanism, "association refused for its mechanism"),
    (Act::Page, "asks for a page"),
    (Act::Throttle, "asks for a slower pace"),
];

/// The first ZCL status of those that have a block of numbers, and where their bits begin.
const FIRST_STATUS: u8 = 0x7E;
const FIRST_BIT: u8 = 2;

/// The last DLMS result but for 250.
const LAST_RESULT: u8 = 16;
const OTHER_REASON: u8 = 250;

impl Said {
    /// Notes a ZCL status; one that the cluster does not have leaves no trace.
    pub(crate) fn status(&mut self, status: ZclStatus) {
        if let Some(bit) = status_bit(status.to_byte()) {
            self.statuses |= 1 << bit;
        }
    }

    /// Notes a DLMS result.
    pub(crate) fn result(&mut self, result: AccessResult) {
        if let Some(bit) = result_bit(result.to_byte()) {
            self.results |= 1 << bit;
        }
    }

    /// Notes the state that a hub's row gives a device.
    pub(crate) fn row(&mut self, state: HanState) {
        self.rows |= 1 << state as u16;
    }

    /// Notes the state that a hub gives itself.
    pub(crate) fn own_row(&mut self, state: HanState) {
        self.own_row |= 1 << state as u16;
    }

    /// Notes what has no code.
    pub(crate) fn act(&mut self, act: Act) {
        self.acts |= 1 << act as u8;
    }

    /// Adds what another has said.
    pub fn add(&mut self, other: Said) {
        self.statuses |= other.statuses;
        self.results |= other.results;
        self.rows |= other.rows;
        self.own_row |= other.own_row;
        self.acts |= other.acts;
    }

    /// Returns all of it in words, such as `status wait for data` and `row Silent`.
    pub fn words(&self) -> Vec<String> {
        let bytes = 0..=u8::MAX;
        let statuses = bytes.clone().filter(|byte| has(self.statuses, status_bit(*byte)));
        let results = bytes.filter(|byte| has(self.results, result_bit(*byte)));
        let states =
            |rows: u16| HanState::ALL.into_iter().filter(move |state| has(rows.into(), Some(*state as u8)));
        let acts = ACTS.iter().filter(|(act, _)| has(self.acts.into(), Some(*act as u8)));
        statuses
            .map(|byte| format!("status {}", ZclStatus::from_byte(byte)))
            .chain(results.map(|byte| format!("result {}", AccessResult::from_byte(byte))))
            .chain(states(self.rows).map(|state| format!("row {state:?}")))
            .chain(states(self.own_row).map(|state| format!("own row {state:?}")))
            .chain(acts.map(|(_, words)| (*words).to_owned()))
            .collect()
    }
}

fn has(bits: u32, bit: Option<u8>) -> bool {
    bit.is_some_and(|bit| bits & 1 << bit != 0)
}

fn status_bit(code: u8) -> Option<u8> {
    match code {
        0 | 1 => Some(code),
        FIRST_STATUS..=0x99 => Some(code - FIRST_STATUS + FIRST_BIT),
        _ => None,
    }
}

fn result_bit(number: u8) -> Option<u8> {
    match number {
        0..=LAST_RESULT => Some(number),
        OTHER_REASON => Some(LAST_RESULT + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_has_a_name_has_a_bit_of_its_own() {
        let (mut statuses, mut results) = (0_u32, 0_u32);
        for byte in 0..=u8::MAX {
            if !matches!(ZclStatus::from_byte(byte), ZclStatus::Other(_)) {
                let bit = status_bit(byte).expect("it has a name");
                assert!(bit < 32 && !has(statuses, Some(bit)), "{byte:#04x}");
                statuses |= 1 << bit;
            }
            if !matches!(AccessResult::from_byte(byte), AccessResult::Other(_)) {
                let bit = result_bit(byte).expect("it has a name");
                assert!(bit < 32 && !has(results, Some(bit)), "{byte}");
                results |= 1 << bit;
            }
        }
        assert_eq!((statuses.count_ones(), results.count_ones()), (18, 13));
    }

    #[test]
    fn what_was_said_is_read_in_words_and_sums_keep_all() {
        let (mut one, mut other) = (Said::default(), Said::default());
        one.status(ZclStatus::WaitForData);
        one.result(AccessResult::OtherReason);
        one.row(HanState::Silent);
        other.own_row(HanState::Activated);
        other.act(Act::Exception);
        other.status(ZclStatus::Other(0xC3));
        one.add(other);
        assert_eq!(
            one.words(),
            ["status wait for data", "result other reason", "row Silent", "own row Activated", "exception"]
        );
    }
}
