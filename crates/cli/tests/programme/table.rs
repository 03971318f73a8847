//! What the suites report: cases, failures by name, and the one table at the end.

use std::time::Instant;

/// The cases of one suite, and those that came out wrong.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: u64,
    pub failures: Vec<String>,
}

impl Tally {
    /// Counts a case that must hold.
    pub fn check(&mut self, holds: bool, story: impl FnOnce() -> String) {
        self.cases += 1;
        if !holds {
            self.failures.push(story());
        }
    }
}

/// A suite that has run.
#[derive(Debug)]
pub struct Row {
    pub suite: &'static str,
    pub tally: Tally,
    pub seconds: f64,
}

pub fn run(suite: &'static str, run: impl FnOnce() -> Tally) -> Row {
    let start = Instant::now();
    let tally = run();
    Row { suite, tally, seconds: start.elapsed().as_secs_f64() }
}

/// Prints the table, and below it every case that came out wrong; returns whether none did.
pub fn print(rows: &[Row]) -> bool {
    println!();
    println!("{:<46} | {:>7} | {:>7}", "suite", "cases", "seconds");
    println!("{:-<46}-|-{:->7}:|-{:->7}:", "", "", "");
    for Row { suite, tally, seconds } in rows {
        println!("{suite:<46} | {:>7} | {seconds:>7.1}", tally.cases);
    }
    let cases: u64 = rows.iter().map(|row| row.tally.cases).sum();
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    println!("{:<46} | {cases:>7} | {seconds:>7.1}", "all");
    println!();
    let mut sound = true;
    for Row { suite, tally, .. } in rows {
        for failure in &tally.failures {
            println!("FAILED {suite}: {failure}");
            sound = false;
        }
    }
    sound
}
