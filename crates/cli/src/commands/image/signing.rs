//! The keys that the signing desk's commands sign with, and the one place where they are opened.

use std::path::Path;

use clap::Args;
use firmware_image::Signer;

use crate::exit::Failure;
use crate::keys::{self, KeyPlace, KeySource, PassphraseArguments, PassphraseSource};

/// The keys of commands that may sign with several.
#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    /// Private key to sign with: a file, plain or encrypted, or a pkcs11: URI; may be given several times.
    #[arg(long = "key", value_name = "KEY", required = true, value_parser = KeyPlace::value_parser())]
    places: Vec<KeyPlace>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

impl KeyArguments {
    /// Opens all of them.
    pub(super) fn signers(&self) -> Result<Vec<Box<dyn Signer>>, Failure> {
        self.places.iter().map(|place| signer(place, &self.passphrase.source())).collect()
    }

    /// Returns the files that must not be written over.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().filter_map(KeyPlace::path)
    }
}

/// The key of commands that sign with one.
#[derive(Debug, Args)]
pub(super) struct KeyArgument {
    /// Private key to sign with: a file, plain or encrypted, or a pkcs11: URI.
    #[arg(long = "key", value_name = "KEY", value_parser = KeyPlace::value_parser())]
    place: KeyPlace,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

impl KeyArgument {
    /// Opens it.
    pub(super) fn signer(&self) -> Result<Box<dyn Signer>, Failure> {
        signer(&self.place, &self.passphrase.source())
    }

    /// Returns the files that must not be written over.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.place.path().into_iter()
    }
}

/// Opens the key at a place.
pub(super) fn signer(place: &KeyPlace, passphrase: &PassphraseSource) -> Result<Box<dyn Signer>, Failure> {
    keys::read_signer(&KeySource { place: place.clone(), passphrase: passphrase.clone() })
}
