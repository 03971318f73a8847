//! How close a campaign comes to the time that no order of sending can beat, and how well its end is foreseen.
//!
//! `cargo bench --bench makespan`. Virtual time: the real conductor, engine and devices, from the order to the last device
//! read back. All figures are simulated times, the same on every machine and in every profile. Three worlds, of one wave
//! each: cells bind, the head-end binds, sleeping meters bind; five seeds of each, or one that is named with `--seed N`,
//! of which the worst counts. A seed deals homes to lines, cells and gas meters anew. The bound is that of the bytes
//! really sent and the tails as they were in that run, so that the ratio is what the order of sending lost; beside it
//! stands what the same bytes and tails would have taken if every line had its fair share at all times, as from a token
//! bucket per line.
//!
//! Then every committed world, cut down: the middle of nine simulations beside nine with other seeds. Names of worlds as
//! arguments choose among these; the word `makespan` leaves them all out. Without `--bench` (as `cargo test --benches`
//! runs it) everything is done once and small.

use std::time::Duration;

use campaign::{Bound, CampaignState, Network, lower_bound, lower_bound_of_mains};
use fleet::{FaultSpec, Share, Simulation, TroubleSpec, WorldSpec};

#[path = "makespan/equal_share.rs"]
mod equal_share;
#[path = "../tests/street.rs"]
#[allow(dead_code, reason = "the scenarios use more of it")]
mod street;

const LIMIT: Duration = Duration::from_secs(120 * 86_400);

/// The longest that a campaign may take, as a multiple of its bound.
const BAR: f64 = 1.05;

/// How far the forecast may be off.
const FORECAST_BAR: f64 = 0.1;

/// Payloads for the electricity and the gas meter, bytes: about the median and the lower quarter of public images.
const PAYLOADS: [usize; 2] = [241_000, 187_000];

const TOWN: &str = include_str!("../simulators/fleets/town.toml");

const WORLDS: [(&str, &str); 8] = [
    ("street", street::STREET),
    ("demo", street::DEMO),
    ("town", TOWN),
    ("city", include_str!("../simulators/fleets/city.toml")),
    ("nation", include_str!("../simulators/fleets/nation.toml")),
    ("dormant-two-years", include_str!("../simulators/fleets/dormant-two-years.toml")),
    ("one-cohort-down", include_str!("../simulators/fleets/one-cohort-down.toml")),
    ("gas-heavy", include_str!("../simulators/fleets/gas-heavy.toml")),
];

/// The seeds of the three worlds: the first primes, so that nobody has chosen them for what they give.
const SEEDS: [u64; 5] = [2, 3, 5, 7, 11];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let mut seeds = if whole { SEEDS.to_vec() } else { SEEDS[..1].to_vec() };
    if let Some(place) = arguments.iter().position(|argument| argument == "--seed") {
        let seed = arguments.get(place + 1).and_then(|seed| seed.parse().ok());
        seeds = vec![seed.expect("--seed: expected a number after it")];
        arguments.drain(place..place + 2);
    }
    let homes = if whole { 400 } else { 24 };
    ratios("cells bind", &cells_bind(homes), &seeds);
    ratios("the head-end binds", &head_end_binds(homes), &seeds);
    ratios("sleeping meters bind", &sleepers_bind(homes), &seeds);
    let named: Vec<String> = arguments.into_iter().filter(|word| !word.starts_with("--")).collect();
    for (name, text) in WORLDS {
        if !named.is_empty() && !named.iter().any(|word| word == name) {
            continue;
        }
        forecast(name, text, if whole { 500 } else { 12 }, if whole { 9 } else { 3 });
    }
}

fn share(value: f64) -> Share {
    Share::new(value).expect("between 0 and 1")
}

/// A town without trouble and in one wave, on lines of agreed rate: what is left is the order of sending.
fn calm(homes: u32) -> WorldSpec {
    let mut spec = street::world(TOWN, homes);
    spec.links.truncate(2);
    for (link, part) in spec.links.iter_mut().zip([0.7, 0.3]) {
        link.share = share(part);
    }
    spec.trouble = TroubleSpec::default();
    spec.faults = FaultSpec::default();
    spec.gas_share = Share::NONE;
    let campaign = &mut spec.campaign;
    (campaign.pilot_share, campaign.wave_shares) = (Share::ALL, Vec::new());
    campaign.link_rate_bytes_per_s = 3_600.try_into().expect("positive");
    campaign.link_rate_agreed = true;
    campaign.poll_interval_s = 60.try_into().expect("positive");
    spec
}

fn set_rates(spec: &mut WorldSpec, cells: u32, cell: u64, head_end: u64) {
    spec.cells = cells.try_into().expect("positive");
    spec.campaign.cell_rate_bytes_per_s = cell.try_into().expect("positive");
    spec.campaign.global_rate_bytes_per_s = head_end.try_into().expect("positive");
}

