//! The payload of `image build`: recognised, and wrapped into an MCUboot image first if that was asked for.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use firmware_image::{McubootHeaderSpace, McubootRecipe, McubootSigning, McubootVersion, PayloadFormat};

use super::mcuboot::McubootFacts;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::keys;

/// How a raw payload becomes an MCUboot image; the words are those of `imgtool sign`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Wrap the payload into an MCUboot image, as imgtool does")]
pub(super) struct WrapArguments {
    /// Ed25519 key that the boot loader believes, as `image keygen` or `imgtool keygen` writes it.
    #[arg(long, value_name = "KEY", requires = "mcuboot_version")]
    mcuboot_key: Option<PathBuf>,
    /// Version in the MCUboot header, such as 1.2.3+4.
    #[arg(long, value_name = "VERSION", requires = "mcuboot_key")]
    mcuboot_version: Option<McubootVersion>,
    /// Counter that the boot loader never lets go back; `auto` derives it from the version.
    #[arg(long, value_name = "N|auto", requires = "mcuboot_key")]
    security_counter: Option<SecurityCounter>,
    /// Bytes before the image, decimal or with 0x [default: 32].
    #[arg(long, value_name = "N", requires = "mcuboot_key", value_parser = parse_header_size)]
    header_size: Option<u16>,
    /// The payload begins with that many zeros for the header, as Zephyr's builds do; none are added.
    #[arg(long, requires = "mcuboot_key")]
    header_reserved: bool,
    /// Sign the image itself instead of its SHA-256.
    #[arg(long, requires = "mcuboot_key")]
    pure: bool,
}

/// A number, or the one that goes with the version.
#[derive(Clone, Copy, Debug)]
enum SecurityCounter {
    Number(u32),
    Auto,
}

impl FromStr for SecurityCounter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(SecurityCounter::Auto);
        }
        parse_number(text).map(SecurityCounter::Number).ok_or("expected `auto` or a number up to 4294967295")
    }
}

impl WrapArguments {
    /// Returns the file whose content must not be overwritten by the output.
    pub(super) fn key_path(&self) -> Option<&Path> {
        self.mcuboot_key.as_deref()
    }

    /// Wraps the payload if that was asked for, and returns what it was recognised as.
    pub(super) fn wrap(&self, path: &Path, payload: Vec<u8>) -> Result<Payload, Failure> {
        let found = PayloadFormat::of(&payload);
        let (Some(key), Some(version)) = (&self.mcuboot_key, self.mcuboot_version) else {
            return Payload::recognise(path, payload, found);
        };
        if found == PayloadFormat::Mcuboot {
            let message = format!("{}: is an {found} image already, expected a raw payload", path.display());
            return Err(Failure::message(ExitCode::BadInput, message)
                .hint("leave the options of MCUboot out to carry it as it is"));
        }
        let recipe = self.recipe(version);
        if recipe.header_space == McubootHeaderSpace::Added && begins_with_zeros(&payload, recipe.header_len)
        {
            let path = path.display();
            tracing::warn!("{path} begins with room for a header; --header-reserved would use it");
        }
        let key = keys::read_signing_key(key)?;
        let image = recipe
            .sign(&payload, &key)
            .or_bad_input(format_args!("{}: cannot become an MCUboot image", path.display()))?;
        Payload::recognise(path, image, PayloadFormat::Mcuboot)
    }

    fn recipe(&self, version: McubootVersion) -> McubootRecipe<'static> {
        let header_space =
            if self.header_reserved { McubootHeaderSpace::Reserved } else { McubootHeaderSpace::Added };
        McubootRecipe {
            version,
            header_len: self.header_size.unwrap_or(BARE_HEADER_LEN),
            header_space,
            security_counter: self.security_counter.map(|counter| match counter {
                SecurityCounter::Number(number) => number,
                SecurityCounter::Auto => version.security_counter(),
            }),
            dependencies: &[],
            signing: if self.pure { McubootSigning::Pure } else { McubootSigning::Sha256 },
        }
    }
}

/// A payload that was looked at.
#[derive(Debug)]
pub(super) struct Payload {
    /// What goes into the OTA file.
    pub(super) bytes: Vec<u8>,
    /// What it was recognised as.
    pub(super) format: PayloadFormat,
    /// Its facts, if it is an MCUboot image.
    pub(super) mcuboot: Option<McubootFacts>,
}

impl Payload {
    /// Refuses what begins as an MCUboot image and is none that a boot loader would take.
    fn recognise(path: &Path, bytes: Vec<u8>, format: PayloadFormat) -> Result<Payload, Failure> {
        if format == PayloadFormat::Raw {
            return Ok(Payload { bytes, format, mcuboot: None });
        }
        let place = path.display();
        let facts = McubootFacts::read(&bytes)
            .or_bad_input(format_args!("{place}: begins as an MCUboot image and is none"))?;
        if let Some(fault) = facts.fault() {
            return Err(Failure::message(ExitCode::BadInput, format_args!("{place}: {fault}")));
        }
        if !facts.is_signed() {
            tracing::warn!("{place} is an MCUboot image without a signature of its own");
        }
        Ok(Payload { bytes, format, mcuboot: Some(facts) })
    }
}

fn begins_with_zeros(payload: &[u8], len: u16) -> bool {
    payload.get(..usize::from(len)).is_some_and(|start| start.iter().all(|byte| *byte == 0))
}

fn parse_header_size(text: &str) -> Result<u16, &'static str> {
    let number = parse_number(text).and_then(|number| u16::try_from(number).ok());
    number.ok_or("expected a number up to 65535, decimal or with 0x")
}

/// Reads a decimal number, or a hexadecimal one with 0x, as imgtool does.
fn parse_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // A sign is no digit, and `from_str_radix` would take one.
    if digits.chars().all(|digit| digit.is_digit(radix)) {
        u32::from_str_radix(digits, radix).ok()
    } else {
        None
    }
}

/// The bytes of an MCUboot header without padding.
const BARE_HEADER_LEN: u16 = 32;
