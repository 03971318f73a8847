//! The lists that the gate judges by, while the engine runs: evidence is withdrawn, suppliers change, and neither waits for
//! a restart. Link keys are followed beside them: hubs are added, and keys are rotated, while campaigns run.
//!
//! The files are looked at every [`LOOK_EVERY`], and read at once on SIGHUP. When one has changed, all are read again: they
//! are good as a whole, or what was judged by and talked under before goes on and the log says why. Lists with a hub that
//! has no keys are not good. Files that change while they are read are read once more at the next look. Keys are taken first,
//! so that a new hub has some when it is first heard of. Devices under way are judged by new lists at their next step; what
//! was read back from devices stands, however old the new inventory is. Whether links are ciphered at all is the
//! configuration's, and a matter of a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use campaign::Desk;
use head_end::{HeadEndHandle, Keyring, Stopped};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::engine::read_desk;
use crate::exit::Failure;

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
        let keys = config.link_security.as_ref().map(|place| &place.keys);
        Stamps(config.lists.paths().values().chain(keys).map(stamp).collect())
    }
}

/// Where the files stood when they were read, and what was in them.
type Found = (Stamps, Result<(Desk, Option<Keyring>), Failure>);

/// Reads the files if they are not as before, or if somebody wants it; nothing while somebody is still writing.
fn read(config: &Config, held: &Stamps, is_wanted: bool) -> Option<Found> {
    let stamps = Stamps::of(config);
    if stamps == *held && !is_wanted {
        return None;
    }
    let found = read_desk(config);
    (stamps == Stamps::of(config)).then_some((stamps, found))
}

/// Looks at the files again and again until told to stop, hands new keys over and lays new lists on the desk. `held` is
/// where the files stood before they were read for the first time.
pub(super) async fn follow(
    config: Config,
    mut held: Stamps,
    head_end: HeadEndHandle,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    let config = Arc::new(config);
    loop {
        let is_wanted = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            _ = hangup.recv() => true,
            () = stop.cancelled() => return,
        };
        let (reader, before) = (config.clone(), held.clone());
        let found = spawn_blocking(move || read(&reader, &before, is_wanted)).await;
        let (stamps, found) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(panic) => {
                tracing::error!(%panic, "the lists and link keys cannot be read; those before go on");
                continue;
            }
        };
        held = stamps;
        match found {
            Err(failure) => {
                let why = failure.reason();
                tracing::warn!(%why, "the lists or link keys have changed and are not taken; those before go on");
            }
            Ok((desk, keyring)) => {
                if hand_over(desk, keyring, &head_end).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Hands keys over and lays lists on the desk. Those before are let go here: a million devices take a while, and the engine
/// has no time for it.
async fn hand_over(desk: Desk, keyring: Option<Keyring>, head_end: &HeadEndHandle) -> Result<(), Stopped> {
    if let Some(keyring) = keyring {
        let rekeying = head_end.take_keys(keyring).await?;
        if let Some(rekeying) = rekeying.filter(|rekeying| rekeying.hubs > 0 || rekeying.shared) {
            let (hubs, all_hubs) = (rekeying.hubs, rekeying.shared);
            tracing::info!(hubs, all_hubs, "link keys have changed and are talked under from now on");
        }
    }
    let devices = desk.inventory.device_count();
    head_end.call(move |conductor, _| conductor.set_desk(desk)).await?;
    tracing::info!(devices, "the lists have changed and are judged by from now on");
    Ok(())
}
