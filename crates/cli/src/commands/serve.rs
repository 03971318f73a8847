//! `lamplighter serve`: head-end and HTTP API in one process, until it is told to stop.
//!
//! ```text
//! config ─► papers (keys, lists) ─► ports ─► engine room (ledger, images, resume) ─► run ─► drain
//!   nothing is written before the ports are ours; nothing is sent before the ledger is folded
//! ```

mod budgets;
mod chain;
mod config;
mod desk;
mod engine;
mod images;
mod lists;
mod terms;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use head_end::{HeadEnd, HeadEndError, HeadEndHandle, Wires};
use smso_adapter::{Hosts, Limits};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::config::Config;
use self::desk::LiveDesk;
use self::engine::{EngineRoom, Papers};
use self::lists::Stamps;
pub(super) use self::terms::Terms;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::hash_speed;
use crate::output::Output;

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  lamplighter serve --config examples/serve.toml

Links to hubs are ciphered (DLMS security suite 0) when the configuration says:
  [link_security]
  keys = \"link.keys\"            # holder,system_title,encryption_key,authentication_key; mode 0600
  counters = \"run/counters\"     # never to be lost as long as the keys are in use

Lists and link keys are read again when one of their files changes, and at once on SIGHUP: devices under way are judged by
new lists at their next step, and a hub whose keys are others is asked for its association anew, in the middle of a transfer too.
The first Ctrl-C or SIGTERM drains, the second kills. Killing does no harm: the next start goes on where the
ledger ends.")]
pub(crate) struct ServeArguments {
    /// The configuration file; see examples/serve.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// How long requests under way may still take when we are told to stop.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &ServeArguments, output: &Output) -> Result<(), Failure> {
    let config = Config::read(&arguments.config)?;
    let stamps = Stamps::of(&config);
    let papers = Papers::read(&config)?;
    hash_speed::warn_if_slow();
    let runtime =
        Builder::new_multi_thread().enable_all().build().or_fail(ExitCode::Failed, "the tokio runtime")?;
    runtime.block_on(serve(&arguments.config, &config, papers, stamps, output))
}

async fn serve(
    path: &Path,
    config: &Config,
    papers: Papers,
    stamps: Stamps,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let hangup = signal(SignalKind::hangup()).or_fail(ExitCode::Failed, "signals cannot be watched")?;
    let listener = TcpListener::bind(config.http.bind).await;
    let listener = listener.map_err(|error| not_bound(path, "http.bind", config.http.bind, error))?;
    let wires = Wires::open_with(config.wan.bind, config.wan.sending_threads);
    let wires = wires.map_err(|error| not_bound(path, "wan.bind", config.wan.bind, error))?;
    let api = listener.local_addr().or_fail(ExitCode::Failed, "the HTTP socket")?;
    let wan = wires.local_address().or_fail(ExitCode::Failed, "the UDP socket")?;

    let room = EngineRoom::open(config, papers)?;
    let head = room.ledger.head();
    let devices = room.conductor.desk().inventory.device_count();
    let campaigns = room.conductor.campaigns().count();
    let images = room.conductor.images().count();
    let (head_end, handle) = HeadEnd::new(room.conductor, room.ledger, wires, room.clock)
        .or_fail(ExitCode::Failed, "the head-end")?;
    let protection = if room.links.is_some() { "ciphered" } else { "in the clear" };
    let head_end = match room.links {
        Some(links) => head_end.secured(links),
        None => head_end,
    };
    let head_end = match room.days {
        Some(days) => head_end.counted(days),
        None => head_end,
    };
    let (stop_engine, stop_api) = (CancellationToken::new(), CancellationToken::new());
    let mut engine = tokio::spawn(head_end.run(stop_engine.clone()));

    let hosts = if config.http.allow_remote { Hosts::Any } else { Hosts::ThisMachine };
    let (trust, trust_now) = watch::channel(Arc::new(room.believed.images.clone()));
    let desk = LiveDesk { head_end: handle.clone(), trust: trust_now, images: room.images };
    tokio::spawn(chain::follow(config.clone(), room.believed, handle.clone(), trust, stop_engine.clone()));
    tokio::spawn(lists::follow(config.clone(), stamps, handle.clone(), hangup, stop_engine.clone()));
    let router = smso_adapter::router(desk, Limits { hosts, ..Limits::default() });
    let mut api_task =
        tokio::spawn(smso_adapter::serve(listener, router, stop_api.clone().cancelled_owned()));
    output.talk(format_args!(
        "ready     api http://{api} · hubs from {wan}, {protection} · {devices} devices, {images} images, {campaigns} \
         campaigns, {} ledger entries · speed {}",
        head.count, config.clock.speed
    ));

    tokio::select! {
        () = signals.next() => {}
        ended = &mut engine => return engine_ended(ended),
        ended = &mut api_task => {
            ended.or_fail(ExitCode::Failed, "the HTTP API")?.or_fail(ExitCode::Failed, "the HTTP API")?;
        }
    }
    output
        .talk("draining  requests under way are answered, records are made durable; interrupt again to kill");
    tokio::select! {
        drained = drain(&handle, engine, api_task, &stop_engine, &stop_api) => {
            output.talk(format_args!("stopped   the ledger holds everything; the next start goes on from entry {}", drained?));
            Ok(())
        }
        () = signals.next() => {
            let said = "killed while draining; the next start goes on where the ledger ends";
            Err(Failure::message(ExitCode::Interrupted, said))
        }
    }
}

/// Ends the API first and then the engine, so that nothing that was acknowledged is lost. Returns how many
/// entries the ledger had when the engine was told to stop.
async fn drain(
    handle: &HeadEndHandle,
    engine: JoinHandle<Result<(), HeadEndError>>,
    api: JoinHandle<io::Result<()>>,
    stop_engine: &CancellationToken,
    stop_api: &CancellationToken,
) -> Result<u64, Failure> {
    stop_api.cancel();
    if timeout(DRAIN, api).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    let pulse = handle.call(|_, _| ()).await;
    stop_engine.cancel();
    engine_ended(engine.await)?;
    Ok(pulse.map_or(0, |((), pulse)| pulse.head.count))
}

fn engine_ended(ended: Result<Result<(), HeadEndError>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended
        .or_fail(ExitCode::Failed, "the head-end")?
        .or_fail(ExitCode::Failed, "the head-end stopped by itself")
}

fn not_bound(path: &Path, key: &str, address: SocketAddr, error: io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => "is in use by another process",
        io::ErrorKind::AddrNotAvailable => "is no address of this machine",
        io::ErrorKind::PermissionDenied => "may not be bound by this user",
        _ => "cannot be bound",
    };
    let context = format!("{}, key {key}: {address} {what}", path.display());
    Failure::new(ExitCode::BadInput, anyhow::Error::new(error).context(context))
}

/// The two ways in which a service is asked to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> Result<Signals, Failure> {
        let install = |kind| signal(kind).or_fail(ExitCode::Failed, "signals cannot be watched");
        Ok(Signals {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of either.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
