//! What flash may suffer, as values: planned power cuts and sectors that wear out.
//!
//! Most devices suffer nothing, and then this costs one pointer.

use super::RegionId;

/// When, relative to the chosen operation, the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutMode {
    /// The operation does not happen.
    Before,
    /// The operation stops half way: what it reached first is done, then comes a stretch that is neither old nor new.
    Torn,
    /// The operation happens, and nothing after it.
    After,
}

impl CutMode {
    /// All of them.
    pub const ALL: [CutMode; 3] = [CutMode::Before, CutMode::Torn, CutMode::After];
}

/// A planned power cut at one flash operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashFault {
    /// The operation that is hit, counted from 0 since the device was made.
    pub at_operation: u64,
    /// How it is hit.
    pub mode: CutMode,
}

/// A place in the flash of a device, by what lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlashPlace {
    /// One of the two copies of the boot record, which holds the counters.
    BootRecord(u8),
    /// The security log.
    SecurityLog,
    /// A record of the device's own: what a meter knows of its spare image, what a hub knows of a slot.
    Record(u8),
    /// The signed papers.
    Papers,
    /// The image of a bank.
    Bank(u8),
    /// The marks of a bank.
    Marks(u8),
}

/// What a worn sector no longer does. It does not say so: only reading back shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wear {
    /// Erasing leaves the second half as it was.
    Erase,
    /// Programming leaves the second half of what is programmed as it was.
    Program,
}

/// A sector that wears out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WornSector {
    /// In what place.
    pub place: FlashPlace,
    /// Which sector of the place.
    pub sector: u32,
    /// How many erases it takes before it is worn; 0 for one that is worn from the start.
    pub after_erases: u32,
    /// What it no longer does.
    pub wear: Wear,
}

/// All that the flash of one device will suffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlashFaults(Option<Box<Faults>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Faults {
    cuts: Vec<FlashFault>,
    worn: Vec<WornSector>,
}

impl FlashFaults {
    /// Nothing.
    pub const NONE: FlashFaults = FlashFaults(None);

    /// Plans these power cuts.
    pub fn cuts(cuts: impl IntoIterator<Item = FlashFault>) -> FlashFaults {
        let cuts: Vec<FlashFault> = cuts.into_iter().collect();
        FlashFaults((!cuts.is_empty()).then(|| Box::new(Faults { cuts, worn: Vec::new() })))
    }

    /// Lets a sector wear out besides.
    pub fn with_worn(mut self, sector: WornSector) -> FlashFaults {
        self.0.get_or_insert_default().worn.push(sector);
        self
    }

    /// Makes the flash's own account of them; `region_of` finds a place, and a place that is not there never wears.
    pub(crate) fn plan(&self, region_of: impl Fn(FlashPlace) -> Option<RegionId>) -> FaultPlan {
        let Some(faults) = &self.0 else { return FaultPlan(None) };
        let worn = faults.worn.iter().filter_map(|worn| {
            let region = region_of(worn.place)?;
            let (sector, after_erases, wear) = (worn.sector as usize, worn.after_erases, worn.wear);
            Some(Wearing { region, sector, erases: 0, after_erases, wear })
        });
        let mut planned = Planned { cuts: faults.cuts.clone(), worn: worn.collect() };
        planned.sort();
        FaultPlan(Some(Box::new(planned)))
    }
}

impl From<Option<FlashFault>> for FlashFaults {
    fn from(cut: Option<FlashFault>) -> FlashFaults {
        FlashFaults::cuts(cut)
    }
}

/// What is still to come, and what has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultPlan(Option<Box<Planned>>);

#[derive(Clone, Debug, Default)]
struct Planned {
    /// The next one last.
    cuts: Vec<FlashFault>,
    worn: Vec<Wearing>,
}

#[derive(Clone, Debug)]
struct Wearing {
    region: RegionId,
    sector: usize,
    erases: u32,
    after_erases: u32,
    wear: Wear,
}

impl Planned {
    fn sort(&mut self) {
        self.cuts.sort_by_key(|cut| std::cmp::Reverse(cut.at_operation));
    }
}

impl FaultPlan {
    /// Returns whether nothing will go wrong.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Plans one more power cut.
    pub(crate) fn add_cut(&mut self, cut: FlashFault) {
        let planned = self.0.get_or_insert_default();
        planned.cuts.push(cut);
        planned.sort();
    }

    /// Returns how this operation is cut, if it is. Cuts that were planned for operations past never come.
    pub(super) fn cut_at(&mut self, operation: u64) -> Option<CutMode> {
        let planned = self.0.as_mut()?;
        while planned.cuts.last().is_some_and(|cut| cut.at_operation < operation) {
            planned.cuts.pop();
        }
        planned.cuts.pop_if(|cut| cut.at_operation == operation).map(|cut| cut.mode)
    }

    /// Counts an erase and returns whether it leaves half a sector as it was.
    pub(super) fn wears_at_erase(&mut self, region: RegionId, sector: usize) -> bool {
        let Some(planned) = self.0.as_mut() else { return false };
        let mut worn = false;
        for wearing in planned.worn.iter_mut().filter(|it| it.region == region && it.sector == sector) {
            worn |= wearing.wear == Wear::Erase && wearing.erases >= wearing.after_erases;
            wearing.erases = wearing.erases.saturating_add(1);
        }
        worn
    }

    /// Returns whether programming leaves half of it as it was.
    pub(super) fn wears_at_program(&self, region: RegionId, sector: usize) -> bool {
        let Some(planned) = self.0.as_ref() else { return false };
        planned.worn.iter().any(|wearing| {
            let here = wearing.region == region && wearing.sector == sector;
            here && wearing.wear == Wear::Program && wearing.erases >= wearing.after_erases
        })
    }
}

/// Returns which bits of a byte an interrupted operation did not reach. Cells differ, so the bits look random; the
/// same operation of the same history always leaves the same ones, so that a run can be repeated.
pub(super) fn unreached_bits(operation: u64, at: usize) -> u8 {
    let mut state = operation.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at as u64;
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state >> 56) as u8
}
