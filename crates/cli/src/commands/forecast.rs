//! `lamplighter forecast`: before anything is sent, how early a campaign can be over, when it probably is, and what it costs.
//!
//! ```text
//!  world, seed S ───────► plan ─► what is asked of the network ─► bound, and what sets it
//!  world, S+1 … S+N ────► N simulations, in leaps, on all cores ─► P50 and P90 of the end, of bytes, of money
//! ```
//!
//! A world of several regions is as many campaigns side by side: each gets its line, and the whole ends with the last.

mod lines; // what is printed
mod runs; // the simulations

use std::path::{Path, PathBuf};
use std::time::Duration;

use campaign::{lower_bound, lower_bound_of_mains};
use clap::Args;
use fleet::{DeviceKind, Rehearsal, Simulation, WorldSpec, region_seed};

use super::simulate::{Actors, HUB_PORT, read_world};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::hash_speed;
use crate::output::Output;
use crate::report::BoundLine;
pub(super) use lines::Forecast;
use lines::Line;

/// Options of `forecast`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter forecast simulators/fleets/street.toml
  lamplighter forecast simulators/fleets/town.toml --seeds 25 --price-per-mb 0.02
  lamplighter forecast simulators/fleets/city.toml --seeds 3 --json")]
pub(crate) struct ForecastArguments {
    /// The world: homes, links, troubles and the campaign's policy.
    world: PathBuf,
    /// How many simulations, each with another seed.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    seeds: u32,
    /// The seed of the world that is planned; the simulations have the seeds after it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What a megabyte over the WAN costs, both ways and with headers, in your currency.
    #[arg(long, value_name = "PRICE", value_parser = price)]
    price_per_mb: Option<f64>,
    /// Give up when a campaign has not ended after this many simulated days.
    #[arg(long, value_name = "DAYS", default_value_t = USUAL_DAYS)]
    days: u32,
}

pub(super) fn price(text: &str) -> Result<f64, String> {
    let price: f64 = text.parse().map_err(|_| "expected a number, such as 0.02".to_owned())?;
    if price.is_finite() && price >= 0.0 {
        Ok(price)
    } else {
        Err("expected a price of at least 0".to_owned())
    }
}

/// What is known of a campaign before it begins.
struct Plan {
    campaign: String,
    ordered: usize,
    allowed: usize,
    bound: Option<BoundLine>,
    mains_bound: Option<BoundLine>,
}

/// How many simulated days a campaign may take when nobody says otherwise.
pub(super) const USUAL_DAYS: u32 = 60;

pub(crate) fn run(arguments: &ForecastArguments, output: &Output) -> Result<(), Failure> {
    let spec = read_world(&arguments.world)?;
    let actors = Actors::new(&spec, arguments.seed)?;
    output.report(&forecast(arguments, &spec, &actors, output)?)
}

/// Foresees a campaign of images for some kinds of devices on a world that was made from a file, by so many simulations of
/// so many days at most.
pub(super) fn foresee(
    world: &Path,
    (seeds, days): (u32, u32),
    price_per_mb: Option<f64>,
    spec: &WorldSpec,
    kinds: &[DeviceKind],
    output: &Output,
) -> Result<Forecast, Failure> {
    let world = world.to_owned();
    let arguments = ForecastArguments { world, seeds, seed: 0, price_per_mb, days };
    let actors = Actors::new(spec, arguments.seed)?.with_images_for(kinds);
    forecast(&arguments, spec, &actors, output)
}

fn forecast(
    arguments: &ForecastArguments,
    spec: &WorldSpec,
    actors: &Actors,
    output: &Output,
) -> Result<Forecast, Failure> {
    hash_speed::warn_if_slow();
    let stage = Stage { arguments, spec, actors };
    let regions = spec.regions.get();
    let plans = (0..regions).map(|region| stage.plan(region)).collect::<Result<Vec<Plan>, Failure>>()?;
    let runs = runs::run(&stage, output)?;
    let of_region = |region: u32| runs.iter().filter(move |run| run.region == region);
    let lines: Vec<Line> = plans
        .into_iter()
        .zip(0..)
        .map(|(plan, region)| Line::of(plan, of_region(region), arguments.price_per_mb))
        .collect();
    Ok(Forecast::of(arguments, &spec.name, lines, &runs))
}

/// The world and who takes part in it, for plan and runs alike.
struct Stage<'a> {
    arguments: &'a ForecastArguments,
    spec: &'a WorldSpec,
    actors: &'a Actors,
}

impl Stage<'_> {
    fn limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.arguments.days) * 86_400)
    }

    /// Returns a region as a world, and its campaign, of which nothing has been sent.
    fn simulation(&self, region: u32, seed: u64) -> Result<(WorldSpec, Simulation), Failure> {
        let whole = self.spec.regions.get() == 1;
        let spec = if whole { self.spec.clone() } else { self.spec.region(region) };
        let seed = if whole { seed } else { region_seed(seed, region) };
        let place = self.arguments.world.display();
        let rehearsal = Rehearsal::new(self.actors.cast(&spec, seed)).or_bad_input(&place)?;
        let simulation =
            Simulation::new(rehearsal, spec.start, HUB_PORT).or_fail(ExitCode::BadInput, &place)?;
        Ok((spec, simulation))
    }

    fn plan(&self, region: u32) -> Result<Plan, Failure> {
        let (spec, simulation) = self.simulation(region, self.arguments.seed)?;
        let network = simulation.planned_network(&spec);
        let state = simulation.state();
        let open_next_at = state.order.policy.open_next_at;
        Ok(Plan {
            campaign: spec.name.clone(),
            ordered: state.rows().len(),
            allowed: network.deliveries().count(),
            bound: lower_bound(&network, open_next_at).as_ref().map(BoundLine::of),
            mains_bound: lower_bound_of_mains(&network, open_next_at).as_ref().map(BoundLine::of),
        })
    }
}
