//! The life cycle of an activation, as arithmetic on one record.

use super::{ActivationOutcome, BankImage, BootChoice, BootPhase, BootRecord, StoredExtent, TRIAL_BOOTS};
use crate::bank::BankId;
use firmware_image::{
    CounterEpoch, FileDigest, FileVersion, ImageDigest, OrderCounter, OrderMemory, SequenceNumber,
};

fn new_image() -> BankImage {
    let stored = StoredExtent { size: 10, image: ImageDigest::of(b"new"), file: FileDigest::of(b"file") };
    BankImage { bank: BankId(1), version: FileVersion(2), stored: Some(stored) }
}

fn order(counter: u64) -> OrderMemory {
    OrderMemory { epoch: CounterEpoch(1), counter: OrderCounter(counter) }
}

fn armed() -> BootRecord {
    let mut record = BootRecord::factory(FileVersion(1), SequenceNumber(4));
    record.arm(new_image(), Some(SequenceNumber(7)), Some(order(3)));
    record
}

#[test]
fn the_life_cycle_has_exactly_these_steps() {
    let mut table = String::new();
    for from in BootPhase::ALL {
        for to in BootPhase::ALL {
            if from.may_become(to) {
                table += &format!("{from:?} -> {to:?}\n");
            }
        }
    }
    let expected = "Settled -> Settled\nSettled -> Armed\nArmed -> Settled\nArmed -> Trial\n\
                    Trial -> Settled\nTrial -> Trial\n";
    assert_eq!(table, expected);
}

#[test]
fn the_counter_rises_at_confirm_and_not_before() {
    let mut record = armed();
    assert_eq!((record.counter().sequence, *record.orders()), (SequenceNumber(4), order(3)));
    assert_eq!(record.power_on(|_| true), BootChoice::Trial);
    assert_eq!(record.counter().sequence, SequenceNumber(4));
    record.confirm();
    assert_eq!(record.counter().sequence, SequenceNumber(7));
    assert_eq!(record.running().version, FileVersion(2));
    assert_eq!(record.outcome(), Some(ActivationOutcome::Success));
}

#[test]
fn an_image_that_never_confirms_gives_way_to_the_old_one() {
    let mut record = armed();
    for _ in 0..TRIAL_BOOTS {
        assert_eq!(record.power_on(|_| true), BootChoice::Trial);
    }
    assert_eq!(record.power_on(|_| true), BootChoice::Confirmed);
    assert_eq!(record.running().version, FileVersion(1));
    assert_eq!(record.outcome(), Some(ActivationOutcome::ActivationFailure));
    assert_eq!(record.counter().sequence, SequenceNumber(4));
}

#[test]
fn an_image_altered_after_arming_is_not_tried() {
    let mut record = armed();
    assert_eq!(record.power_on(|image| image.stored.is_none()), BootChoice::Confirmed);
    assert_eq!(record.outcome(), Some(ActivationOutcome::HashMismatch));
}

#[test]
fn a_running_image_that_rots_falls_back_to_the_one_before() {
    let mut record = armed();
    record.power_on(|_| true);
    record.confirm();
    assert_eq!(record.power_on(|image| image.bank == BankId(0)), BootChoice::Confirmed);
    assert_eq!(record.running().version, FileVersion(1));
    assert_eq!(record.power_on(|_| false), BootChoice::Nothing);
}

#[test]
fn the_record_survives_its_bytes() {
    let mut record = armed();
    assert_eq!(BootRecord::from_bytes(&record.to_bytes()), Some(record.clone()));
    record.power_on(|_| true);
    record.confirm();
    assert_eq!(BootRecord::from_bytes(&record.to_bytes()), Some(record.clone()));
    assert_eq!(BootRecord::from_bytes(&record.to_bytes()[..20]), None);
}

#[test]
fn an_order_spends_the_nonce_that_it_carried() {
    let mut record = BootRecord::factory(FileVersion(1), SequenceNumber(4));
    assert_eq!(record.draws(), 0);
    record.draw();
    record.arm(new_image(), None, Some(order(3)));
    assert_eq!(record.draws(), 2);
}

#[test]
fn an_outcome_is_reported_once_and_its_words_are_those_of_the_response() {
    let mut record = armed();
    assert_eq!(record.unreported(), None);
    record.power_on(|_| true);
    record.confirm();
    assert_eq!((record.unreported(), record.attempts()), (Some(ActivationOutcome::Success), 1));
    record.set_reported();
    assert_eq!(record.unreported(), None);
    record.end_unarmed(ActivationOutcome::NoImageHeld, Some(order(4)));
    assert_eq!((record.unreported(), record.attempts()), (Some(ActivationOutcome::NoImageHeld), 2));
    let words = ActivationOutcome::ALL.map(|outcome| (outcome.code(), outcome.name()));
    let response = ["success", "noImageHeld", "hashMismatch", "activationFailure"];
    assert!((0..).zip(response).eq(words));
}

#[test]
fn a_worn_bank_is_never_spare_again() {
    let mut record = BootRecord::factory(FileVersion(1), SequenceNumber(4));
    assert!(record.is_spare(BankId(1)));
    assert!(record.retire_bank(BankId(1)));
    assert!(!record.retire_bank(BankId(1)));
    let record = BootRecord::from_bytes(&record.to_bytes()).expect("a record");
    assert!(!record.is_spare(BankId(1)) && record.is_spare(BankId(2)));
}
