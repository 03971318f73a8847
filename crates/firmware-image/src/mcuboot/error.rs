//! Why bytes are no sound MCUboot image. Why a sound one is not believed is left to `verify`.

use super::header::{HEADER_LEN, MAGIC, McubootFlags};
use super::tlv::{AREA_HEADER_LEN, MAX_TLVS, McubootTlvKind};

/// Why an MCUboot image is not sound: which part, at which byte of the image, what was expected, what found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McubootParseError {
    /// The image ends inside one of its parts.
    #[error("{field} at byte {offset}: expected {expected} bytes, found the end of the image after {found}")]
    Truncated {
        /// The part that is not whole.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// How many bytes it has.
        expected: usize,
        /// How many were left.
        found: usize,
    },
    /// It is something else.
    #[error("magic at byte 0: expected 0x{MAGIC:08X}, found 0x{found:08X}")]
    WrongMagic {
        /// What stands there.
        found: u32,
    },
    /// It was made with `imgtool sign --endian big`.
    #[error("magic at byte 0: expected a little-endian image, found a big-endian one")]
    BigEndian,
    /// The header claims to be shorter than its own fields.
    #[error("header size at byte 8: expected at least {HEADER_LEN}, found {found}")]
    HeaderTooShort {
        /// What it says.
        found: u16,
    },
    /// There is nothing to run.
    #[error("image size at byte 12: expected at least 1, found 0")]
    EmptyImage,
    /// The image is encrypted, or made to be (`imgtool sign --encrypt`).
    #[error("flags at byte 16: expected a plain image, found {flags}")]
    Encrypted {
        /// All flags.
        flags: McubootFlags,
    },
    /// The flags are those of a plain image, and yet there is a key to decrypt it with.
    #[error("TLV {kind} at byte {offset}: expected a plain image, found the key of an encrypted one")]
    EncryptionKey {
        /// Which kind of key.
        kind: McubootTlvKind,
        /// Where its TLV begins.
        offset: usize,
    },
    /// No TLV area begins where the header says.
    #[error("TLV area at byte {offset}: expected its magic 0x{expected:04X}, found 0x{found:04X}")]
    AreaMagic {
        /// Where the area should begin.
        offset: usize,
        /// The magic of the area that should be there.
        expected: u16,
        /// What stands there.
        found: u16,
    },
    /// Header and protected area do not say the same.
    #[error(
        "size of the protected TLV area at byte {offset}: expected {expected} as the header says, found {found}"
    )]
    ProtectedSize {
        /// Where the size stands.
        offset: usize,
        /// What the header says.
        expected: u16,
        /// What the area says.
        found: u16,
    },
    /// The area claims to be shorter than its own header.
    #[error("size of the TLV area at byte {offset}: expected at least {AREA_HEADER_LEN}, found {found}")]
    AreaTooShort {
        /// Where the size stands.
        offset: usize,
        /// What it says.
        found: u16,
    },
    /// A TLV claims more bytes than its area has.
    #[error("length of TLV {kind} at byte {offset}: expected at most {available}, found {claimed}")]
    TlvBeyondArea {
        /// Which one.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
        /// How long it says it is.
        claimed: u16,
        /// How many bytes follow its header.
        available: usize,
    },
    /// The last bytes of an area are too few to be a TLV.
    #[error("TLV at byte {offset}: expected 4 bytes of type and length, found {count} stray bytes")]
    StrayBytes {
        /// Where they begin.
        offset: usize,
        /// How many.
        count: usize,
    },
    /// More TLVs than any tool writes.
    #[error("TLV at byte {offset}: expected at most {MAX_TLVS} TLVs, found one more")]
    TooManyTlvs {
        /// Where the first one too many begins.
        offset: usize,
    },
    /// A TLV stands where no signature reaches, and is none of those that must.
    #[error("TLV {kind} at byte {offset}: expected it in the protected area, found it where no hash reaches")]
    Unprotected {
        /// Which one.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
    },
    /// A hash, key or signature stands inside of what is hashed.
    #[error("TLV {kind} at byte {offset}: expected it behind the protected area, found it inside")]
    Protected {
        /// Which one.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
    },
    /// Two TLVs say the same, and nobody says which one counts.
    #[error(
        "TLV {kind} at byte {second}: expected one of its sort in all, found a second after that at byte {first}"
    )]
    Repeated {
        /// What the second one is.
        kind: McubootTlvKind,
        /// Where the first begins.
        first: usize,
        /// Where the second begins.
        second: usize,
    },
    /// A TLV has not the length of its kind.
    #[error("length of TLV {kind} at byte {offset}: expected {expected}, found {found}")]
    TlvLength {
        /// Which one.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
        /// How long its kind is.
        expected: usize,
        /// How long it is.
        found: usize,
    },
    /// The pure mark is neither there nor not there.
    #[error("value of the pure mark at byte {offset}: expected 1, found {found}")]
    PureMark {
        /// Where its TLV begins.
        offset: usize,
        /// What it holds.
        found: u8,
    },
    /// A boot loader, which reads from front to back, would not know hash or key when it meets the signature.
    #[error("TLV {kind} at byte {offset}: expected it before the signature, found it behind")]
    BehindSignature {
        /// Which one.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
    },
    /// There is no hash, and no pure signature that could do without.
    #[error("TLV area at byte {offset}: expected a hash of the image, found none")]
    NoHash {
        /// Where the area begins.
        offset: usize,
    },
    /// A signature without the key it is of.
    #[error("signature {kind} at byte {offset}: expected a key or key hash before it, found none")]
    NoKey {
        /// Which kind of signature.
        kind: McubootTlvKind,
        /// Where it begins.
        offset: usize,
    },
    /// The image was padded to the size of its slot (`imgtool sign --pad`, `--confirm` or `--test`).
    #[error(
        "end of the image at byte {offset}: expected nothing more, found {count} bytes of padding and slot \
         trailer, as imgtool --pad adds for flashing directly"
    )]
    SlotTrailer {
        /// Where the image ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// Nothing but erased flash follows.
    #[error(
        "end of the image at byte {offset}: expected nothing more, found {count} bytes 0x{value:02X} of padding"
    )]
    Padding {
        /// Where the image ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
        /// What they all are.
        value: u8,
    },
    /// Something follows.
    #[error("end of the image at byte {offset}: expected nothing more, found {count} more bytes")]
    Tail {
        /// Where the image ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
}
