//! `lamplighter image build`: a payload becomes an unsigned OTA file.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{
    FileVersion, HardwareRange, ImageIdentity, ImageType, MAX_FILE_LEN, ManufacturerCode, OtaFile,
};
use serde::Serialize;

use super::facts::IdentityFacts;
use super::mcuboot::McubootFacts;
use super::wrap::{Payload, WrapArguments};
use crate::exit::{Failure, OrFail};
use crate::files::{self, Destination, Overwrite};
use crate::output::Output;

/// Wrap a payload into an unsigned Zigbee OTA file.
///
/// The payload is kept byte for byte; one that begins as an MCUboot image must be a sound one. Numbers are
/// hexadecimal, with or without 0x, except those of MCUboot.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter image build --payload meter.bin --manufacturer-code 0x10E5 \
--image-type 0x0011 \\\n      --file-version 0x01020304 --hardware 0x0100..0x01FF --out meter.ota\n\n\
Options of MCUboot put a signed MCUboot image around the payload first:\n  \
--mcuboot-key boot.key.pem --mcuboot-version 1.2.3+4 --security-counter auto --header-size 0x200")]
pub(crate) struct Arguments {
    /// File with the bytes the device will run.
    #[arg(long, value_name = "FILE")]
    payload: PathBuf,
    /// Whose device it is for, such as 0x10E5.
    #[arg(long, value_name = "CODE")]
    manufacturer_code: ManufacturerCode,
    /// Which of the manufacturer's products, such as 0x0011.
    #[arg(long, value_name = "TYPE")]
    image_type: ImageType,
    /// Which release, such as 0x01020304.
    #[arg(long, value_name = "VERSION")]
    file_version: FileVersion,
    /// Lowest and highest hardware version, both included; any hardware if left out.
    #[arg(long, value_name = "MIN..MAX")]
    hardware: Option<HardwareRange>,
    /// Text for the header, at most 32 bytes.
    #[arg(long, value_name = "TEXT", default_value = "")]
    header_string: String,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file to write if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    wrap: WrapArguments,
}

/// What was built.
#[derive(Debug, Serialize)]
struct BuildReport {
    file: String,
    size_bytes: usize,
    #[serde(flatten)]
    identity: IdentityFacts,
    image_digest: String,
    payload_format: String,
    mcuboot: Option<McubootFacts>,
}

impl fmt::Display for BuildReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {} ({} bytes, unsigned)", self.file, self.size_bytes)?;
        write!(formatter, "{}", self.identity)?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "payload       {}", self.payload_format)?;
        match &self.mcuboot {
            Some(facts) => write!(formatter, "{facts}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let overwrite = Overwrite::from_force(arguments.force);
    let inputs: Vec<&Path> =
        [Some(arguments.payload.as_path()), arguments.wrap.key_path()].into_iter().flatten().collect();
    let destination = Destination::new(&arguments.out, overwrite, &inputs)?;
    let read = files::read(&arguments.payload, MAX_FILE_LEN)?;
    if OtaFile::parse(read.clone().into()).is_ok() {
        let path = arguments.payload.display();
        tracing::warn!("{path} is an OTA file already; it is wrapped as a payload into another one");
    }
    let Payload { bytes: payload, format, mcuboot } = arguments.wrap.wrap(&arguments.payload, read)?;
    let identity = ImageIdentity {
        manufacturer: arguments.manufacturer_code,
        image_type: arguments.image_type,
        file_version: arguments.file_version,
        hardware: arguments.hardware,
    };
    let file = OtaFile::build(&identity, &arguments.header_string, &payload)
        .or_bad_input(format_args!("{}: cannot become an image", arguments.payload.display()))?;
    destination.write(file.bytes())?;
    let out = arguments.out.display();
    output.report(&BuildReport {
        file: out.to_string(),
        size_bytes: file.bytes().len(),
        identity: identity.into(),
        image_digest: file.image_digest().to_string(),
        payload_format: format.to_string(),
        mcuboot,
    })?;
    output.talk(format_args!("next: lamplighter image sign {out} --key NAME.key.pem --out SIGNED"));
    Ok(())
}
