//! Ciphered APDUs: a plain one, its protection, and back (IEC 62056-5-3, service-specific global ciphering).
//!
//! ```text
//! tag | length | security control | invocation counter u32 | ciphertext | tag of GCM 12
//! ```
//!
//! | plain | ciphered | |
//! |--:|--:|---|
//! | 01 / 08 | 21 / 28 | initiate-request / -response, inside AARQ and AARE |
//! | c0 / c4 | c8 / cc | GET |
//! | c1 / c5 | c9 / cd | SET |
//! | c3 / c7 | cb / cf | ACTION |
//!
//! Dedicated keys, general ciphering and ciphered notifications exist and are not spoken here.

use super::control::SecurityControl;
use super::error::{LinkError, SealError};
use super::keys::{Cipher, Nonce, SystemTitle, TAG_LEN};
use crate::WireError;
use crate::reader::{Reader, length_len, put_length};

/// Security control and invocation counter.
const HEAD_LEN: usize = 1 + 4;

/// What is added to an APDU when it is ciphered, at the most: 21 bytes, two fewer where the length takes one byte.
pub const MAX_SEAL_OVERHEAD: usize = sealed_len(1 << 8) - (1 << 8);

/// Plain and ciphered tags, in one place for both directions.
const TAGS: [(u8, u8); 8] = [
    (0x01, 0x21),
    (0x08, 0x28),
    (0xC0, 0xC8),
    (0xC1, 0xC9),
    (0xC3, 0xCB),
    (0xC4, 0xCC),
    (0xC5, 0xCD),
    (0xC7, 0xCF),
];

/// Returns the length of a ciphered APDU whose plain form has so many bytes.
pub const fn sealed_len(apdu_len: usize) -> usize {
    let content = HEAD_LEN + apdu_len + TAG_LEN;
    1 + length_len(content) + content
}

/// Says whether an APDU with this tag is a ciphered one.
pub(crate) fn is_ciphered(tag: u8) -> bool {
    TAGS.iter().any(|(_, ciphered)| *ciphered == tag)
}

/// Ciphers the plain APDU that `out` ends with, from `start` on, in place. Does not allocate beyond the growth of
/// `out` to [`sealed_len`].
pub(crate) fn seal_tail(
    cipher: &Cipher,
    nonce: Nonce,
    control: SecurityControl,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let found = out[start];
    let known = TAGS.iter().find(|(plain, _)| *plain == found);
    let tag = known.map(|(_, ciphered)| *ciphered).ok_or(SealError::NoCipheredForm { found })?;
    let end = out.len();
    out.push(tag);
    put_length(HEAD_LEN + (end - start) + TAG_LEN, out);
    out.push(control.to_byte());
    out.extend_from_slice(&nonce.counter.to_be_bytes());
    let head_len = out.len() - end;
    out[start..].rotate_right(head_len);
    let tag = cipher.encrypt(nonce, control, &mut out[start + head_len..]);
    out.extend_from_slice(&tag);
    Ok(())
}

/// A ciphered APDU, taken apart and not yet believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    /// Its tag, one of those above.
    pub(crate) tag: u8,
    pub(crate) control: SecurityControl,
    pub(crate) counter: u32,
    text: &'a [u8],
    mac: [u8; TAG_LEN],
}

impl<'a> Envelope<'a> {
    /// Takes a ciphered APDU apart, which must be the whole input.
    pub(crate) fn parse(apdu: &'a [u8]) -> Result<Envelope<'a>, LinkError> {
        let mut reader = Reader::new(apdu);
        let tag = reader.u8("APDU tag")?;
        if !is_ciphered(tag) {
            return Err(LinkError::Unsecured { found: tag });
        }
        let len = reader.length("ciphered APDU")?;
        let mut content = reader.part(len, "ciphered APDU")?;
        reader.finish("ciphered APDU")?;
        let control = SecurityControl::from_byte(content.u8("security control")?);
        if control.accepted().is_none() {
            return Err(LinkError::Policy { found: control });
        }
        let counter = content.u32_be("invocation counter")?;
        let (offset, available) = (content.offset(), content.remaining());
        // One byte at least: the tag of the plain APDU.
        let Some(text_len) = available.checked_sub(TAG_LEN).filter(|len| *len > 0) else {
            let (what, needed) = ("ciphertext and its tag", TAG_LEN + 1);
            return Err(WireError::Truncated { what, offset, needed, available }.into());
        };
        let text = content.take(text_len, "ciphertext")?;
        Ok(Envelope { tag, control, counter, text, mac: content.array("tag of GCM")? })
    }

    /// Checks it as sent by `title` and appends the plain APDU to `plain`; a forgery appends nothing.
    pub(crate) fn open(
        &self,
        cipher: &Cipher,
        title: SystemTitle,
        plain: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        let start = plain.len();
        plain.extend_from_slice(self.text);
        let nonce = Nonce { title, counter: self.counter };
        if let Err(forged) = cipher.decrypt(nonce, self.control, &mut plain[start..], &self.mac) {
            plain.truncate(start);
            return Err(forged.into());
        }
        let inside = plain[start];
        if !TAGS.contains(&(inside, self.tag)) {
            plain.truncate(start);
            return Err(LinkError::WrongService { outside: self.tag, inside });
        }
        Ok(())
    }
}
