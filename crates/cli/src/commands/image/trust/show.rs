//! `lamplighter image trust show`: a chain of trust roots, version by version, verified.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{Attack, TrustAnchor, TrustRoot, UtcSeconds};
use serde::Serialize;

use super::super::chain::{Chain, draft_path_of, drafts_in, read_root};
use super::super::moments::{ClockArguments, shown};
use super::super::refusal::{OrRefuse, Refusal, Stop};
use super::facts::{RoleFacts, VersionFacts, changes, roles};
use crate::exit::Failure;
use crate::output::Output;

/// Show a chain of trust roots: what changed, who signed, who has which duty now.
///
/// Verifies every step; exit code 4 names the first one that does not hold. A single file is verified under its
/// own keys only. --against compares with a root that somebody else holds: it must be one of this chain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lamplighter image trust show trust\n  \
lamplighter image trust show trust --against from-the-hub.root")]
pub(crate) struct Arguments {
    /// Folder of a chain, or one root.
    #[arg(value_name = "DIR|FILE")]
    chain: PathBuf,
    /// Root that somebody else holds.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    clock: ClockArguments,
}

/// What holds.
#[derive(Debug, Serialize)]
struct ChainReport {
    chain: String,
    verdict: &'static str,
    roots: Vec<VersionFacts>,
    /// Of the newest root, as all that follows.
    roles: Vec<RoleFacts>,
    revoked: Vec<String>,
    warnings: Vec<String>,
    against: Option<Comparison>,
}

/// How the newest root differs from one that somebody else holds.
#[derive(Debug, Serialize)]
struct Comparison {
    file: String,
    version: u64,
    versions_behind: u64,
    changes: Vec<String>,
}

impl fmt::Display for ChainReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "verified      {}, trust roots: {}", self.chain, self.roots.len())?;
        for root in &self.roots {
            write!(formatter, "{root}")?;
        }
        for role in &self.roles {
            write!(formatter, "role          {role}")?;
        }
        for key in &self.revoked {
            writeln!(formatter, "revoked       {key}")?;
        }
        for warning in &self.warnings {
            writeln!(formatter, "warning       {warning}")?;
        }
        if let Some(Comparison { file, version, versions_behind, changes }) = &self.against {
            writeln!(
                formatter,
                "against       {file} is root {version} of this chain, {versions_behind} behind"
            )?;
            for change in changes {
                writeln!(formatter, "  since then  {change}")?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let chain = Chain::read(&arguments.chain)?;
    let newest = chain.newest().root();
    let against = match &arguments.against {
        Some(path) => Some(compare(path, &chain)?),
        None => None,
    };
    let mut previous: Option<&TrustRoot> = None;
    let mut versions = Vec::with_capacity(chain.anchors().len());
    for anchor in chain.anchors() {
        versions.push(VersionFacts::new(previous, anchor.root(), anchor.signed()));
        previous = Some(anchor.root());
    }
    let mut warnings = expiry_warning(newest, arguments.clock.now()?);
    if arguments.chain.is_dir() {
        let drafts = drafts_in(&arguments.chain)?;
        let paths = drafts.iter().map(|version| draft_path_of(&arguments.chain, *version));
        warnings.extend(paths.map(|path| format!("{} waits for signatures", path.display())));
    }
    output.report(&ChainReport {
        chain: arguments.chain.display().to_string(),
        verdict: "verified",
        roots: versions,
        roles: roles(newest),
        revoked: newest.revoked.iter().map(|key| key.fingerprint().to_string()).collect(),
        warnings: warnings.clone(),
        against,
    })?;
    for warning in warnings {
        output.talk(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// Finds a root in the chain. One of the same number that is another root is a fork.
fn compare(path: &Path, chain: &Chain) -> Result<Comparison, Stop> {
    let other = TrustAnchor::adopt(&read_root(path)?).or_refuse(path.display())?;
    let (version, newest) = (other.root().version, chain.newest().root());
    let twin = chain.anchors().iter().find(|anchor| anchor.root().version == version);
    if twin.is_none_or(|twin| twin.root() != other.root()) {
        let reason = match twin {
            Some(_) => format!("another trust root {version} is in this chain"),
            None => format!("trust root {version} is not in this chain"),
        };
        return Err(Refusal::new(path.display(), Attack::BrokenChain, reason).into());
    }
    Ok(Comparison {
        file: path.display().to_string(),
        version: version.0,
        versions_behind: newest.version.0 - version.0,
        changes: changes(Some(other.root()), newest),
    })
}

fn expiry_warning(root: &TrustRoot, now: UtcSeconds) -> Vec<String> {
    let expires = root.validity.expires;
    let hint = "make the next with `lamplighter image trust rotate`";
    if expires <= now {
        vec![format!("trust root {} expired at {}; {hint}", root.version, shown(expires))]
    } else if expires <= now.plus(WARN_BEFORE) {
        vec![format!("trust root {} expires at {}; {hint}", root.version, shown(expires))]
    } else {
        Vec::new()
    }
}

/// How long before the end a root is warned of, in seconds: thirty days, time enough to gather the holders of keys.
const WARN_BEFORE: u64 = 30 * 24 * 60 * 60;
