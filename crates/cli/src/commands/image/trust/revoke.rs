//! `lamplighter image trust revoke`: the next root of a chain, in which a key has no duty and never gets one again.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use firmware_image::{KeyRecord, PublicKey, Quorum, TrustRoot};

use super::super::moments::{ClockArguments, Lifetime};
use super::super::refusal::Stop;
use super::super::signing::KeyArguments;
use super::candidate::{Candidate, newest_of};
use super::facts::maker_name;
use super::holders::{HolderKey, KeyName, NamedKey};
use super::rotate::threshold_of;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// Take a key out of service for ever.
///
/// Makes the next trust root without the key, and lists it as revoked; no later root may forget that. A duty
/// that needs as many keys as it had needs another one in its place: --replace ROLE=NEW.pub.pem, where the
/// holder stays the same unless it is given as ROLE=NAME=NEW.pub.pem.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter image trust revoke trust --revoke keys/maker.pub.pem \
--replace maker=keys/maker-2.pub.pem \\\n      --key keys/root-a.key.pem --key keys/root-b.key.pem")]
pub(crate) struct Arguments {
    /// Folder of the chain.
    #[arg(value_name = "DIR")]
    chain: PathBuf,
    /// Key to revoke, by file or fingerprint; may be given several times.
    #[arg(long = "revoke", value_name = "PUB|FINGERPRINT", required = true)]
    revoked: Vec<KeyName>,
    /// Key that takes the place of a revoked one; ROLE is root, maker, operator, status or order.
    #[arg(long = "replace", value_name = "ROLE=[NAME=]PUB")]
    replacements: Vec<Replacement>,
    /// How long the root is good, a year at the most.
    #[arg(long, value_name = "SPAN", default_value = "365d")]
    valid: Lifetime,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    clock: ClockArguments,
}

/// A key for the place of another.
#[derive(Clone, Debug)]
struct Replacement {
    role: Role,
    key: HolderKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Root,
    Maker,
    Operator,
    Status,
    Order,
}

impl FromStr for Replacement {
    type Err = String;

    fn from_str(text: &str) -> Result<Replacement, String> {
        let expected = || "expected root, maker, operator, status or order, `=` and a public key".to_owned();
        let (role, key) = text.split_once('=').ok_or_else(expected)?;
        let role = Role::from_str(role, false).map_err(|_| expected())?;
        Ok(Replacement { role, key: key.parse()? })
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let (held, version) = newest_of(&arguments.chain)?;
    let mut root =
        TrustRoot { version, validity: arguments.valid.from(arguments.clock.now()?), ..held.root().clone() };
    let revoked = keys_to_revoke(&arguments.revoked, &root)?;
    take_out(&revoked, arguments.replacements.clone(), &mut root)?;
    root.revoked.extend(revoked);
    root.revoked.sort_by_key(PublicKey::to_bytes);
    root.revoked.dedup();
    let mut candidate = Candidate::new(Some(held), root)?;
    for signer in arguments.keys.signers()? {
        candidate.sign(&*signer)?;
    }
    candidate.write(&arguments.chain, output)
}

/// Finds the keys. A fingerprint is enough for one that has a duty; of any other the key itself is needed.
fn keys_to_revoke(names: &[KeyName], root: &TrustRoot) -> Result<Vec<PublicKey>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let key = match name.read()? {
            NamedKey::Key(key) => Some(key),
            NamedKey::Fingerprint(fingerprint) => root.keys().find(|key| key.fingerprint() == fingerprint),
            NamedKey::Holder(_) => None,
        };
        let Some(key) = key else {
            let message = format!(
                "--revoke {}: expected a public key file, or the fingerprint of a key that has a duty",
                name.0
            );
            return Err(Failure::message(ExitCode::BadInput, message)
                .hint("`lamplighter image trust show` lists them"));
        };
        if root.revoked.contains(&key) {
            let message = format!("--revoke {}: the key is revoked already", name.0);
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        found.push(key);
    }
    Ok(found)
}

/// Takes keys out of all duties, and puts the replacements in, in the order they were given.
fn take_out(
    revoked: &[PublicKey],
    mut replacements: Vec<Replacement>,
    root: &mut TrustRoot,
) -> Result<(), Failure> {
    let makers = root.makers.iter_mut().map(|maker| (Role::Maker, maker_name(maker), &mut maker.quorum));
    let others = [
        (Role::Root, "root".to_owned(), &mut root.root),
        (Role::Operator, "operator".to_owned(), &mut root.operator),
        (Role::Status, "status".to_owned(), &mut root.status),
        (Role::Order, "order".to_owned(), &mut root.order),
    ];
    for (role, name, quorum) in others.into_iter().chain(makers) {
        let mut records: Vec<KeyRecord> = Vec::new();
        for record in quorum.records() {
            if !revoked.contains(&record.key) {
                records.push(record.clone());
            } else if let Some(place) = replacements.iter().position(|replacement| replacement.role == role) {
                records.push(replacements.remove(place).key.record_instead_of(record)?);
            }
        }
        let word = role.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        *quorum = Quorum::new(threshold_of(quorum), records)
            .or_bad_input(format_args!("the duty `{name}` without the key"))
            .map_err(|failure| failure.hint(format!("give another key with --replace {word}=NEW.pub.pem")))?;
    }
    if let Some(left) = replacements.first() {
        let message = format!("--replace {:?}: no revoked key has this duty", left.role).to_lowercase();
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    Ok(())
}
