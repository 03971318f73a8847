//! The tables of a report: devices by outcome, by refusal, by reason, by wave, by hub and by evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{CampaignState, DeviceRow, Outcome, OutcomeClass, Stage};
use firmware_image::Eui64;
use transfer_engine::Moment;

use super::summary;
use super::table::{Kind, Table};
use super::{units, words};

/// How many devices, and the first of them as an example.
#[derive(Clone, Copy, Debug)]
struct Sample {
    size: usize,
    example: Eui64,
}

/// Counts rows by what `key` says of them; rows without a key are left out.
fn sampled<'a, K: Ord>(
    state: &'a CampaignState,
    key: impl Fn(&'a DeviceRow) -> Option<K>,
) -> BTreeMap<K, Sample> {
    let mut samples = BTreeMap::new();
    for row in state.rows() {
        let Some(key) = key(row) else { continue };
        samples.entry(key).or_insert(Sample { size: 0, example: row.device }).size += 1;
    }
    samples
}

/// Devices by outcome; the sums are those of the headline.
pub(crate) fn outcomes(state: &CampaignState) -> Table {
    let columns = [
        ("Outcome", Kind::Text),
        ("Counts as", Kind::Text),
        ("Devices", Kind::Number),
        ("Share", Kind::Number),
        ("Meaning", Kind::Text),
        ("Example", Kind::Code),
    ];
    let mut table = Table::new("Devices by outcome", &columns);
    let ordered = state.rows().len();
    let share = |size: usize| units::percent((size * 1_000 / ordered.max(1)) as u16);
    let ended = sampled(state, |row| row.outcome.as_ref().map(|(outcome, _)| *outcome));
    for (outcome, sample) in ended {
        table.push([
            words::spoken(outcome),
            words::class(outcome.class()).to_owned(),
            units::count(sample.size),
            share(sample.size),
            words::outcome(outcome).to_owned(),
            sample.example.to_string(),
        ]);
    }
    for (stage, sample) in sampled(state, |row| row.outcome.is_none().then_some(row.stage)) {
        table.push([
            format!("none yet, {}", stage.as_str()),
            "pending".to_owned(),
            units::count(sample.size),
            share(sample.size),
            format!("Waits for {}.", words::waiting_at(stage)),
            sample.example.to_string(),
        ]);
    }
    let empty = String::new;
    table.set_sum(["ordered".to_owned(), empty(), units::count(ordered), share(ordered), empty(), empty()]);
    table
}

/// Refused devices by the gate's code.
pub(crate) fn refusals(state: &CampaignState) -> Table {
    let columns = [
        ("Code", Kind::Code),
        ("Row", Kind::Code),
        ("Devices", Kind::Number),
        ("Meaning", Kind::Text),
        ("Example", Kind::Code),
        ("What the gate said of it", Kind::Text),
    ];
    let mut table = Table::new("Refused devices by reason", &columns);
    let refused = sampled(state, |row| match &row.outcome {
        Some((Outcome::Refused, code)) => Some(code.as_str()),
        _ => None,
    });
    let all = refused.values().map(|sample| sample.size).sum::<usize>();
    for (code, sample) in refused {
        let (row, meaning) = words::code(code);
        // What was said at planning explains a refusal at planning, not one that came later.
        let verdict =
            state.row(sample.example).map(|row| &row.verdict).filter(|verdict| verdict.code == code);
        table.push([
            code.to_owned(),
            row.to_owned(),
            units::count(sample.size),
            meaning.to_owned(),
            sample.example.to_string(),
            verdict.map_or("allowed at planning, refused later", |verdict| &verdict.detail).to_owned(),
        ]);
    }
    let empty = String::new;
    table.set_sum(["refused".to_owned(), empty(), units::count(all), empty(), empty(), empty()]);
    table
}

/// Reasons may carry numbers, so that there is no bound on how many differ; the rest is in the CSV.
const MOST_REASONS: usize = 12;

