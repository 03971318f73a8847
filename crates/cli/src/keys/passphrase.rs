//! Passphrases and PINs: from a descriptor, from a guarded file, or asked for without echo. Never from an
//! argument or a variable, which others can read. What they open is left to the caller.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::guarded;
use crate::exit::{ExitCode, Failure, OrFail};

/// A passphrase or a PIN. Wiped from memory when dropped; cannot be printed or copied.
pub(crate) struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Returns its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the first line of a file that was read whole.
    fn from_file(bytes: &[u8], path: &Path) -> Result<Passphrase, Failure> {
        let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
        let line = lines.next().unwrap_or_default();
        if lines.next().is_some_and(|rest| !rest.is_empty()) {
            let message = format!("{}: more than one line, expected a passphrase alone", path.display());
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        Passphrase::from_line(line, &path.display().to_string())
    }

    fn from_line(line: &[u8], place: &str) -> Result<Passphrase, Failure> {
        match line.strip_suffix(b"\r").unwrap_or(line) {
            [] => Err(Failure::message(ExitCode::BadInput, format_args!("{place}: the passphrase is empty"))),
            line => Ok(Passphrase(Zeroizing::new(line.to_vec()))),
        }
    }
}

/// The options of a command that may need a passphrase.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PassphraseArguments {
    /// Read the passphrase or PIN from this open descriptor, one line for each that is needed.
    #[arg(long, value_name = "N", conflicts_with = "passphrase_file")]
    passphrase_fd: Option<u32>,
    /// Read the passphrase or PIN from this file, which must be readable by you alone.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArguments {
    /// Returns where passphrases come from; without options, from the person at the terminal.
    pub(crate) fn source(&self) -> PassphraseSource {
        match (self.passphrase_fd, &self.passphrase_file) {
            (Some(number), _) => PassphraseSource::Descriptor(number),
            (None, Some(path)) => PassphraseSource::File(path.clone()),
            (None, None) => PassphraseSource::Ask,
        }
    }
}

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassphraseSource {
    /// The person at the terminal.
    Ask,
    /// The next line of an open descriptor.
    Descriptor(u32),
    /// A file with one line.
    File(PathBuf),
}

impl PassphraseSource {
    /// Reads the passphrase that opens something; `what` says what is asked for.
    pub(crate) fn read(&self, what: &str) -> Result<Passphrase, Failure> {
        match self {
            PassphraseSource::Ask => ask(what),
            PassphraseSource::Descriptor(number) => read_descriptor(*number),
            PassphraseSource::File(path) => {
                Passphrase::from_file(&guarded::read(path, "the passphrase file", MAX_LEN)?, path)
            }
        }
    }

    /// Reads a passphrase that is to protect something new: asked for twice, and not too short to guess.
    pub(crate) fn read_new(&self, what: &str) -> Result<Passphrase, Failure> {
        let passphrase = self.read(what)?;
        if passphrase.as_bytes().len() < MIN_NEW_LEN {
            let found = passphrase.as_bytes().len();
            let message = format!("{what}: expected at least {MIN_NEW_LEN} bytes, found {found}");
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        if *self == PassphraseSource::Ask
            && ask(&format!("{what}, again"))?.as_bytes() != passphrase.as_bytes()
        {
            return Err(Failure::message(
                ExitCode::BadInput,
                "the two passphrases differ; nothing is written",
            ));
        }
        Ok(passphrase)
    }
}

/// Asks at the terminal, without echo.
fn ask(what: &str) -> Result<Passphrase, Failure> {
    if !io::stdin().is_terminal() {
        let message = format!("{what}: needed, and there is no terminal to ask for it");
        return Err(Failure::message(ExitCode::BadInput, message)
            .hint("--passphrase-fd N or --passphrase-file FILE, where the command has them, give it"));
    }
    // What is asked for names files, and a file name must not steer the terminal.
    let prompt: String =
        what.chars().map(|character| if character.is_control() { '?' } else { character }).collect();
    let line = rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| {
        let interrupted = error.kind() == ErrorKind::Interrupted;
        Failure::new(if interrupted { ExitCode::Interrupted } else { ExitCode::Failed }, error).at(what)
    })?;
    Passphrase::from_line(Zeroizing::new(line).as_bytes(), what)
}

/// Reads one line and not a byte more, so that the next passphrase is still there to be read.
fn read_descriptor(number: u32) -> Result<Passphrase, Failure> {
    let place = format!("descriptor {number}");
    let mut file = File::open(format!("/dev/fd/{number}"))
        .or_bad_input(format_args!("{place}: expected to be open for reading"))?;
    if file.is_terminal() {
        let message = format!("{place}: is a terminal, which would show the passphrase");
        return Err(Failure::message(ExitCode::BadInput, message)
            .hint("without --passphrase-fd it is asked for without echo"));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    let mut byte = [0];
    while file.read(&mut byte).or_bad_input(format_args!("{place}: cannot be read"))? == 1 && byte != *b"\n" {
        if line.len() == MAX_LEN {
            let message = format!("{place}: the line is over {MAX_LEN} bytes, expected a passphrase");
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        line.push(byte[0]);
    }
    Passphrase::from_line(&line, &place)
}

/// Longest passphrase in bytes: several times what anybody types, and small enough to say that a file is no
/// passphrase.
const MAX_LEN: usize = 1024;
/// Shortest new passphrase in bytes. The file may be stolen and guessed at for years, at 0.2 s a guess and core:
/// twelve random letters last, eight do not.
const MIN_NEW_LEN: usize = 12;
