//! `lamplighter image inspect`: what is in a file, whoever made it, and what is odd about it.

mod document;

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use firmware_image::{
    DocumentKind, ElementTag, Inspection, Oddity, OtaFile, PayloadFormat, SignedImage, inspect,
};
use serde::Serialize;

use super::facts::{IdentityFacts, PromiseFacts};
use super::mcuboot::{self, McubootFacts};
use super::read_image;
use crate::exit::{ExitCode, Failure};
use crate::output::Output;

/// Look into any OTA file, bare MCUboot image or document of the chain of trust, and name everything odd about it.
///
/// Believes nothing and verifies no signature. Roots, releases, statuses and orders are recognised by their content,
/// and what they claim is printed. Exit code 0: sound. 4: it would be refused, and why. 3: no OTA
/// file, or not readable.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lamplighter image inspect vendor.ota\n  \
lamplighter image inspect vendor.ota --json")]
pub(crate) struct Arguments {
    /// File to look into.
    file: PathBuf,
}

/// What was seen.
#[derive(Debug, Serialize)]
struct InspectReport {
    file: String,
    size_bytes: usize,
    sound: bool,
    /// Whether there is a signature; nothing is said about whether it holds.
    signed: bool,
    #[serde(flatten)]
    identity: Option<IdentityFacts>,
    header_string: Option<String>,
    /// What the signer is said to promise; `None` without a whole set of a signer's elements.
    promise: Option<PromiseFacts>,
    elements: Vec<ElementReport>,
    oddities: Vec<OddityReport>,
    payload_format: Option<String>,
    mcuboot: Option<McubootFacts>,
}

#[derive(Debug, Serialize)]
struct ElementReport {
    tag: String,
    name: &'static str,
    offset_bytes: usize,
    length_bytes: usize,
}

#[derive(Debug, Serialize)]
struct OddityReport {
    what: String,
    refused: bool,
}

impl InspectReport {
    fn new(path: &Path, bytes: &Bytes, seen: &Inspection) -> InspectReport {
        let signed = OtaFile::parse(bytes.clone()).ok().and_then(|file| SignedImage::from_file(file).ok());
        let payload = payload_of(bytes, seen);
        let format = payload.map(PayloadFormat::of);
        let read = payload.filter(|_| format == Some(PayloadFormat::Mcuboot)).map(McubootFacts::read);
        let (mcuboot, malformed) = match read {
            Some(Ok(facts)) => (Some(facts), None),
            Some(Err(error)) => (None, Some(format!("the payload begins as an MCUboot image: {error}"))),
            None => (None, None),
        };
        // Head-end and devices carry any payload; only a boot loader would mind.
        let fault = malformed.or_else(|| mcuboot.as_ref().and_then(McubootFacts::fault));
        InspectReport {
            file: path.display().to_string(),
            size_bytes: bytes.len(),
            promise: signed.and_then(|image| PromiseFacts::of(&image).ok()),
            sound: seen.is_sound(),
            signed: seen.elements.iter().any(|element| element.tag == ElementTag::ENVELOPE),
            identity: seen.identity.map(IdentityFacts::from),
            header_string: seen.header.map(|header| printable(&header.header_string)),
            elements: seen
                .elements
                .iter()
                .map(|element| ElementReport {
                    tag: format!("0x{:04X}", element.tag.0),
                    name: element.tag.name(),
                    offset_bytes: element.offset,
                    length_bytes: element.len,
                })
                .collect(),
            oddities: seen
                .oddities
                .iter()
                .map(|oddity| OddityReport { what: oddity.to_string(), refused: oddity.is_refused() })
                .chain(fault.map(|what| OddityReport { what, refused: false }))
                .collect(),
            payload_format: format.map(|format| format.to_string()),
            mcuboot,
        }
    }
}

impl fmt::Display for InspectReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {} ({} bytes)", self.file, self.size_bytes)?;
        if let Some(identity) = &self.identity {
            write!(formatter, "{identity}")?;
        }
        if let Some(text) = &self.header_string {
            writeln!(formatter, "header text   {text}")?;
        }
        writeln!(
            formatter,
            "signature     {}",
            if self.signed { "present, not verified here" } else { "none" }
        )?;
        if let Some(promise) = &self.promise {
            write!(formatter, "{promise}")?;
        }
        for element in &self.elements {
            let ElementReport { tag, name, offset_bytes, length_bytes } = element;
            writeln!(formatter, "element       {tag} {name}, {length_bytes} bytes at byte {offset_bytes}")?;
        }
        // What is promised of the payload stands above already.
        if let (Some(format), None) = (&self.payload_format, &self.promise) {
            writeln!(formatter, "payload       {format}")?;
        }
        if let Some(facts) = &self.mcuboot {
            write!(formatter, "{facts}")?;
        }
        for oddity in &self.oddities {
            let label = if oddity.refused { "odd, refused" } else { "odd" };
            writeln!(formatter, "{label:<13} {}", oddity.what)?;
        }
        writeln!(formatter, "verdict       {}", if self.sound { "sound" } else { "would be refused" })
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let bytes = read_image(path)?;
    if let Some(kind) = DocumentKind::of(&bytes) {
        return document::show(path, kind, &bytes, output).map_err(|stop| stop.end(output));
    }
    if PayloadFormat::of(&bytes) == PayloadFormat::Mcuboot {
        return mcuboot::inspect(path, &bytes, output);
    }
    let seen = inspect(&bytes);
    if seen.identity.is_none() {
        return Err(Failure::message(
            ExitCode::BadInput,
            format_args!("{}: expected an OTA file: {}", path.display(), named(&seen.oddities)),
        ));
    }
    output.report(&InspectReport::new(path, &bytes, &seen))?;
    if seen.is_sound() {
        return Ok(());
    }
    let refused: Vec<Oddity> = seen.oddities.iter().copied().filter(Oddity::is_refused).collect();
    let message = format!("{}: would be refused: {}", path.display(), named(&refused));
    Err(Failure::message(ExitCode::Refused, message))
}

/// Returns the one payload of a file; with several, nobody knows which one counts.
fn payload_of<'a>(bytes: &'a [u8], seen: &Inspection) -> Option<&'a [u8]> {
    let mut payloads = seen.elements.iter().filter(|element| element.tag == ElementTag::UPGRADE_IMAGE);
    let (only, None) = (payloads.next()?, payloads.next()) else { return None };
    let start = only.offset + ELEMENT_HEADER_LEN;
    bytes.get(start..start + only.len)
}

fn named(oddities: &[Oddity]) -> String {
    oddities.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Returns the text up to its first NUL; what is no printable ASCII comes escaped.
fn printable(header_string: &[u8]) -> String {
    let end = header_string.iter().position(|byte| *byte == 0).unwrap_or(header_string.len());
    header_string[..end].escape_ascii().to_string()
}

/// The bytes of an element before its value: tag u16, length u32 (ZCL 11.4.2).
const ELEMENT_HEADER_LEN: usize = 6;
