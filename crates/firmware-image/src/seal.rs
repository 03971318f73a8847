//! COSE_Sign1 with Ed25519 (RFC 9052, RFC 9864): made and checked. What the message means is left to
//! `envelope` and `activation_order`.
//!
//! ```text
//! 18([ h'{1: -19}', {4: fingerprint}, payload or nil, signature ])
//! ```
//!
//! The algorithm is Ed25519 whatever the message says: the label -8 (EdDSA, RFC 9053) is taken beside -19
//! because older signers write it, and no other label is. The fingerprint only says which key to try; it is
//! not signed and is optional. Nothing else may stand in the headers.

use coset::iana::Algorithm;
use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable};

use crate::cbor::EncodingError;
use crate::key::{KeyFingerprint, SIGNATURE_LEN};
use crate::signing_key::SigningKey;
use crate::trust::TrustStore;

/// A COSE_Sign1 message in its one encoding, not yet checked against any key.
pub(crate) struct Seal {
    message: CoseSign1,
    claimed_signer: Option<KeyFingerprint>,
    signature: [u8; SIGNATURE_LEN],
}

impl Seal {
    /// Reads a message and refuses any other encoding of it.
    pub fn parse(bytes: &[u8]) -> Result<Seal, EncodingError> {
        let message = CoseSign1::from_tagged_slice(bytes)?;
        let algorithm = match message.protected.header.alg {
            Some(coset::Algorithm::Assigned(known @ (Algorithm::Ed25519 | Algorithm::EdDSA))) => known,
            _ => return Err(EncodingError::new("its algorithm is not Ed25519 (-19 or -8)")),
        };
        let signature = <[u8; SIGNATURE_LEN]>::try_from(&message.signature[..])
            .map_err(|_| EncodingError::new("its signature has not 64 bytes"))?;
        let claimed_signer = match &message.unprotected.key_id[..] {
            [] => None,
            id => {
                let id = id.try_into().map_err(|_| EncodingError::new("its key id has not 8 bytes"))?;
                Some(KeyFingerprint::from_bytes(id))
            }
        };
        let again = build(algorithm, claimed_signer, message.payload.clone(), signature.to_vec());
        if encode(again) != bytes {
            return Err(EncodingError::not_ours());
        }
        Ok(Seal { message, claimed_signer, signature })
    }

    /// Returns the payload that travels inside the message.
    pub fn payload(&self) -> Option<&[u8]> {
        self.message.payload.as_deref()
    }

    /// Checks a message that carries no payload, over a payload that travels elsewhere.
    pub fn check_detached(&self, payload: &[u8], trust: &TrustStore) -> Result<KeyFingerprint, SealFault> {
        self.check(&self.message.tbs_detached_data(payload, &[]), trust)
    }

    /// Checks a message over the payload inside it.
    pub fn check_attached(&self, domain: &[u8], trust: &TrustStore) -> Result<KeyFingerprint, SealFault> {
        self.check(&self.message.tbs_data(domain), trust)
    }

    fn check(&self, signed: &[u8], trust: &TrustStore) -> Result<KeyFingerprint, SealFault> {
        let claimed = self.claimed_signer;
        let mut candidates = trust
            .keys()
            .iter()
            .filter(|key| claimed.is_none_or(|claimed| claimed == key.fingerprint()))
            .peekable();
        if let (Some(signer), None) = (claimed, candidates.peek()) {
            return Err(SealFault::UntrustedKey { signer });
        }
        candidates
            .find(|key| key.verifies(signed, &self.signature))
            .map(|key| key.fingerprint())
            .ok_or(SealFault::BadSignature)
    }
}

/// Why a message is not believed.
pub(crate) enum SealFault {
    UntrustedKey { signer: KeyFingerprint },
    BadSignature,
}

/// Signs a payload that travels elsewhere, under one of the two names of the algorithm.
pub(crate) fn seal_detached(algorithm: Algorithm, payload: &[u8], key: &SigningKey) -> Vec<u8> {
    let mut message = build(algorithm, Some(key.public().fingerprint()), None, Vec::new());
    message.signature = key.sign(&message.tbs_detached_data(payload, &[])).to_vec();
    encode(message)
}

/// Signs a payload that travels inside the message, for one domain only.
pub(crate) fn seal_attached(payload: Vec<u8>, domain: &[u8], key: &SigningKey) -> Vec<u8> {
    let signer = Some(key.public().fingerprint());
    let mut message = build(Algorithm::Ed25519, signer, Some(payload), Vec::new());
    message.signature = key.sign(&message.tbs_data(domain)).to_vec();
    encode(message)
}

fn build(
    algorithm: Algorithm,
    signer: Option<KeyFingerprint>,
    payload: Option<Vec<u8>>,
    signature: Vec<u8>,
) -> CoseSign1 {
    let key_id = signer.map(|signer| signer.as_bytes().to_vec()).unwrap_or_default();
    let message = CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(algorithm).build())
        .unprotected(HeaderBuilder::new().key_id(key_id).build())
        .signature(signature);
    match payload {
        Some(payload) => message.payload(payload).build(),
        None => message.build(),
    }
}

fn encode(message: CoseSign1) -> Vec<u8> {
    message.to_tagged_vec().expect("a message of byte strings has an encoding")
}
