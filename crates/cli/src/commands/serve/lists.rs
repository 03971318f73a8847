//! The lists that the gate judges by, while the engine runs: evidence is withdrawn, suppliers change, and neither waits for
//! a restart.
//!
//! The files are looked at every [`LOOK_EVERY`], and at once on SIGHUP. When one has changed, all are read again: they are
//! good as a whole, or what was judged by before goes on and the log says why. Devices under way are judged by new lists
//! at their next step; what was read back from devices stands, however old the new inventory is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use campaign::Desk;
use head_end::HeadEndHandle;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::engine::read_desk;

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

/// Looks at the files again and again until told to stop, and lays new lists on the desk. `held` is where the files stood
/// before they were read for the first time.
pub(super) async fn follow(
    config: Config,
    mut held: Stamps,
    head_end: HeadEndHandle,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    let config = Arc::new(config);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = hangup.recv() => {}
            () = stop.cancelled() => return,
        }
        let (reader, before) = (config.clone(), held.clone());
        let read = spawn_blocking(move || {
            let stamps = Stamps::of(&reader);
            (stamps != before).then(|| (stamps, read_desk(&reader)))
        });
        let Ok(found) = read.await else { return };
        // A file that changes while it is read has another stamp at the next look.
        let Some((stamps, read)) = found else { continue };
        held = stamps;
        match read {
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
