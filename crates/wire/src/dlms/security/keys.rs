//! Keys of security suite 0 and what is computed with them: AES-128-GCM with tags of 12 bytes.
//!
//! ```text
//! nonce  system title of the sender 8 | invocation counter u32
//! AAD    security control 1 | authentication key 16 | challenge, when only a tag is wanted
//! ```
//!
//! Sketch: a key pair at rest is 32 B, expanded 340 B; expanding takes 0.1 us, sealing a block of 1 KiB 0.8 us
//! (x86-64 with AES and carry-less multiplication, found at run time). A million hubs keep their keys at rest;
//! who seals a train of blocks expands once. `ring` seals in 0.3 us, but opens tags of 16 bytes only; where that
//! would count, blocks are sealed once for all hubs anyway.

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes128Enc;
use aes_gcm::{AesGcm, KeyInit};
use zeroize::Zeroizing;

use super::control::SecurityControl;

/// Bytes of the tag at the end of whatever is authenticated: suite 0 cuts GCM's 16 to 12.
pub(crate) const TAG_LEN: usize = 12;

const KEY_LEN: usize = 16;

/// The longest challenge (IEC 62056-5-3).
pub(crate) const MAX_CHALLENGE_LEN: usize = 64;

/// The name of a DLMS system, half of every nonce: three letters of its manufacturer, five bytes that make it
/// unique (IEC 62056-5-3, system title).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTitle(pub [u8; 8]);

impl fmt::Display for SystemTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An encryption key and the authentication key that goes with it. Wiped when dropped, never printed.
///
/// For one hub these are its global unicast encryption key and its global authentication key; for shared
/// ciphertext the global broadcast encryption key and the authentication key of all hubs that hold it. A device
/// that keeps one authentication key only, as the standard's security setup does, has the same in both pairs.
#[derive(Clone)]
pub struct LinkKeys {
    encryption: Zeroizing<[u8; KEY_LEN]>,
    authentication: Zeroizing<[u8; KEY_LEN]>,
}

impl LinkKeys {
    /// Takes the keys as they were distributed; how is for others to know.
    pub fn new(encryption: [u8; KEY_LEN], authentication: [u8; KEY_LEN]) -> LinkKeys {
        LinkKeys { encryption: Zeroizing::new(encryption), authentication: Zeroizing::new(authentication) }
    }

    /// Says whether these are the same keys. For whoever compares files of its own: how long it takes depends on where
    /// they differ.
    pub fn is_same_as(&self, other: &LinkKeys) -> bool {
        (&self.encryption, &self.authentication) == (&other.encryption, &other.authentication)
    }

    /// Makes the keys ready for use.
    pub(crate) fn expand(&self) -> Cipher {
        Cipher { gcm: Gcm::new(&(*self.encryption).into()), authentication: self.authentication.clone() }
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(..)")
    }
}

/// GCM never decrypts a block, so the half of the key schedule that does is left out.
type Gcm = AesGcm<Aes128Enc, U12, U12>;

/// Keys ready for use. Wiped when dropped, never printed.
pub(crate) struct Cipher {
    gcm: Gcm,
    authentication: Zeroizing<[u8; KEY_LEN]>,
}

/// What may be used once per key: whose counter, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    pub(crate) title: SystemTitle,
    pub(crate) counter: u32,
}

/// The tag is not that of these bytes under this key, title and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

impl Nonce {
    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.title.0);
        bytes[8..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }
}

impl Cipher {
    /// Encrypts in place and returns the tag.
    pub(crate) fn encrypt(&self, nonce: Nonce, control: SecurityControl, text: &mut [u8]) -> [u8; TAG_LEN] {
        let aad = self.head(control);
        let tag = self.gcm.encrypt_inout_detached(&nonce.to_bytes().into(), &aad, text.into());
        tag.expect("GCM takes 64 GB, an APDU holds 64 kB").into()
    }

    /// Checks the tag, then decrypts in place; a forgery leaves the text as it was.
    pub(crate) fn decrypt(
        &self,
        nonce: Nonce,
        control: SecurityControl,
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Forged> {
        let aad = self.head(control);
        let nonce = nonce.to_bytes();
        self.gcm.decrypt_inout_detached(&nonce.into(), &aad, text.into(), &(*tag).into()).map_err(|_| Forged)
    }

    /// Returns the tag over a challenge and nothing else: GMAC.
    pub(crate) fn tag(&self, nonce: Nonce, control: SecurityControl, challenge: &[u8]) -> [u8; TAG_LEN] {
        let (aad, len) = self.head_and_challenge(control, challenge);
        let tag =
            self.gcm.encrypt_inout_detached(&nonce.to_bytes().into(), &aad[..len], (&mut [][..]).into());
        tag.expect("nothing is not too long").into()
    }

    /// Checks the tag over a challenge, in a time that does not depend on where it differs.
    pub(crate) fn check(
        &self,
        nonce: Nonce,
        control: SecurityControl,
        challenge: &[u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Forged> {
        let (aad, len) = self.head_and_challenge(control, challenge);
        let nonce = nonce.to_bytes();
        self.gcm
            .decrypt_inout_detached(&nonce.into(), &aad[..len], (&mut [][..]).into(), &(*tag).into())
            .map_err(|_| Forged)
    }

    fn head(&self, control: SecurityControl) -> [u8; 1 + KEY_LEN] {
        let mut head = [control.to_byte(); 1 + KEY_LEN];
        head[1..].copy_from_slice(&*self.authentication);
        head
    }

    fn head_and_challenge(
        &self,
        control: SecurityControl,
        challenge: &[u8],
    ) -> ([u8; 1 + KEY_LEN + MAX_CHALLENGE_LEN], usize) {
        let mut aad = [0; 1 + KEY_LEN + MAX_CHALLENGE_LEN];
        aad[..1 + KEY_LEN].copy_from_slice(&self.head(control));
        let len = 1 + KEY_LEN + challenge.len();
        aad[1 + KEY_LEN..len].copy_from_slice(challenge);
        (aad, len)
    }
}
