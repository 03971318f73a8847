//! Every combination of the gate's inputs against checked-in tables, and the proof that every rule is needed for them.
//!
//! An input is an axis with a letter for each of its values; a combination is a word with one letter an axis. The axes
//! are in three products, as the rules are in three lists (`inputs`): conditions, 4,838,400 words; evidence, 63,000;
//! waits, 180 under each kind of proof. Each product is judged whole (`tables`), while the others least disturb.
//!
//! Over all axes at once there are 5.5 · 10^13 words. Their verdicts follow from the three tables by a law: the first
//! that does not let a claim go on speaks. `Rules::walk` is written so, but a rule may look at whatever a claim leads to.
//! So `crossing` builds words over all axes, and has every line of each table meet every line of the others in more than
//! a million of them. A line is a class of words that are alike to their own table; that they are alike to the others,
//! too, is what this shows.
//!
//! What it does not prove: the words of a line are drawn, not all judged. Any three letters, one of each table, meet; a
//! rule that minded only some four letters together, not all of one table, might pass. Within a table none does. The
//! values of the axes are those that somebody thought of: one home, and no two devices excluded at once. And verdicts are
//! compared by row and code; what they say and refer to is left to the suite outside.

mod crossing;
mod inputs;
mod mutations;
mod tables;
#[allow(dead_code, reason = "the suite outside needs more of it")]
#[path = "../../tests/suite/world.rs"]
mod world;
mod worlds;

use std::path::Path;

/// Writes the tables anew instead of comparing them.
const REGENERATE: &str = "LAMPLIGHTER_WRITE_TABLES";

/// Compares a table with the one that is checked in.
#[track_caller]
fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name);
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, found).expect("the table can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).expect("the table is checked in");
    let differs = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(
        expected == found,
        "{}: the gate gives other verdicts than the table, first {differs:?}.\nIf that is meant, write it anew with \
         `{REGENERATE}=1 cargo test -p eligibility --lib gate::` and read the difference line by line.",
        path.display()
    );
}

#[test]
fn every_combination_of_the_conditions_gives_what_the_table_says() {
    check("conditions.txt", &tables::CONDITIONS.to_string());
}

#[test]
fn every_combination_of_the_evidence_gives_what_the_table_says() {
    check("evidence.txt", &tables::EVIDENCE.to_string());
}

#[test]
fn every_combination_of_notices_slots_and_wan_gives_what_the_table_says() {
    check("waits.txt", &tables::WAITS.to_string());
}
