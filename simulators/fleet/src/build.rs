//! From a plan to a home: devices, links and radio as the world file and the draw say.

use crate::board::BootFault;
use crate::device_trust::DeviceTrust;
use crate::faults::{DeviceFaults, LinkFaults, ReplyFaults};
use crate::flash::{CutMode, FlashFault, FlashFaults, FlashPlace, Wear, WornSector};
use crate::fleet::Member;
use crate::home::{HUB_ADDRESS, Home};
use crate::hub::{HanDevice, Hub, HubConfig, HubSecurity};
use crate::link::{Direction, HanLink, Link};
use crate::meter::{Meter, MeterConfig, MeterKind};
use crate::random::{Purpose, Stream};
use crate::world::{DeviceKind, DeviceRecord, DeviceTrouble, HomePlan, WorldSpec};
use firmware_image::{DeviceModel, HardwareVersion, ImageType, ManufacturerCode};
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use transfer_engine::{HubId, Moment};

/// Flash operations among which a power cut is drawn: the first 500 fall into the erasing and storing of any image of
/// more than 20 kB, so that the cut always strikes a download.
const CUT_OPERATIONS: u64 = 500;

/// The sectors of an image among which a worn one is drawn: 16 KiB, which nearly every image fills.
const WORN_WITHIN_SECTORS: u64 = 4;

/// How many erases a worn sector takes at most before it shows (assumption: it is worn, or as good as).
const MOST_ERASES_LEFT: u64 = 3;

/// How long firmware serves that falls silent later: too long for the look after an activation, and not for a soak of a
/// day (assumption; a watchdog, a table or a heap that is full takes hours).
const SHORTEST_SERVICE: Duration = Duration::from_secs(2 * 3600);
const LONGEST_SERVICE: Duration = Duration::from_secs(12 * 3600);

/// Builds one home as it stands at `start`.
pub(crate) fn build_home(
    spec: &WorldSpec,
    seed: u64,
    plan: HomePlan,
    trust: &Arc<DeviceTrust>,
    start: Moment,
    security: Option<HubSecurity>,
) -> Member {
    let HomePlan { record, link, outage_phase } = plan;
    let hub_id = record.hub;
    let stream = |purpose| Stream::open(seed, hub_id.0.into(), purpose);
    let worn = record.wears.then(|| draw_wear(stream(Purpose::Wear), &record.devices));
    let worn_in = |channel| worn.filter(|(victim, _)| *victim == channel).map(|(_, sector)| sector);
    let behind_hub = record.devices.iter().filter(|device| device.kind != DeviceKind::Hub);
    let meters = behind_hub
        .clone()
        .map(|device| {
            let mut config = meter_config(spec, seed, hub_id, device);
            config.flash_faults = with_wear(config.flash_faults, worn_in(device.channel));
            Meter::new(config, Arc::clone(trust), start)
        })
        .collect();
    let devices = behind_hub
        .map(|device| HanDevice {
            channel: device.channel,
            eui: device.eui,
            short_address: short_address(device.kind),
            sleeps: device.kind == DeviceKind::Gas,
        })
        .collect();
    let hub_record = &record.devices[0];
    let config = HubConfig {
        model: Some(device_model(spec, hub_record)),
        block_size: spec.device.hub.block_bytes.get(),
        minimum_block_period: Duration::from_millis(spec.device.hub.minimum_block_period_ms.into()),
        devices,
        flash_faults: with_wear(FlashFaults::NONE, worn_in(hub_record.channel)),
        nonce_secret: seed,
        security,
        ..HubConfig::new(hub_record.eui, hub_record.firmware_version)
    };
    let mut hub = Hub::new(config, Arc::clone(trust), start);
    if spec.faults.clock_off_most_s > 0 {
        let mut stream = stream(Purpose::ClockOffset);
        let off = stream.span(Duration::from_secs(spec.faults.clock_off_most_s.into()));
        hub.jump_clock(off, stream.below(2) == 0);
    }
    let han = HanLink::new(spec.han.profile(), stream(Purpose::Han));
    let faults = &spec.faults;
    let place = (hub_id, record.cell);
    let wan = |direction, purpose| {
        let mut link = Link::new(Arc::clone(&link), direction, outage_phase, stream(purpose));
        link.set_faults(LinkFaults::open(faults, seed, start, place, direction));
        link
    };
    let mut home = Home::new(hub_id, hub, meters, han);
    let channels = record.devices.iter().map(|device| device.channel);
    home.set_faults(DeviceFaults::open(faults, seed, start, hub_id, channels));
    Member {
        down: wan(Direction::Down, Purpose::WanDown),
        up: wan(Direction::Up, Purpose::WanUp),
        home,
        inbound: VecDeque::new(),
        due_at: Moment::MAX,
        reply_faults: ReplyFaults::open(faults, seed, start, hub_id, record.storms),
        record,
    }
}

