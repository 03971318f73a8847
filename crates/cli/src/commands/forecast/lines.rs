//! What a forecast says, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::runs::Run;
use super::{ForecastArguments, Plan};
use crate::report::{BoundLine, units};

/// Regions that are told one by one; `--json` has them all.
const MOST_LINES: usize = 10;

/// A forecast.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Forecast {
    world: String,
    /// The seed of the plan.
    seed: u64,
    /// Simulations of each campaign.
    seeds: u32,
    price_per_mb: Option<f64>,
    #[serde(flatten)]
    whole: Line,
    /// Each campaign, where there are several.
    campaigns: Vec<Line>,
}

/// What is foreseen of a campaign, or of several side by side.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    campaign: String,
    /// Devices in the order.
    ordered: usize,
    /// Those that the gate allows.
    allowed: usize,
    /// The time that no order of sending can beat.
    bound: Option<BoundLine>,
    /// The same for the devices on the mains, as if there were no others.
    mains_bound: Option<BoundLine>,
    /// From the order to the last outcome, milliseconds.
    finish_ms: Spread,
    /// The same for the devices on the mains.
    mains_finish_ms: Spread,
    /// Over the WAN, both ways, with headers.
    wan_bytes: Spread,
    /// Of those, in the currency of the price.
    cost: Option<Cost>,
    /// Simulations in which the campaign was halted; they ended then.
    halted: usize,
}

/// The middle of the simulations, and what nine of ten do not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Spread {
    p50: u64,
    p90: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Cost {
    p50: f64,
    p90: f64,
}

impl Spread {
    /// Reads both off by nearest rank.
    fn of(mut sample: Vec<u64>) -> Spread {
        sample.sort_unstable();
        let rank = |percent: usize| {
            let place = (sample.len() * percent).div_ceil(100).max(1) - 1;
            sample.get(place).copied().unwrap_or(0)
        };
        Spread { p50: rank(50), p90: rank(90) }
    }

    fn cost(self, price_per_mb: f64) -> Cost {
        // To the hundredth, as money is.
        let cost = |bytes: u64| (bytes as f64 / 1e6 * price_per_mb * 100.0).round() / 100.0;
        Cost { p50: cost(self.p50), p90: cost(self.p90) }
    }
}

/// What the simulations of one seed add up to: the last end, and all bytes.
#[derive(Clone, Copy, Default)]
struct Sum {
    took: Duration,
    mains_took: Duration,
    bytes: u64,
    is_halted: bool,
}

impl Sum {
    fn add(self, run: &Run) -> Sum {
        Sum {
            took: self.took.max(run.took),
            mains_took: self.mains_took.max(run.mains_took),
            bytes: self.bytes + run.bytes,
            is_halted: self.is_halted || run.is_halted,
        }
    }
}

impl Line {
    /// Joins a plan with its simulations.
    pub(super) fn of<'a>(plan: Plan, runs: impl Iterator<Item = &'a Run>, price: Option<f64>) -> Line {
        let sums: Vec<Sum> = runs.map(|run| Sum::default().add(run)).collect();
        Line::from_sums(plan, &sums, price)
    }

    fn from_sums(plan: Plan, sums: &[Sum], price: Option<f64>) -> Line {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let spread = |of: &dyn Fn(&Sum) -> u64| Spread::of(sums.iter().map(of).collect());
        let wan_bytes = spread(&|sum| sum.bytes);
        Line {
            campaign: plan.campaign,
            ordered: plan.ordered,
            allowed: plan.allowed,
            bound: plan.bound,
            mains_bound: plan.mains_bound,
            finish_ms: spread(&|sum| millis(sum.took)),
            mains_finish_ms: spread(&|sum| millis(sum.mains_took)),
            wan_bytes,
            cost: price.map(|price| wan_bytes.cost(price)),
            halted: sums.iter().filter(|sum| sum.is_halted).count(),
        }
    }
}

/// Returns the greatest of the bounds of campaigns side by side.
fn greatest<'a>(bounds: impl Iterator<Item = &'a Option<BoundLine>>) -> Option<BoundLine> {
    bounds.flatten().max_by_key(|bound| bound.0.time_ms).cloned()
}

