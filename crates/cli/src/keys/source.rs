//! Where a secret key lies, as the command line says it. Reading it is left to the parent.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};

use super::passphrase::PassphraseSource;
use super::token_uri::SCHEME;

/// A secret key and where the passphrase or PIN that opens it comes from.
#[derive(Clone, Debug)]
pub(crate) struct KeySource {
    /// Where the key lies.
    pub(crate) place: KeyPlace,
    /// What opens it, if anything has to.
    pub(crate) passphrase: PassphraseSource,
}

/// Where a key lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// In a file.
    File(PathBuf),
    /// In a PKCS#11 token, under this URI. Read later: an error of the command line would print it, and a
    /// mistaken one may hold a PIN.
    Token(String),
}

impl KeyPlace {
    /// Returns the path of a key that lies in a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            KeyPlace::File(path) => Some(path),
            KeyPlace::Token(_) => None,
        }
    }

    /// Returns what reads a place from the command line.
    pub(crate) fn value_parser() -> ValueParser {
        OsStringValueParser::new().try_map(|value| Ok::<_, Infallible>(KeyPlace::from(value))).into()
    }
}

impl From<OsString> for KeyPlace {
    fn from(value: OsString) -> KeyPlace {
        match value.to_str() {
            Some(text) if text.starts_with(SCHEME) => KeyPlace::Token(text.to_owned()),
            _ => KeyPlace::File(value.into()),
        }
    }
}
