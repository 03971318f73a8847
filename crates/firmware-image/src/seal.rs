//! COSE signatures with Ed25519 (RFC 9052, RFC 9864): made and checked. What a message means is left to the
//! documents: `envelope`, `activation_order`, `status` (one signer), `root`, `release` (several).
//!
//! ```text
//! one      18([ h'{1: -19}', {4: fingerprint}, payload or nil, signature ])
//! several  98([ h'', {}, payload, [ [ h'{1: -19}', {4: fingerprint}, signature ], ... ] ])
//! ```
//!
//! The algorithm is the one pinned in the record of the key, whatever the message says. The label -8 (EdDSA,
//! RFC 9053) is taken beside -19 in the seal of an image, because older signers write it; no other label is.
//! The fingerprint only says which key to try and is not signed. Nothing else may stand in the headers.
//!
//! What is signed has a domain in front (external_aad), so that no document passes for one of another kind:
//! `smets1-ota/v1/<role>` and a NUL. Images have none, because SUIT does not know one.

use alloc::format;
use alloc::vec::Vec;

use coset::iana::Algorithm;
use coset::{
    CoseSign, CoseSign1, CoseSign1Builder, CoseSignBuilder, CoseSignature, CoseSignatureBuilder,
    HeaderBuilder, TaggedCborSerializable,
};

use crate::cbor::EncodingError;
use crate::key::{KeyFingerprint, PublicKey, SIGNATURE_LEN};
use crate::signer::{Signer, SignerError, sign_checked};

/// A COSE_Sign1 message in its one encoding, not yet checked against any key.
pub(crate) struct Seal {
    message: CoseSign1,
    claimed_signer: Option<KeyFingerprint>,
    signature: [u8; SIGNATURE_LEN],
}

impl Seal {
    /// Reads a message of ours and refuses any other encoding of it.
    pub fn parse(bytes: &[u8]) -> Result<Seal, EncodingError> {
        Seal::parse_under(bytes, &[Algorithm::Ed25519], "its algorithm is not Ed25519 (-19)")
    }

    /// Reads the seal of an image, which may be by a signer that knows the algorithm by its older name.
    pub fn parse_of_image(bytes: &[u8]) -> Result<Seal, EncodingError> {
        let names = &[Algorithm::Ed25519, Algorithm::EdDSA];
        Seal::parse_under(bytes, names, "its algorithm is not Ed25519 (-19 or -8)")
    }

