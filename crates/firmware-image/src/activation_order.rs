//! A signed order to activate one image on one device. What a device makes of it is left to `order_memory`.
//!
//! A COSE_Sign1 message around `[2, EUI-64, SHA-256 of the payload, counter epoch, counter, nonce]`, about 145 bytes,
//! so that it fits a handful of HAN frames. Ours; the split between distributing an image and a signed order to
//! activate it is that of GBCS for SMETS2 (fact), applied here by choice.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use minicbor::Decoder;

use crate::attack::Attack;
use crate::cbor::{EncodingError, encode, read_bytes};
use crate::digest::ImageDigest;
use crate::identity::Eui64;
use crate::key::{KeyFingerprint, PublicKey};
use crate::notation::{NotationError, parse_hex_bytes, serde_as_text, write_hex};
use crate::root::CounterEpoch;
use crate::seal::{Seal, SealFault, seal_attached};
use crate::signer::{Signer, SignerError};

/// What is ordered: this device shall run this image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationOrder {
    /// Which device; no other may obey.
    pub device: Eui64,
    /// Which payload.
    pub image: ImageDigest,
    /// Which count of orders is meant.
    pub epoch: CounterEpoch,
    /// Which order, counted per device; a device obeys each number once.
    pub counter: OrderCounter,
    /// What the device drew for this order: an order made before cannot know it.
    pub nonce: Nonce,
}

impl ActivationOrder {
    /// Signs the order.
    pub fn sign(&self, key: &dyn Signer) -> Result<SignedOrder, SignerError> {
        Ok(SignedOrder(seal_attached(self.encode(), ORDER_DOMAIN, key)?.into()))
    }

    fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(6)?.u8(ORDER_FORMAT)?.bytes(&self.device.to_bytes())?;
            encoder.bytes(self.image.as_bytes())?.u32(self.epoch.0)?.u64(self.counter.0)?;
            encoder.bytes(self.nonce.as_bytes())?;
            Ok(())
        })
    }

    /// Reads an order and refuses any other encoding of it.
    fn decode(bytes: &[u8]) -> Result<ActivationOrder, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        if decoder.u8()? != ORDER_FORMAT {
            return Err(EncodingError::new("the order has another format than 2"));
        }
        let device = Eui64::from_bytes(read_bytes(&mut decoder, "EUI-64")?);
        let image = ImageDigest::from_bytes(read_bytes(&mut decoder, "digest of the image")?);
        let epoch = CounterEpoch(decoder.u32()?);
        let counter = OrderCounter(decoder.u64()?);
        let nonce = Nonce::from_bytes(read_bytes(&mut decoder, "nonce")?);
        let order = ActivationOrder { device, image, epoch, counter, nonce };
        if order.encode() == bytes { Ok(order) } else { Err(EncodingError::not_ours()) }
    }
}

/// A device's count of the orders made for it, within an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderCounter(pub u64);

impl fmt::Display for OrderCounter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Eight bytes that a device draws for the order it is to get next, and for no other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; 8]);

impl Nonce {
    /// Takes the eight bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Nonce {
        Nonce(bytes)
    }

    /// Returns the eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Nonce({self})")
    }
}

impl core::str::FromStr for Nonce {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        parse_hex_bytes(text)
            .map(Nonce)
            .ok_or_else(|| NotationError::new("nonce", "16 hexadecimal digits", text))
    }
}

serde_as_text!(Nonce);

/// An order as it travels; nothing is known yet about who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOrder(Bytes);

impl SignedOrder {
    /// Copies an order that was received, if it is not longer than an order can be.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<SignedOrder, OrderError> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_ORDER_LEN {
            return Err(OrderError::TooLong { found: bytes.len() });
        }
        Ok(SignedOrder(Bytes::copy_from_slice(bytes)))
    }

    /// Returns the order as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads what it says without believing it: for showing it to people.
    pub fn claims(&self) -> Result<ActivationOrder, OrderError> {
        let seal = Seal::parse(&self.0).map_err(OrderError::Malformed)?;
        ActivationOrder::decode(seal.payload().unwrap_or_default()).map_err(OrderError::Malformed)
    }

    /// Returns who is said to have signed; `None` when the message does not say.
    pub fn claimed_signer(&self) -> Result<Option<KeyFingerprint>, OrderError> {
        Ok(Seal::parse(&self.0).map_err(OrderError::Malformed)?.claimed_signer())
    }

    /// Verifies the bytes that came, then reads them.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<ActivationOrder, OrderError> {
        let seal = Seal::parse(&self.0).map_err(OrderError::Malformed)?;
        let Some(order) = seal.payload() else {
            return Err(OrderError::Malformed(EncodingError::new("its signature brings no order")));
        };
        seal.check_attached(ORDER_DOMAIN, keys)?;
        ActivationOrder::decode(order).map_err(OrderError::Malformed)
    }
}

/// Why an order is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No order is that long.
    #[error("order length: expected at most {MAX_ORDER_LEN} bytes, found {found}")]
    TooLong {
        /// How long it is.
        found: usize,
    },
    /// The message is not in its one encoding.
    #[error("the order is malformed: {0}")]
    Malformed(EncodingError),
    /// The signer is not one of those who are believed.
    #[error("ordered with key {signer}, which is not trusted")]
    UntrustedKey {
        /// The key that the signature names.
        signer: KeyFingerprint,
    },
    /// No trusted key made this signature over these bytes as an order.
    #[error("the signature of the order is not valid under the trusted key")]
    BadSignature,
}

impl OrderError {
    /// Returns which attack the order would have been.
    pub fn attack(&self) -> Attack {
        match self {
            OrderError::TooLong { .. } => Attack::EndlessData,
            OrderError::Malformed(_) => Attack::Malformed,
            OrderError::UntrustedKey { .. } => Attack::UntrustedKey,
            OrderError::BadSignature => Attack::Tampering,
        }
    }
}

impl From<SealFault> for OrderError {
    fn from(fault: SealFault) -> OrderError {
        match fault {
            SealFault::UntrustedKey { signer } => OrderError::UntrustedKey { signer },
            SealFault::BadSignature => OrderError::BadSignature,
        }
    }
}

/// The external_aad of orders: a signature made for anything else is none over an order.
const ORDER_DOMAIN: &[u8] = b"smets1-ota/v1/order\0";
/// The first item of an order. Format 1 had neither epoch nor nonce, and is no longer obeyed.
const ORDER_FORMAT: u8 = 2;
/// The longest order taken, in bytes: more than three times what ours have.
const MAX_ORDER_LEN: usize = 512;
