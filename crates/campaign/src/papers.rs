//! The signed papers of a campaign: the chain of trust roots, and the status and releases of the day. Who gets which,
//! and when, is left to the conductor.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use firmware_image::{CounterEpoch, MAX_STEPS, RootError, RootVersion, SignedRoot};
use thiserror::Error;

/// Papers to be written to hubs, and roots to lead devices forward. Empty where keys were given one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainPapers {
    /// One root for each version, without a gap.
    roots: BTreeMap<u64, Bytes>,
    /// What a hub is to hold beside the newest root, in the order of writing.
    others: Vec<Bytes>,
    /// The count of orders that the newest root names.
    epoch: CounterEpoch,
}

/// Why papers are no chain.
#[derive(Debug, Error)]
pub enum PapersError {
    /// A root cannot be read.
    #[error("a trust root of the chain")]
    Root(#[source] RootError),
    /// A step is missing, and nobody could be led over the gap.
    #[error("the chain of trust roots: version {} is missing between {before} and {after}", before.0 + 1)]
    Gap {
        /// The last one before the gap.
        before: RootVersion,
        /// The first one behind it.
        after: RootVersion,
    },
    /// Nobody takes a paper that long.
    #[error("a paper has {found} bytes, expected at most {MAX_PAPER_LEN}")]
    TooLong {
        /// How long it is.
        found: usize,
    },
}

impl ChainPapers {
    /// Takes roots in any order, and what hubs are to hold beside the newest. Nothing is believed here: whoever gets
    /// them judges them.
    pub fn new(roots: Vec<SignedRoot>, others: Vec<Bytes>) -> Result<ChainPapers, PapersError> {
        let mut chain = BTreeMap::new();
        let mut newest = (RootVersion(0), CounterEpoch(0));
        for root in roots {
            let claims = root.claims().map_err(PapersError::Root)?;
            newest = newest.max((claims.version, claims.epoch));
            chain.insert(claims.version.0, root.bytes().clone());
        }
        let versions: Vec<u64> = chain.keys().copied().collect();
        if let Some(pair) = versions.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let (before, after) = (RootVersion(pair[0]), RootVersion(pair[1]));
            return Err(PapersError::Gap { before, after });
        }
        match others.iter().find(|paper| paper.len() > MAX_PAPER_LEN) {
            Some(paper) => Err(PapersError::TooLong { found: paper.len() }),
            None => Ok(ChainPapers { roots: chain, others, epoch: newest.1 }),
        }
    }

    /// Returns whether there is nothing to write to anybody.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.others.is_empty()
    }

    /// Returns the newest root; 0 where there is none.
    pub fn newest(&self) -> u64 {
        self.roots.keys().next_back().copied().unwrap_or(0)
    }

    /// Returns the count in which orders are made: the newest root's; 0 for keys given one by one.
    pub fn epoch(&self) -> CounterEpoch {
        self.epoch
    }

    /// Returns whether a device that holds this root is to be led forward; one with keys of its own never is.
    pub fn lags(&self, held: u32) -> bool {
        held != 0 && u64::from(held) < self.newest()
    }

    /// Returns the roots that follow the one held, as many as a device takes at once, and the version they lead to.
    pub fn after(&self, held: u32) -> (Vec<Bytes>, u64) {
        let next = self.roots.range(u64::from(held) + 1..).take(MAX_STEPS);
        let roots: Vec<Bytes> = next.map(|(_, root)| root.clone()).collect();
        let reached = u64::from(held) + roots.len() as u64;
        (roots, reached)
    }

    /// Returns what a hub that holds this root is to be written now, and whether that is all.
    pub fn for_hub(&self, held: u32) -> (Arc<[Bytes]>, bool) {
        let (mut papers, reached) = self.after(held);
        let all = reached >= self.newest();
        if all {
            papers.extend(self.others.iter().cloned());
        }
        (papers.into(), all)
    }
}

/// The longest paper there is: a root or a release at its longest.
const MAX_PAPER_LEN: usize = 4_096;
