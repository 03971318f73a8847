//! What an attacker does to bytes: by the name of a part, at an offset within it, counted from its end when negative.

use serde::Deserialize;

use crate::pen::Written;

/// One edit; hexadecimal where bytes are given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Edit {
    /// Turns one bit over.
    Flip(Place),
    /// Cuts everything off from a place on.
    Cut(Place),
    /// Hangs bytes on.
    Extend(Filler),
    /// Puts bytes in.
    Insert(Place),
    /// Overwrites bytes.
    Set(Place),
    /// Takes a part out.
    Remove(String),
    /// Says a part twice.
    Repeat(String),
    /// Exchanges two parts that do not overlap, the earlier named first.
    Swap(String, String),
    /// States the real size in an OTA header, as a careful forger would.
    Size(bool),
    /// Writes the second form S + L of the signature in a part (forbidden by RFC 8032, 5.1.7).
    PlusOrder(String),
}

/// Where, and with what.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// The whole document when empty.
    pub part: String,
    pub at: i64,
    pub bit: u8,
    pub hex: String,
    pub times: usize,
}

/// Bytes, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filler {
    pub hex: String,
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// Applies edits one after another.
pub fn apply(edits: &[Edit], document: &mut Written) {
    for edit in edits {
        edit.apply(document);
    }
}

impl Edit {
    fn apply(&self, document: &mut Written) {
        match self {
            Edit::Flip(place) => {
                let at = document.place(place);
                document.bytes[at] ^= 1 << place.bit;
            }
            Edit::Cut(place) => {
                let at = document.place(place);
                document.bytes.truncate(at);
            }
            Edit::Extend(filler) => document.bytes.extend(unhex(&filler.hex).repeat(filler.times)),
            Edit::Insert(place) => {
                let at = document.place(place);
                document.splice(at, 0, &unhex(&place.hex).repeat(place.times.max(1)));
            }
            Edit::Set(place) => {
                let (at, bytes) = (document.place(place), unhex(&place.hex).repeat(place.times.max(1)));
                document.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            Edit::Remove(part) => {
                let range = document.parts[part].clone();
                document.splice(range.start, range.len(), &[]);
            }
            Edit::Repeat(part) => {
                let range = document.parts[part].clone();
                let copy = document.bytes[range.clone()].to_vec();
                document.splice(range.end, 0, &copy);
            }
            Edit::Swap(first, second) => {
                let (first, second) = (document.parts[first].clone(), document.parts[second].clone());
                let bytes = &document.bytes;
                let exchanged = [
                    &bytes[..first.start],
                    &bytes[second.clone()],
                    &bytes[first.end..second.start],
                    &bytes[first],
                    &bytes[second.end..],
                ];
                document.bytes = exchanged.concat();
            }
            Edit::Size(false) => {}
            Edit::Size(true) => {
                let size = u32::try_from(document.bytes.len()).expect("a small file");
                document.bytes[52..56].copy_from_slice(&size.to_le_bytes());
            }
            Edit::PlusOrder(part) => {
                let end = document.parts[part].end;
                add_order(&mut document.bytes[end - 32..end]);
            }
        }
    }
}

impl Written {
    fn place(&self, place: &Place) -> usize {
        let range = match place.part.as_str() {
            "" => 0..self.bytes.len(),
            part => self.parts.get(part).unwrap_or_else(|| panic!("no part `{part}`")).clone(),
        };
        let start = if place.at < 0 { range.end } else { range.start };
        start.checked_add_signed(place.at as isize).expect("a place in the document")
    }

    fn splice(&mut self, at: usize, removed: usize, inserted: &[u8]) {
        self.bytes.splice(at..at + removed, inserted.iter().copied());
        let moved = |place: usize| {
            if place > at { (place - removed.min(place - at)) + inserted.len() } else { place }
        };
        for range in self.parts.values_mut() {
            *range = moved(range.start)..moved(range.end);
        }
    }
}

/// Adds the order of the curve's group to a scalar: the same scalar, said differently.
fn add_order(scalar: &mut [u8]) {
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, addend) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
}
