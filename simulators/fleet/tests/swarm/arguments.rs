//! What the command line asks for: how many seeds, or which. What the usual test runner passes along is understood too.

use std::ops::Range;

/// Seeds of a run that asks for nothing else; less than three minutes of one core in a build for tests.
const USUAL: u64 = 2_000;

/// How the swarm is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    count: u64,
    single: Option<u64>,
    keep_going: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The swarm.
    Run(Arguments),
    /// The names of the tests in here.
    List,
    /// Tests of other names.
    Nothing,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
        let mut read = Arguments { count: USUAL, single: None, keep_going: false };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => return Ok(Asked::List),
                "--seeds" => read.count = number(&argument, arguments.next())?,
                "--seed" => read.single = Some(number(&argument, arguments.next())?),
                "--keep-going" => read.keep_going = true,
                "--test-threads" | "--format" | "--color" | "--skip" => {
                    arguments.next();
                }
                // Only ignored tests are asked for; this is none.
                "--ignored" => return Ok(Asked::Nothing),
                flag if flag.starts_with('-') => {}
                name if "swarm".contains(name) => {}
                _ => return Ok(Asked::Nothing),
            }
        }
        if read.count == 0 {
            return Err("--seeds: expected at least 1, found 0".to_owned());
        }
        Ok(Asked::Run(read))
    }

    /// Returns the seeds to run.
    pub fn seeds(&self) -> Range<u64> {
        match self.single {
            Some(seed) => seed..seed + 1,
            None => 0..self.count,
        }
    }

    /// Returns whether the seeds after one that fails are run too.
    pub fn keeps_going(&self) -> bool {
        self.keep_going
    }

    /// Returns whether one seed is run again, to be looked at.
    pub fn is_single(&self) -> bool {
        self.single.is_some()
    }
}

fn number(flag: &str, found: Option<String>) -> Result<u64, String> {
    let found = found.unwrap_or_default();
    found.parse().map_err(|_| format!("{flag}: expected a whole number, found {found:?}"))
}
