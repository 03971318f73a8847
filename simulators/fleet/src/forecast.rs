//! What a forecast must know of a world: bytes for each home of a campaign, rates of what they pass, and tails behind it.
//!
//! Two views of the same campaign: as planned, before anything is sent, with what every device takes at the least if
//! nothing is wrong with it; and as it went, with the bytes that were really sent and the tails as they were, so that what
//! lies between the end and its bound is what the order of sending has lost.
//!
//! | | as planned | as it went |
//! |---|---|---|
//! | bytes | blocks with headers, divided by the part of them that arrives on average | sent, headers and repairs included |
//! | tail | blocks over the radio, verification and our next look, or the wakes of a device that sleeps | from staged to ended, without what the order to activate waited for its hours |
//! | devices without end | | left out: the campaign was halted |

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{Activation, CampaignState, CellDemand, Delivery, DeviceRow, HomeDemand, Network, Stage};
use eligibility::DeviceType;
use firmware_image::FileDigest;
use transfer_engine::{ByteRate, EngineConfig};
use wire::block_frame_len;

use crate::board::verify_time;
use crate::hub::SHORTEST_SPACING;
use crate::link::DATAGRAM_OVERHEAD_LEN;
use crate::simulation::Simulation;
use crate::world::{DeviceKind, ElectricitySpec, HomeRecord, LinkSpec, WorldSpec};

impl Simulation {
    /// Returns what the campaign is to bring to whom, as is known before it begins; `spec` is the simulation's world.
    pub fn planned_network(&self, spec: &WorldSpec) -> Network {
        let lengths: BTreeMap<FileDigest, u32> = self
            .conductor()
            .images()
            .map(|image| (image.file_digest(), image.bytes().len() as u32))
            .collect();
        let soak = Duration::from_secs(self.state().order.policy.soak_s.into());
        network(spec, self.fleet().homes(), self.state(), |link, row, kind| {
            let len = *lengths.get(&row.image?)?;
            Some(Delivery { soak, ..planned(spec, link, kind, len, row.wave?) })
        })
    }

    /// Returns what the campaign brought to whom, once it is over.
    pub fn network_as_run(&self, spec: &WorldSpec) -> Network {
        let policy = &self.state().order.policy;
        let as_run = |row: &DeviceRow, kind| Delivery::as_run(row, policy, kind == DeviceKind::Gas);
        network(spec, self.fleet().homes(), self.state(), |_, row, kind| as_run(row, kind))
    }

    /// Returns when the last device that lives on the mains had its outcome, counted from the order.
    pub fn mains_makespan(&self) -> Duration {
        let state = self.state();
        let mains = state.rows().filter(|row| row.wave.is_some() && row.kind != sleeper());
        let ends = mains.filter_map(|row| row.reached(Stage::Ended));
        ends.max().map_or(Duration::ZERO, |end| end.saturating_since(state.ordered_at))
    }
}

/// The word of the state for the kind of device that sleeps.
fn sleeper() -> String {
    DeviceType::Gsme.to_string()
}

/// Lays out homes by cells, with what `delivery` says of each device that the gate allowed.
fn network<'a>(
    spec: &WorldSpec,
    homes: impl Iterator<Item = &'a HomeRecord>,
    state: &CampaignState,
    delivery: impl Fn(&LinkSpec, &DeviceRow, DeviceKind) -> Option<Delivery>,
) -> Network {
    let mut cells: BTreeMap<u32, CellDemand> = BTreeMap::new();
    for home in homes {
        let Some(link) = spec.links.iter().find(|link| link.name == home.link) else { continue };
        let deliveries: Vec<Delivery> = home
            .devices
            .iter()
            .filter_map(|device| delivery(link, state.row(device.eui)?, device.kind))
            .collect();
        if deliveries.is_empty() {
            continue;
        }
        let cell = cells.entry(home.cell.0).or_insert_with(|| CellDemand {
            name: home.cell.name(),
            rate: for_blocks(spec, spec.campaign.cell_rate_bytes_per_s.get()),
            homes: Vec::new(),
        });
        let line = u64::from(link.down_rate_bits_per_s.get()) / 8;
        cell.homes.push(HomeDemand {
            name: home.installation.clone(),
            rate: ByteRate(line.min(spec.campaign.link_rate_bytes_per_s.get())),
            deliveries,
        });
    }
    let head_end = for_blocks(spec, spec.campaign.global_rate_bytes_per_s.get());
    let policy = &state.order.policy;
    Network {
        head_end,
        cells: cells.into_values().collect(),
        sending: policy.sending.clone(),
        activating: policy.activating.clone(),
        activate_not_before: policy.activate_not_before,
        ordered_at: state.ordered_at,
    }
}

/// What requests leave to blocks of a shared budget; a rehearsal keeps the engine's usual reserve, if no terms say another.
fn for_blocks(spec: &WorldSpec, rate: u64) -> ByteRate {
    let usual = EngineConfig::default();
    let reserve_permille =
        spec.campaign.terms.as_ref().map_or(usual.reserve_permille, |terms| terms.reserve_permille);
    EngineConfig { reserve_permille, ..usual }.rate_for_blocks(ByteRate(rate))
}

fn planned(spec: &WorldSpec, link: &LinkSpec, kind: DeviceKind, len: u32, wave: u16) -> Delivery {
    let arrives = arriving(spec, link);
    let bytes = wire_len(len, spec.device.hub.block_bytes.get()) as f64 / arrives;
    let (air_time, asleep) = over_the_radio(spec, kind, len);
    let held = air_time + verify_time(len);
    let look = Duration::from_secs(spec.campaign.poll_interval_s.get().into());
    // A hub says at once what it holds; of a device behind it we hear at one look that it holds the image, and at the
    // earliest at the next that it runs it.
    let rest = if kind == DeviceKind::Hub { Duration::ZERO } else { look };
    let (tail, sleeps) = ((held + rest).max(asleep), kind == DeviceKind::Gas);
    let activation = Some(Activation { ready: held, rest });
    let soak = Duration::ZERO;
    Delivery { bytes: bytes as u64, tail, soak, activation, air_time, sleeps, wave }
}

