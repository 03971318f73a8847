//! The law that makes the three tables one: whatever a word says of conditions, evidence and waits, what the first table
//! says stands unless it is satisfied, then what the second says unless it allows, then what the third says.
//!
//! Every line of one table meets every line of the others, and each word of the conditions by which a claim goes on to
//! the evidence meets every line too. Which words of a line do is drawn at random, but enough of them that any three
//! letters, one of each table, stand together in some word.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::super::rules::Rules;
use super::inputs::waits::proof_of;
use super::inputs::{self, Axis, Word, letters};
use super::tables::{CONDITIONS, EVIDENCE, Line, WAITS};
use super::worlds::Worlds;

const SEED: u64 = 20_261_127;

/// In how many words a line of the conditions meets each line of the evidence, and in each of them all lines about waits.
const MEETINGS: usize = 40;

/// The same for each word that goes on to the evidence.
const MEETINGS_THAT_GO_ON: usize = 3;

#[test]
fn every_line_stands_whatever_lines_of_the_other_tables_it_meets() {
    println!("seed of the words: {SEED}");
    let mut draw = Pcg64Mcg::seed_from_u64(SEED);
    let mut met = Met::new();
    for conditions in &CONDITIONS.lines {
        // What is kept of one line is of no use to the next.
        let mut worlds = Worlds::new();
        for evidence in &EVIDENCE.lines {
            for conditions_word in words_to_meet(conditions, &mut draw) {
                let evidence_word = any_word(evidence, &mut draw);
                for waits in lines_of_proof(proof_of(evidence.told.code())) {
                    let waits_word = any_word(waits, &mut draw);
                    let word = Word {
                        conditions: letters(&conditions_word),
                        evidence: letters(&evidence_word),
                        waits: letters(&waits_word[..waits_word.len() - 1]),
                    };
                    let says = [conditions, evidence, waits].map(|line| line.told);
                    let expected = says.into_iter().find(|told| !told.is_allowed()).unwrap_or(waits.told);
                    let told = worlds.visit(&word, |question| question.judge(&Rules::COMPLETE, |_| {}));
                    assert!(told == expected, "{word}: {told}, and the tables say {expected}");
                    met.take(&word);
                }
            }
        }
    }
    println!("{} words", met.words);
    met.check();
}

/// Chooses the words of a line of the conditions that meet a line of the evidence.
fn words_to_meet(line: &Line, draw: &mut Pcg64Mcg) -> Vec<Vec<char>> {
    if line.told.is_allowed() {
        let each = (0..line.word_count()).map(|number| line.word(number));
        return each.flat_map(|word| std::iter::repeat_n(word, MEETINGS_THAT_GO_ON)).collect();
    }
    (0..MEETINGS).map(|_| any_word(line, draw)).collect()
}

fn any_word(line: &Line, draw: &mut Pcg64Mcg) -> Vec<char> {
    let bound = line.word_count() as u128;
    line.word(((u128::from(draw.next_u64()) * bound) >> 64) as usize)
}

/// Returns the lines about waits that hold for a proof.
fn lines_of_proof(proof: char) -> impl Iterator<Item = &'static Line> {
    WAITS.lines.iter().filter(move |line| line.letters.last().is_some_and(|letters| letters.contains(&proof)))
}

/// Which letters stood together in a word.
struct Met {
    words: usize,
    /// By the number of a letter of the conditions and of one of the evidence: those of the waits, a bit each.
    waits_of: Vec<Vec<u32>>,
}

impl Met {
    fn new() -> Met {
        let rows = letter_count(inputs::CONDITIONS.axes);
        Met { words: 0, waits_of: vec![vec![0; letter_count(inputs::EVIDENCE.axes)]; rows] }
    }

    fn take(&mut self, word: &Word) {
        self.words += 1;
        let waits = numbers(inputs::WAITS.axes, &word.waits).fold(0, |bits, number| bits | 1 << number);
        for conditions in numbers(inputs::CONDITIONS.axes, &word.conditions) {
            for evidence in numbers(inputs::EVIDENCE.axes, &word.evidence) {
                self.waits_of[conditions][evidence] |= waits;
            }
        }
    }

    /// Checks that any three letters have met.
    fn check(&self) {
        let (_, axes_without_proof) = inputs::WAITS.axes.split_last().expect("an axis for the proof");
        let all = (1 << letter_count(axes_without_proof)) - 1;
        let incomplete = self.waits_of.iter().flatten().filter(|waits| **waits != all).count();
        assert_eq!(incomplete, 0, "pairs of letters that did not meet every letter of the waits");
    }
}

fn letter_count(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.values.len()).sum()
}

/// Numbers the letters of a word among all letters of its axes.
fn numbers(axes: &[Axis], word: &[char]) -> impl Iterator<Item = usize> {
    let mut before = 0;
    axes.iter().zip(word).map(move |(axis, letter)| {
        let place = axis.values.iter().position(|(known, _)| known == letter).expect("a letter of the axis");
        before += axis.values.len();
        before - axis.values.len() + place
    })
}
