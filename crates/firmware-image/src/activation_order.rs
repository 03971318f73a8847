//! The signed order to activate one image on one device. That the counter is above the last one the device
//! obeyed is left to the device.
//!
//! A COSE_Sign1 message around `[1, EUI-64, SHA-256 of the payload, counter]`, about 140 bytes, so that it
//! fits a handful of HAN frames. Ours; the split between distributing an image and a signed order to
//! activate it is that of GBCS for SMETS2 (fact), applied here by choice.

use std::fmt;

use bytes::Bytes;
use minicbor::Decoder;

use crate::cbor::{EncodingError, encode};
use crate::digest::ImageDigest;
use crate::identity::Eui64;
use crate::key::KeyFingerprint;
use crate::seal::{Seal, SealFault, seal_attached};
use crate::signing_key::SigningKey;
use crate::trust::TrustStore;

/// What is ordered: this device shall run this image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationOrder {
    /// Which device; no other may obey.
    pub device: Eui64,
    /// Which payload.
    pub image: ImageDigest,
    /// Which order, counted per device; a device obeys each number once.
    pub counter: OrderCounter,
}

impl ActivationOrder {
    /// Signs the order.
    pub fn sign(&self, key: &SigningKey) -> SignedOrder {
        SignedOrder(seal_attached(self.encode(), ORDER_DOMAIN, key).into())
    }

    fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(4)?.u8(ORDER_FORMAT)?.bytes(&self.device.to_bytes())?;
            encoder.bytes(self.image.as_bytes())?.u64(self.counter.0)?;
            Ok(())
        })
    }

    /// Reads an order and refuses any other encoding of it.
    fn decode(bytes: &[u8]) -> Result<ActivationOrder, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        decoder.skip()?;
        let device =
            decoder.bytes()?.try_into().map_err(|_| EncodingError::new("its EUI-64 has not 8 bytes"))?;
        let image =
            decoder.bytes()?.try_into().map_err(|_| EncodingError::new("its digest has not 32 bytes"))?;
        let counter = OrderCounter(decoder.u64()?);
        let device = Eui64::from_bytes(device);
        let order = ActivationOrder { device, image: ImageDigest::from_bytes(image), counter };
        if order.encode() == bytes { Ok(order) } else { Err(EncodingError::not_ours()) }
    }
}

/// A device's count of the orders made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderCounter(pub u64);

impl fmt::Display for OrderCounter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

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

    /// Verifies the bytes that came, then reads them.
    pub fn verify(&self, trust: &TrustStore) -> Result<ActivationOrder, OrderError> {
        let seal = Seal::parse(&self.0).map_err(OrderError::Malformed)?;
        let Some(order) = seal.payload() else {
            return Err(OrderError::Malformed(EncodingError::new("its signature brings no order")));
        };
        seal.check_attached(ORDER_DOMAIN, trust)?;
        ActivationOrder::decode(order).map_err(OrderError::Malformed)
    }
}

/// Why an order is not obeyed.
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
/// The first item of an order; a later format gets another number.
const ORDER_FORMAT: u8 = 1;
/// The longest order taken, in bytes: more than three times what ours have.
const MAX_ORDER_LEN: usize = 512;
