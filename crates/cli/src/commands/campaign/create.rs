//! `lamplighter campaign create`: hands in the images and orders the campaign.
//!
//! All files are read and checked before the first byte is sent, so that a typing error starts nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use campaign::{CampaignId, CampaignPolicy, Target};
use clap::Args;
use eligibility::CplEntryId;
use firmware_image::{Eui64, MAX_FILE_LEN};
use serde::Serialize;
use smso_adapter::{CreatedView, DeviceSelection, EntryList, ImageView, OrderRequest};

use super::EngineArguments;
use super::client::Client;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::{files, toml_file};

/// Order a campaign of a running engine.
///
/// Hands in each image and asks the product list which entry its payload is registered for. Prints the gate's
/// verdicts: the devices that may be updated, and those that may not, by reason. Exit code 4: an image is not
/// believed, or no device may be updated.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
lamplighter campaign create --image esme.ota --image gsme.ota --smso SMSO-1 --id autumn\n  \
lamplighter campaign create --image esme.ota --target esme.ota=ESME-01020400 --smso SMSO-1 --devices list.txt")]
pub(crate) struct Arguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// Signed image; may be given several times, once for each model.
    #[arg(long = "image", value_name = "FILE", required = true)]
    images: Vec<PathBuf>,
    /// Product list entry that an image leads to, when its payload does not say it.
    #[arg(long = "target", value_name = "FILE=ENTRY", value_parser = parse_target)]
    targets: Vec<(PathBuf, CplEntryId)>,
    /// The word `all` (every device of the images' models), or a file with one EUI-64 a line.
    #[arg(long, value_name = "all|FILE", default_value = "all")]
    devices: String,
    /// Name of the campaign; made by the engine when there is none.
    #[arg(long)]
    id: Option<CampaignId>,
    /// TOML file with waves, thresholds, retries, deadlines and times of day; see examples/policy.toml.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Who instructs.
    #[arg(long, value_name = "NAME", default_value = "DCC")]
    instructing_party: String,
    /// The SMSO that operates the installations.
    #[arg(long, value_name = "NAME")]
    smso: String,
}

fn parse_target(text: &str) -> Result<(PathBuf, CplEntryId), String> {
    let (file, entry) = text.rsplit_once('=').ok_or("expected FILE=ENTRY")?;
    Ok((file.into(), entry.parse().map_err(|error| format!("{error}"))?))
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let devices = read_devices(&arguments.devices)?;
    let policy = match &arguments.policy {
        Some(path) => toml_file::read::<CampaignPolicy>(path)?,
        None => CampaignPolicy::default(),
    };
    if let Some((file, _)) = arguments.targets.iter().find(|(file, _)| !arguments.images.contains(file)) {
        let message = format!("--target: {} is none of the images", file.display());
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    let images = read_images(&arguments.images)?;
    let client = arguments.engine.client()?;
    let mut targets = Vec::with_capacity(images.len());
    for (path, bytes) in images {
        let named = arguments.targets.iter().find(|(file, _)| file == path).map(|(_, entry)| entry.clone());
        targets.push(hand_in(&client, path, &bytes, named, output)?);
    }
    let request = OrderRequest {
        id: arguments.id.clone(),
        instructing_party: arguments.instructing_party.clone(),
        smso: arguments.smso.clone(),
        targets,
        devices,
        policy,
    };
    let created: CreatedView = client.post_json("/v1/campaigns", &request)?;
    let report = CreateReport(created);
    output.report(&report)?;
    let created = report.0;
    if created.verdicts.iter().any(|verdict| verdict.allowed) {
        output.talk(format_args!("next: lamplighter campaign show {} --watch", created.id));
        return Ok(());
    }
    match created.tally.excluded {
        0 => Ok(()),
        _ => {
            let message = format!("campaign {}: the gate allows none of the devices", created.id);
            Err(Failure::message(ExitCode::Refused, message))
        }
    }
}

fn read_images(paths: &[PathBuf]) -> Result<Vec<(&Path, Bytes)>, Failure> {
    let mut images = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = files::read(path, MAX_FILE_LEN)?;
        if bytes.is_empty() {
            return Err(Failure::message(
                ExitCode::BadInput,
                format_args!("{}: the file is empty", path.display()),
            ));
        }
        images.push((path.as_path(), Bytes::from(bytes)));
    }
    Ok(images)
}

