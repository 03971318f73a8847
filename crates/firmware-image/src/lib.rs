//! Zigbee OTA files, SUIT envelopes, activation orders: build, sign, verify.
//!
//! Pure: bytes in, bytes or an error out. The same code runs at the signing desk, at the head-end's intake
//! and inside the simulated devices.
//!
//! ```text
//! vendor's file ──adopt──► OtaFile ──sign──► SignedImage ──TrustStore::verify──► VerifiedImage
//!                             ▲                   ▲
//!                           parse             from_file
//!
//! ActivationOrder ──sign──► SignedOrder ──verify──► ActivationOrder
//! ```
//!
//! A signed file:
//!
//! ```text
//! ┌────────┬──────────────────────┬────────────────┬──────────────────────────────┐
//! │ header │ 0x0000 payload       │ other elements │ 0xF0C5 SUIT envelope         │
//! └───┬────┴──────────┬───────────┴───────┬────────┴──────────────────────────────┘
//!     └── SHA-256 ────┴──── SHA-256 ──────┴── SHA-256 ──► manifest ── Ed25519 ──► seal
//! ```
//!
//! In reading order: [`OtaFile`] and its [`OtaHeader`] and [`Element`]s, [`inspect()`] and [`adopt()`] for other
//! people's files, [`SigningKey`] and [`Signer`], [`SignedImage`], [`TrustStore`], [`ActivationOrder`].

extern crate alloc;

mod activation_order;
mod adopt;
mod cbor;
mod digest;
mod element;
mod encrypted_key;
mod envelope;
#[cfg(test)]
mod forgery_tests;
mod header;
mod identity;
mod inspect;
mod key;
mod manifest;
mod notation;
mod oddity;
mod ota_file;
mod reader;
mod seal;
mod signed_image;
mod signer;
mod signing_key;
mod trust;

pub use activation_order::{ActivationOrder, OrderCounter, OrderError, SignedOrder};
pub use adopt::{AdoptError, Adoption, adopt};
pub use cbor::EncodingError;
pub use digest::{FileDigest, ImageDigest};
pub use element::{Element, ElementTag};
pub use encrypted_key::FreshBytes;
pub use header::OtaHeader;
pub use identity::{
    Eui64, FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode,
};
pub use inspect::{ElementSummary, Inspection, inspect};
pub use key::{KeyError, KeyFingerprint, PublicKey};
pub use notation::NotationError;
pub use oddity::{Container, Oddity};
pub use ota_file::{BuildError, MAX_FILE_LEN, OtaFile, ParseError};
pub use signed_image::{SequenceNumber, SignError, SignedImage};
pub use signer::{Signer, SignerError, sign_checked};
pub use signing_key::SigningKey;
pub use trust::{IntakeError, TrustStore, VerifiedImage, VerifyError};
