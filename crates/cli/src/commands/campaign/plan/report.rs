//! What a plan says, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use campaign::{CampaignState, DeviceRow, Network};
use eligibility::{Date, GateRow};
use firmware_image::Eui64;
use serde::Serialize;

use super::super::super::forecast::Forecast;
use super::hops::LaterHops;
use super::network::BLOCK;
use crate::lists::FaultList;
use crate::report::{BoundLine, units};

/// Devices that `--json` names for each code, with the reason of each; text names one for each refusal.
const EXAMPLES: usize = 3;

/// What an order would come to.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    campaign: String,
    on: String,
    instructing_party: String,
    smso: String,
    /// Devices in the order, and the homes they are in.
    ordered: usize,
    homes: usize,
    /// Those that the gate allows.
    allowed: usize,
    /// What the gate says, by row and code.
    verdicts: Vec<VerdictLine>,
    /// Homes and devices of each wave, the pilot first.
    waves: Vec<WaveLine>,
    /// Images that the devices take: one each, and more where a way leads over several.
    images: usize,
    /// Image blocks with headers, each sent once.
    wan_bytes: u64,
    price_per_mb: Option<f64>,
    cost: Option<f64>,
    /// The time that bytes and rates alone take.
    bound: Option<BoundLine>,
    /// On simulated homes, unless that was left out.
    forecast: Option<Forecast>,
    /// Whether what lies behind the hubs is assumed: no world was named.
    world_is_assumed: bool,
    /// What of the order and the budgets the world has no place for, or another meaning.
    otherwise_on_world: Vec<String>,
    left_out: FaultList,
}

#[derive(Debug, Serialize)]
struct VerdictLine {
    allowed: bool,
    /// Not allowed as yet, with nothing against it but the day.
    waits: bool,
    row: String,
    code: String,
    devices: usize,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    device: Eui64,
    reason: String,
}

#[derive(Debug, Default, Serialize)]
struct WaveLine {
    homes: usize,
    devices: usize,
}

/// What is to be sent, and how early that can be over.
pub(super) struct Demand {
    pub(super) network: Network,
    pub(super) later: LaterHops,
    pub(super) bound: Option<BoundLine>,
}

/// What came of an order on a world.
pub(super) struct Rehearsed {
    pub(super) forecast: Forecast,
    /// Nobody named the world.
    pub(super) is_assumed: bool,
    /// What the order and the budgets say and the world does not heed as they mean it.
    pub(super) otherwise: Vec<String>,
}

impl Plan {
    /// Puts a plan into words.
    pub(super) fn of(
        state: &CampaignState,
        today: Date,
        demand: Demand,
        price_per_mb: Option<f64>,
        rehearsed: Option<Rehearsed>,
        left_out: FaultList,
    ) -> Plan {
        let world_is_assumed = rehearsed.as_ref().is_some_and(|rehearsed| rehearsed.is_assumed);
        let (forecast, otherwise_on_world) =
            rehearsed.map(|rehearsed| (rehearsed.forecast, rehearsed.otherwise)).unzip();
        let homes = |rows: &dyn Fn(&&DeviceRow) -> bool| {
            let names = state.rows().filter(rows).map(|row| row.installation.as_str());
            names.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().len()
        };
        let last = state.rows().filter_map(|row| row.wave).max();
        let wave = |wave: u16| WaveLine {
            homes: homes(&|row| row.wave == Some(wave)),
            devices: state.rows().filter(|row| row.wave == Some(wave)).count(),
        };
        let Demand { network, later, bound } = demand;
        let wan_bytes = network.bytes();
        let later: usize = later.values().map(Vec::len).sum();
        // To the hundredth, as money is.
        let cost = |price: f64| (wan_bytes as f64 / 1e6 * price * 100.0).round() / 100.0;
        Plan {
            campaign: state.id.to_string(),
            on: today.to_string(),
            instructing_party: state.order.instructing_party.clone(),
            smso: state.order.smso.clone(),
            ordered: state.rows().len(),
            homes: homes(&|_| true),
            allowed: state.rows().filter(|row| row.verdict.allowed).count(),
            verdicts: verdicts(state),
            waves: last.map(|last| (0..=last).map(wave).collect()).unwrap_or_default(),
            images: network.deliveries().count() + later,
            wan_bytes,
            price_per_mb,
            cost: price_per_mb.map(cost),
            bound,
            forecast,
            world_is_assumed,
            otherwise_on_world: otherwise_on_world.unwrap_or_default(),
            left_out,
        }
    }

