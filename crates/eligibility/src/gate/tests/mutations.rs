//! Tables of rules with one change, and what each change does to the verdicts.
//!
//! Of each of the three lists the first rule that answers is what counts, so a change at a rule can only be seen in words
//! where that rule answers: leaving it out lets others speak, and asking it after the next one lets that one speak first.
//! Only the rules that answered a word, one or two, are changed there. That is no leap of faith: for each word of the
//! small products, and one of each line of the large one, every change is tried, and at a silent rule none may be seen.

use std::fmt::Write as _;

use super::super::rules::{Rule, Rules};
use super::inputs::{CONDITIONS, EVIDENCE, Product, WAITS};
use super::tables::every_word;
use super::worlds::Worlds;
use super::{check, tables};

#[test]
fn no_rule_can_be_left_out_and_what_their_order_decides_is_written_down() {
    let mut worlds = Worlds::new();
    let mut changes = every_change();
    for (product, at) in [(&CONDITIONS, At::Answers), (&EVIDENCE, At::Every), (&WAITS, At::Every)] {
        every_word(product.axes, &mut Vec::new(), &mut |word| {
            try_changes(&mut changes, at, product, word, &mut worlds);
        });
    }
    // These words are counted already.
    let mut uncounted = every_change();
    for line in &tables::CONDITIONS.lines {
        try_changes(&mut uncounted, At::Every, &CONDITIONS, &line.word(0), &mut worlds);
    }
    let mut rules =
        String::from("# What leaving out one rule changes: how many combinations, and the first.\n");
    let mut order = String::from(
        "# What asking a rule after the next of its list changes: how many combinations, and the first.\n",
    );
    for Change { at, next, count, first, .. } in changes {
        let text = match (next, first) {
            (None, None) => panic!("without the rule {at:?} no line of the tables changes"),
            (None, Some(first)) => writeln!(rules, "{at}: {count}, first {first}"),
            (Some(next), None) => writeln!(order, "{at} after {next}: nothing"),
            (Some(next), Some(first)) => writeln!(order, "{at} after {next}: {count}, first {first}"),
        };
        text.expect("a string takes text");
    }
    check("rules.txt", &rules);
    check("order.txt", &order);
}

/// A table of rules that differs from the complete one at one rule, and what was seen of that.
struct Change {
    /// The rule.
    at: &'static str,
    /// After which other one it is asked; none when it is left out.
    next: Option<&'static str>,
    rules: Rules,
    /// In how many words the verdict is another, and the first of them.
    count: usize,
    first: Option<String>,
}

/// At which rules changes are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Those that answer in the complete table.
    Answers,
    Every,
}

/// Judges a word as each changed table does.
fn try_changes(changes: &mut [Change], at: At, product: &Product, word: &[char], worlds: &mut Worlds) {
    worlds.visit(&(product.whole)(word), |question| {
        let mut answered = Vec::with_capacity(2);
        let complete = question.judge(&Rules::COMPLETE, |rule| answered.push(rule));
        for change in changes {
            let answers = answered.contains(&change.at);
            if !answers && at == At::Answers {
                continue;
            }
            let told = question.judge(&change.rules, |_| {});
            if told != complete {
                let text = || format!("{} {}: {complete} -> {told}", product.title, String::from_iter(word));
                assert!(answers, "{} is silent, and yet its change is seen: {}", change.at, text());
                change.count += 1;
                change.first.get_or_insert_with(text);
            }
        }
    });
}

/// Leaves each rule out, and has each asked after the next of its list.
fn every_change() -> Vec<Change> {
    let Rules { conditions, evidence, waits } = Rules::COMPLETE;
    let conditions = changes_of(conditions, |conditions| Rules { conditions, ..Rules::COMPLETE });
    let evidence = changes_of(evidence, |evidence| Rules { evidence, ..Rules::COMPLETE });
    let waits = changes_of(waits, |waits| Rules { waits, ..Rules::COMPLETE });
    conditions.into_iter().chain(evidence).chain(waits).collect()
}

fn changes_of<Ask: Copy>(
    list: &'static [Rule<Ask>],
    table: impl Fn(&'static [Rule<Ask>]) -> Rules,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (place, rule) in list.iter().enumerate() {
        let mut change = |next, list: Vec<Rule<Ask>>| {
            // Leaked, as a table of rules lives for ever; there are few.
            changes.push(Change { at: rule.name, next, rules: table(list.leak()), count: 0, first: None });
        };
        let mut shorter = list.to_vec();
        shorter.remove(place);
        change(None, shorter);
        if let Some(next) = list.get(place + 1) {
            let mut swapped = list.to_vec();
            swapped.swap(place, place + 1);
            change(Some(next.name), swapped);
        }
    }
    changes
}
