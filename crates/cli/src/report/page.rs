//! `report.html`: the page, put together from tables and drawings by a template.
//!
//! The template escapes every text; only drawings go in as they are.

use std::time::Duration;

use anyhow::Context;
use campaign::CampaignState;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::bound::Measured;
use super::charts::{self, Figure};
use super::delivery::{self, Histogram};
use super::progress::{BAR_STEPS, LINE_STEPS, Progress, TABLE_STEPS, Window};
use super::regions::Regions;
use super::table::Table;
use super::{ReportInput, breakdown, summary, units};

/// Makes the page: one HTML file that needs nothing else.
pub(crate) fn render(input: &ReportInput<'_>) -> anyhow::Result<String> {
    render_page(Page::of(input)?)
}

/// Makes the page of a world of several regions.
pub(crate) fn render_regions(regions: &Regions) -> anyhow::Result<String> {
    render_page(Page::of_regions(regions)?)
}

fn render_page(page: Page<'_>) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A line of the template that only directs leaves no line on the page.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.context("the syntax of the template")?);
    // The name decides that texts are escaped for HTML.
    environment.add_template("report.html", TEMPLATE).context("the template of the report")?;
    let template = environment.get_template("report.html").context("the template of the report")?;
    template.render(Serde(page)).context("the report as a page")
}

const TEMPLATE: &str = include_str!("page.html");

