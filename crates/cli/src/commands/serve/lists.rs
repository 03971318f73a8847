//! The lists that the gate judges by, while the engine runs: evidence is withdrawn, suppliers change, and neither waits for
//! a restart.
//!
//! The files are looked at every [`LOOK_EVERY`], and read at once on SIGHUP. When one has changed, all are read again: they
//! are good as a whole, or what was judged by before goes on and the log says why. Files that change while they are read
//! are read once more at the next look. The engine's link keys are those of its start, so lists with a hub that has none of
//! them are not taken. Devices under way are judged by new lists
//! at their next step; what was read back from devices stands, however old the new inventory is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use campaign::{Desk, HubName};
use head_end::HeadEndHandle;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::engine::read_desk;
use crate::exit::{ExitCode, Failure};

/// How often the files are looked at: soon enough for a letter of the morning, and a few calls to the file system.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What tells a file that was replaced or written to from the one before.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Where the files stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Stamp>);

impl Stamps {
    /// Looks at the files, without reading them.
    pub(super) fn of(config: &Config) -> Stamps {
        let stamp = |path| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        };
        Stamps(config.lists.paths().values().map(stamp).collect())
    }
}

/// Reads the files if they are not as before, or if somebody wants it; nothing while somebody is still writing.
fn read(
    config: &Config,
    held: &Stamps,
    is_wanted: bool,
    keys: Option<&BTreeSet<HubName>>,
) -> Option<(Stamps, Result<Desk, Failure>)> {
    let stamps = Stamps::of(config);
    if stamps == *held && !is_wanted {
        return None;
    }
    let desk = read_desk(config).and_then(|desk| with_keys(desk, keys));
    (stamps == Stamps::of(config)).then_some((stamps, desk))
}

/// Refuses lists with a hub that could not be talked to, because its key came after the engine had started.
fn with_keys(desk: Desk, keys: Option<&BTreeSet<HubName>>) -> Result<Desk, Failure> {
    let missing =
        keys.and_then(|keys| desk.inventory.devices().find(|device| !keys.contains(&device.hub.to_bytes())));
    match missing.map(|device| device.hub) {
        None => Ok(desk),
        Some(hub) => {
            let message = format!("the engine was started without link keys for hub {hub}: start it again");
            Err(Failure::message(ExitCode::BadInput, message))
        }
    }
}

/// Looks at the files again and again until told to stop, and lays new lists on the desk. `held` is where the files stood
/// before they were read for the first time, `keys` the hubs that the engine has link keys for; none when it talks in the
/// clear.
pub(super) async fn follow(
    config: Config,
    mut held: Stamps,
    keys: Option<BTreeSet<HubName>>,
    head_end: HeadEndHandle,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    let (config, keys) = (Arc::new(config), keys.map(Arc::new));
    loop {
        let is_wanted = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            _ = hangup.recv() => true,
            () = stop.cancelled() => return,
        };
        let (reader, before, keys) = (config.clone(), held.clone(), keys.clone());
        let found = spawn_blocking(move || read(&reader, &before, is_wanted, keys.as_deref())).await;
        let (stamps, lists) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(panic) => {
                tracing::error!(%panic, "the lists cannot be read; those before go on");
                continue;
            }
        };
        held = stamps;
        match lists {
            Err(failure) => {
                let why = failure.reason();
                tracing::warn!(%why, "the lists have changed and are not taken; those before go on");
            }
            Ok(desk) => {
                let devices = desk.inventory.device_count();
                tracing::info!(devices, "the lists have changed and are judged by from now on");
                if !lay(desk, &head_end).await {
                    return;
                }
            }
        }
    }
}

/// Lays lists on the desk; says whether the engine is still there. Those before are let go here: a million devices take a
/// while, and the engine has no time for it.
async fn lay(desk: Desk, head_end: &HeadEndHandle) -> bool {
    head_end.call(move |conductor, _| conductor.set_desk(desk)).await.is_ok()
}