    /// Says whether nothing is to be done.
    pub(super) fn is_empty(&self) -> bool {
        // A device that runs its target already is a success without a step.
        let may_come = |verdict: &VerdictLine| verdict.waits || verdict.code == "ALREADY_ON_TARGET";
        self.allowed == 0 && !self.verdicts.iter().any(may_come)
    }
}

/// Counts verdicts: what is allowed first, then by the rows of the table; words of the engine's own come last.
fn verdicts(state: &CampaignState) -> Vec<VerdictLine> {
    let place = |name: &str| GateRow::ALL.iter().position(|row| row.as_str() == name).unwrap_or(usize::MAX);
    let mut by_code: BTreeMap<(bool, bool, usize, &str), Vec<&DeviceRow>> = BTreeMap::new();
    for row in state.rows() {
        let verdict = &row.verdict;
        let key = (!verdict.allowed, !verdict.waits, place(&verdict.row), &*verdict.code);
        by_code.entry(key).or_default().push(row);
    }
    let example = |row: &&DeviceRow| Example { device: row.device, reason: row.verdict.detail.clone() };
    let line =
        |((not_yet, never, _, code), rows): ((bool, bool, usize, &str), Vec<&DeviceRow>)| VerdictLine {
            allowed: !not_yet,
            waits: not_yet && !never,
            row: rows.first().map(|row| row.verdict.row.clone()).unwrap_or_default(),
            code: code.to_owned(),
            devices: rows.len(),
            examples: rows.iter().take(EXAMPLES).map(example).collect(),
        };
    by_code.into_iter().map(line).collect()
}

impl Plan {
    fn write_verdicts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in [((true, false), "allowed"), ((false, true), "to wait"), ((false, false), "not")]
        {
            let of_word = || self.verdicts.iter().filter(|verdict| (verdict.allowed, verdict.waits) == place);
            let sum: usize = of_word().map(|verdict| verdict.devices).sum();
            if sum == 0 && word == "to wait" {
                continue;
            }
            writeln!(f, "{word:<13} {}", units::count(sum))?;
            for verdict in of_word() {
                let VerdictLine { row, code, devices, examples, .. } = verdict;
                write!(f, "{:>11}   {row:<3} {code}", units::count(*devices))?;
                match examples.first().filter(|_| !place.0) {
                    Some(example) => writeln!(f, ", such as {}: {}", example.device, example.reason)?,
                    None => writeln!(f)?,
                }
            }
        }
        Ok(())
    }

    fn write_waves(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wave = |wave: &WaveLine| {
            let ending = if wave.homes == 1 { "" } else { "s" };
            format!("{} home{ending}", units::count(wave.homes))
        };
        let waves: Vec<String> = self.waves.iter().map(wave).collect();
        writeln!(f, "waves         {}, the pilot first", waves.join(" · "))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ordered, homes] = [self.ordered, self.homes].map(units::count);
        writeln!(f, "order         {}, {ordered} devices of {homes} homes", self.campaign)?;
        let Plan { instructing_party, smso, on, .. } = self;
        writeln!(f, "              {instructing_party} instructs {smso}, as of {on}")?;
        self.write_verdicts(f)?;
        let Some(bound) = &self.bound else { return write!(f, "nothing to send") };
        self.write_waves(f)?;
        let served: usize = self.waves.iter().map(|wave| wave.devices).sum();
        if self.images > served {
            let [images, served] = [self.images, served].map(units::count);
            writeln!(
                f,
                "images        {images} for {served} devices: some come over several, one after another"
            )?;
        }
        writeln!(f, "over the WAN  {}, blocks of {BLOCK} B with headers", units::bytes(self.wan_bytes))?;
        if let (Some(cost), Some(price)) = (self.cost, self.price_per_mb) {
            writeln!(f, "cost          {cost:.2}, at {price} a MB")?;
        }
        writeln!(f, "not before    {bound}, for these bytes alone")?;
        writeln!(f, "              {}", bound.parts())?;
        match &self.forecast {
            Some(forecast) => {
                let whose = match self.world_is_assumed {
                    true => "on as many homes like those of our town (assumed; --world FILE names others)",
                    false => "on a world with as many homes",
                };
                write!(f, "{whose}, under this policy and these budgets\n{forecast}")?;
                self.otherwise_on_world.iter().try_for_each(|said| write!(f, "\notherwise     {said}"))
            }
            None => write!(f, "finish        not told, as no simulation was made or came to its end"),
        }
    }
}
