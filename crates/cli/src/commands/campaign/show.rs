//! `lamplighter campaign show`: where a campaign stands, once or until it is over.

use std::collections::BTreeMap;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use campaign::{CampaignId, Phase};
use clap::Args;
use serde::Serialize;
use smso_adapter::{CampaignView, DevicePage, DeviceView, MakespanView};

use super::EngineArguments;
use super::client::Client;
use crate::exit::{ExitCode, Failure};
use crate::output::Output;
use crate::progress::Teller;
use crate::report::{Measured, units};

/// Show where a campaign stands.
///
/// With --watch, shows progress until every device has an outcome. One that is finished is set beside its bound: the time
/// that no order of sending could have beaten with the bytes that were sent, lines being as fast as they may be filled.
/// Exit code 5: it was halted, or is over and fewer attempts succeeded than its policy expects.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lamplighter campaign show autumn --watch\n  \
lamplighter campaign show autumn --devices --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// Name of the campaign.
    id: CampaignId,
    /// Look every second until it is over.
    #[arg(long)]
    watch: bool,
    /// List the devices too.
    #[arg(long)]
    devices: bool,
}

/// How often `--watch` looks.
const GLANCE: Duration = Duration::from_secs(1);

/// How long `--watch` puts up with an engine that does not answer: it may be starting again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Devices asked for at a time, the most the API gives.
const PAGE: usize = 1_000;

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let client = arguments.engine.client()?;
    let path = format!("/v1/campaigns/{}", arguments.id);
    let mut campaign: CampaignView = client.get(&path)?;
    if arguments.watch {
        campaign = watch(&client, &path, campaign, output)?;
    }
    let devices = if arguments.devices { Some(list_devices(&client, &path)?) } else { None };
    let is_finished = campaign.summary.phase == Phase::Finished.as_str();
    // Reckoned for this answer alone, so that a campaign is shown without it, too.
    let makespan = is_finished.then(|| client.get::<MakespanView>(&format!("{path}/makespan")));
    let makespan = makespan.and_then(|told| {
        told.inspect_err(|failure| {
            output.talk(format_args!("how long it took is not told: {}", failure.reason()))
        })
        .ok()
    });
    let report = ShowReport { campaign, makespan, devices };
    output.report(&report)?;
    judge(&report.campaign)
}

/// A campaign that is over is held to its own threshold.
fn judge(campaign: &CampaignView) -> Result<(), Failure> {
    let (reached, expected) = (campaign.summary.success_permille, campaign.policy.success_threshold.0);
    if campaign.summary.phase == Phase::Halted.as_str() {
        let why = campaign.summary.halted_because.as_deref().unwrap_or("its policy asks for it");
        let message = format!("campaign {} was halted: {why}", campaign.summary.id);
        return Err(Failure::message(ExitCode::BelowThreshold, message));
    }
    if campaign.summary.tally.pending > 0 || reached >= expected {
        return Ok(());
    }
    let message = format!(
        "campaign {}: {reached} ‰ of the attempts succeeded, expected at least {expected} ‰",
        campaign.summary.id
    );
    Err(Failure::message(ExitCode::BelowThreshold, message))
}

/// Looks until every device has an outcome.
fn watch(
    client: &Client,
    path: &str,
    mut campaign: CampaignView,
    output: &Output,
) -> Result<CampaignView, Failure> {
    let mut teller = Teller::new(campaign.summary.tally.ordered, output);
    let mut heard = Instant::now();
    loop {
        let tally = &campaign.summary.tally;
        teller.tell(tally.ordered - tally.pending, &progress(&campaign), output);
        if tally.pending == 0 {
            teller.finish();
            return Ok(campaign);
        }
        sleep(GLANCE);
        match client.get(path) {
            Ok(next) => {
                campaign = next;
                heard = Instant::now();
            }
            Err(failure) if failure.code() == ExitCode::Unreachable && heard.elapsed() < PATIENCE => {
                teller.tell(
                    tally.ordered - tally.pending,
                    "the engine does not answer; looking again",
                    output,
                );
            }
            Err(failure) => {
                teller.finish();
                return Err(failure);
            }
        }
    }
}

