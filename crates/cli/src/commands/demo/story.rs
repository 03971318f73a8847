//! What the demo tells: the opening, the gate's verdicts, the ending.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use campaign::PlanRecord;
use firmware_image::{KeyFingerprint, TrustStore, VerifiedImage};
use fleet::DeviceKind;

use super::engine::Ending;
use super::{DemoArguments, Keys};
use crate::commands::simulate;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{Destination, Overwrite};
use crate::output::Output;
use crate::report::{self, ReportInput, Summary};

/// Makes the folder for keys, ledger and report.
pub(super) fn folder(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match asked {
        Some(folder) => folder.to_owned(),
        None => PathBuf::from(format!("demo-{}", jiff::Timestamp::now().strftime("%Y-%m-%d-%H%M%S"))),
    };
    let ledger = folder.join("ledger.sqlite");
    if ledger.exists() {
        let message = format!("{}: a ledger from an earlier run is there", ledger.display());
        return Err(Failure::message(ExitCode::BadInput, message).hint("name another folder with --report"));
    }
    std::fs::create_dir_all(&folder).or_bad_input(folder.display())?;
    Ok(folder)
}

/// Key, images, and the first question: is a tampered image refused?
pub(super) fn opening(
    folder: &Path,
    seed: u64,
    keys: &Keys,
    images: &BTreeMap<DeviceKind, VerifiedImage>,
    output: &Output,
) -> Result<(), Failure> {
    output.talk(format_args!("folder  {}", folder.display()));
    output.talk(format_args!("seed    {seed}"));
    let public = keys.image.public();
    output.talk(format_args!("key     {} made for this run", public.fingerprint()));
    write(&folder.join("image.pub.pem"), public.to_pem().as_bytes())?;
    write(&folder.join("order.pub.pem"), keys.order.public().to_pem().as_bytes())?;
    for (kind, image) in images {
        let path = folder.join(format!("{}.ota", kind.duis_name().to_lowercase()));
        write(&path, image.bytes())?;
        output.talk(format_args!(
            "signed  {} · {} bytes · version {} · sha-256 {:.16}…",
            path.display(),
            image.bytes().len(),
            image.identity().file_version,
            image.image_digest().to_string()
        ));
    }
    let trust = TrustStore::new(vec![public]);
    if let Some(image) = images.values().next() {
        let mut tampered = BytesMut::from(&image.bytes()[..]);
        let middle = tampered.len() / 2;
        tampered[middle] ^= 0x01;
        match trust.verify_bytes(tampered.freeze()) {
            Ok(_) => return Err(Failure::message(ExitCode::Failed, "a tampered image was accepted")),
            Err(refusal) => {
                let why = anyhow::Error::new(refusal);
                output.talk(format_args!(
                    "refused the same image with one bit flipped in byte {middle}: {why:#}"
                ));
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Destination::new(path, Overwrite::Replace, &[])?.write(bytes)
}

/// The gate's verdicts, by code.
pub(super) fn verdicts(plans: &[PlanRecord], output: &Output) {
    let mut by_code: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for plan in plans {
        *by_code.entry((!plan.verdict.allowed, plan.verdict.code.as_str())).or_default() += 1;
    }
    let side = |refused: bool| {
        let parts: Vec<String> = by_code
            .iter()
            .filter(|((is_refused, _), _)| *is_refused == refused)
            .map(|((_, code), count)| format!("{count} {code}"))
            .collect();
        parts.join(" · ")
    };
    let allowed = plans.iter().filter(|plan| plan.verdict.allowed).count();
    output.talk(format_args!("gate    {allowed} of {} devices allowed: {}", plans.len(), side(false)));
    output.talk(format_args!("        {} not: {}", plans.len() - allowed, side(true)));
}

/// The summary, the report, and what to try next.
pub(super) fn ending(
    arguments: &DemoArguments,
    folder: &Path,
    signer: KeyFingerprint,
    ending: &Ending,
    output: &Output,
) -> Result<(), Failure> {
    let speed = ending.simulated.as_secs_f64() / ending.real.as_secs_f64().max(0.001);
    let counters = ending.pulse.counters;
    let twice = ending.census.devices.iter().filter(|device| device.activations > 1).count();
    let input = ReportInput {
        title: "Lamplighter demo".to_owned(),
        seed: Some(arguments.seed),
        state: &ending.state,
        bound: None,
        facts: vec![
            ("Images signed by".to_owned(), signer.to_string()),
            ("WAN bytes sent, headers included".to_owned(), counters.bytes_sent.to_string()),
            ("Image blocks sent".to_owned(), counters.blocks_sent.to_string()),
            ("HAN frames carried".to_owned(), ending.census.han.frames.to_string()),
            ("Devices activated more than once".to_owned(), twice.to_string()),
            ("Simulated time".to_owned(), format!("{} min", ending.simulated.as_secs() / 60)),
            ("Real time".to_owned(), format!("{:.1} s", ending.real.as_secs_f64())),
            ("Speed".to_owned(), format!("{speed:.0} times real time")),
        ],
        head: ending.pulse.head,
    };
    output.report(&Summary::of(&input))?;
    let files = report::write(folder, &input)?;
    let ledger = folder.join("ledger.sqlite");
    output.talk(format_args!(
        "time    simulated {} min in {:.1} s",
        ending.simulated.as_secs() / 60,
        ending.real.as_secs_f64()
    ));
    output.talk(format_args!("report  {}", files.html.display()));
    output.talk(format_args!("next    lamplighter ledger verify {}", ledger.display()));
    output.talk(format_args!("        lamplighter ledger show {} --json", ledger.display()));
    output.talk("        lamplighter demo --inject-bad-image");
    simulate::judge(&ending.state)
}
