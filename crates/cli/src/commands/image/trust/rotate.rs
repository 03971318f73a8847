//! `lamplighter image trust rotate`: the next root of a chain, with other keys, other people or more time.

use std::path::PathBuf;

use clap::Args;
use firmware_image::{CounterEpoch, KeyRecord, Maker, Quorum, TrustRoot};

use super::super::moments::{ClockArguments, Lifetime};
use super::super::refusal::Stop;
use super::super::signing::KeyArguments;
use super::candidate::{Candidate, newest_of};
use super::facts::maker_name;
use super::holders::{Family, HolderKey, KeyName, MakerKeys, PersonKey};
use super::init::in_order;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// Make the next trust root, signed by the keys of the old one and of the new.
///
/// Without options only the validity is new. The whole chain is verified before and after. When too few have
/// signed, DIR/N.root.draft is written instead of DIR/N.root. To take a stolen key out of service for ever, use
/// `image trust revoke`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image trust rotate trust --add-operator carol=keys/carol.pub.pem \
\\\n      --key keys/root-a.key.pem --key keys/root-b.key.pem"
)]
pub(crate) struct Arguments {
    /// Folder of the chain.
    #[arg(value_name = "DIR")]
    chain: PathBuf,
    /// Root key to add.
    #[arg(long = "add-root-key", value_name = "[NAME=]PUB")]
    add_root_keys: Vec<HolderKey>,
    /// Root key to take out, by file, fingerprint or holder.
    #[arg(long = "remove-root-key", value_name = "PUB|FINGERPRINT|NAME")]
    remove_root_keys: Vec<KeyName>,
    /// How many root keys must sign from now on.
    #[arg(long, value_name = "N")]
    root_threshold: Option<u8>,
    /// Family of devices to add, or whose keys to replace.
    #[arg(long = "add-maker", value_name = "CODE[:TYPE,TYPE]=PUB[,PUB]")]
    add_makers: Vec<MakerKeys>,
    /// Family of devices to take out.
    #[arg(long = "remove-maker", value_name = "CODE[:TYPE,TYPE]")]
    remove_makers: Vec<Family>,
    /// Operator to add.
    #[arg(long = "add-operator", value_name = "NAME=PUB")]
    add_operators: Vec<PersonKey>,
    /// Operator to take out, by file, fingerprint or name.
    #[arg(long = "remove-operator", value_name = "PUB|FINGERPRINT|NAME")]
    remove_operators: Vec<KeyName>,
    /// New status key.
    #[arg(long, value_name = "[NAME=]PUB")]
    status: Option<HolderKey>,
    /// New order key.
    #[arg(long, value_name = "[NAME=]PUB")]
    order: Option<HolderKey>,
    /// Let every device count its activation orders afresh.
    #[arg(long)]
    new_epoch: bool,
    /// How long the root is good, a year at the most.
    #[arg(long, value_name = "SPAN", default_value = "365d")]
    valid: Lifetime,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    clock: ClockArguments,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let (held, version) = newest_of(&arguments.chain)?;
    let mut root =
        TrustRoot { version, validity: arguments.valid.from(arguments.clock.now()?), ..held.root().clone() };
    change_root_keys(arguments, &mut root)?;
    change_makers(arguments, &mut root)?;
    change_operators(arguments, &mut root)?;
    if let Some(key) = &arguments.status {
        root.status = Quorum::new(1, vec![key.record()?]).or_bad_input("--status")?;
    }
    if let Some(key) = &arguments.order {
        root.order = Quorum::new(1, vec![key.record()?]).or_bad_input("--order")?;
    }
    if arguments.new_epoch {
        let next = root.epoch.0.checked_add(1);
        let next =
            next.ok_or_else(|| Failure::message(ExitCode::BadInput, "--new-epoch: there is no next epoch"))?;
        root.epoch = CounterEpoch(next);
    }
    let mut candidate = Candidate::new(Some(held), root)?;
    for signer in arguments.keys.signers()? {
        candidate.sign(&*signer)?;
    }
    candidate.write(&arguments.chain, output)
}

fn change_root_keys(arguments: &Arguments, root: &mut TrustRoot) -> Result<(), Failure> {
    let mut records = without(&root.root, &arguments.remove_root_keys, "--remove-root-key")?;
    for key in &arguments.add_root_keys {
        records.push(key.record()?);
    }
    let threshold = arguments.root_threshold.unwrap_or(threshold_of(&root.root));
    root.root = Quorum::new(threshold, records).or_bad_input("root keys")?;
    Ok(())
}

fn change_operators(arguments: &Arguments, root: &mut TrustRoot) -> Result<(), Failure> {
    let mut records = without(&root.operator, &arguments.remove_operators, "--remove-operator")?;
    for key in &arguments.add_operators {
        records.push(key.0.record()?);
    }
    root.operator = Quorum::new(threshold_of(&root.operator), records).or_bad_input("operators")?;
    Ok(())
}

fn change_makers(arguments: &Arguments, root: &mut TrustRoot) -> Result<(), Failure> {
    for family in &arguments.remove_makers {
        let count = root.makers.len();
        root.makers.retain(|maker| !family.is_of(maker));
        if root.makers.len() == count {
            let families: Vec<String> = root.makers.iter().map(maker_name).collect();
            let message = format!("--remove-maker: expected one of {}", families.join(", "));
            return Err(Failure::message(ExitCode::BadInput, message));
        }
    }
    for added in &arguments.add_makers {
        let maker: Maker = added.maker()?;
        root.makers.retain(|held| !added.family.is_of(held));
        root.makers.push(maker);
    }
    root.makers = in_order(std::mem::take(&mut root.makers));
    Ok(())
}

/// Returns the records of a duty without those named, each of which must have it.
fn without(quorum: &Quorum, names: &[KeyName], option: &str) -> Result<Vec<KeyRecord>, Failure> {
    let mut records = quorum.records().to_vec();
    for name in names {
        let (named, count) = (name.read()?, records.len());
        records.retain(|record| !named.is(record));
        if records.len() == count {
            let held: Vec<String> = records
                .iter()
                .map(|record| format!("{} ({})", record.holder, record.key.fingerprint()))
                .collect();
            let message = format!("{option} {}: no such key, expected one of {}", name.0, held.join(", "));
            return Err(Failure::message(ExitCode::BadInput, message));
        }
    }
    Ok(records)
}

/// Returns a threshold as a quorum takes it.
pub(super) fn threshold_of(quorum: &Quorum) -> u8 {
    u8::try_from(quorum.threshold()).expect("a threshold came from one byte")
}
