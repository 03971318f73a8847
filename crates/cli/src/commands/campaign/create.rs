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
use super::order_file::OrderFile;
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
lamplighter campaign create --image esme.ota --target esme.ota=ESME-01020400 --smso SMSO-1 --devices list.txt\n  \
lamplighter campaign create --order examples/lists/order.toml")]
pub(crate) struct Arguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// All of the following in one file, as `campaign plan` reads it.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["images", "targets", "devices", "id", "policy", "instructing_party", "smso"])]
    order: Option<PathBuf>,
    /// Signed image; may be given several times, once for each model.
    #[arg(long = "image", value_name = "FILE", required_unless_present = "order")]
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
    #[arg(long, value_name = "NAME", required_unless_present = "order")]
    smso: Option<String>,
}

/// What is to be ordered; nothing has been sent.
struct Wanted {
    id: Option<CampaignId>,
    instructing_party: String,
    smso: String,
    /// Each image, and the entry it leads to when somebody says it.
    images: Vec<(PathBuf, Option<CplEntryId>)>,
    devices: DeviceSelection,
    policy: CampaignPolicy,
}

fn parse_target(text: &str) -> Result<(PathBuf, CplEntryId), String> {
    let (file, entry) = text.rsplit_once('=').ok_or("expected FILE=ENTRY")?;
    Ok((file.into(), entry.parse().map_err(|error| format!("{error}"))?))
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let wanted = match &arguments.order {
        Some(path) => Wanted::of_file(path)?,
        None => Wanted::of_options(arguments)?,
    };
    let paths: Vec<&Path> = wanted.images.iter().map(|(path, _)| path.as_path()).collect();
    let images = read_images(&paths)?;
    let client = arguments.engine.client()?;
    let mut targets = Vec::with_capacity(images.len());
    for ((path, bytes), (_, named)) in images.iter().zip(&wanted.images) {
        targets.push(hand_in(&client, path, bytes, named.clone(), output)?);
    }
    let Wanted { id, instructing_party, smso, devices, policy, .. } = wanted;
    let request = OrderRequest { id, instructing_party, smso, targets, devices, policy };
    let created: CreatedView = client.post_json("/v1/campaigns", &request)?;
    let report = CreateReport(created);
    output.report(&report)?;
    let created = report.0;
    // Whoever waits for its day is pending, and whoever runs its target already is done.
    if created.tally.pending + created.tally.done > 0 {
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

impl Wanted {
    fn of_options(arguments: &Arguments) -> Result<Wanted, Failure> {
        let devices = read_devices(&arguments.devices)?;
        let policy = match &arguments.policy {
            Some(path) => toml_file::read::<CampaignPolicy>(path)?,
            None => CampaignPolicy::default(),
        };
        let Arguments { images, targets, .. } = arguments;
        if let Some((file, _)) = targets.iter().find(|(file, _)| !images.contains(file)) {
            let message = format!("--target: {} is none of the images", file.display());
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        let named =
            |path: &PathBuf| targets.iter().find(|(file, _)| file == path).map(|(_, entry)| entry.clone());
        Ok(Wanted {
            id: arguments.id.clone(),
            instructing_party: arguments.instructing_party.clone(),
            smso: arguments.smso.clone().unwrap_or_default(),
            images: images.iter().map(|path| (path.clone(), named(path))).collect(),
            devices,
            policy,
        })
    }

    fn of_file(path: &Path) -> Result<Wanted, Failure> {
        let file = OrderFile::read(path)?;
        Ok(Wanted {
            images: file.targets.into_iter().map(|target| (target.image, target.cpl_entry)).collect(),
            id: Some(file.id),
            instructing_party: file.instructing_party,
            smso: file.smso.to_string(),
            devices: file.devices,
            policy: file.policy,
        })
    }
}

fn read_images<'a>(paths: &[&'a Path]) -> Result<Vec<(&'a Path, Bytes)>, Failure> {
    let mut images = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = files::read(path, MAX_FILE_LEN)?;
        if bytes.is_empty() {
            return Err(Failure::message(
                ExitCode::BadInput,
                format_args!("{}: the file is empty", path.display()),
            ));
        }
        images.push((*path, Bytes::from(bytes)));
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
        for (place, word) in
            [((true, false), "allowed"), ((false, true), "to wait"), ((false, false), "refused")]
        {
            let of_word = || verdicts.iter().filter(|verdict| (verdict.allowed, verdict.waits) == place);
            let sum: usize = of_word().map(|verdict| verdict.devices).sum();
            if sum == 0 && word == "to wait" {
                continue;
            }
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
