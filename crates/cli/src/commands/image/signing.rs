//! The keys that the signing desk's commands sign with, and the one place where they are read.

use std::path::PathBuf;

use clap::Args;
use firmware_image::Signer;

use crate::exit::Failure;
use crate::keys;

/// Where a key lies, as `--key` names it.
pub(super) type KeyPlace = PathBuf;

/// The keys of commands that may sign with several.
#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    /// Private key to sign with; may be given several times.
    #[arg(long = "key", value_name = "KEY", required = true)]
    places: Vec<KeyPlace>,
}

impl KeyArguments {
    /// Opens all of them.
    pub(super) fn signers(&self) -> Result<Vec<Box<dyn Signer>>, Failure> {
        self.places.iter().map(signer).collect()
    }

    /// Returns the files that must not be written over.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.places.iter()
    }
}

/// The key of commands that sign with one.
#[derive(Debug, Args)]
pub(super) struct KeyArgument {
    /// Private key to sign with.
    #[arg(long = "key", value_name = "KEY")]
    place: KeyPlace,
}

impl KeyArgument {
    /// Opens it.
    pub(super) fn signer(&self) -> Result<Box<dyn Signer>, Failure> {
        signer(&self.place)
    }

    /// Returns the file that must not be written over.
    pub(super) fn file(&self) -> &PathBuf {
        &self.place
    }
}

/// Opens the key at a place.
pub(super) fn signer(place: &KeyPlace) -> Result<Box<dyn Signer>, Failure> {
    Ok(Box::new(keys::read_signing_key(place)?))
}
