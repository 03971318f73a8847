//! Zigbee OTA files, SUIT envelopes, and the chain of trust around them: build, sign, verify.
//!
//! Pure: bytes in, bytes or an error out. The same code runs at the signing desk, at the head-end's intake
//! and inside the simulated devices.
//!
//! ```text
//! vendor's file ──adopt──► OtaFile ──sign──► SignedImage ──TrustStore::verify──► VerifiedImage
//!                             ▲                   ▲                                   │
//!                           parse             from_file                       DeviceState: for me?
//!
//! TrustRoot ──sign──► SignedRoot ──adopt, advance──► TrustAnchor ──► images, orders, operator, status
//! Release, Status ──sign──► SignedRelease, SignedStatus ──HubGate──► let in
//! ActivationOrder ──sign──► SignedOrder ──verify──► ActivationOrder ──OrderMemory──► obeyed once
//! ```
//!
//! A signed file:
//!
//! ```text
//! ┌────────┬──────────────────────┬───────────────────────┬───────────────────┬──────────────────────┐
//! │ header │ 0x0000 payload, other│ 0xF0C6 block digests  │ 0xF0C4 promise    │ 0xF0C5 SUIT envelope │
//! └───┬────┴──────────┬───────────┴───────────┬───────────┴─────────┬─────────┴──────────────────────┘
//!     │               │                       └────── SHA-256 ──────┤
//!     └── SHA-256 ────┴──── SHA-256 ────────────────────── SHA-256 ─┴──► manifest ── Ed25519 ──► seals
//! ```
//!
//! In reading order: [`OtaFile`] and its [`OtaHeader`] and [`Element`]s, [`inspect()`] and [`adopt()`] for other
//! people's files; [`SigningKey`] and whoever else is a [`Signer`], [`SignedImage`], [`TrustStore`]; [`TrustRoot`]
//! and [`TrustAnchor`]; [`Release`], [`Status`] and [`HubGate`]; [`DeviceState`], [`ActivationOrder`] and
//! [`OrderMemory`]; [`Attack`] for the words of refusals; beside them [`McubootImage`], for payloads that a boot
//! loader checks once more.
//!
//! Without the standard library (`alloc` only): what verifies here is what runs on a hub or a meter.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod acceptance;
mod activation_order;
mod adopt;
mod anchor;
mod attack;
mod block_digests;
mod cbor;
mod digest;
mod document_error;
mod document_kind;
mod element;
mod encrypted_key;
mod envelope;
#[cfg(test)]
mod forgery_tests;
mod header;
mod hub_gate;
mod identity;
mod inspect;
mod key;
mod manifest;
mod mcuboot;
mod notation;
mod oddity;
mod ota_file;
mod promise;
mod reader;
mod release;
mod roles;
mod root;
mod seal;
mod signed_image;
mod signer;
mod signing_key;
mod status;
mod time;
mod trust;
mod verify_error;

pub use acceptance::{
    DeviceModel, DeviceState, Expected, ImageRefusal, MAX_COUNTER_JUMP, OrderMemory, OrderRefusal,
    SecurityCounter,
};
pub use activation_order::{ActivationOrder, Nonce, OrderCounter, OrderError, SignedOrder};
pub use adopt::{AdoptError, Adoption, adopt};
pub use anchor::{MAX_ROOT_LEN, MAX_STEPS, RootError, SignRootError, SignedRoot, SignerCount, TrustAnchor};
pub use attack::Attack;
pub use block_digests::BlockDigests;
pub use cbor::EncodingError;
pub use digest::{FileDigest, ImageDigest};
pub use document_error::DocumentError;
pub use document_kind::DocumentKind;
pub use element::{Element, ElementTag};
pub use encrypted_key::FreshBytes;
pub use header::OtaHeader;
pub use hub_gate::{GateRefusal, HubGate};
pub use identity::{
    Eui64, FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode,
};
pub use inspect::{ElementSummary, Inspection, inspect};
pub use key::{KeyError, KeyFingerprint, PublicKey};
pub use mcuboot::{
    McubootBuildError, McubootDependency, McubootFlags, McubootHash, McubootHashKind, McubootHeader,
    McubootHeaderSpace, McubootImage, McubootKey, McubootKeyHash, McubootParseError, McubootRecipe,
    McubootSignature, McubootSigning, McubootTlv, McubootTlvKind, McubootTlvs, McubootVerifyError,
    McubootVersion, PayloadFormat, VerifiedMcuboot,
};
pub use notation::NotationError;
pub use oddity::{Container, Oddity};
pub use ota_file::{BuildError, MAX_FILE_LEN, OtaFile, ParseError};
pub use promise::{Predecessors, Promise, RootVersion, VersionRange};
pub use release::{
    ApproveError, CampaignName, MAX_RELEASE_LEN, Release, ReleasedImage, SignedRelease, Targets,
};
pub use roles::{Holder, KeyRecord, Maker, Quorum, SignatureAlgorithm};
pub use root::{CounterEpoch, TrustRoot};
pub use signed_image::{SequenceNumber, SignError, SignedImage, Terms};
pub use signer::{Signer, SignerError, sign_checked};
pub use signing_key::SigningKey;
pub use status::{Floor, MAX_STATUS_LEN, SignStatusError, SignedStatus, Status};
pub use time::{UtcSeconds, Validity};
pub use trust::{TrustMark, TrustStore, VerifiedImage};
pub use verify_error::{IntakeError, VerifyError};