/// Gas meters that take their image in one or two wakes of half an hour, in three of ten homes: tails differ by an hour,
/// and it matters who goes first.
fn uneven(homes: u32) -> WorldSpec {
    let mut spec = calm(homes);
    spec.gas_share = share(0.3);
    spec.device.gas.blocks_per_wake = 10_000.try_into().expect("positive");
    spec
}

fn cells_bind(homes: u32) -> WorldSpec {
    let mut spec = uneven(homes);
    set_rates(&mut spec, homes.div_ceil(100), 4_000, 10_000_000);
    spec
}

fn head_end_binds(homes: u32) -> WorldSpec {
    let mut spec = uneven(homes);
    set_rates(&mut spec, homes.div_ceil(100), 1_000_000, u64::from(homes) * 40);
    spec
}

/// A gas meter in every tenth home, of a kind that takes 47 wakes.
fn sleepers_bind(homes: u32) -> WorldSpec {
    let mut spec = calm(homes);
    set_rates(&mut spec, homes.div_ceil(100), 4_000, 10_000_000);
    spec.gas_share = share(0.1);
    spec.device.gas.blocks_per_wake = 100.try_into().expect("positive");
    spec
}

fn simulate(spec: &WorldSpec, seed: u64) -> Simulation {
    let rehearsal = street::rehearsal_with(spec, seed, PAYLOADS);
    let mut simulation = Simulation::new(rehearsal, spec.start, street::PORT).expect("the order is accepted");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    simulation
}

fn took(state: &CampaignState) -> f64 {
    state.updated_at.saturating_since(state.ordered_at).as_secs_f64()
}

fn told(bound: &Bound) -> String {
    format!("{:.0} s, set by {}", bound.time.as_secs_f64(), bound.constraint)
}

/// Runs beside their bounds; the worst of them is the row, and the middle stands beside it.
fn ratios(name: &str, spec: &WorldSpec, seeds: &[u64]) {
    let mut ratios: Vec<f64> = seeds.iter().map(|seed| ratio(name, spec, *seed)).collect();
    ratios.sort_by(f64::total_cmp);
    let (middle, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!(
        "makespan, {name}, {} seeds: worst {worst:.3}, middle {middle:.3} times the bound (bar {BAR})",
        ratios.len()
    );
}

/// A run beside its bound, and beside equal shares; returns how many times the bound it took.
fn ratio(name: &str, spec: &WorldSpec, seed: u64) -> f64 {
    let simulation = simulate(spec, seed);
    let state = simulation.state();
    let network: Network = simulation.network_as_run(spec);
    let open_next_at = state.order.policy.open_next_at;
    let bound = lower_bound(&network, open_next_at).expect("the gate allows somebody");
    let (took, best) = (took(state), bound.time.as_secs_f64());
    let mains = lower_bound_of_mains(&network, open_next_at).expect("somebody is on the mains");
    let mains_ratio = simulation.mains_makespan().as_secs_f64() / mains.time.as_secs_f64();
    let equal = equal_share::makespan(&network);
    println!(
        "makespan, {name}, seed {seed}, {} devices: {took:.0} s, bound {}: {:.3} times; on the mains {mains_ratio:.3}; \
         equal shares {:.3}",
        network.deliveries().count(),
        told(&bound),
        took / best,
        equal / best,
    );
    took / best
}

/// The middle of some simulations beside the ends of as many others. What ends last may be one device that met with a
/// fault, so that ends of single runs lie apart where a world has many: it is said how many are within the bar.
fn forecast(name: &str, text: &str, homes: u32, seeds: u64) {
    let mut spec = street::world(text, homes);
    spec.regions = 1.try_into().expect("positive");
    let ends = |first: u64| {
        let mut ends: Vec<f64> =
            (first..first + seeds).map(|seed| took(simulate(&spec, seed).state())).collect();
        ends.sort_by(f64::total_cmp);
        ends
    };
    let (foreseen, real) = (ends(1), ends(1_001));
    let (middle, real_middle) = (foreseen[foreseen.len() / 2], real[real.len() / 2]);
    let near = real.iter().filter(|end| (middle / **end - 1.0).abs() <= FORECAST_BAR).count();
    println!(
        "forecast, {name}, {homes} homes: P50 of {seeds} {middle:.0} s; other runs {:.0} to {:.0} s, the middle {:+.1} % off \
         (bar {:.0}), {near} of {seeds} within it",
        real[0],
        real[real.len() - 1],
        (middle / real_middle - 1.0) * 100.0,
        FORECAST_BAR * 100.0,
    );
}
