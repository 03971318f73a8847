//! `lamplighter campaign plan`: what an order would come to, by lists in files. Nothing is written and nothing is sent.
//!
//! ```text
//! lists, order, images ─► a Conductor of its own: verdicts and waves, as the engine would take them ─┬─► counts, examples
//!                                                                                                    ├─► bytes, money
//!   [budgets] ─► the tree of head-end, cells and lines ─► the bound that bytes alone set ◄───────────┤
//!   --world, or the town ─► a world of as many homes, under the order's policy and these budgets ◄───┘
//!                                         ─► forecast: bound with radio and sleep, P50 and P90
//! ```
//!
//! Lists know how many homes are in which cell and how long images are. How long a home takes behind its hub, and how good
//! its line is, they do not know: a world does. Where none is named it is the town, whose numbers are assumptions.

mod hops; // devices that get several images
mod network; // what is to be brought to whom
mod rehearsal; // the order on a world
mod report; // what is printed

use std::path::{Path, PathBuf};

use campaign::{BudgetBook, CampaignPolicy, ChainPapers, Conductor, Desk, Settings, lower_bound};
use clap::Args;
use eligibility::{Date, Lists};
use jiff::tz::TimeZone;
use transfer_engine::{Moment, Transport};

use super::super::forecast;
use super::super::serve::Terms;
use super::order_file::WrittenOrder;
use super::question::{Question, QuestionArguments};
use crate::development;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::report::BoundLine;
use report::{Demand, Plan, Rehearsed};

/// Say what an order would come to, by lists in files, before anything is ordered.
///
/// Prints how many devices the gate allows and why, which it does not and why not, the waves, the bytes, and how early the
/// campaign can be over and when it probably is, on simulated homes. Exit code 0: at least one device may be updated, now or
/// when its day has come, or runs its target already. 4: none does, or an image is not believed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
lamplighter campaign plan examples/lists/order.toml --lists examples/lists --on 2020-10-05\n  \
lamplighter campaign plan examples/lists/order.toml --lists examples/lists --on 2020-10-05 \
--world simulators/fleets/street.toml --price-per-mb 0.02")]
pub(crate) struct Arguments {
    /// The order; see examples/lists/order.toml.
    order: PathBuf,
    #[command(flatten)]
    question: QuestionArguments,
    /// World whose links, radio, meters and troubles the homes of the order have [default: the town of simulators/fleets,
    /// whose numbers are assumptions]; the order is simulated on it, under its own policy and the budgets of --config. What
    /// a world has no place for is told.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How many simulations, each with another seed; 0 leaves them out. Nine of 25,000 homes, as many as an order can name,
    /// are some two minutes of two cores.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    seeds: u32,
    /// What a megabyte over the WAN costs, both ways and with headers, in your currency.
    #[arg(long, value_name = "PRICE", value_parser = forecast::price)]
    price_per_mb: Option<f64>,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let question = arguments.question.read(output)?;
    let Lists { register, inventory, .. } = &question.lists;
    let order = WrittenOrder::read(&arguments.order, &arguments.question.trust, register, inventory, output)?;
    let Question { lists, left_out, today, terms, gate } = question;
    let book = terms.book(&lists.inventory)?;
    let desk = Desk { register: lists.register, inventory: lists.inventory, gate };
    let settings = Settings {
        engine: terms.engine(),
        cell_rate: terms.cell_rate(),
        link_rate: terms.link_rate(),
        transport: Transport::Datagram,
        // Signs nothing: no device comes so far.
        order_key: development::order_key()?,
        papers: ChainPapers::default(),
    };
    let WrittenOrder { order, images } = order;
    let mut conductor = Conductor::new(settings, desk, midnight(today));
    conductor.set_budgets(book.clone());
    // Its records are taken by nobody, so that verdicts and waves are the engine's own and nothing else comes of it.
    for image in images {
        conductor.add_image(image);
    }
    let later = hops::later(&mut conductor, midnight(today), &order);
    conductor.create(midnight(today), &order).or_bad_input(arguments.order.display())?;
    let state = conductor.campaign(&order.id).expect("it was accepted just now");
    let network = network::of_lists(state, &conductor, &later);
    let bound = lower_bound(&network, order.policy.open_next_at).as_ref().map(BoundLine::of);
    let rehearsed = match &bound {
        Some(_) if arguments.seeds > 0 => {
            let sizes = rehearsal::Sizes::of(state, &conductor, &later);
            match rehearse(arguments, &sizes, (&order.policy, &terms, &book), today, output) {
                // Budgets that carry next to nothing, say: what lists say of it is said all the same.
                Err(failure) if failure.code() == ExitCode::Failed => {
                    output.talk(format_args!("not simulated to its end: {}", failure.reason()));
                    None
                }
                rehearsed => Some(rehearsed?),
            }
        }
        _ => None,
    };
    let demand = Demand { network, later, bound };
    let plan = Plan::of(state, today, demand, arguments.price_per_mb, rehearsed, left_out);
    output.report(&plan)?;
    match plan.is_empty() {
        false => Ok(()),
        true => {
            let message = format_args!("{}: the gate allows none of the devices", arguments.order.display());
            Err(Failure::message(ExitCode::Refused, message))
        }
    }
}

fn rehearse(
    arguments: &Arguments,
    sizes: &rehearsal::Sizes,
    (policy, terms, book): (&CampaignPolicy, &Terms, &BudgetBook),
    today: Date,
    output: &Output,
) -> Result<Rehearsed, Failure> {
    let start = midnight(today);
    let (world, spec) = match &arguments.world {
        Some(path) => (path.as_path(), super::super::simulate::read_world(path)?),
        None => (Path::new("the town"), fleet::WorldSpec::town()),
    };
    let spec = sizes.applied(spec, policy, (terms, book), start);
    let limits = (arguments.seeds, days(policy, start));
    let forecast = forecast::foresee(world, limits, arguments.price_per_mb, &spec, &sizes.kinds(), output)?;
    let is_assumed = arguments.world.is_none();
    Ok(Rehearsed { forecast, is_assumed, otherwise: sizes.strangers(policy, book) })
}

/// Returns how many days a simulation may take: as many as usual, and those for which the order itself says to wait.
fn days(policy: &CampaignPolicy, start: Moment) -> u32 {
    let held =
        policy.activate_not_before.moment().map_or(0, |moment| moment.saturating_since(start).as_secs());
    let soaks = u64::from(policy.soak_s) * (policy.waves.len() as u64 + 1);
    let days = (held + soaks).div_ceil(86_400);
    forecast::USUAL_DAYS.saturating_add(u32::try_from(days).unwrap_or(u32::MAX))
}

/// Returns the beginning of a day (UTC).
fn midnight(day: Date) -> Moment {
    let instant = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map(|instant| instant.as_microsecond());
    // A day before 1970 is as good as its first.
    Moment::from_micros(instant.ok().and_then(|micros| u64::try_from(micros).ok()).unwrap_or(0))
}
