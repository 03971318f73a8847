//! The demo's engine room: the fleet on its sockets, the head-end on its own, one clock for both.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campaign::{CampaignId, CampaignState, Conductor, PlanRecord, Stage as DeviceStage, Tally};
use fleet::{Census, Rehearsal, WorldSpec};
use head_end::{HeadEnd, HeadEndHandle, Pulse, Wires};
use host::{CompressedClock, FleetHost, FleetHostOptions, Participant, Speed};
use ledger::{Ledger, SqliteStore};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;

use super::story;
use crate::clocks::SharedClock;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::progress::Teller;

/// Where and how fast the demo plays.
pub(super) struct Stage<'a> {
    pub(super) spec: &'a WorldSpec,
    pub(super) speed: Speed,
    pub(super) folder: &'a Path,
    pub(super) hub_port: u16,
}

/// What there is to tell at the end.
pub(super) struct Ending {
    pub(super) state: CampaignState,
    pub(super) pulse: Pulse,
    pub(super) census: Census,
    pub(super) real: Duration,
    pub(super) simulated: Duration,
}

/// How far the clock may run ahead of the slower of fleet and head-end: less than a retry's wait, so that a
/// slow machine makes the demo slower and never different.
const SLACK: Duration = Duration::from_secs(2);

/// What budgets and lines may make up for at once: the compressed clock jumps by seconds, not microseconds.
pub(super) const BURST: Duration = Duration::from_secs(4);

/// How often we look.
const GLANCE: Duration = Duration::from_millis(200);

/// A demo that is not over after this time is stuck, on any machine.
const PATIENCE: Duration = Duration::from_secs(900);

const FLEET: Participant = Participant(0);
const HEAD_END: Participant = Participant(1);

/// Finds a UDP port that nobody uses on this machine.
pub(super) fn free_port() -> Result<u16, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).or_fail(ExitCode::Failed, "a UDP port")?;
    Ok(socket.local_addr().or_fail(ExitCode::Failed, "a UDP port")?.port())
}

/// Plays the campaign to its end.
pub(super) fn run(rehearsal: Rehearsal, stage: &Stage<'_>, output: &Output) -> Result<Ending, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .or_fail(ExitCode::Failed, "the tokio runtime")?;
    runtime.block_on(play(rehearsal, stage, output))
}

async fn play(rehearsal: Rehearsal, stage: &Stage<'_>, output: &Output) -> Result<Ending, Failure> {
    // On real sockets no supplier changes: the desk is read once.
    let Rehearsal { fleet, desk, order, settings, images, news: _, lists: _, budgets: _ } = rehearsal;
    let start = stage.spec.start;
    let began = Instant::now();
    let clock = Arc::new(CompressedClock::new(start, stage.speed, SLACK, 2));
    let stop = CancellationToken::new();
    let options =
        FleetHostOptions { port: stage.hub_port, tcp: false, clock: clock.clone(), participant: FLEET };
    let homes = fleet.hub_count();
    let fleet =
        FleetHost::start(fleet, options, stop.clone()).or_fail(ExitCode::Failed, "the simulated fleet")?;

    let mut conductor = Conductor::new(settings, desk, start);
    for image in images {
        conductor.add_image(image);
    }
    let plans = conductor.plan(start, &order);
    story::verdicts(&plans, output);
    let path = stage.folder.join("ledger.sqlite");
    let store = SqliteStore::open(&path).or_fail(ExitCode::Failed, path.display())?;
    let ledger = Ledger::open(store).or_fail(ExitCode::Failed, path.display())?;
    let wires =
        Wires::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).or_fail(ExitCode::Failed, "a UDP socket")?;
    let shared = Arc::new(SharedClock::new(clock, HEAD_END));
    let (head_end, handle) =
        HeadEnd::new(conductor, ledger, wires, shared).or_fail(ExitCode::Failed, "the head-end")?;
    let running = tokio::spawn(head_end.run(stop.clone()));

    output.talk(format_args!(
        "fleet   {homes} homes on 127.16.0.1 and up, UDP port {}, up to {} real time",
        fleet.port(),
        stage.speed
    ));
    let id = order.id.clone();
    let (created, _) = handle
        .call(move |conductor, now| conductor.create(now, &order))
        .await
        .or_fail(ExitCode::Failed, "the order")?;
    created.or_fail(ExitCode::BadInput, "the order")?;
    let watched = watch(&handle, &id, plans, output).await;
    stop.cancel();
    running.await.or_fail(ExitCode::Failed, "the head-end")?.or_fail(ExitCode::Failed, "the head-end")?;
    let fleet = fleet.join().or_fail(ExitCode::Failed, "the simulated fleet")?;
    let (state, pulse) = watched?;
    let simulated = pulse.now.saturating_since(start);
    Ok(Ending { state, pulse, census: fleet.census(), real: began.elapsed(), simulated })
}