/// Everything the template shows.
#[derive(Debug, Serialize)]
struct Page<'a> {
    title: &'a str,
    campaign: &'a str,
    phase: &'static str,
    halted_because: Option<&'a str>,
    headline: String,
    equation: String,
    sums: [(&'static str, String); 4],
    facts: Vec<(&'a str, String)>,
    sections: Vec<Section>,
    head: String,
    entries: String,
    /// True where the head is the digest of several ledgers' heads, and devices are not listed.
    is_of_regions: bool,
}

/// A heading with what belongs beneath it.
#[derive(Debug, Serialize)]
struct Section {
    id: &'static str,
    heading: &'static str,
    notes: Vec<&'static str>,
    parts: Vec<Part>,
}

/// A drawing with the same numbers as a table, or either alone.
#[derive(Debug, Serialize)]
struct Part {
    figure: Option<Figure>,
    table: Option<Table>,
}

impl Part {
    fn table(table: Table) -> Option<Part> {
        (!table.is_empty()).then_some(Part { figure: None, table: Some(table) })
    }
}

impl<'a> Page<'a> {
    fn of(input: &'a ReportInput<'_>) -> anyhow::Result<Page<'a>> {
        let state = input.state;
        let tally = state.tally();
        Ok(Page {
            title: &input.title,
            campaign: state.id.as_str(),
            phase: state.phase.as_str(),
            halted_because: state.halted_because.as_deref(),
            headline: summary::headline(state),
            equation: summary::equation(state),
            sums: [
                ("done", units::count(tally.done)),
                ("failed", units::count(tally.failed)),
                ("excluded", units::count(tally.excluded)),
                ("pending", units::count(tally.pending)),
            ],
            facts: facts(input),
            sections: sections(state)?,
            head: input.head.to_string(),
            entries: units::count(input.head.count),
            is_of_regions: false,
        })
    }
}

impl<'a> Page<'a> {
    fn of_regions(regions: &'a Regions) -> anyhow::Result<Page<'a>> {
        let whole = &regions.summary.whole;
        let sums = [whole.done, whole.failed, whole.excluded, whole.pending].map(units::count);
        let equation = format!(
            "{} ordered = {} done + {} failed + {} excluded + {} pending",
            units::count(whole.ordered),
            sums[0],
            sums[1],
            sums[2],
            sums[3]
        );
        let [done, failed, excluded, pending] = sums;
        let mut facts = vec![
            ("Regions", units::count(regions.summary.regions.len())),
            ("Slowest took", units::span(Duration::from_secs(whole.makespan_s))),
            ("Success of attempts", units::percent(whole.success_permille)),
            ("Sent to hubs", units::bytes(whole.wan_bytes)),
        ];
        facts.extend(whole.bound.as_ref().map(|bound| ("Bound", bound.to_string())));
        facts.extend(whole.seed.map(|seed| ("Seed", seed.to_string())));
        Ok(Page {
            title: &regions.title,
            campaign: &whole.campaign,
            phase: whole.phase,
            halted_because: whole.halted_because.as_deref(),
            headline: format!(
                "Of {} devices ordered, {done} run the target firmware, {failed} were tried and failed, {excluded} \
                 were excluded by rule.",
                units::count(whole.ordered)
            ),
            equation,
            sums: [("done", done), ("failed", failed), ("excluded", excluded), ("pending", pending)],
            facts,
            sections: sections_of(regions)?,
            head: whole.ledger.head.clone(),
            entries: units::count(whole.ledger.entries),
            is_of_regions: true,
        })
    }
}

/// The drawings of several regions, and the regions one by one.
fn sections_of(regions: &Regions) -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    if let Some(progress) = &regions.progress {
        sections.push(Section {
            id: "time",
            heading: "Over time",
            notes: vec!["Times are UTC, in steps of ten minutes, summed over the regions."],
            parts: vec![Part { figure: Some(charts::progress(progress)?), table: None }],
        });
    }
    if let Some(histogram) = Histogram::of(&regions.times) {
        sections.push(Section {
            id: "delivery",
            heading: "How long it took",
            notes: vec!["From the instruction until the device held the verified image."],
            parts: vec![Part {
                figure: Some(charts::delivery(&histogram)?),
                table: Some(delivery::table(&regions.times)),
            }],
        });
    }
    sections.push(Section {
        id: "regions",
        heading: "Regions",
        notes: vec!["Each region is a campaign with an order, a head-end and a ledger of its own."],
        parts: vec![Part { figure: None, table: Some(regions.table()) }],
    });
    Ok(sections)
}

fn facts<'a>(input: &'a ReportInput<'_>) -> Vec<(&'a str, String)> {
    let state = input.state;
    let order = &state.order;
    let repaired: u64 = state.rows().map(|row| u64::from(row.blocks_repaired)).sum();
    let wan_bytes: u64 = state.rows().map(|row| row.wan_bytes).sum();
    let mut facts = vec![
        ("Campaign", state.id.to_string()),
        ("Instructed by", order.instructing_party.clone()),
        ("SMSO", order.smso.clone()),
        ("Ordered", units::utc(state.ordered_at)),
        ("Last record", units::utc(state.updated_at)),
        ("Took", units::span(state.updated_at.saturating_since(state.ordered_at))),
        ("Success of attempts", units::percent(state.success_permille())),
        ("Sent to hubs", format!("{}, {} blocks repaired", units::bytes(wan_bytes), units::count(repaired))),
    ];
    let took = state.updated_at.saturating_since(state.ordered_at);
    let bound = input.bound.as_ref().map(|bound| Measured::of(bound, took));
    facts.extend(bound.map(|bound| ("Bound", bound.to_string())));
    facts.extend(input.seed.map(|seed| ("Seed", seed.to_string())));
    facts.extend(
        order
            .targets
            .iter()
            .map(|target| ("Target", format!("{}, image {}", target.cpl_entry, target.image))),
    );
    facts.extend(input.facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
    facts
}

fn sections(state: &CampaignState) -> anyhow::Result<Vec<Section>> {
    let mut sections = vec![outcomes(state)?];
    sections.push(over_time(state)?);
    sections.push(waiting(state)?);
    sections.push(Section {
        id: "waves",
        heading: "Waves",
        notes: vec![
            "The pilot goes first; a wave opens when enough of the one before has ended, and well enough.",
        ],
        parts: Part::table(breakdown::waves(state)).into_iter().collect(),
    });
    sections.push(Section {
        id: "evidence",
        heading: "Evidence",
        notes: vec![
            "The verdicts are those of planning. The gate was asked again before each instruction and each \
             activation; those answers are in the ledger.",
        ],
        parts: [breakdown::bases(state), breakdown::evidence(state)]
            .into_iter()
            .filter_map(Part::table)
            .collect(),
    });
    Ok(sections.into_iter().filter(|section| !section.parts.is_empty()).collect())
}

fn outcomes(state: &CampaignState) -> anyhow::Result<Section> {
    let figure = if state.rows().len() > 0 { Some(charts::outcomes(state)?) } else { None };
    let mut parts = vec![Part { figure, table: Some(breakdown::outcomes(state)) }];
    parts.extend(Part::table(breakdown::refusals(state)));
    parts.extend(Part::table(breakdown::reasons(state)));
    let notes = vec![
        "Each device ends with exactly one outcome. Done devices run the target; failed ones were tried and do not; \
         excluded ones were, by rule, not to be tried any more. Each row of devices.csv, beside this page, is one \
         device.",
    ];
    Ok(Section { id: "outcomes", heading: "What came of it", notes, parts })
}

fn over_time(state: &CampaignState) -> anyhow::Result<Section> {
    let follow = |window, most_steps| Progress::of(state, window, most_steps);
    let mut parts = Vec::new();
    if let Some(progress) = follow(Window::Whole, LINE_STEPS) {
        let table = follow(Window::Whole, TABLE_STEPS).map(|progress| progress.table());
        parts.push(Part { figure: Some(charts::progress(&progress)?), table });
    }
    if let Some(progress) = follow(Window::Traffic, BAR_STEPS) {
        let table = follow(Window::Traffic, TABLE_STEPS).map(|progress| progress.wan_table());
        parts.push(Part { figure: charts::wan_traffic(&progress)?, table });
    }
    let notes = vec![
        "Times are UTC. The bytes of a transfer, headers and repairs included, count at the moment its hub had the \
         whole image; transfers that were given up, and questions about progress, are not counted.",
    ];
    Ok(Section { id: "time", heading: "Over time", notes, parts })
}

fn waiting(state: &CampaignState) -> anyhow::Result<Section> {
    let kinds = delivery::by_kind(state);
    let mut parts = Vec::new();
    if let Some(histogram) = Histogram::of(&kinds) {
        parts
            .push(Part { figure: Some(charts::delivery(&histogram)?), table: Some(delivery::table(&kinds)) });
    }
    parts.extend(Part::table(breakdown::slowest_hubs(state)));
    let notes = vec![
        "From the instruction until the device held the verified image. A percentile is the time within which that \
         share of the devices had it.",
    ];
    Ok(Section { id: "delivery", heading: "How long it took", notes, parts })
}
