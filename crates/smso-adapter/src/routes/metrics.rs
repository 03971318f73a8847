//! Prometheus text: what operators' dashboards scrape.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use campaign::Traffic;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::desk::CampaignDesk;
use crate::gate::Office;
use crate::problem::Problem;

/// The format that Prometheus asks for (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Everything that is counted, by campaign and by cell.
pub(super) async fn scrape<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
) -> Result<impl IntoResponse, Problem> {
    let (traffic, _) = office.ask(office.desk.look(|conductor| conductor.traffic())).await?;
    let mut text = String::new();
    encode(&mut text, &registry(&traffic)).expect("a string takes everything that is written to it");
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text))
}

/// Writes one look down. The registry lives for one scrape, so nothing has to be kept in step.
fn registry(traffic: &Traffic) -> Registry {
    let mut registry = Registry::with_prefix("lamplighter");
    let engine = &traffic.engine;
    for (name, help, value) in [
        ("bytes_sent", "Bytes sent to hubs, IP and UDP headers included", engine.bytes_sent),
        ("bytes_heard", "Bytes heard from hubs, headers included", engine.bytes_heard),
        ("blocks_sent", "Image blocks sent", engine.blocks_sent),
        ("requests_sent", "Requests sent", engine.requests_sent),
        ("frames_heard", "Frames heard", engine.frames_heard),
        ("frames_malformed", "Frames that do not parse", engine.malformed),
        ("frames_unbelieved", "Frames that link security did not believe", engine.unbelieved),
        ("frames_stale", "Answers that nobody waited for", engine.stale),
        ("frames_shed", "Frames dropped unread because their hub had said too much", engine.shed),
        ("strangers", "Datagrams from addresses that are no hub of ours", engine.strangers),
        (
            "breakers_opened",
            "Times a hub model was left alone because it flooded us",
            traffic.breakers_opened,
        ),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let sessions = traffic.sessions.iter().map(|(state, hubs)| (state.as_str().to_owned(), *hubs));
    gauges(&mut registry, "sessions", "Hubs by what their session is at", "state", sessions);
    let cells = || traffic.cells.iter();
    let cell =
        |of: fn(&campaign::CellTraffic) -> u64| cells().map(move |(name, cell)| (name.clone(), of(cell)));
    counters(&mut registry, "cell_bytes_sent", "Bytes sent in a cell", "cell", cell(|cell| cell.bytes_sent));
    counters(
        &mut registry,
        "cell_bytes_heard",
        "Bytes heard in a cell",
        "cell",
        cell(|cell| cell.bytes_heard),
    );
    counters(
        &mut registry,
        "cell_blocks_sent",
        "Blocks sent in a cell",
        "cell",
        cell(|cell| cell.blocks_sent),
    );
    let of = |of: fn(&campaign::CampaignTraffic) -> u64| {
        traffic.campaigns.iter().map(move |campaign| (campaign.id.to_string(), of(campaign)))
    };
    counters(
        &mut registry,
        "campaign_wan_bytes",
        "Bytes of its stagings",
        "campaign",
        of(|one| one.wan_bytes),
    );
    let repaired = of(|one| one.blocks_repaired);
    counters(&mut registry, "campaign_blocks_repaired", "Blocks sent again", "campaign", repaired);
    devices(&mut registry, traffic);
    models(&mut registry, traffic);
    carriers(&mut registry, traffic);
    registry
}

fn models(registry: &mut Registry, traffic: &Traffic) {
    let openings = traffic.models.iter().map(|(model, openings)| (model.clone(), u64::from(*openings)));
    let help = "Times a hub model was left alone because it flooded us, by model";
    counters(registry, "model_breakers_opened", help, "model", openings);
}

fn carriers(registry: &mut Registry, traffic: &Traffic) {
    let all = traffic.carriers.iter();
    let today = all.clone().map(|carrier| (carrier.name.clone(), carrier.bytes_today));
    let help = "Bytes of a carrier since midnight (UTC), both directions, headers included";
    gauges(registry, "carrier_bytes_today", help, "carrier", today);
    let caps = all.filter_map(|carrier| Some((carrier.name.clone(), carrier.cap_bytes?)));
    gauges(registry, "carrier_cap_bytes", "What a carrier may carry in a day", "carrier", caps);
}

fn devices(registry: &mut Registry, traffic: &Traffic) {
    let family = Family::<Labels, Gauge>::default();
    for campaign in &traffic.campaigns {
        let tally = &campaign.tally;
        for (class, devices) in [
            ("done", tally.done),
            ("failed", tally.failed),
            ("excluded", tally.excluded),
            ("pending", tally.pending),
        ] {
            let labels = vec![("campaign", campaign.id.to_string()), ("class", class.to_owned())];
            family.get_or_create(&labels).set(i64::try_from(devices).unwrap_or(i64::MAX));
        }
    }
    registry.register("campaign_devices", "Devices of a campaign by how they stand", family);
}

fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = Family::<Labels, Counter>::default();
    for (of, value) in values {
        family.get_or_create(&vec![(label, of)]).inc_by(value);
    }
    registry.register(name, help, family);
}

fn gauges(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = Family::<Labels, Gauge>::default();
    for (of, value) in values {
        family.get_or_create(&vec![(label, of)]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    registry.register(name, help, family);
}
