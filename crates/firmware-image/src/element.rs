//! Sub-elements of an OTA file: their tags, and one element as it stands in the file.
//! Walking a file is left to `ota_file` (strictly) and `inspect` (leniently).

use core::fmt;

/// One sub-element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub tag: ElementTag,
    /// Where its tag begins, counted in bytes from the start of the file.
    pub offset: usize,
    /// What it holds.
    pub value: &'a [u8],
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}, {} bytes", self.tag, self.offset, self.value.len())
    }
}

/// The kind of a sub-element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementTag(pub u16);

impl ElementTag {
    /// The firmware itself.
    pub const UPGRADE_IMAGE: ElementTag = ElementTag(0x0000);
    /// A Matyas-Meyer-Oseas hash: no key, so it protects from accidents only and is never relied upon.
    pub const INTEGRITY_CODE: ElementTag = ElementTag(0x0003);
    /// Our SUIT envelope.
    ///
    /// Ours. 0xF000 would be the first of the vendors' range (0xF000..0xFFFF), but Telink's files carry an
    /// element of that tag, and others use 0xF100 to 0xF1AC (fact: seen in public images). No public image
    /// we know of uses 0xF0C5 (fact); that none ever will is an assumption, and costs no more than a
    /// refusal: what is not our envelope does not verify.
    pub const ENVELOPE: ElementTag = ElementTag(0xF0C5);
    /// What the signer promises beside the header. Ours, as above.
    pub const PROMISE: ElementTag = ElementTag(0xF0C4);
    /// The list of block digests. Ours, as above.
    pub const BLOCK_DIGESTS: ElementTag = ElementTag(0xF0C6);

    /// Returns what the tag stands for.
    pub fn name(self) -> &'static str {
        match self.0 {
            0x0000 => "upgrade image",
            0x0001 => "ECDSA signature, suite 1",
            0x0002 => "ECDSA certificate, suite 1",
            0x0003 => "image integrity code",
            0x0004 => "picture",
            0x0005 => "ECDSA signature, suite 2",
            0x0006 => "ECDSA certificate, suite 2",
            0xF0C4 => "signer's promise",
            0xF0C5 => "SUIT envelope",
            0xF0C6 => "block digests",
            0xF000..=0xFFFF => "vendor",
            _ => "unregistered",
        }
    }

    /// Returns whether only signing makes such an element.
    pub(crate) fn is_of_signer(self) -> bool {
        matches!(self, ElementTag::BLOCK_DIGESTS | ElementTag::PROMISE | ElementTag::ENVELOPE)
    }

    pub(crate) fn is_signature_or_hash(self) -> bool {
        matches!(self.0, 0x0001..=0x0003 | 0x0005 | 0x0006)
    }

    pub(crate) fn is_registered(self) -> bool {
        self.0 <= 0x0006 || self.0 >= 0xF000
    }
}

impl fmt::Display for ElementTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{:04X} ({})", self.0, self.name())
    }
}

/// The bytes of an element before its value: tag u16, length u32.
pub(crate) const ELEMENT_HEADER_LEN: usize = 6;
