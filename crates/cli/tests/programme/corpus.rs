//! The attack corpus: every vector of the TOML files against four consumers.

use std::collections::BTreeSet;

use firmware_image::Attack;

use crate::recipes::{Corpus, Vector};
use crate::table::Tally;
use crate::world::TAKEN;
use crate::{command, hub, meter, threats, verifier};

const FILES: [(&str, &str); 5] = [
    ("images.toml", include_str!("corpus/images.toml")),
    ("orders.toml", include_str!("corpus/orders.toml")),
    ("roots.toml", include_str!("corpus/roots.toml")),
    ("releases.toml", include_str!("corpus/releases.toml")),
    ("statuses.toml", include_str!("corpus/statuses.toml")),
];

/// The fewest vectors, and the fewest of them that everybody takes: a corpus that shrinks must not pass unseen.
const VECTORS: usize = 260;
const TAKEN_BY_ALL: usize = 25;

/// A consumer and how it judges.
type Consumer = (&'static str, fn(&Vector) -> String);

const CONSUMERS: [Consumer; 4] =
    [("verifier", verifier::judge), ("hub", hub::judge), ("meter", meter::judge), ("cli", command::judge)];

pub fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (file, text) in FILES {
        let corpus: Corpus = toml::from_str(text).unwrap_or_else(|error| panic!("corpus/{file}: {error}"));
        vectors.extend(corpus.vector);
    }
    vectors
}

pub fn run() -> Tally {
    let vectors = vectors();
    let mut tally = Tally::default();
    let only = std::env::var("ATTACKS_ONLY").unwrap_or_default();
    let chosen: Vec<&Vector> = vectors.iter().filter(|vector| vector.name.contains(&only)).collect();
    let outcomes = judge_all(&chosen);
    let mut words = BTreeSet::new();
    for (vector, found) in chosen.iter().zip(&outcomes) {
        for ((consumer, _), found) in CONSUMERS.iter().zip(found) {
            let expected = vector.expected(consumer);
            words.extend(found.split('+').map(str::to_owned));
            tally.check(found == expected, || {
                format!(
                    "{:?}, {}: expected {expected} of the {consumer}, found {found}",
                    vector.kind(),
                    vector.name
                )
            });
        }
    }
    if only.is_empty() {
        check_whole(&vectors, &words, &mut tally.failures);
    }
    tally
}

/// Judges with two threads: the command is a process for each vector, the rest runs beside it.
fn judge_all(vectors: &[&Vector]) -> Vec<Vec<String>> {
    let judge = |vectors: &[&Vector]| -> Vec<Vec<String>> {
        let of = |vector: &Vector| CONSUMERS.iter().map(|(_, judge)| judge(vector)).collect();
        vectors.iter().map(|vector| of(vector)).collect()
    };
    let (first, second) = vectors.split_at(vectors.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| judge(second));
        let mut outcomes = judge(first);
        outcomes.extend(other.join().expect("a suite says what fails and does not panic"));
        outcomes
    })
}

/// Checks what must hold of the corpus as a whole.
fn check_whole(vectors: &[Vector], words: &BTreeSet<String>, failures: &mut Vec<String>) {
    let named: Vec<&str> =
        vectors.iter().flat_map(|vector| vector.threats.iter().map(String::as_str)).collect();
    failures.extend(threats::unnamed(&named).iter().map(|threat| format!("no vector names {threat}")));
    failures.extend(threats::unknown(&named).iter().map(|threat| format!("no list knows {threat}")));
    let unreached = Attack::ALL.iter().filter(|attack| !words.contains(attack.word()));
    failures.extend(unreached.map(|attack| format!("no vector reaches {attack}")));
    let names: BTreeSet<&str> = vectors.iter().map(|vector| vector.name.as_str()).collect();
    let by_all = |vector: &&Vector| {
        CONSUMERS.iter().all(|(consumer, _)| {
            let expected = vector.expected(consumer);
            // A meter takes no papers of hubs: to be passed over there is all that can become of a good one.
            let foreign = (vector.release.is_some() || vector.status.is_some()) && *consumer == "meter";
            expected == TAKEN || foreign
        })
    };
    let taken = vectors.iter().filter(by_all).count();
    if names.len() < VECTORS || names.len() != vectors.len() || taken < TAKEN_BY_ALL {
        failures.push(format!(
            "expected {VECTORS} different vectors and {TAKEN_BY_ALL} that all take, found {} of {} and {taken}",
            names.len(),
            vectors.len()
        ));
    }
}
