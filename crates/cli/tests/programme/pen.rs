//! The attacker's pen: CBOR, COSE and Zigbee OTA written from the standards and from nothing of ours, so that it can
//! write what our own code never would. What is written with it is left to `craft`.
//!
//! Every part of a document that an edit may name is remembered with its place.

use std::collections::BTreeMap;
use std::ops::Range;

use firmware_image::{FileDigest, Signer, SigningKey};

/// Bytes, and where their parts lie.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub bytes: Vec<u8>,
    pub parts: BTreeMap<String, Range<usize>>,
}

impl Written {
    /// Appends raw bytes and names their place.
    pub fn raw(&mut self, name: &str, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if !name.is_empty() {
            self.parts.insert(name.to_owned(), start..self.bytes.len());
        }
    }

    /// Appends another document and keeps its names.
    pub fn append(&mut self, other: &Written) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        for (name, range) in &other.parts {
            self.parts.insert(name.clone(), range.start + start..range.end + start);
        }
    }

    pub fn head(&mut self, major: u8, value: u64) -> &mut Written {
        let first = major << 5;
        match value {
            0..24 => self.bytes.push(first | value as u8),
            24..0x100 => self.bytes.extend([first | 24, value as u8]),
            0x100..0x1_0000 => {
                self.bytes.push(first | 25);
                self.bytes.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.bytes.push(first | 26);
                self.bytes.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.bytes.push(first | 27);
                self.bytes.extend(value.to_be_bytes());
            }
        }
        self
    }

    pub fn uint(&mut self, value: u64) -> &mut Written {
        self.head(0, value)
    }

    pub fn int(&mut self, value: i64) -> &mut Written {
        if value < 0 { self.head(1, (-1 - value) as u64) } else { self.head(0, value as u64) }
    }

    pub fn string(&mut self, bytes: &[u8]) -> &mut Written {
        self.head(2, bytes.len() as u64).bytes.extend_from_slice(bytes);
        self
    }

    /// A byte string whose content has a name.
    pub fn named(&mut self, name: &str, bytes: &[u8]) -> &mut Written {
        self.head(2, bytes.len() as u64).raw(name, bytes);
        self
    }

    /// A byte string that holds a document.
    pub fn embed(&mut self, name: &str, other: &Written) -> &mut Written {
        self.head(2, other.bytes.len() as u64);
        let start = self.bytes.len();
        self.append(other);
        self.parts.insert(name.to_owned(), start..self.bytes.len());
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Written {
        self.head(3, text.len() as u64).bytes.extend_from_slice(text.as_bytes());
        self
    }

    pub fn list(&mut self, items: usize) -> &mut Written {
        self.head(4, items as u64)
    }

    pub fn map(&mut self, items: usize) -> &mut Written {
        self.head(5, items as u64)
    }
}

/// Writes a document with a function.
pub fn written(write: impl FnOnce(&mut Written)) -> Written {
    let mut out = Written::default();
    write(&mut out);
    out
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    *FileDigest::of(bytes).as_bytes()
}

/// Whose key it is, for ever the same: the name, padded.
pub fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::generate_from_seed(seed)
}

pub fn public(name: &str) -> [u8; 32] {
    key(name).public().to_bytes()
}

/// Somebody's signature, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Hand {
    pub key: String,
    /// The key that the signature names; `None` for none.
    pub named: Option<String>,
    pub label: i64,
    /// The kind of document that is really signed.
    pub domain: Option<String>,
}

impl Hand {
    /// Reads "ann", "ann as bob", "ann nameless", "ann labelled -8", "ann for order".
    pub fn read(text: &str) -> Hand {
        let mut words = text.split(' ');
        let key = words.next().expect("a name").to_owned();
        let mut hand = Hand { named: Some(key.clone()), key, label: ED25519, domain: None };
        while let Some(word) = words.next() {
            match word {
                "nameless" => hand.named = None,
                "as" => hand.named = words.next().map(str::to_owned),
                "labelled" => {
                    hand.label = words.next().and_then(|label| label.parse().ok()).expect("a number");
                }
                "for" => hand.domain = words.next().map(str::to_owned),
                other => panic!("a signature is never `{other}`"),
            }
        }
        hand
    }

    fn protected(&self) -> Vec<u8> {
        written(|out| {
            out.map(1).uint(1).int(self.label);
        })
        .bytes
    }

    fn unprotected(&self, out: &mut Written) {
        match &self.named {
            Some(name) => {
                let id = *key(name).public().fingerprint().as_bytes();
                out.map(1).uint(4).named("kid", &id);
            }
            None => {
                out.map(0);
            }
        }
    }

    fn sign(&self, structure: &Written) -> [u8; 64] {
        Signer::sign(&key(&self.key), &structure.bytes).expect("a key in memory signs")
    }
}

/// The external_aad of a kind of document; images have none.
pub fn domain(kind: &str) -> Vec<u8> {
    match kind {
        "image" => Vec::new(),
        kind => format!("smets1-ota/v1/{kind}\0").into_bytes(),
    }
}

/// COSE_Sign1 (RFC 9052, 4.2); a detached payload is signed and not sent.
pub fn sign_one(kind: &str, payload: &Written, detached: bool, hand: &Hand) -> Written {
    let protected = hand.protected();
    let aad = domain(hand.domain.as_deref().unwrap_or(kind));
    let structure = written(|out| {
        out.list(4).text("Signature1").string(&protected).string(&aad).string(&payload.bytes);
    });
    let signature = hand.sign(&structure);
    written(|out| {
        out.head(6, 18).list(4).named("protected", &protected);
        hand.unprotected(out);
        if detached {
            out.bytes.push(0xF6);
        } else {
            out.embed("payload", payload);
        }
        out.named("signature", &signature);
    })
}

/// COSE_Sign (RFC 9052, 4.1): the signatures ordered by the keys they name, unless they shall stand as given.
pub fn sign_several(kind: &str, payload: &Written, hands: &[Hand], as_given: bool) -> Written {
    let mut parts: Vec<(Vec<u8>, Written)> = hands
        .iter()
        .map(|hand| {
            let protected = hand.protected();
            let aad = domain(hand.domain.as_deref().unwrap_or(kind));
            let structure = written(|out| {
                out.list(5).text("Signature").string(&[]).string(&protected);
                out.string(&aad).string(&payload.bytes);
            });
            let signature = hand.sign(&structure);
            let part = written(|out| {
                out.list(3).named("protected", &protected);
                hand.unprotected(out);
                out.named("signature", &signature);
            });
            let name = hand.named.as_deref().map(|name| key(name).public().fingerprint().as_bytes().to_vec());
            (name.unwrap_or_default(), part)
        })
        .collect();
    if !as_given {
        parts.sort_by(|(one, _), (next, _)| one.cmp(next));
    }
    written(|out| {
        out.head(6, 98).list(4).string(&[]).map(0).embed("payload", payload).list(parts.len());
        for (_, part) in &parts {
            out.append(part);
        }
    })
}

/// COSE's number for Ed25519 (RFC 9864).
pub const ED25519: i64 = -19;