/// Hands an image in and finds the product list entry it leads to.
fn hand_in(
    client: &Client,
    path: &Path,
    bytes: &[u8],
    named: Option<CplEntryId>,
    output: &Output,
) -> Result<Target, Failure> {
    let taken: ImageView =
        client.post_file("/v1/images", bytes).map_err(|failure| failure.at(path.display()))?;
    let cpl_entry = match named {
        Some(entry) => entry,
        None => registered_for(client, path, &taken)?,
    };
    output.talk(format_args!(
        "{}: verified, signed by {}, leads to {cpl_entry}",
        path.display(),
        taken.signers.join(", ")
    ));
    Ok(Target { image: taken.file_digest, cpl_entry })
}

fn registered_for(client: &Client, path: &Path, image: &ImageView) -> Result<CplEntryId, Failure> {
    let list: EntryList = client.get(&format!("/v1/register/entries?digest={}", image.image_digest))?;
    let ids: Vec<&str> = list.entries.iter().map(|entry| entry.entry.as_str()).collect();
    match ids.as_slice() {
        [id] => id.parse().or_fail(ExitCode::Failed, "the engine's answer"),
        [] => {
            let message = format!(
                "{}: expected a payload that the product list registers, found none with digest {}",
                path.display(),
                image.image_digest
            );
            let hint = format!("name the entry with --target {}=ENTRY", path.display());
            Err(Failure::message(ExitCode::BadInput, message).hint(hint))
        }
        several => {
            let message =
                format!("{}: several entries have this payload: {}", path.display(), several.join(", "));
            let hint = format!("name one of them with --target {}=ENTRY", path.display());
            Err(Failure::message(ExitCode::BadInput, message).hint(hint))
        }
    }
}

fn read_devices(word: &str) -> Result<DeviceSelection, Failure> {
    if word == "all" {
        return Ok(DeviceSelection::All);
    }
    let path = Path::new(word);
    let bytes = files::read(path, MAX_LIST_LEN)?;
    let text = std::str::from_utf8(&bytes).or_bad_input(format_args!("{word}: expected a text file"))?;
    parse_devices(text).map(DeviceSelection::These).map_err(|(line, error)| {
        Failure::message(ExitCode::BadInput, format_args!("{word} line {line}: {error}"))
    })
}

/// Reads one EUI-64 a line; empty lines and lines that begin with `#` say nothing.
fn parse_devices(text: &str) -> Result<Vec<Eui64>, (usize, String)> {
    let mut devices = Vec::new();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        if !content.is_empty() && !content.starts_with('#') {
            devices.push(content.parse().map_err(|error| (line, format!("{error}")))?);
        }
    }
    Ok(devices)
}

/// Largest list in bytes: 50,000 devices are 1.2 MB, and there may be comments.
const MAX_LIST_LEN: usize = 16 << 20;

/// What the gate said.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct CreateReport(CreatedView);

impl fmt::Display for CreateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CreatedView { id, tally, verdicts, .. } = &self.0;
        writeln!(f, "campaign {id}: {} devices ordered", tally.ordered)?;
        for (allowed, word) in [(true, "allowed"), (false, "refused")] {
            let of_word = || verdicts.iter().filter(|verdict| verdict.allowed == allowed);
            let sum: usize = of_word().map(|verdict| verdict.devices).sum();
            writeln!(f, "  {word}  {sum}")?;
            for verdict in of_word() {
                let clause = &verdict.clause;
                writeln!(f, "    {:>7}  {:<3} {}", verdict.devices, clause.row, clause.code)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_devices_names_the_line_that_is_wrong() {
        let good = "# street\n00-0D-6F-00-0B-0A-0C-0D\n\n  00-0d-6f-00-0b-0a-0c-0e  \n";
        assert_eq!(parse_devices(good).map(|devices| devices.len()), Ok(2));
        let (line, error) = parse_devices("00-0D-6F-00-0B-0A-0C-0D\n00-0D\n").expect_err("a fault");
        assert_eq!(line, 2);
        assert!(error.contains("EUI-64"), "{error}");
    }

    #[test]
    fn a_target_is_a_file_and_an_entry() {
        assert_eq!(parse_target("a=b.ota=E-1").map(|(file, _)| file), Ok(PathBuf::from("a=b.ota")));
        assert!(parse_target("a.ota").is_err());
        assert!(parse_target("a.ota=").is_err());
    }
}
