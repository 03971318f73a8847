//! Whom `serve` believes and what it writes to hubs: single keys, or a chain of trust roots with the papers of the day.
//!
//! The files of a chain are read again every [`LOOK_EVERY`]: every day brings a new status, and a rotation must not
//! wait for a restart. What does not hold is not taken; what held before goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campaign::ChainPapers;
use firmware_image::{MAX_RELEASE_LEN, TrustRoot, TrustStore, UtcSeconds};
use head_end::HeadEndHandle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;

use super::config::{ChainPlace, Config};
use super::images::not_vouched_for;
use crate::commands::image::chain::Chain;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::{files, keys};

/// How often the files are read again: soon enough for a revocation, and a few small reads.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What follows from keys or chain, as the files are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Believed {
    pub(super) images: TrustStore,
    pub(super) papers: ChainPapers,
    /// The newest root, which names the operators; none where keys are given one by one.
    pub(super) root: Option<TrustRoot>,
}

impl Believed {
    /// Reads keys or chain, as they are good at this moment of the engine's clock. Nothing is written.
    pub(super) fn read(config: &Config, now: Moment) -> Result<Believed, Failure> {
        match &config.chain {
            None => Ok(Believed {
                images: keys::read_trust(&config.trust)?,
                papers: ChainPapers::default(),
                root: None,
            }),
            Some(place) => Believed::of_chain(place, UtcSeconds(now.as_micros() / 1_000_000)),
        }
    }

    fn of_chain(place: &ChainPlace, now: UtcSeconds) -> Result<Believed, Failure> {
        let chain = Chain::read(&place.roots).map_err(|stop| stop.into_failure())?;
        let newest = chain.newest();
        newest.require_fresh(now).or_fail(ExitCode::Refused, place.roots.display())?;
        let others: Result<Vec<Bytes>, Failure> = place.papers.iter().map(|path| read_paper(path)).collect();
        let roots = chain.anchors().iter().map(|anchor| anchor.signed().clone()).collect();
        let papers = ChainPapers::new(roots, others?).or_bad_input(place.roots.display())?;
        let root = newest.root();
        Ok(Believed { images: root.images(), papers, root: Some(root.clone()) })
    }
}

fn read_paper(path: &Path) -> Result<Bytes, Failure> {
    files::read(path, MAX_RELEASE_LEN).map(Bytes::from)
}

/// Reads the chain again and again until told to stop, and hands on what has changed.
pub(super) async fn follow(
    config: Config,
    mut held: Believed,
    head_end: HeadEndHandle,
    images: watch::Sender<Arc<TrustStore>>,
    stop: CancellationToken,
) {
    if config.chain.is_none() {
        return;
    }
    let config = Arc::new(config);
    let mut said = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let config = config.clone();
        let Ok((now, _)) = head_end.call(|_, now| now).await else { return };
        let Ok(read) = spawn_blocking(move || Believed::read(&config, now)).await else { return };
        let believed = match read {
            Ok(believed) => believed,
            Err(failure) => {
                let why = failure.reason();
                // Said once, not every ten seconds.
                if said.as_ref() != Some(&why) {
                    tracing::warn!(%why, "the chain of trust is not taken; what held before goes on");
                    said = Some(why);
                }
                continue;
            }
        };
        said = None;
        if believed == held {
            continue;
        }
        tracing::info!(root = %believed.images.root_version(), "the chain of trust or its papers changed");
        images.send_replace(Arc::new(believed.images.clone()));
        let (papers, root) = (believed.papers.clone(), believed.root.clone());
        let handed = head_end.call(move |conductor, _| {
            conductor.set_papers(papers);
            if let Some(root) = root {
                conductor.trust_operators(root);
            }
            conductor.images().cloned().collect::<Vec<_>>()
        });
        let Ok((offered, _)) = handed.await else { return };
        // Half a millisecond an image: not on the engine's thread.
        let trust = believed.images.clone();
        held = believed;
        let Ok(withdrawn) = spawn_blocking(move || not_vouched_for(&offered, &trust)).await else { return };
        let withdraw = move |conductor: &mut campaign::Conductor, now| {
            withdrawn.into_iter().for_each(|image| conductor.withdraw_image(now, image));
        };
        if head_end.call(withdraw).await.is_err() {
            return;
        }
    }
}