/// Draws which device of a home has a worn sector, and where: mostly where images go, for these are erased the most. The
/// first sectors of a place are the ones that every image reaches.
fn draw_wear(mut stream: Stream, devices: &[DeviceRecord]) -> (u8, WornSector) {
    let victim = &devices[stream.below(devices.len() as u64) as usize];
    let drawn = stream.below(8);
    let place = match drawn {
        0..=3 => FlashPlace::Bank(1),
        4 => FlashPlace::Marks(1),
        5 => FlashPlace::BootRecord(stream.below(2) as u8),
        6 => FlashPlace::SecurityLog,
        _ => FlashPlace::Record(0),
    };
    let sector = if drawn <= 3 { stream.below(WORN_WITHIN_SECTORS) as u32 } else { 0 };
    let wear = if stream.below(2) == 0 { Wear::Erase } else { Wear::Program };
    (victim.channel, WornSector { place, sector, after_erases: stream.below(MOST_ERASES_LEFT) as u32, wear })
}

fn with_wear(faults: FlashFaults, worn: Option<WornSector>) -> FlashFaults {
    match worn {
        Some(sector) => faults.with_worn(sector),
        None => faults,
    }
}

/// Returns the HAN address of a device: the hub is the coordinator, the others follow their channels.
fn short_address(kind: DeviceKind) -> u16 {
    match kind {
        DeviceKind::Hub => HUB_ADDRESS,
        other => other.channel().into(),
    }
}

fn device_model(spec: &WorldSpec, device: &DeviceRecord) -> DeviceModel {
    let model = spec.device.of(device.kind);
    let hardware = match device.trouble {
        Some(DeviceTrouble::WrongHardware) => model.wrong_hardware,
        _ => model.hardware,
    };
    DeviceModel {
        manufacturer: ManufacturerCode(model.manufacturer),
        image_type: ImageType(model.image_type),
        hardware: HardwareVersion(hardware),
    }
}

fn meter_config(spec: &WorldSpec, seed: u64, hub: HubId, device: &DeviceRecord) -> MeterConfig {
    let entity = u64::from(hub.0) << 8 | u64::from(device.channel);
    let mut stream = Stream::open(seed, entity, Purpose::Device);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let mains = match device.kind {
        DeviceKind::Display => &spec.device.display,
        _ => &spec.device.electricity,
    };
    let gas = &spec.device.gas;
    let (kind, block_bytes, page_bytes, block_period_ms, query_interval) = match device.kind {
        DeviceKind::Gas => {
            let wake_interval = seconds(gas.wake_interval_s.get());
            let kind = MeterKind::Gas { wake_interval, blocks_per_wake: gas.blocks_per_wake.get() };
            // It asks whenever it is awake anyway.
            (kind, gas.block_bytes, gas.page_bytes, gas.block_period_ms, wake_interval)
        }
        other => {
            let kind = match other {
                DeviceKind::Display => MeterKind::Display,
                _ => MeterKind::Electricity,
            };
            let query_interval = seconds(mains.query_interval_s.get());
            (kind, mains.block_bytes, mains.page_bytes, mains.block_period_ms, query_interval)
        }
    };
    let boot_fault = match device.trouble {
        Some(DeviceTrouble::DoesNotComeUp) => BootFault::NewFirmwareDoesNotComeUp,
        _ => BootFault::None,
    };
    // Every device draws all of these, whatever it needs, so that trouble in one does not change the habits of another.
    let first_query = stream.span(query_interval);
    let cut_at = stream.below(CUT_OPERATIONS);
    let silent_after = SHORTEST_SERVICE + stream.span(LONGEST_SERVICE - SHORTEST_SERVICE);
    let cut = (device.trouble == Some(DeviceTrouble::FlashDefect))
        .then_some(FlashFault { at_operation: cut_at, mode: CutMode::Torn });
    MeterConfig {
        kind,
        block_len: block_bytes.get(),
        page_len: page_bytes.map(NonZeroU16::get),
        block_period: Duration::from_millis(block_period_ms.into()),
        query_interval,
        first_query,
        boot_fault,
        falls_silent_after: (device.trouble == Some(DeviceTrouble::FailsLater)).then_some(silent_after),
        silences_others_after: (device.trouble == Some(DeviceTrouble::SilencesOthers))
            .then_some(silent_after),
        battery: (device.kind == DeviceKind::Gas)
            .then(|| gas.battery.battery(device.trouble == Some(DeviceTrouble::LowBattery))),
        flash_faults: cut.into(),
        nonce_secret: seed,
        ..MeterConfig::new(
            device.eui,
            device_model(spec, device),
            device.firmware_version,
            short_address(device.kind),
        )
    }
}
