//! What is cut: a device, the layout of its flash, the size of its image, and whether the new image comes up.

use std::sync::Arc;
use std::time::Duration;

use fleet::{
    BootFault, DeviceTrust, FlashFaults, FlashLayout, Hub, HubConfig, Meter, MeterConfig, MeterKind,
    SectorPool,
};
use transfer_engine::Moment;

use crate::bench::Bench;
use crate::device::Device;
use crate::images::{EUI, FACTORY, Image, NEW, OLD, OrderDesk, counter_of, model, trust};

/// 2026-01-01T00:00:00Z.
pub const START: Moment = Moment::from_micros(1_767_225_600_000_000);

/// What stands on the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fetches block by block.
    Electricity,
    /// Fetches page by page; one block of each page is lost on the way.
    Display,
    /// Gets blocks pushed.
    Hub,
}

/// One layout with everything that goes with it.
#[derive(Clone)]
pub struct Scene {
    pub kind: Kind,
    pub layout: FlashLayout,
    /// Bytes at once: a meter's blocks on the HAN, a hub's on the WAN.
    pub block_len: u32,
    /// Whether the new image passes its self-check.
    pub comes_up: bool,
    /// What ran before the update that is cut; `None` for the factory's image, whose bytes are not simulated.
    pub old: Option<Image>,
    pub new: Image,
    trust: Arc<DeviceTrust>,
}

/// One row of the table of scenes: sector, page, program unit, mark unit, extra banks, block, image, comes up.
type Row = (Kind, u32, u32, u32, u32, u8, u32, usize, bool);

/// Serial NOR and internal flash, from 256-byte to 64-KiB sectors; units from a bit to 32 bytes; images that end one
/// byte before, at and behind an edge of a sector, a page or a mark; two banks and three.
const ROWS: [Row; 26] = [
    (Kind::Electricity, 4096, 4096, 1, 1024, 0, 48, 3_000, true),
    (Kind::Electricity, 4096, 256, 1, 1024, 0, 64, 4_095, true),
    (Kind::Electricity, 4096, 256, 1, 1024, 0, 64, 4_096, true),
    (Kind::Electricity, 4096, 256, 1, 1024, 0, 64, 4_097, true),
    (Kind::Electricity, 4096, 256, 1, 1024, 1, 64, 3_072, true),
    (Kind::Electricity, 4096, 256, 1, 1024, 0, 64, 3_073, false),
    (Kind::Electricity, 2048, 64, 8, 512, 0, 64, 2_047, true),
    (Kind::Electricity, 2048, 64, 8, 512, 0, 64, 2_048, true),
    (Kind::Electricity, 2048, 64, 8, 512, 0, 64, 2_049, true),
    (Kind::Electricity, 2048, 64, 8, 512, 1, 40, 3_333, true),
    (Kind::Electricity, 1024, 128, 16, 256, 0, 48, 2_500, true),
    (Kind::Electricity, 1024, 128, 32, 1024, 0, 64, 3_072, false),
    (Kind::Electricity, 512, 512, 4, 128, 0, 64, 2_561, true),
    (Kind::Electricity, 256, 64, 8, 64, 0, 64, 1_793, true),
    (Kind::Electricity, 65_536, 256, 1, 4096, 0, 64, 3_500, true),
    (Kind::Display, 4096, 256, 1, 1024, 0, 50, 3_001, true),
    (Kind::Display, 2048, 2048, 16, 512, 1, 64, 3_584, true),
    (Kind::Display, 8192, 32, 32, 2048, 0, 64, 2_900, false),
    (Kind::Hub, 4096, 4096, 1, 1024, 0, 128, 4_096, true),
    (Kind::Hub, 4096, 256, 1, 1024, 0, 256, 8_193, true),
    (Kind::Hub, 4096, 256, 1, 1024, 1, 100, 4_097, true),
    (Kind::Hub, 2048, 128, 8, 1024, 0, 128, 4_095, true),
    (Kind::Hub, 2048, 64, 32, 1024, 0, 96, 3_000, false),
    (Kind::Hub, 1024, 1024, 4, 1024, 0, 1024, 9_216, true),
    (Kind::Hub, 512, 64, 8, 1024, 0, 64, 2_048, true),
    (Kind::Hub, 256, 256, 16, 1024, 1, 200, 4_000, true),
];

/// Makes all scenes.
pub fn all() -> Vec<Scene> {
    let trust = Arc::new(trust());
    let scene = |row: &Row| {
        let &(kind, sector, page, unit, mark, extra_banks, block_len, image_len, comes_up) = row;
        let layout = FlashLayout::new(sector, page, unit).and_then(|layout| layout.with_mark_unit(mark));
        Scene {
            kind,
            layout: layout.unwrap().with_extra_banks(extra_banks),
            block_len,
            comes_up,
            old: comes_up.then(|| Image::of_len(OLD, image_len + 37)),
            new: Image::of_len(NEW, image_len),
            trust: Arc::clone(&trust),
        }
    };
    ROWS.iter().map(scene).collect()
}

impl Scene {
    /// Puts a device on the bench that runs the old image and is about to be updated.
    pub fn bench(&self, pool: &mut SectorPool, desk: &mut OrderDesk) -> Bench<'_> {
        let mut bench = self.fresh(FlashFaults::NONE);
        if let Some(old) = &self.old {
            bench.update_to(old, pool, desk);
        }
        bench
    }

    /// Puts a device on the bench that comes from the factory, with flash that suffers something.
    pub fn fresh(&self, faults: FlashFaults) -> Bench<'_> {
        Bench::new(self, self.device(faults), START)
    }

    fn device(&self, faults: FlashFaults) -> Device {
        let boot_fault = match self.comes_up {
            true => BootFault::None,
            false => BootFault::NewFirmwareDoesNotComeUp,
        };
        let boot_time = Duration::from_millis(1);
        if self.kind == Kind::Hub {
            let mut config = HubConfig::new(EUI, FACTORY);
            config.model = Some(model());
            config.factory_sequence = counter_of(FACTORY);
            config.block_size = self.block_len;
            (config.boot_time, config.boot_fault) = (boot_time, boot_fault);
            (config.flash, config.flash_faults) = (self.layout, faults);
            return Device::Hub(Box::new(Hub::new(config, Arc::clone(&self.trust), START)));
        }
        let is_display = self.kind == Kind::Display;
        let config = MeterConfig {
            kind: if is_display { MeterKind::Display } else { MeterKind::Electricity },
            factory_sequence: counter_of(FACTORY),
            block_len: u8::try_from(self.block_len).unwrap(),
            page_len: is_display.then_some(640),
            block_period: Duration::ZERO,
            boot_time,
            boot_fault,
            flash: self.layout,
            flash_faults: faults,
            ..MeterConfig::new(EUI, model(), FACTORY, 1)
        };
        Device::Meter(Box::new(Meter::new(config, Arc::clone(&self.trust), START)))
    }
}
