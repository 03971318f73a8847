//! High-level security 5: who holds the keys answers the other's challenge with a GMAC (IEC 62056-5-3).
//!
//! ```text
//! AARQ                   CtoS          client's challenge
//! AARE                   StoC          server's challenge
//! ACTION reply_to_HLS    f(StoC)       under the client's title and counter
//! its response           f(CtoS)       under the server's title and counter
//! f(challenge) = 10 | invocation counter u32 | GMAC(10 | authentication key | challenge)
//! ```

use std::fmt;

use super::control::SecurityControl;
use super::error::LinkError;
use super::keys::{Cipher, MAX_CHALLENGE_LEN, Nonce, SystemTitle, TAG_LEN};
use crate::reader::Reader;
use crate::{ClassId, MethodRef, Obis};

/// The shortest challenge (IEC 62056-5-3).
const MIN_CHALLENGE_LEN: usize = 8;

/// Bytes of an answer to a challenge.
pub(crate) const PROOF_LEN: usize = 1 + 4 + TAG_LEN;

/// reply_to_HLS_authentication of the association that is being opened: 0.0.40.0.0.255, class 15, method 1.
pub(crate) const REPLY_TO_HLS: MethodRef =
    MethodRef { class: ClassId::ASSOCIATION, instance: Obis::current_association(), index: 1 };

/// What one side gives the other to authenticate: 8 to 64 bytes that never come again and that nobody foresees.
/// Where they come from is for the caller to know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    bytes: [u8; MAX_CHALLENGE_LEN],
    len: usize,
}

impl Challenge {
    /// Takes 8 to 64 bytes.
    pub fn new(challenge: &[u8]) -> Option<Challenge> {
        if !(MIN_CHALLENGE_LEN..=MAX_CHALLENGE_LEN).contains(&challenge.len()) {
            return None;
        }
        let mut bytes = [0; MAX_CHALLENGE_LEN];
        bytes[..challenge.len()].copy_from_slice(challenge);
        Some(Challenge { bytes, len: challenge.len() })
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({:02x?})", self.as_bytes())
    }
}

/// Answers a challenge as `nonce.title`.
pub(crate) fn prove(cipher: &Cipher, nonce: Nonce, challenge: &Challenge) -> [u8; PROOF_LEN] {
    let control = SecurityControl::AUTHENTICATED;
    let mut proof = [control.to_byte(); PROOF_LEN];
    proof[1..5].copy_from_slice(&nonce.counter.to_be_bytes());
    proof[5..].copy_from_slice(&cipher.tag(nonce, control, challenge.as_bytes()));
    proof
}

/// Checks an answer of `title` to our challenge.
///
/// The counter in it is not held against those of APDUs: some take one counter for the answer and the APDU
/// around it, and an answer to a challenge that is given once cannot be repeated.
pub(crate) fn check_proof(
    cipher: &Cipher,
    title: SystemTitle,
    challenge: &Challenge,
    proof: &[u8],
) -> Result<(), LinkError> {
    let mut reader = Reader::new(proof);
    let control = SecurityControl::from_byte(reader.u8("security control of the HLS answer")?);
    if control != SecurityControl::AUTHENTICATED {
        return Err(LinkError::Policy { found: control });
    }
    let counter = reader.u32_be("invocation counter of the HLS answer")?;
    let mac = reader.array("GMAC of the HLS answer")?;
    reader.finish("HLS answer")?;
    cipher.check(Nonce { title, counter }, control, challenge.as_bytes(), &mac)?;
    Ok(())
}