impl Forecast {
    /// Adds up the campaigns: they begin together, and the whole is over with the last.
    pub(super) fn of(
        arguments: &ForecastArguments,
        world: &str,
        mut lines: Vec<Line>,
        runs: &[Run],
    ) -> Forecast {
        let whole = if lines.len() == 1 {
            lines.remove(0)
        } else {
            let mut sums = vec![Sum::default(); arguments.seeds as usize];
            for run in runs {
                let sum = &mut sums[run.number as usize];
                *sum = sum.add(run);
            }
            let plan = Plan {
                campaign: world.to_owned(),
                ordered: lines.iter().map(|line| line.ordered).sum(),
                allowed: lines.iter().map(|line| line.allowed).sum(),
                bound: greatest(lines.iter().map(|line| &line.bound)),
                mains_bound: greatest(lines.iter().map(|line| &line.mains_bound)),
            };
            Line::from_sums(plan, &sums, arguments.price_per_mb)
        };
        Forecast {
            world: world.to_owned(),
            seed: arguments.seed,
            seeds: arguments.seeds,
            price_per_mb: arguments.price_per_mb,
            whole,
            campaigns: lines,
        }
    }
}

fn span(millis: u64) -> String {
    units::span(Duration::from_millis(millis))
}

fn spans(spread: Spread) -> String {
    format!("P50 {}, P90 {}", span(spread.p50), span(spread.p90))
}

impl fmt::Display for Forecast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.whole;
        let [ordered, allowed] = [line.ordered, line.allowed].map(units::count);
        writeln!(formatter, "world         {}, {allowed} devices allowed of {ordered} ordered", self.world)?;
        match &line.bound {
            Some(bound) => {
                writeln!(formatter, "not before    {bound}")?;
                writeln!(formatter, "              {}", bound.parts())?;
            }
            None => writeln!(formatter, "not before    the gate allows nobody")?,
        }
        let halted = if line.halted > 0 { format!(", {} halted", line.halted) } else { String::new() };
        writeln!(
            formatter,
            "finish        {}, of {} simulations{halted}",
            spans(line.finish_ms),
            self.seeds
        )?;
        if let Some(bound) = &line.mains_bound {
            writeln!(formatter, "on the mains  {}; not before {bound}", spans(line.mains_finish_ms))?;
        }
        let [p50, p90] = [line.wan_bytes.p50, line.wan_bytes.p90].map(units::bytes);
        write!(formatter, "over the WAN  P50 {p50}, P90 {p90}, both ways, with headers")?;
        if let (Some(cost), Some(price)) = (line.cost, self.price_per_mb) {
            write!(formatter, "\ncost          P50 {:.2}, P90 {:.2}, at {price} a MB", cost.p50, cost.p90)?;
        }
        for line in self.campaigns.iter().take(MOST_LINES) {
            let bound = line.bound.as_ref().map_or("nobody is allowed".to_owned(), BoundLine::to_string);
            write!(formatter, "\n{:<13} {}; not before {bound}", line.campaign, spans(line.finish_ms))?;
        }
        match self.campaigns.len().checked_sub(MOST_LINES) {
            Some(more @ 1..) => write!(formatter, "\nand {more} more campaigns, see --json"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(Spread::of((1..=9).rev().collect()), Spread { p50: 5, p90: 9 });
        assert_eq!(Spread::of((1..=20).collect()), Spread { p50: 10, p90: 18 });
        assert_eq!(Spread::of(vec![7]), Spread { p50: 7, p90: 7 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn campaigns_side_by_side_end_with_the_last_and_send_what_all_send() {
        let run = |region, took_s, bytes| Run {
            region,
            number: 0,
            took: Duration::from_secs(took_s),
            mains_took: Duration::from_secs(took_s / 2),
            bytes,
            is_halted: region == 1,
        };
        let sum = [run(0, 100, 5), run(1, 60, 7)].iter().fold(Sum::default(), Sum::add);
        assert_eq!(
            (sum.took.as_secs(), sum.mains_took.as_secs(), sum.bytes, sum.is_halted),
            (100, 50, 12, true)
        );
    }

    #[test]
    fn money_is_megabytes_times_the_price_to_the_hundredth() {
        let bytes = Spread { p50: 1_234_567, p90: 2_000_000_000 };
        assert_eq!(bytes.cost(0.02), Cost { p50: 0.02, p90: 40.0 });
    }
}