/// Why devices failed, or were given up on the way, most frequent first.
pub(crate) fn reasons(state: &CampaignState) -> Table {
    let columns =
        [("Outcome", Kind::Text), ("Reason", Kind::Text), ("Devices", Kind::Number), ("Example", Kind::Code)];
    let mut table = Table::new("Failed, held and halted devices by reason", &columns);
    let samples = sampled(state, |row| {
        let (outcome, reason) = row.outcome.as_ref()?;
        let explained = outcome.class() == OutcomeClass::Done || *outcome == Outcome::Refused;
        (!explained).then_some((*outcome, reason.as_str()))
    });
    let mut samples: Vec<_> = samples.into_iter().collect();
    samples.sort_by_key(|(_, sample)| std::cmp::Reverse(sample.size));
    let all = samples.iter().map(|(_, sample)| sample.size).sum::<usize>();
    let mut shown = 0;
    for ((outcome, reason), sample) in samples.into_iter().take(MOST_REASONS) {
        shown += sample.size;
        let outcome = words::spoken(outcome);
        table.push([outcome, reason.to_owned(), units::count(sample.size), sample.example.to_string()]);
    }
    if shown < all {
        let rest = "other reasons, see devices.csv".to_owned();
        table.push([String::new(), rest, units::count(all - shown), String::new()]);
    }
    table.set_sum(["all".to_owned(), String::new(), units::count(all), String::new()]);
    table
}

/// The pilot and the waves.
pub(crate) fn waves(state: &CampaignState) -> Table {
    let columns = [
        ("Wave", Kind::Text),
        ("Opened", Kind::Code),
        ("Last outcome after", Kind::Number),
        ("Homes", Kind::Number),
        ("Devices", Kind::Number),
        ("Done", Kind::Number),
        ("Failed", Kind::Number),
        ("Excluded", Kind::Number),
        ("Pending", Kind::Number),
        ("Success", Kind::Number),
    ];
    let mut table = Table::new("The pilot and the waves", &columns);
    for wave in summary::waves(state) {
        let members = || state.rows().filter(|row| row.wave == Some(wave.wave));
        let homes: BTreeSet<&str> = members().map(|row| row.installation.as_str()).collect();
        let opened = state.waves_opened_at.get(usize::from(wave.wave)).copied();
        let last = members().filter_map(|row| row.reached(Stage::Ended)).max();
        let took = opened.zip(last).map(|(opened, last)| units::span(last.saturating_since(opened)));
        let success = (wave.done * 1_000).checked_div(wave.done + wave.failed);
        let none = || "–".to_owned();
        table.push([
            if wave.wave == 0 { "pilot".to_owned() } else { wave.wave.to_string() },
            opened.map_or_else(|| "not opened".to_owned(), units::utc),
            took.unwrap_or_else(none),
            units::count(homes.len()),
            units::count(wave.size),
            units::count(wave.done),
            units::count(wave.failed),
            units::count(wave.excluded),
            units::count(wave.pending),
            success.map_or_else(none, |permille| units::percent(permille as u16)),
        ]);
    }
    table
}

/// One hub's share of a campaign.
#[derive(Clone, Copy, Debug)]
struct HubShare<'a> {
    installation: &'a str,
    devices: usize,
    instructed: Moment,
    staged: Option<Moment>,
    delivered: Option<Moment>,
    wan_bytes: u64,
    blocks_repaired: u64,
}

/// Hubs in the table of the slowest.
const SLOWEST: usize = 10;

