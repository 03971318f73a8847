//! Every combination of the gate's inputs against checked-in tables, and the proof that every rule is needed for them.
//!
//! An input is an axis with a letter for each of its values; a combination is a word with one letter an axis. Four
//! products of axes are judged whole (`inputs`). The tables are compact and lose nothing: letters after which nothing
//! changes share a line, as `[ab]` or `*`.

mod inputs;
#[allow(dead_code, reason = "the suite outside needs more of it")]
#[path = "../../tests/suite/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::case::{Known, home_targets};
use super::rules::Rules;
use crate::inventory::Inventory;
use crate::register::Register;
use crate::targets::Targets;
use inputs::{Axis, Product};
use world::World;

/// Writes the tables anew instead of comparing them.
const REGENERATE: &str = "LAMPLIGHTER_WRITE_TABLES";

fn table(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name)
}

/// Compares a table with the one that is checked in.
#[track_caller]
fn check(name: &str, found: &str) {
    let path = table(name);
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

/// What one combination was made of, so that several tables of rules can judge it.
struct Built {
    world: World,
    targets: Targets,
    register: Register,
    inventory: Inventory,
}

impl Built {
    fn of(product: &Product, word: &[char]) -> Built {
        let world = (product.build)(word);
        Built { register: world.register(), inventory: world.inventory(), targets: world.targets(), world }
    }

    fn judge(&self, rules: &Rules) -> String {
        let Built { world, targets, register, inventory } = self;
        let known = Known { register, inventory, today: world.today, config: world.config };
        let claim = world.claim(targets);
        let device = inventory.find(world.device);
        let found = device.map(|device| (device, home_targets(&claim, device)));
        let verdict = rules.judge(&claim, found, &known);
        verdict.map_or_else(
            || "-- no rule answers".to_owned(),
            |verdict| format!("{} {}", verdict.row(), verdict.code()),
        )
    }
}

/// Calls back with every word over the axes.
fn every_word(axes: &[Axis], word: &mut Vec<char>, look: &mut impl FnMut(&[char])) {
    let Some(axis) = axes.get(word.len()) else { return look(word) };
    for (letter, _) in axis.values {
        word.push(*letter);
        every_word(axes, word, look);
        word.pop();
    }
}

/// Writes verdicts down, one word after the other as `every_word` gives them, and shares lines where it can.
fn fold(axes: &[Axis], verdicts: &[String]) -> Vec<String> {
    let Some((axis, below)) = axes.split_first() else {
        return vec![format!(" {}", verdicts.first().expect("one verdict a word"))];
    };
    let mut shared: Vec<(String, Vec<String>)> = Vec::new();
    let each = verdicts.len() / axis.values.len();
    for ((letter, _), verdicts) in axis.values.iter().zip(verdicts.chunks(each)) {
        let lines = fold(below, verdicts);
        match shared.iter_mut().find(|(_, known)| *known == lines) {
            Some((letters, _)) => letters.push(*letter),
            None => shared.push((letter.to_string(), lines)),
        }
    }
    let named = |letters: &str| match letters.chars().count() {
        all if all == axis.values.len() => "*".to_owned(),
        1 => letters.to_owned(),
        _ => format!("[{letters}]"),
    };
    shared
        .iter()
        .flat_map(|(letters, lines)| lines.iter().map(move |line| format!("{}{line}", named(letters))))
        .collect()
}

fn write_table(product: &Product) -> String {
    let mut verdicts = Vec::new();
    every_word(product.axes, &mut Vec::new(), &mut |word| {
        verdicts.push(Built::of(product, word).judge(&Rules::COMPLETE));
    });
    let mut text = format!("# {}: {} combinations. One letter for each of:\n", product.title, verdicts.len());
    for axis in product.axes {
        let values: Vec<String> =
            axis.values.iter().map(|(letter, meaning)| format!("{letter} {meaning}")).collect();
        writeln!(text, "#   {}: {}", axis.name, values.join(", ")).expect("a string takes text");
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    verdicts.iter().for_each(|verdict| *counts.entry(verdict).or_default() += 1);
    for (verdict, count) in counts {
        writeln!(text, "# {count:>7} {verdict}").expect("a string takes text");
    }
    for line in fold(product.axes, &verdicts) {
        writeln!(text, "{line}").expect("a string takes text");
    }
    text
}

#[test]
fn every_combination_of_the_preconditions_gives_what_the_table_says() {
    check("preconditions.txt", &write_table(&inputs::PRECONDITIONS));
}

#[test]
fn every_combination_about_image_path_and_companions_gives_what_the_table_says() {
    check("images.txt", &write_table(&inputs::IMAGES));
}

#[test]
fn every_combination_of_the_evidence_gives_what_the_table_says() {
    check("evidence.txt", &write_table(&inputs::EVIDENCE));
}

#[test]
fn every_combination_of_notices_slots_and_wan_gives_what_the_table_says() {
    check("waits.txt", &write_table(&inputs::WAITS));
}

/// What leaving out a rule changes: in how many combinations, and the first of them.
#[derive(Default)]
struct Change {
    count: usize,
    first: Option<String>,
}

#[test]
fn no_rule_can_be_left_out_without_a_line_of_the_tables_changing() {
    let names: Vec<&str> = Rules::COMPLETE.names().collect();
    let mut changes: Vec<Change> = names.iter().map(|_| Change::default()).collect();
    for product in inputs::ALL {
        every_word(product.axes, &mut Vec::new(), &mut |word| {
            let built = Built::of(product, word);
            let complete = built.judge(&Rules::COMPLETE);
            for (name, change) in names.iter().zip(&mut changes) {
                let mutilated = built.judge(&Rules::without(name));
                if mutilated != complete {
                    change.count += 1;
                    let word: String = word.iter().collect();
                    change
                        .first
                        .get_or_insert(format!("{} {word}: {complete} -> {mutilated}", product.title));
                }
            }
        });
    }
    let mut text =
        String::from("# What leaving out one rule changes: how many combinations, and the first.\n");
    for (name, Change { count, first }) in names.iter().zip(changes) {
        let first =
            first.unwrap_or_else(|| panic!("without the rule {name:?} no line of the tables changes"));
        writeln!(text, "{name}: {count}, first {first}").expect("a string takes text");
    }
    check("rules.txt", &text);
}