/// Returns the bytes of all blocks of an image, each in a frame and a datagram of its own.
pub fn wire_len(len: u32, block: u32) -> u64 {
    let frame = |block: u32| (block_frame_len(block as usize) + DATAGRAM_OVERHEAD_LEN) as u64;
    let rest = len % block;
    u64::from(len / block) * frame(block) + if rest > 0 { frame(rest) } else { 0 }
}

/// Returns the part of the datagrams that arrive, on average: noise, bad spells and corruption.
fn arriving(spec: &WorldSpec, link: &LinkSpec) -> f64 {
    let (enter, leave) = (link.burst_enter.value(), link.burst_leave.value());
    let bad = if enter > 0.0 { enter / (enter + leave) } else { 0.0 };
    let corrupted = spec.faults.corrupted_per_datagram.value();
    let arrives = (1.0 - link.loss.value()) * (1.0 - bad * link.burst_loss.value()) * (1.0 - corrupted);
    // A link that loses everything delivers nothing, and no number says so; it counts as one that loses 99.9 %.
    arrives.max(0.001)
}

/// Returns how long the blocks of an image are on a home's radio, without losses, and how long the device's sleep makes of
/// it at the least: it wakes just when the image is there, takes a part at each wake, and hears of the order to activate
/// at the wake after the last, as it listens shorter than an order takes over the WAN.
fn over_the_radio(spec: &WorldSpec, kind: DeviceKind, len: u32) -> (Duration, Duration) {
    let device = &spec.device;
    let mains = |device: &ElectricitySpec| (device.block_bytes, device.page_bytes, device.block_period_ms);
    let (block, page, period_ms) = match kind {
        DeviceKind::Hub => return (Duration::ZERO, Duration::ZERO),
        DeviceKind::Electricity => mains(&device.electricity),
        DeviceKind::Display => mains(&device.display),
        DeviceKind::Gas => (device.gas.block_bytes, device.gas.page_bytes, device.gas.block_period_ms),
    };
    let block = u32::from(block.get());
    // What one request brings; with pages, all but its last block cost the pause between two and no round trip.
    let request = page.map_or(block, |page| page.get().into());
    let requests = len.div_ceil(request);
    let pause = Duration::from_millis(period_ms.max(device.hub.minimum_block_period_ms).into());
    let round_trip = Duration::from_millis(2 * u64::from(spec.han.latency_ms.get()));
    let streamed = if page.is_some() { pause.max(SHORTEST_SPACING) } else { pause };
    let blocks_after_others = len.div_ceil(block).saturating_sub(requests);
    let air_time = (round_trip + pause) * requests + streamed * blocks_after_others;
    if kind != DeviceKind::Gas {
        return (air_time, Duration::ZERO);
    }
    let wakes = requests.div_ceil(device.gas.blocks_per_wake.get());
    (air_time, Duration::from_secs(device.gas.wake_interval_s.get().into()) * wakes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU16;

    const STREET: &str = include_str!("../../fleets/street.toml");

    #[test]
    fn a_sleeping_meter_takes_a_wake_for_each_part_of_its_image() {
        let spec = WorldSpec::parse(STREET).expect("street.toml is sound");
        // 25,000 blocks of 40 bytes, each a round trip of 50 ms, are 100 wakes of 250 blocks.
        let taken = over_the_radio(&spec, DeviceKind::Gas, 1_000_000);
        assert_eq!(taken, (Duration::from_secs(1_250), Duration::from_secs(100 * 1_800)));
        let taken = over_the_radio(&spec, DeviceKind::Electricity, 80);
        assert_eq!(taken, (Duration::from_millis(100), Duration::ZERO));
    }

    #[test]
    fn a_page_costs_one_round_trip_and_a_pause_for_each_further_block() {
        let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
        spec.device.electricity.page_bytes = NonZeroU16::new(400);
        spec.device.electricity.block_period_ms = 10;
        // 1,000 bytes are three pages, each a round trip of 50 ms and a pause, and 22 of 25 blocks follow another.
        let taken = over_the_radio(&spec, DeviceKind::Electricity, 1_000);
        assert_eq!(taken, (Duration::from_millis(3 * 60 + 22 * 10), Duration::ZERO));
        spec.device.gas.page_bytes = NonZeroU16::new(400);
        let (_, asleep) = over_the_radio(&spec, DeviceKind::Gas, 1_000_000);
        assert_eq!(asleep, Duration::from_secs(10 * 1_800), "2,500 pages, 250 in a wake");
    }

    #[test]
    fn every_block_has_headers_and_some_are_sent_again() {
        let frame = |block| (block_frame_len(block) + DATAGRAM_OVERHEAD_LEN) as u64;
        assert_eq!(wire_len(2_048, 1_024), 2 * frame(1_024));
        assert_eq!(wire_len(2_049, 1_024), 2 * frame(1_024) + frame(1));
        let spec = WorldSpec::parse(STREET).expect("street.toml is sound");
        let lossy = spec.links.iter().find(|link| link.name == "lossy").expect("the street has it");
        // 3 % of noise; one datagram in 51 falls into a bad spell, which takes 60 % of them.
        let expected = 0.97 * (1.0 - 0.6 * 0.002 / 0.102);
        assert!((arriving(&spec, lossy) - expected).abs() < 1e-12);
    }
}
