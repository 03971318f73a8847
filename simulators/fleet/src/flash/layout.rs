//! How the flash of a device is laid out, as a value: what is erased at once, what is programmed at once.

/// How the flash of a device is laid out. All lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashLayout {
    sector_len: u32,
    page_len: u32,
    program_unit: u32,
    mark_unit: u32,
    extra_banks: u8,
}

/// Why a layout is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The program unit is not 1, 2, 4, 8, 16 or 32.
    #[error("program unit is {0} bytes, expected a power of two up to 32")]
    ProgramUnit(u32),
    /// The page is not made of whole program units, or is too short.
    #[error("page is {0} bytes, expected 32 to 65,536 in whole program units")]
    Page(u32),
    /// The sector is not made of whole pages, or is too short or too long.
    #[error("sector is {0} bytes, expected 256 to 65,536 in whole pages")]
    Sector(u32),
    /// The mark unit is not made of whole program units, or is too short or too long.
    #[error("mark unit is {0} bytes, expected 64 to 65,536 in whole program units")]
    Mark(u32),
}

/// The longest program unit: the flash word of larger microcontrollers (fact: 256 bits with error correction).
const MAX_PROGRAM_UNIT: u32 = 32;

/// The shortest sector: the smallest of internal flash (assumption), and room for eight entries of a security log.
const MIN_SECTOR_LEN: u32 = 256;

/// The longest of everything; offsets within it fit 16 bits.
const MAX_LEN: u32 = 65_536;

/// The shortest mark unit, so that the marks of the largest image stay small beside it.
const MIN_MARK_UNIT: u32 = 64;

impl FlashLayout {
    /// Serial NOR flash as most meters have it: 4 KiB sectors, single bits cleared at any time (assumption).
    pub const SERIAL_NOR: FlashLayout =
        FlashLayout { sector_len: 4096, page_len: 4096, program_unit: 1, mark_unit: 1024, extra_banks: 0 };

    /// Makes a layout.
    ///
    /// `sector_len` is erased at once; one operation programs within one page of `page_len`; a piece of
    /// `program_unit` is the least that is programmed. Where it is 1, bits may be cleared one by one; where it is
    /// more, a piece is programmed once between two erases, as in parts with error correction.
    pub fn new(sector_len: u32, page_len: u32, program_unit: u32) -> Result<FlashLayout, LayoutError> {
        if !program_unit.is_power_of_two() || program_unit > MAX_PROGRAM_UNIT {
            return Err(LayoutError::ProgramUnit(program_unit));
        }
        if !(MAX_PROGRAM_UNIT..=MAX_LEN).contains(&page_len) || !page_len.is_multiple_of(program_unit) {
            return Err(LayoutError::Page(page_len));
        }
        if !(MIN_SECTOR_LEN..=MAX_LEN).contains(&sector_len) || !sector_len.is_multiple_of(page_len) {
            return Err(LayoutError::Sector(sector_len));
        }
        Ok(FlashLayout { sector_len, page_len, program_unit, ..FlashLayout::SERIAL_NOR })
    }

    /// Lets one mark of a meter cover this much of its image: the most that a power cut costs of a download.
    pub fn with_mark_unit(self, mark_unit: u32) -> Result<FlashLayout, LayoutError> {
        if !(MIN_MARK_UNIT..=MAX_LEN).contains(&mark_unit) || !mark_unit.is_multiple_of(self.program_unit) {
            return Err(LayoutError::Mark(mark_unit));
        }
        Ok(FlashLayout { mark_unit, ..self })
    }

    /// Adds banks beyond those that the device cannot do without.
    pub fn with_extra_banks(self, extra_banks: u8) -> FlashLayout {
        FlashLayout { extra_banks: extra_banks.min(8), ..self }
    }

    /// Returns what is erased at once.
    pub fn sector_len(&self) -> usize {
        self.sector_len as usize
    }

    /// Returns within what one operation programs.
    pub fn page_len(&self) -> usize {
        self.page_len as usize
    }

    /// Returns the least that is programmed.
    pub fn program_unit(&self) -> usize {
        self.program_unit as usize
    }

    /// Returns how much of a meter's image one mark covers.
    pub fn mark_unit(&self) -> u32 {
        self.mark_unit
    }

    /// Returns the banks beyond those that the device cannot do without.
    pub fn extra_banks(&self) -> u8 {
        self.extra_banks
    }

    /// Returns the sectors that hold this many bytes.
    pub(crate) fn sectors_for(&self, bytes: usize) -> usize {
        bytes.div_ceil(self.sector_len())
    }

    /// Returns a length in whole program units.
    pub(crate) fn padded(&self, len: usize) -> usize {
        len.next_multiple_of(self.program_unit())
    }
}

impl Default for FlashLayout {
    fn default() -> FlashLayout {
        FlashLayout::SERIAL_NOR
    }
}

#[cfg(test)]
mod tests {
    use super::{FlashLayout, LayoutError};

    #[test]
    fn a_layout_is_made_of_whole_pieces_or_not_at_all() {
        assert!(FlashLayout::new(4096, 256, 1).is_ok());
        assert_eq!(FlashLayout::new(4096, 256, 3), Err(LayoutError::ProgramUnit(3)));
        assert_eq!(FlashLayout::new(4096, 256, 64), Err(LayoutError::ProgramUnit(64)));
        assert_eq!(FlashLayout::new(4096, 40, 16), Err(LayoutError::Page(40)));
        assert_eq!(FlashLayout::new(4000, 256, 1), Err(LayoutError::Sector(4000)));
        assert_eq!(FlashLayout::new(128, 128, 1), Err(LayoutError::Sector(128)));
        let words = FlashLayout::new(2048, 64, 32).expect("a layout");
        assert_eq!(words.with_mark_unit(100), Err(LayoutError::Mark(100)));
        assert_eq!((words.padded(33), words.sectors_for(2049)), (64, 2));
    }
}
