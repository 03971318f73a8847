//! `lamplighter image trust init`: the first root of a chain.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use firmware_image::{CounterEpoch, KeyRecord, Maker, Quorum, RootVersion, Signer, TrustRoot};

use super::super::chain::versions_in;
use super::super::moments::{ClockArguments, Lifetime};
use super::super::refusal::Stop;
use super::candidate::{Candidate, require_no_draft};
use super::holders::{HolderKey, MakerKeys, PersonKey};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::keys::PassphraseArguments;
use crate::output::Output;

/// Make the first trust root: whose keys have which duty.
///
/// Writes DIR/1.root. Root keys given as private keys sign; every other key is given as its public half. When
/// too few have signed, DIR/1.root.draft is written instead, to be signed elsewhere. A holder is named as
/// NAME=KEY, or after the key's file.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image trust init --out trust --root-key keys/root-a.key.pem \
--root-key keys/root-b.key.pem \\\n      --root-key keys/root-c.pub.pem --maker 0x10E5=keys/maker.pub.pem \
--operator alice=keys/alice.pub.pem \\\n      --operator bob=keys/bob.pub.pem --status keys/status.pub.pem \
--order keys/order.pub.pem"
)]
pub(crate) struct Arguments {
    /// Folder of the chain; made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Root key, public, or private (file or pkcs11: URI) and then it signs; at least one more than must sign.
    #[arg(long = "root-key", value_name = "[NAME=]KEY", required = true)]
    root_keys: Vec<HolderKey>,
    /// How many root keys must sign a root.
    #[arg(long, value_name = "N", default_value_t = 2)]
    root_threshold: u8,
    /// Who signs the images of a family of devices; two keys must sign both.
    #[arg(long = "maker", value_name = "CODE[:TYPE,TYPE]=PUB[,PUB]", required = true)]
    makers: Vec<MakerKeys>,
    /// Who releases images; two different people must approve.
    #[arg(long = "operator", value_name = "NAME=PUB", required = true)]
    operators: Vec<PersonKey>,
    /// Who says each day which root is the newest.
    #[arg(long, value_name = "[NAME=]PUB")]
    status: HolderKey,
    /// Who orders activations.
    #[arg(long, value_name = "[NAME=]PUB")]
    order: HolderKey,
    /// How long the root is good, a year at the most.
    #[arg(long, value_name = "SPAN", default_value = "365d")]
    valid: Lifetime,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    #[command(flatten)]
    clock: ClockArguments,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let folder = &arguments.out;
    if folder.is_dir() {
        require_no_draft(folder)?;
        if !versions_in(folder)?.is_empty() {
            let message = format!("{}: holds a chain of trust roots already", folder.display());
            let hint = "make the next root with `lamplighter image trust rotate`";
            return Err(Failure::message(ExitCode::BadInput, message).hint(hint).into());
        }
    }
    let (root, signers) = first_root(arguments)?;
    let mut candidate = Candidate::new(None, root)?;
    for signer in signers {
        candidate.sign(&*signer)?;
    }
    fs::create_dir_all(folder).or_bad_input(format_args!("{}: cannot be made a folder", folder.display()))?;
    candidate.write(folder, output)
}

fn first_root(arguments: &Arguments) -> Result<(TrustRoot, Vec<Box<dyn Signer>>), Failure> {
    let passphrase = arguments.passphrase.source();
    let (mut root_keys, mut signers) = (Vec::new(), Vec::new());
    for key in &arguments.root_keys {
        let (record, signer) = key.record_and_signer(&passphrase)?;
        root_keys.push(record);
        signers.extend(signer);
    }
    let operators: Result<Vec<KeyRecord>, Failure> =
        arguments.operators.iter().map(|key| key.0.record()).collect();
    let makers: Result<Vec<Maker>, Failure> = arguments.makers.iter().map(MakerKeys::maker).collect();
    let root = TrustRoot {
        version: RootVersion(1),
        validity: arguments.valid.from(arguments.clock.now()?),
        root: Quorum::new(arguments.root_threshold, root_keys).or_bad_input("--root-key")?,
        makers: in_order(makers?),
        operator: Quorum::new(APPROVERS, operators?).or_bad_input("--operator")?,
        status: Quorum::new(1, vec![arguments.status.record()?]).or_bad_input("--status")?,
        order: Quorum::new(1, vec![arguments.order.record()?]).or_bad_input("--order")?,
        revoked: Vec::new(),
        epoch: CounterEpoch(0),
    };
    Ok((root, signers))
}

/// Returns makers in the order a root wants them in.
pub(super) fn in_order(mut makers: Vec<Maker>) -> Vec<Maker> {
    makers.sort_by(|one, next| {
        (one.manufacturer, &one.image_types).cmp(&(next.manufacturer, &next.image_types))
    });
    makers
}

/// How many different people approve a release: the second looks at what the first does.
pub(super) const APPROVERS: u8 = 2;
