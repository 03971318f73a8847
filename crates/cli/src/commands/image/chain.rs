//! A chain of trust roots as it lies in a folder: `1.root`, `2.root` and so on, verified from the first to the last.
//! What a root may follow is left to `firmware_image::TrustAnchor`; making the next one to `trust`.

use std::fs;
use std::path::{Path, PathBuf};

use firmware_image::{MAX_ROOT_LEN, RootVersion, SignedRoot, TrustAnchor};

use super::refusal::{OrRefuse, Stop};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;

/// Every root of a folder, each verified under the one before; never none.
#[derive(Debug)]
pub(in crate::commands) struct Chain {
    anchors: Vec<TrustAnchor>,
}

impl Chain {
    /// Reads a folder, or one file that is vouched for by being given.
    pub(in crate::commands) fn read(path: &Path) -> Result<Chain, Stop> {
        if !path.is_dir() {
            let anchor = TrustAnchor::adopt(&read_root(path)?).or_refuse(path.display())?;
            return Ok(Chain { anchors: vec![anchor] });
        }
        let versions = versions_in(path)?;
        let Some((first, rest)) = versions.split_first() else {
            let message = format!("{}: expected trust roots such as 1.root, found none", path.display());
            return Err(Failure::message(ExitCode::BadInput, message).hint(INIT_HINT).into());
        };
        let file = path_of(path, *first);
        let mut newest = TrustAnchor::adopt(&read_root(&file)?).or_refuse(file.display())?;
        require_name(&file, *first, newest.root().version)?;
        let mut anchors = vec![newest.clone()];
        for version in rest {
            let file = path_of(path, *version);
            newest = newest.advance(&read_root(&file)?).or_refuse(file.display())?;
            require_name(&file, *version, newest.root().version)?;
            anchors.push(newest.clone());
        }
        Ok(Chain { anchors })
    }

    /// Returns the roots, oldest first.
    pub(in crate::commands) fn anchors(&self) -> &[TrustAnchor] {
        &self.anchors
    }

    /// Returns the newest root.
    pub(in crate::commands) fn newest(&self) -> &TrustAnchor {
        self.anchors.last().expect("a chain has a root")
    }
}

/// Reads one root, complete or draft.
pub(super) fn read_root(path: &Path) -> Result<SignedRoot, Stop> {
    // One more than a root can have, so that a longer one is refused by its name and not by its size.
    let bytes = files::read_start(path, MAX_ROOT_LEN + 1)?;
    SignedRoot::from_bytes(bytes).or_refuse(path.display())
}

/// Returns where a root lies in a folder.
pub(super) fn path_of(folder: &Path, version: RootVersion) -> PathBuf {
    folder.join(format!("{version}.root"))
}

/// Returns where a root lies while signatures are missing.
pub(super) fn draft_path_of(folder: &Path, version: RootVersion) -> PathBuf {
    folder.join(format!("{version}.root.draft"))
}

/// Returns the versions of the drafts in a folder, rising.
pub(super) fn drafts_in(folder: &Path) -> Result<Vec<RootVersion>, Failure> {
    numbered(folder, ".root.draft")
}

/// Returns the versions of the roots in a folder, rising.
pub(super) fn versions_in(folder: &Path) -> Result<Vec<RootVersion>, Failure> {
    numbered(folder, ".root")
}

fn numbered(folder: &Path, ending: &str) -> Result<Vec<RootVersion>, Failure> {
    let context = || format!("{}: cannot be read", folder.display());
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder).or_bad_input(context())? {
        let name = entry.or_bad_input(context())?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ending)?.parse::<u64>().ok());
        // `01.root` is no name of ours, and would count a version twice.
        if let Some(number) = number.filter(|number| name.to_str() == Some(&format!("{number}{ending}"))) {
            versions.push(RootVersion(number));
        }
        if versions.len() > MAX_ROOTS {
            let message = format!("{}: expected at most {MAX_ROOTS} trust roots", folder.display());
            return Err(Failure::message(ExitCode::BadInput, message));
        }
    }
    versions.sort_unstable();
    Ok(versions)
}

fn require_name(file: &Path, expected: RootVersion, found: RootVersion) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    let message = format!("{}: expected trust root {expected}, found {found}", file.display());
    Err(Failure::message(ExitCode::BadInput, message))
}

/// What to do about a folder without roots.
const INIT_HINT: &str = "make the first with `lamplighter image trust init`";
/// The most roots of one chain, in files: a rotation a week for two hundred years.
const MAX_ROOTS: usize = 10_000;