    fn parse_under(bytes: &[u8], names: &[Algorithm], otherwise: &str) -> Result<Seal, EncodingError> {
        let message = CoseSign1::from_tagged_slice(bytes)?;
        let algorithm = match message.protected.header.alg {
            Some(coset::Algorithm::Assigned(known)) if names.contains(&known) => known,
            _ => return Err(EncodingError::new(otherwise)),
        };
        let signature = signature_of(&message.signature)?;
        let claimed_signer = match &message.unprotected.key_id[..] {
            [] => None,
            id => Some(fingerprint_of(id)?),
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

    /// Returns who is said to have signed.
    pub fn claimed_signer(&self) -> Option<KeyFingerprint> {
        self.claimed_signer
    }

    /// Checks a message that carries no payload, over a payload that travels elsewhere.
    pub fn check_detached(&self, payload: &[u8], keys: &[PublicKey]) -> Result<PublicKey, SealFault> {
        self.check(&self.message.tbs_detached_data(payload, &[]), keys)
    }

    /// Checks a message over the payload inside it.
    pub fn check_attached(&self, domain: &[u8], keys: &[PublicKey]) -> Result<PublicKey, SealFault> {
        self.check(&self.message.tbs_data(domain), keys)
    }

    fn check(&self, signed: &[u8], keys: &[PublicKey]) -> Result<PublicKey, SealFault> {
        let claimed = self.claimed_signer;
        let mut candidates =
            keys.iter().filter(|key| claimed.is_none_or(|claimed| claimed == key.fingerprint())).peekable();
        if let (Some(signer), None) = (claimed, candidates.peek()) {
            return Err(SealFault::UntrustedKey { signer });
        }
        candidates.find(|key| key.verifies(signed, &self.signature)).copied().ok_or(SealFault::BadSignature)
    }
}

/// Why a message is not believed.
#[derive(Debug)]
pub(crate) enum SealFault {
    UntrustedKey { signer: KeyFingerprint },
    BadSignature,
}

/// Signs a payload that travels elsewhere, under one of the two names of the algorithm.
pub(crate) fn seal_detached(
    algorithm: Algorithm,
    payload: &[u8],
    key: &dyn Signer,
) -> Result<Vec<u8>, SignerError> {
    let mut message = build(algorithm, Some(key.public().fingerprint()), None, Vec::new());
    message.signature = sign_checked(key, &message.tbs_detached_data(payload, &[]))?.to_vec();
    Ok(encode(message))
}

/// Signs a payload that travels inside the message, for one domain only.
pub(crate) fn seal_attached(
    payload: Vec<u8>,
    domain: &[u8],
    key: &dyn Signer,
) -> Result<Vec<u8>, SignerError> {
    let signer = Some(key.public().fingerprint());
    let mut message = build(Algorithm::Ed25519, signer, Some(payload), Vec::new());
    message.signature = sign_checked(key, &message.tbs_data(domain))?.to_vec();
    Ok(encode(message))
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

/// A COSE_Sign message in its one encoding: a payload and its signatures, ordered by fingerprint, none twice.
#[derive(Clone, Debug)]
pub(crate) struct JointSeal {
    payload: Vec<u8>,
    signatures: Vec<(KeyFingerprint, [u8; SIGNATURE_LEN])>,
}

impl JointSeal {
    /// Makes a message that nobody has signed yet.
    pub fn unsigned(payload: Vec<u8>) -> JointSeal {
        JointSeal { payload, signatures: Vec::new() }
    }

    /// Reads a message and refuses any other encoding of it.
    pub fn parse(bytes: &[u8]) -> Result<JointSeal, EncodingError> {
        let message = CoseSign::from_tagged_slice(bytes)?;
        if message.signatures.len() > MAX_SIGNATURES {
            return Err(EncodingError::new(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let signatures = message.signatures.iter().map(|signature| {
            Ok((fingerprint_of(&signature.unprotected.key_id)?, signature_of(&signature.signature)?))
        });
        let signatures = signatures.collect::<Result<Vec<_>, EncodingError>>()?;
        let Some(payload) = message.payload else {
            return Err(EncodingError::new("its signatures bring no document"));
        };
        let seal = JointSeal { payload, signatures };
        if !seal.signatures.is_sorted_by(|(one, _), (next, _)| one < next) || seal.to_bytes() != bytes {
            return Err(EncodingError::not_ours());
        }
        Ok(seal)
    }

    /// Returns the message as it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        let message = CoseSignBuilder::new().payload(self.payload.clone());
        let message = self.signatures.iter().fold(message, |message, (signer, signature)| {
            message.add_signature(part(*signer, signature.to_vec()))
        });
        message.build().to_tagged_vec().expect("a message of byte strings has an encoding")
    }

    /// Returns the document.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns who is said to have signed.
    pub fn claimed_signers(&self) -> impl Iterator<Item = KeyFingerprint> {
        self.signatures.iter().map(|(signer, _)| *signer)
    }

    /// Adds a signature; the same signer's earlier one is replaced by its equal.
    pub fn sign(&mut self, domain: &[u8], key: &dyn Signer) -> Result<(), SignerError> {
        let signer = key.public().fingerprint();
        let signature = sign_checked(key, &self.signed_bytes(domain, signer))?;
        match self.signatures.binary_search_by_key(&signer, |(signer, _)| *signer) {
            Ok(place) => self.signatures[place].1 = signature,
            Err(place) => self.signatures.insert(place, (signer, signature)),
        }
        Ok(())
    }

    /// Returns those of `keys` that signed, each once.
    ///
    /// A signature of a key that is not among them is passed over: it may be meant for somebody who knows it. One
    /// in the name of a key among them must hold.
    pub fn signers(&self, domain: &[u8], keys: &[PublicKey]) -> Result<Vec<PublicKey>, SealFault> {
        let mut signers: Vec<PublicKey> = Vec::new();
        for (claimed, signature) in &self.signatures {
            let mut candidates = keys.iter().filter(|key| key.fingerprint() == *claimed).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let signed = self.signed_bytes(domain, *claimed);
            let key =
                candidates.find(|key| key.verifies(&signed, signature)).ok_or(SealFault::BadSignature)?;
            if !signers.contains(key) {
                signers.push(*key);
            }
        }
        Ok(signers)
    }

    /// Refuses signatures of keys that nobody here knows: a document carries nothing unaccounted for.
    pub fn require_known(&self, keys: &[PublicKey]) -> Result<(), SealFault> {
        let known = |signer: &KeyFingerprint| keys.iter().any(|key| key.fingerprint() == *signer);
        match self.claimed_signers().find(|signer| !known(signer)) {
            Some(signer) => Err(SealFault::UntrustedKey { signer }),
            None => Ok(()),
        }
    }

    fn signed_bytes(&self, domain: &[u8], signer: KeyFingerprint) -> Vec<u8> {
        let message = CoseSignBuilder::new().payload(self.payload.clone()).build();
        message.tbs_data(domain, &part(signer, Vec::new()))
    }
}

fn part(signer: KeyFingerprint, signature: Vec<u8>) -> CoseSignature {
    CoseSignatureBuilder::new()
        .protected(HeaderBuilder::new().algorithm(Algorithm::Ed25519).build())
        .unprotected(HeaderBuilder::new().key_id(signer.as_bytes().to_vec()).build())
        .signature(signature)
        .build()
}

fn signature_of(bytes: &[u8]) -> Result<[u8; SIGNATURE_LEN], EncodingError> {
    bytes.try_into().map_err(|_| EncodingError::new("its signature has not 64 bytes"))
}

fn fingerprint_of(id: &[u8]) -> Result<KeyFingerprint, EncodingError> {
    let id = id.try_into().map_err(|_| EncodingError::new("its key id has not 8 bytes"))?;
    Ok(KeyFingerprint::from_bytes(id))
}

fn encode(message: CoseSign1) -> Vec<u8> {
    message.to_tagged_vec().expect("a message of byte strings has an encoding")
}

/// The most signatures a document carries: the root keys before and after a rotation, eight each.
const MAX_SIGNATURES: usize = 16;
