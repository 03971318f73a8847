//! `lamplighter image status`: today's word on which trust root is the newest, and which images are too old.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use firmware_image::{Attack, Floor, SequenceNumber, Status};
use serde::Serialize;

use super::chain::Chain;
use super::facts::digest_of;
use super::moments::{ClockArguments, Lifetime, shown};
use super::refusal::{OrRefuse, Refusal, Stop};
use super::signing::KeyArgument;
use crate::exit::{Failure, OrFail};
use crate::files::{Destination, Overwrite};
use crate::output::Output;

/// Say which trust root is the newest, for a day.
///
/// Hubs let nothing in without a fresh status. --floor keeps images with a lower rollback counter out.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image status --root trust --serial 1 --key keys/status.key.pem \
--out today.status"
)]
pub(crate) struct Arguments {
    /// Folder of the chain of trust roots.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Number of this status; hubs take none below the last.
    #[arg(long, value_name = "N")]
    serial: u64,
    /// Lowest rollback counter that is still passed on, for a family of devices.
    #[arg(long = "floor", value_name = "CODE:TYPE=N")]
    floors: Vec<FloorArgument>,
    /// How long the status is good, 24 hours at the most.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    valid: Lifetime,
    #[command(flatten)]
    key: KeyArgument,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file to write if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    clock: ClockArguments,
}

#[derive(Clone, Copy, Debug)]
struct FloorArgument(Floor);

impl FromStr for FloorArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<FloorArgument, String> {
        let expected = || "expected CODE:TYPE=N such as 0x10E5:0x0011=16909060".to_owned();
        let (family, lowest) = text.split_once('=').ok_or_else(expected)?;
        let (manufacturer, image_type) = family.split_once(':').ok_or_else(expected)?;
        Ok(FloorArgument(Floor {
            manufacturer: manufacturer.parse().map_err(|error| format!("{error}"))?,
            image_type: image_type.parse().map_err(|error| format!("{error}"))?,
            lowest: SequenceNumber(lowest.parse().map_err(|_| expected())?),
        }))
    }
}

/// What a status says.
#[derive(Debug, Serialize)]
pub(super) struct StatusFacts {
    serial: u64,
    newest_root: u64,
    issued: String,
    expires: String,
    floors: Vec<FloorFacts>,
}

#[derive(Debug, Serialize)]
struct FloorFacts {
    manufacturer_code: String,
    image_type: String,
    lowest_sequence: u64,
}

impl From<&Status> for StatusFacts {
    fn from(status: &Status) -> StatusFacts {
        let floors = status.floors.iter().map(|floor| FloorFacts {
            manufacturer_code: floor.manufacturer.to_string(),
            image_type: floor.image_type.to_string(),
            lowest_sequence: floor.lowest.0,
        });
        StatusFacts {
            serial: status.serial,
            newest_root: status.newest_root.0,
            issued: shown(status.validity.issued),
            expires: shown(status.validity.expires),
            floors: floors.collect(),
        }
    }
}

impl fmt::Display for StatusFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "status        {}: the newest trust root is {}", self.serial, self.newest_root)?;
        writeln!(formatter, "issued        {}, expires {}", self.issued, self.expires)?;
        for FloorFacts { manufacturer_code, image_type, lowest_sequence } in &self.floors {
            writeln!(
                formatter,
                "floor         {manufacturer_code}:{image_type}, sequence {lowest_sequence}"
            )?;
        }
        Ok(())
    }
}

/// What was written.
#[derive(Debug, Serialize)]
struct StatusReport {
    file: String,
    digest: String,
    #[serde(flatten)]
    status: StatusFacts,
}

impl fmt::Display for StatusReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "file          {}\n{}", self.file, self.status)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let overwrite = Overwrite::from_force(arguments.force);
    let destination = Destination::new(&arguments.out, overwrite, &Vec::from_iter(arguments.key.files()))?;
    let now = arguments.clock.now()?;
    let anchor = Chain::read(&arguments.root)?.newest().clone();
    anchor.require_fresh(now).or_refuse(arguments.root.display())?;
    let mut floors: Vec<Floor> = arguments.floors.iter().map(|floor| floor.0).collect();
    floors.sort_by_key(|floor| (floor.manufacturer, floor.image_type));
    let newest_root = anchor.root().version;
    let status =
        Status { serial: arguments.serial, validity: arguments.valid.from(now), newest_root, floors };
    let signer = arguments.key.signer()?;
    let name = arguments.out.display().to_string();
    if !anchor.root().status.keys().contains(&signer.public()) {
        let fingerprint = signer.public().fingerprint();
        let reason = format!("key {fingerprint} is not the status key of trust root {newest_root}");
        return Err(Refusal::new(name, Attack::UntrustedKey, reason).into());
    }
    let signed = status.sign(&*signer).or_bad_input(&name)?;
    destination.write(signed.bytes())?;
    let status = StatusFacts::from(&status);
    output.report(&StatusReport { file: name.clone(), digest: digest_of(signed.bytes()), status })?;
    let root = arguments.root.display();
    output.talk(format_args!(
        "next: lamplighter image verify FILE --root {root} --release RELEASE --status {name}"
    ));
    Ok(())
}
