//! What a command says. Stdout is data: text for people or one JSON document for programs, made of the
//! same value. Stderr is talk: what to do next, and nothing a program needs.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::logging::Verbosity;

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One document for programs.
    Json,
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    verbosity: Verbosity,
}

impl Output {
    pub(crate) fn new(format: Format, verbosity: Verbosity) -> Output {
        Output { format, verbosity }
    }

    /// Returns how data is written, for commands that write more than one report.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Says whether nobody wants to hear anything.
    pub(crate) fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    /// Writes the command's result: its `Display` for people, its JSON for programs.
    pub(crate) fn report(&self, report: &(impl Display + Serialize)) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.text(report),
            Format::Json => {
                let json =
                    serde_json::to_string_pretty(report).or_fail(ExitCode::Failed, "the report as JSON")?;
                self.text(&json)
            }
        }
    }

    /// Writes a line to stdout, or several; a missing end of line is added.
    pub(crate) fn text(&self, text: &impl Display) -> Result<(), Failure> {
        let mut text = text.to_string();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::reader_gone()),
            result => result.or_fail(ExitCode::Failed, "standard output cannot be written"),
        }
    }

    /// Says a line to the person at the terminal; `--quiet` silences it.
    pub(crate) fn talk(&self, text: impl Display) {
        if self.verbosity != Verbosity::Quiet {
            // Talk is a courtesy: nobody listening is no failure.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}
