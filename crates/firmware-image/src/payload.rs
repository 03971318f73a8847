//! Telling kinds of payload apart. Reading an MCUboot image is left to `mcuboot`.

use crate::promise::PayloadFormat;

/// Returns what a payload looks like.
pub(crate) fn format_of(payload: &[u8]) -> PayloadFormat {
    if payload.starts_with(&MCUBOOT_MAGIC) { PayloadFormat::Mcuboot } else { PayloadFormat::Raw }
}

/// Returns whether a payload is what was promised.
pub(crate) fn holds_format(promised: PayloadFormat, payload: &[u8]) -> bool {
    format_of(payload) == promised
}

/// The first four bytes of an MCUboot image: 0x96F3B83D, little-endian.
const MCUBOOT_MAGIC: [u8; 4] = 0x96F3_B83D_u32.to_le_bytes();