/// The hubs behind which a device waited longest for its image.
pub(crate) fn slowest_hubs(state: &CampaignState) -> Table {
    let columns = [
        ("Hub", Kind::Code),
        ("Home", Kind::Text),
        ("Devices", Kind::Number),
        ("Hub held all after", Kind::Number),
        ("Last delivered after", Kind::Number),
        ("Sent to hub", Kind::Number),
        ("Blocks repaired", Kind::Number),
    ];
    let mut table =
        Table::new("The ten slowest hubs, counted from the first instruction for a hub", &columns);
    let mut hubs: Vec<(Duration, Eui64, HubShare<'_>)> = hub_shares(state)
        .into_iter()
        .filter_map(|(hub, share)| Some((share.delivered?.saturating_since(share.instructed), hub, share)))
        .collect();
    hubs.sort_by_key(|(took, hub, _)| (std::cmp::Reverse(*took), *hub));
    for (took, hub, share) in hubs.into_iter().take(SLOWEST) {
        let staged = share.staged.map(|staged| units::span(staged.saturating_since(share.instructed)));
        table.push([
            hub.to_string(),
            share.installation.to_owned(),
            units::count(share.devices),
            staged.unwrap_or_else(|| "–".to_owned()),
            units::span(took),
            units::bytes(share.wan_bytes),
            units::count(share.blocks_repaired),
        ]);
    }
    table
}

fn hub_shares(state: &CampaignState) -> BTreeMap<Eui64, HubShare<'_>> {
    let mut hubs: BTreeMap<Eui64, HubShare<'_>> = BTreeMap::new();
    for row in state.rows() {
        let (Some(hub), Some(instructed)) = (row.hub, row.reached(Stage::Instructed)) else { continue };
        let share = hubs.entry(hub).or_insert(HubShare {
            installation: &row.installation,
            devices: 0,
            instructed,
            staged: None,
            delivered: None,
            wan_bytes: 0,
            blocks_repaired: 0,
        });
        share.devices += 1;
        share.instructed = share.instructed.min(instructed);
        share.staged = share.staged.max(row.reached(Stage::Staged));
        share.delivered = share.delivered.max(row.reached(Stage::Delivered));
        share.wan_bytes += row.wan_bytes;
        share.blocks_repaired += u64::from(row.blocks_repaired);
    }
    hubs
}

/// Which rows of the gate's table allowed devices.
pub(crate) fn bases(state: &CampaignState) -> Table {
    let columns = [
        ("Basis", Kind::Code),
        ("Row", Kind::Code),
        ("Devices", Kind::Number),
        ("Meaning", Kind::Text),
        ("Example", Kind::Code),
    ];
    let mut table = Table::new("Allowed devices by row of the gate", &columns);
    let bases = sampled(state, |row| {
        let verdict = &row.verdict;
        verdict.allowed.then_some((verdict.row.as_str(), verdict.code.as_str()))
    });
    let all = bases.values().map(|sample| sample.size).sum::<usize>();
    for ((row, code), sample) in bases {
        table.push([
            code.to_owned(),
            row.to_owned(),
            units::count(sample.size),
            words::code(code).1.to_owned(),
            sample.example.to_string(),
        ]);
    }
    let empty = String::new;
    table.set_sum(["allowed".to_owned(), empty(), units::count(all), empty(), empty()]);
    table
}

/// What the gate rested on when it allowed devices: the combination and its documents.
pub(crate) fn evidence(state: &CampaignState) -> Table {
    let columns = [
        ("Combination", Kind::Code),
        ("Basis", Kind::Code),
        ("Documents", Kind::Text),
        ("Complete on", Kind::Code),
        ("Devices", Kind::Number),
        ("Example", Kind::Code),
    ];
    let mut table = Table::new("Combinations and the documents they rest on", &columns);
    let bases = sampled(state, |row| {
        let verdict = &row.verdict;
        verdict.allowed.then_some((
            verdict.dmc.as_deref(),
            verdict.code.as_str(),
            verdict.evidence.as_slice(),
            verdict.rests_on.as_deref(),
        ))
    });
    let all = bases.values().map(|sample| sample.size).sum::<usize>();
    for ((dmc, code, documents, rests_on), sample) in bases {
        let none = "–";
        table.push([
            dmc.unwrap_or(none).to_owned(),
            code.to_owned(),
            // One a line; where there is none, the list itself is the document.
            if documents.is_empty() { none.to_owned() } else { documents.join("\n") },
            rests_on.unwrap_or(none).to_owned(),
            units::count(sample.size),
            sample.example.to_string(),
        ]);
    }
    let empty = String::new;
    table.set_sum(["allowed".to_owned(), empty(), empty(), empty(), units::count(all), empty()]);
    table
}
