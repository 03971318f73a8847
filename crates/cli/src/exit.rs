//! How a command ends: the exit codes that scripts rely on, and the one line that says what went wrong.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process;

/// The exit codes of `lamplighter`. Documented in `--help`; none ever changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the table is documented as a whole; each command uses its part of it")]
pub(crate) enum ExitCode {
    /// Done as asked.
    Done = 0,
    /// Failed in a way nobody foresaw.
    Failed = 1,
    /// The command line makes no sense; clap ends with this one by itself.
    Usage = 2,
    /// An input file or the configuration is not what it must be.
    BadInput = 3,
    /// Refused: by the gate, for a signature, outside a window.
    Refused = 4,
    /// Finished, but below the success threshold.
    BelowThreshold = 5,
    /// The engine is not reachable.
    Unreachable = 6,
    /// Interrupted from the keyboard; what was done is saved. 128 + SIGINT, as shells count.
    Interrupted = 130,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> process::ExitCode {
        process::ExitCode::from(code as u8)
    }
}

/// Why a command did not do what was asked: an exit code, a chain of causes, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    /// `None` when there is nobody left to tell.
    error: Option<anyhow::Error>,
    hint: Option<String>,
}

impl Failure {
    /// Makes a failure of an error that explains itself.
    pub(crate) fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Failure {
        Failure { code, error: Some(error.into()), hint: None }
    }

    /// Makes a failure of a message that has no cause below it.
    pub(crate) fn message(code: ExitCode, message: impl fmt::Display) -> Failure {
        Failure::new(code, anyhow::anyhow!("{message}"))
    }

    /// Makes the end of a command whose reader has seen enough, as `lamplighter ledger show | head` does.
    pub(crate) fn reader_gone() -> Failure {
        Failure { code: ExitCode::Done, error: None, hint: None }
    }

    /// Makes the end of a command whose report says already that the answer is no, and why.
    pub(crate) fn told(code: ExitCode) -> Failure {
        Failure { code, error: None, hint: None }
    }

    /// Returns how the command will end.
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// Says at which file or step it happened, when that was not known below.
    pub(crate) fn at(self, place: impl fmt::Display) -> Failure {
        Failure { error: self.error.map(|error| error.context(place.to_string())), ..self }
    }

    /// Adds what the user can do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// Returns what went wrong, for a log.
    pub(crate) fn reason(&self) -> String {
        self.error.as_ref().map_or_else(String::new, |error| format!("{error:#}"))
    }

    /// Prints the failure to stderr, once, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let mut text = String::new();
        if let Some(error) = &self.error {
            text.push_str(&one_line("error", &format!("{error:#}")));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&one_line("hint", hint));
        }
        // With stderr gone there is nobody to tell; the exit code still says it.
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.code
    }
}

/// An error nobody foresaw.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(ExitCode::Failed, error)
    }
}

/// Turns an error into a failure and says at which file or step it happened.
pub(crate) trait OrFail<T> {
    /// Fails with `code` and the message `context`, the error below it.
    fn or_fail(self, code: ExitCode, context: impl fmt::Display) -> Result<T, Failure>;

    /// Fails because an input is not what it must be.
    fn or_bad_input(self, context: impl fmt::Display) -> Result<T, Failure>
    where
        Self: Sized,
    {
        self.or_fail(ExitCode::BadInput, context)
    }
}

impl<T, E: Error + Send + Sync + 'static> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: ExitCode, context: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(code, anyhow::Error::new(error).context(context.to_string())))
    }
}

/// Writes one line whatever the message holds: messages quote file names and files, and a control
/// character of theirs must neither break the line nor reach the terminal.
fn one_line(label: &str, message: &str) -> String {
    let mut line = format!("{label}: ");
    let mut words = message.split_whitespace();
    if let Some(word) = words.next() {
        push_printable(&mut line, word);
    }
    for word in words {
        line.push(' ');
        push_printable(&mut line, word);
    }
    line.push('\n');
    line
}

fn push_printable(line: &mut String, word: &str) {
    for character in word.chars() {
        if character.is_control() {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        let line = one_line("error", "a.toml: line 3\n  |\n3 | x = \u{1b}[2J\r\n");
        assert_eq!(line, "error: a.toml: line 3 | 3 | x = \\u{1b}[2J\n");
    }

    #[test]
    fn causes_are_chained_behind_their_context() {
        let cause = std::io::Error::other("disk on fire");
        let failure = Err::<(), _>(cause).or_bad_input("meter.ota").map_err(|failure| failure.error);
        let error = failure.expect_err("it failed").expect("it says why");
        assert_eq!(format!("{error:#}"), "meter.ota: disk on fire");
    }
}
