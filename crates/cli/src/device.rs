//! What the commands that run simulated devices share: whom the devices believe, how they are told to stop, and how
//! what they tell reaches the terminal.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use fleet::DeviceTrust;
use host::{DeviceEvent, HostError, Speed};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::{Format, Output};
use crate::{development, keys};

/// Whom simulated devices believe.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Believe whom this signed trust root names, and whom the roots that follow it name. A hub then lets in only what
    /// its papers release.
    #[arg(long, value_name = "ROOT", conflicts_with_all = ["trust", "trust_orders"])]
    root: Option<PathBuf>,
    /// Believe images signed with this public key; repeat it for more. By default the development key.
    #[arg(long, value_name = "PUB.pem", num_args = 1..)]
    trust: Vec<PathBuf>,
    /// Obey activation orders signed with this public key; repeat it for more. By default the development key.
    #[arg(long, value_name = "PUB.pem", num_args = 1..)]
    trust_orders: Vec<PathBuf>,
    /// Take any complete image and any activation, signed or not; for runs against other people's software only.
    #[arg(long)]
    accept_unsigned: bool,
}

impl TrustArguments {
    /// Reads the keys, and says on stderr what is believed without having been asked for.
    pub(crate) fn resolve(&self, output: &Output) -> Result<Arc<DeviceTrust>, Failure> {
        if self.accept_unsigned {
            // Not talk: it must be seen even with --quiet.
            let _ = writeln!(
                std::io::stderr(),
                "WARNING: --accept-unsigned: these devices run whatever they are sent, signed by nobody"
            );
        }
        let trust = match &self.root {
            Some(path) => DeviceTrust::rooted(keys::read_anchor(path)?),
            None => self.pinned(output)?,
        };
        Ok(Arc::new(if self.accept_unsigned { trust.accepting_unsigned() } else { trust }))
    }

    fn pinned(&self, output: &Output) -> Result<DeviceTrust, Failure> {
        let images = match self.trust.as_slice() {
            [] => {
                output
                    .talk("note: images are believed when signed with the development key, which is public");
                development::image_trust()?
            }
            paths => keys::read_trust(paths)?,
        };
        let orders = match self.trust_orders.as_slice() {
            [] => {
                output.talk("note: orders are obeyed when signed with the development key, which is public");
                development::order_trust()?
            }
            paths => keys::read_trust(paths)?,
        };
        Ok(DeviceTrust::pinned(images, orders.keys()))
    }
}

/// Returns what makes the nonces of a device of this run its own: nobody must be able to tell them beforehand.
///
/// The standard library seeds its hash maps from the system's randomness; that is all a simulated device needs.
pub(crate) fn fresh_secret() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Reads a speed from the command line.
pub(crate) fn parse_speed(text: &str) -> Result<Speed, String> {
    let factor = text.strip_suffix('x').unwrap_or(text).parse().ok();
    factor
        .and_then(Speed::new)
        .ok_or_else(|| "expected a factor from 0.001 to 1000000, such as 60".to_owned())
}

/// Returns the time of this machine, where devices begin that live in the present.
pub(crate) fn present() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Hears SIGINT and SIGTERM from the moment it is made, which is before anybody is told that devices listen: whoever hears
/// that may tell them to stop at once, and a process that has no ear for it yet dies of it.
pub(crate) struct StopSignals {
    interrupted: Signal,
    terminated: Signal,
}

impl StopSignals {
    /// Begins to hear, within a runtime.
    pub(crate) fn listen() -> Result<StopSignals, Failure> {
        let hear = |kind| signal(kind).or_fail(ExitCode::Failed, "the signals");
        Ok(StopSignals {
            interrupted: hear(SignalKind::interrupt())?,
            terminated: hear(SignalKind::terminate())?,
        })
    }

    /// Cancels the token on the first signal: for a device, being told to stop is a good end.
    pub(crate) async fn until_told(mut self, stop: CancellationToken) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
    }
}

/// Runs one device until it is told to stop, and prints what it tells: a line, or a JSON object a line.
pub(crate) fn run_device<S, F>(serve: S, output: &Output) -> Result<(), Failure>
where
    S: FnOnce(Teller, CancellationToken) -> F,
    F: Future<Output = Result<(), HostError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail(ExitCode::Failed, "the tokio runtime")?;
    runtime.block_on(async {
        let signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let served = serve(teller(*output, stop.clone()), stop.clone());
        let (served, ()) = tokio::join!(
            async {
                let served = served.await;
                stop.cancel();
                served
            },
            signals.until_told(stop.clone())
        );
        served.map_err(start_failure)
    })
}

/// Takes what a device tells.
pub(crate) type Teller = Box<dyn FnMut(DeviceEvent) + Send>;

fn teller(output: Output, stop: CancellationToken) -> Teller {
    Box::new(move |event| {
        let line = EventLine::of(&event);
        let told = match output.format() {
            Format::Text => output.text(&line),
            Format::Json => match serde_json::to_string(&line) {
                Ok(line) => output.text(&line),
                Err(_) => Ok(()),
            },
        };
        if told.is_err() {
            // Nobody reads any more; a device without an audience ends.
            stop.cancel();
        }
    })
}

/// Says whose fault it is that a device did not start.
pub(crate) fn start_failure(error: HostError) -> Failure {
    let code = match &error {
        HostError::Listen { .. } | HostError::Store { .. } | HostError::StoredImage { .. } => {
            ExitCode::BadInput
        }
        HostError::Runtime(_) | HostError::Panicked => ExitCode::Failed,
    };
    Failure::new(code, error)
}

/// What a device tells, for programs.
#[derive(Debug, Serialize)]
struct EventLine {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<u64>,
    #[serde(skip)]
    text: String,
}

impl EventLine {
    fn of(event: &DeviceEvent) -> EventLine {
        let line = EventLine {
            event: "",
            side: None,
            address: None,
            channel: None,
            bytes: None,
            path: None,
            version: None,
            ignored: None,
            text: event.to_string(),
        };
        match event {
            DeviceEvent::Listening { side, address } => {
                EventLine { event: "listening", side: Some(side), address: Some(address.to_string()), ..line }
            }
            DeviceEvent::Reloaded { path, len } => {
                EventLine { event: "reloaded", path: Some(path.clone()), bytes: Some(*len), ..line }
            }
            DeviceEvent::Staged { channel, len, path } => EventLine {
                event: "staged",
                channel: Some(*channel),
                bytes: Some(*len),
                path: path.clone(),
                ..line
            },
            DeviceEvent::Rejected => EventLine { event: "rejected", ..line },
            DeviceEvent::Runs(version) => {
                EventLine { event: "runs", version: Some(version.to_string()), ..line }
            }
            DeviceEvent::Stopped { ignored } => {
                EventLine { event: "stopped", ignored: Some(*ignored), ..line }
            }
        }
    }
}

impl fmt::Display for EventLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::{CancellationToken, StopSignals};

    /// `fleet` said that it was ready and set its handlers only then: told to stop by whoever waited for that line, it now
    /// and then died of the signal, without its report.
    #[test]
    fn a_signal_between_ready_and_waiting_is_heard() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let signals = StopSignals::listen().expect("signals can be heard");
            kill_process(getpid(), Signal::TERM).expect("anybody may signal himself");
            let stop = CancellationToken::new();
            signals.until_told(stop.clone()).await;
            assert!(stop.is_cancelled());
        });
    }
}