/// What the bar shows.
struct Glance {
    tally: Tally,
    waves_opened: u16,
    waves: u16,
    over: bool,
}

async fn watch(
    handle: &HeadEndHandle,
    id: &CampaignId,
    plans: Vec<PlanRecord>,
    output: &Output,
) -> Result<(CampaignState, Pulse), Failure> {
    let mut teller = Teller::new(plans.len(), output);
    let began = Instant::now();
    let mut last: Option<(Moment, u64)> = None;
    loop {
        let wanted = id.clone();
        let look = handle.call(move |conductor, _| glance(conductor, &wanted));
        let interrupted = tokio::signal::ctrl_c();
        let (glance, pulse) = tokio::select! {
            looked = look => looked.or_fail(ExitCode::Failed, "the head-end")?,
            _ = interrupted => {
                teller.finish();
                let said = "the demo was interrupted; its ledger holds what was done";
                return Err(Failure::message(ExitCode::Interrupted, said));
            }
        };
        let glance =
            glance.ok_or_else(|| Failure::message(ExitCode::Failed, "the campaign is not in the ledger"))?;
        let rate = rate(&mut last, &pulse);
        teller.tell(glance.tally.ordered - glance.tally.pending, &message(&glance, &pulse, rate), output);
        if glance.over {
            teller.finish();
            let wanted = id.clone();
            let whole = handle.call(move |conductor, _| conductor.campaign(&wanted).cloned());
            let (state, pulse) = whole.await.or_fail(ExitCode::Failed, "the head-end")?;
            return Ok((
                state
                    .ok_or_else(|| Failure::message(ExitCode::Failed, "the campaign is not in the ledger"))?,
                pulse,
            ));
        }
        if began.elapsed() > PATIENCE {
            teller.finish();
            let message = format!("{} devices still have no outcome", glance.tally.pending);
            return Err(Failure::message(ExitCode::Failed, message));
        }
        tokio::select! {
            () = tokio::time::sleep(GLANCE) => {}
            _ = tokio::signal::ctrl_c() => {
                teller.finish();
                let said = "the demo was interrupted; its ledger holds what was done";
                return Err(Failure::message(ExitCode::Interrupted, said));
            }
        }
    }
}

fn glance(conductor: &Conductor, id: &CampaignId) -> Option<Glance> {
    let state = conductor.campaign(id)?;
    let tally = state.tally();
    Some(Glance {
        over: tally.pending == 0,
        tally,
        waves_opened: state.waves_opened,
        waves: state.rows().filter_map(|row| row.wave).max().map_or(0, |last| last + 1),
    })
}

/// Returns bytes per simulated second since the last look.
fn rate(last: &mut Option<(Moment, u64)>, pulse: &Pulse) -> u64 {
    let now = (pulse.now, pulse.counters.bytes_sent);
    let before = last.replace(now).unwrap_or(now);
    let micros = now.0.saturating_since(before.0).as_micros() as u64;
    (now.1 - before.1).saturating_mul(1_000_000).checked_div(micros).unwrap_or(0)
}

fn message(glance: &Glance, pulse: &Pulse, rate: u64) -> String {
    let tally = &glance.tally;
    let at = |stage| tally.by_stage.get(&stage).copied().unwrap_or(0);
    format!(
        "wave {}/{} · {} activated · {} failed · {} on the HAN · {} hubs busy · WAN {} kB/s",
        glance.waves_opened,
        glance.waves,
        tally.done,
        tally.failed,
        at(DeviceStage::Staged),
        pulse.busy_hubs,
        rate / 1_000,
    )
}
