//! Whether a trusted key signed an MCUboot image. Whether its version or counter is high enough is left to
//! whoever holds the last one.
//!
//! The promise that travels with a file is its SUIT envelope. This one is asked at the desk, before a payload
//! goes into a file, and wherever an image came with imgtool's signature alone.

use super::hash::{McubootHashKind, McubootKeyHash, subject_public_key_info};
use super::image::{McubootImage, McubootKey};
use super::tlv::McubootTlvKind;
use crate::key::{PublicKey, SIGNATURE_LEN};

impl<'a> McubootImage<'a> {
    /// Returns whether the image is the one its hash was made of; `None` if it has no hash. Says nothing
    /// about who made it: a forger hashes too.
    pub fn hash_holds(&self) -> Option<bool> {
        self.hash().map(|hash| hash.kind.hash(self.signed_bytes()).bytes() == hash.value)
    }

    /// Verifies the hash and the Ed25519 signature with that of `keys` which the image names.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<VerifiedMcuboot<'a>, McubootVerifyError> {
        let (signature, named) = match (self.signature(), self.key()) {
            (Some(signature), Some(named)) => (signature, named),
            _ => return Err(McubootVerifyError::Unsigned),
        };
        let signature: &[u8; SIGNATURE_LEN] = match signature.value.try_into() {
            Ok(bytes) if signature.kind == McubootTlvKind::ED25519 => bytes,
            _ => return Err(McubootVerifyError::OtherSignature { found: signature.kind }),
        };
        let kind = self.hash().map(|hash| hash.kind);
        if kind == Some(McubootHashKind::Sha384) {
            return Err(McubootVerifyError::OtherHash { found: McubootHashKind::Sha384 });
        }
        let signer = keys
            .iter()
            .find(|key| is_named(key, named))
            .ok_or(McubootVerifyError::UntrustedKey { key: named.short() })?;
        let signed = self.signed_bytes();
        let computed = kind.map(|kind| kind.hash(signed));
        if let (Some(computed), Some(hash)) = (&computed, self.hash())
            && computed.bytes() != hash.value
        {
            return Err(McubootVerifyError::Altered { kind: hash.kind });
        }
        let message = match &computed {
            Some(computed) if !self.is_pure() => computed.bytes(),
            _ => signed,
        };
        if !signer.verifies(message, signature) {
            return Err(McubootVerifyError::BadSignature { key: named.short() });
        }
        Ok(VerifiedMcuboot { image: self.clone(), signer: *signer })
    }
}

/// Returns whether the image means this key. Only a whole hash of it counts.
fn is_named(key: &PublicKey, named: McubootKey<'_>) -> bool {
    let info = subject_public_key_info(key);
    match named {
        McubootKey::Whole(whole) => info == whole,
        McubootKey::Hash(hash) => [McubootHashKind::Sha256, McubootHashKind::Sha512]
            .into_iter()
            .any(|kind| kind.hash(&info).bytes() == hash),
    }
}

/// An image of which every byte that counts is vouched for by a trusted key. Only
/// [`McubootImage::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMcuboot<'a> {
    image: McubootImage<'a>,
    signer: PublicKey,
}

impl<'a> VerifiedMcuboot<'a> {
    /// Returns the image.
    pub fn image(&self) -> &McubootImage<'a> {
        &self.image
    }

    /// Returns which of the trusted keys made the signature.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }
}

/// Why an MCUboot image is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McubootVerifyError {
    /// There is no signature.
    #[error("the MCUboot image is not signed")]
    Unsigned,
    /// It is signed in a way that is not verified here.
    #[error("signature: expected Ed25519, found {found}")]
    OtherSignature {
        /// The kind of signature.
        found: McubootTlvKind,
    },
    /// The hash is of a kind that no tool uses with Ed25519.
    #[error("hash: expected SHA-256 or SHA-512 beside an Ed25519 signature, found {found}")]
    OtherHash {
        /// The kind of hash.
        found: McubootHashKind,
    },
    /// Nobody said that this key is to be believed.
    #[error("the MCUboot image names key hash {key}, which is not trusted")]
    UntrustedKey {
        /// The key it names.
        key: McubootKeyHash,
    },
    /// The image is not the one that was hashed.
    #[error("the MCUboot image was altered after signing: its {kind} is another one")]
    Altered {
        /// The kind of hash.
        kind: McubootHashKind,
    },
    /// The signature was not made by the key the image names.
    #[error("the signature of the MCUboot image is not valid under key hash {key}")]
    BadSignature {
        /// The key it names.
        key: McubootKeyHash,
    },
}