fn progress(campaign: &CampaignView) -> String {
    let tally = &campaign.summary.tally;
    let opened = campaign.waves.iter().filter(|wave| wave.opened_at.is_some()).count();
    let at = |stage: &str| campaign.by_stage.get(stage).copied().unwrap_or(0);
    let phase =
        if campaign.summary.phase == "running" { "" } else { &format!("{} · ", campaign.summary.phase) };
    format!(
        "{phase}wave {opened}/{} · {} done · {} failed · {} on the WAN · {} on the HAN · {} hubs busy",
        campaign.waves.len(),
        tally.done,
        tally.failed,
        at("instructed"),
        at("staged"),
        campaign.counters.busy_hubs,
    )
}

/// Returns all devices of a campaign, page by page.
pub(super) fn list_devices(client: &Client, path: &str) -> Result<Vec<DeviceView>, Failure> {
    let mut devices = Vec::new();
    let mut next = Some(0);
    while let Some(offset) = next {
        let page: DevicePage = client.get(&format!("{path}/devices?offset={offset}&limit={PAGE}"))?;
        devices.extend(page.devices);
        next = page.next;
    }
    Ok(devices)
}

/// A campaign, and its devices if they were asked for.
#[derive(Debug, Serialize)]
struct ShowReport {
    #[serde(flatten)]
    campaign: CampaignView,
    /// How long it took, once it is finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    makespan: Option<MakespanView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<DeviceView>>,
}

impl ShowReport {
    fn write_makespan(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(MakespanView { took_ms, bound, .. }) = &self.makespan else { return Ok(()) };
        if let Some(took) = took_ms {
            writeln!(f, "took      {}", units::span(Duration::from_millis(*took)))?;
        }
        bound.iter().try_for_each(|bound| writeln!(f, "bound     {}", Measured(bound.clone())))
    }
}

impl fmt::Display for ShowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CampaignView { summary, waves, ledger, counters, .. } = &self.campaign;
        let tally = &summary.tally;
        let because = summary
            .halted_because
            .as_ref()
            .or(summary.paused_because.as_ref())
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        writeln!(f, "campaign  {}, {}{because}", summary.id, summary.phase)?;
        writeln!(f, "ordered   {} by {}", summary.ordered_at, self.campaign.instructing_party)?;
        let needed = self.campaign.policy.approvals;
        if needed > 0 || !summary.approved_by.is_empty() {
            let by =
                if summary.approved_by.is_empty() { "nobody yet" } else { &summary.approved_by.join(", ") };
            writeln!(f, "approved  by {by}; {needed} needed to activate")?;
        }
        writeln!(
            f,
            "devices   {} ordered = {} done + {} failed + {} excluded + {} pending",
            tally.ordered, tally.done, tally.failed, tally.excluded, tally.pending
        )?;
        let counts = |counts: &BTreeMap<String, usize>| {
            let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
            counts.join(" · ")
        };
        if !self.campaign.by_outcome.is_empty() {
            writeln!(f, "outcomes  {}", counts(&self.campaign.by_outcome))?;
        }
        if !self.campaign.by_refusal.is_empty() {
            writeln!(f, "refused   {}", counts(&self.campaign.by_refusal))?;
        }
        if tally.pending > 0 {
            writeln!(f, "stages    {}", counts(&self.campaign.by_stage))?;
        }
        let words: Vec<String> =
            waves.iter().map(|wave| format!("{}/{}", wave.ended, wave.devices)).collect();
        writeln!(f, "waves     {} ended", words.join(" · "))?;
        writeln!(
            f,
            "success   {} ‰ of the attempts, {} ‰ expected",
            summary.success_permille, self.campaign.policy.success_threshold.0
        )?;
        self.write_makespan(f)?;
        writeln!(f, "sent      {} bytes since the engine was started", counters.bytes_sent)?;
        writeln!(f, "ledger    {}:{}", ledger.entries, ledger.hash)?;
        for device in self.devices.iter().flatten() {
            let outcome = device.outcome.map_or(device.stage.as_str(), |outcome| outcome.as_str());
            let reason = device.why().unwrap_or_default();
            writeln!(f, "  {}  {:<5} {:<22} {reason}", device.device, device.kind, outcome)?;
        }
        Ok(())
    }
}
