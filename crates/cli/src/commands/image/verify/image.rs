//! Verifying an image: the seals and digests, then the hub's gate when papers are given, then the device's own
//! judgement when it is described.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use clap::Args;
use firmware_image::{
    Attack, DeviceModel, DeviceState, FileVersion, HardwareVersion, HubGate, ImageDigest, ImageType,
    IntakeError, ManufacturerCode, OtaFile, PublicKey, SecurityCounter, SequenceNumber, SignedImage,
    TrustAnchor, TrustStore, VerifiedImage, VerifyError,
};
use serde::Serialize;

use super::super::facts::{IdentityFacts, PromiseFacts, digest_of};
use super::super::inspect_hint;
use super::super::refusal::{NamesAttack, OrRefuse, Refusal, Stop};
use super::Arguments;
use super::document::{read_release, read_status};
use crate::exit::{ExitCode, Failure};
use crate::keys;
use crate::output::Output;

/// A device that the image is meant for.
#[derive(Debug, Args)]
pub(super) struct DeviceArguments {
    /// Manufacturer code of the device.
    #[arg(long, value_name = "CODE", requires_all = ["device_type", "device_hardware", "running"])]
    device_manufacturer: Option<ManufacturerCode>,
    /// Image type of the device.
    #[arg(long, value_name = "TYPE", requires = "device_manufacturer")]
    device_type: Option<ImageType>,
    /// Hardware version of the device.
    #[arg(long, value_name = "VERSION", requires = "device_manufacturer")]
    device_hardware: Option<HardwareVersion>,
    /// File version that the device runs.
    #[arg(long, value_name = "VERSION", requires = "device_manufacturer")]
    running: Option<FileVersion>,
    /// Rollback counter of the newest image that the device has confirmed [default: 0].
    #[arg(long, value_name = "N", requires = "device_manufacturer")]
    confirmed_sequence: Option<u64>,
    /// Image digest of that image [default: not known].
    #[arg(long, value_name = "SHA", requires = "confirmed_sequence")]
    confirmed_image: Option<ImageDigest>,
}

impl DeviceArguments {
    pub(super) fn is_given(&self) -> bool {
        self.device_manufacturer.is_some()
    }

    fn state(&self) -> Option<DeviceState> {
        Some(DeviceState {
            model: DeviceModel {
                manufacturer: self.device_manufacturer?,
                image_type: self.device_type?,
                hardware: self.device_hardware?,
            },
            running: self.running?,
            counter: SecurityCounter {
                sequence: SequenceNumber(self.confirmed_sequence.unwrap_or(0)),
                image: self.confirmed_image,
            },
        })
    }
}

/// What is now known to be true.
#[derive(Debug, Serialize)]
struct VerifyReport {
    file: String,
    verdict: &'static str,
    document: &'static str,
    size_bytes: usize,
    #[serde(flatten)]
    identity: IdentityFacts,
    sequence: u64,
    promise: PromiseFacts,
    signers: Vec<String>,
    image_digest: String,
    file_digest: String,
    root: Option<RootFacts>,
    released: Option<ReleasedFacts>,
    /// Whether the device that was described would take it; `None` when none was.
    accepted_by_device: Option<bool>,
}

#[derive(Debug, Serialize)]
struct RootFacts {
    version: u64,
    digest: String,
}

#[derive(Debug, Serialize)]
struct ReleasedFacts {
    campaign: String,
    release_serial: u64,
    status_serial: u64,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "verified      {} ({} bytes)", self.file, self.size_bytes)?;
        write!(formatter, "{}", self.identity)?;
        writeln!(formatter, "sequence      {}", self.sequence)?;
        write!(formatter, "{}", self.promise)?;
        writeln!(formatter, "signers       {}", self.signers.join(", "))?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "file digest   {}", self.file_digest)?;
        if let Some(RootFacts { version, digest }) = &self.root {
            writeln!(formatter, "believed by   trust root {version}, digest {digest}")?;
        }
        if let Some(ReleasedFacts { campaign, release_serial, status_serial }) = &self.released {
            writeln!(
                formatter,
                "released      campaign {campaign}, release {release_serial}, status {status_serial}"
            )?;
        }
        if self.accepted_by_device == Some(true) {
            writeln!(formatter, "device        would take it")?;
        }
        Ok(())
    }
}

pub(super) fn verify(arguments: &Arguments, bytes: Bytes, output: &Output) -> Result<(), Stop> {
    let now = arguments.clock.now()?;
    let name = arguments.name();
    let (store, anchor) = belief(arguments)?;
    if let (Some(anchor), Some(chain)) = (&anchor, &arguments.root) {
        anchor.require_fresh(now).or_refuse(chain.display())?;
    }
    let revoked = anchor.as_ref().map_or(&[][..], |anchor| &anchor.root().revoked);
    let image = parse_and_verify(&arguments.file, bytes, &store, revoked)?;
    let released = match &anchor {
        Some(anchor) if arguments.papers.are_given() => Some(pass_gate(arguments, anchor, &image)?),
        _ => None,
    };
    let device = arguments.device.state();
    if let Some(device) = &device {
        device.require_acceptable(&image).or_refuse(&name)?;
    }
    let signed = SignedImage::from_file(image.file().clone()).or_refuse(&name)?;
    output.report(&VerifyReport {
        promise: PromiseFacts::of(&signed).or_refuse(&name)?,
        file: name,
        verdict: "verified",
        document: "image",
        size_bytes: image.bytes().len(),
        identity: image.identity().into(),
        sequence: image.sequence().0,
        signers: image.signers().iter().map(ToString::to_string).collect(),
        image_digest: image.image_digest().to_string(),
        file_digest: image.file_digest().to_string(),
        root: anchor.map(|anchor| RootFacts {
            version: anchor.root().version.0,
            digest: digest_of(anchor.signed().bytes()),
        }),
        released,
        accepted_by_device: device.map(|_| true),
    })?;
    Ok(())
}

fn belief(arguments: &Arguments) -> Result<(TrustStore, Option<TrustAnchor>), Stop> {
    if !arguments.trust.is_empty() {
        return Ok((keys::read_trust(&arguments.trust)?, None));
    }
    if arguments.root.is_none() {
        let message = format!("{}: is no order, expected --trust or --root", arguments.name());
        return Err(Failure::message(ExitCode::BadInput, message).into());
    }
    let anchor = arguments.anchor("image")?;
    Ok((anchor.root().images(), Some(anchor)))
}

/// Does what a hub does: takes the papers one by one, and asks them about the image.
fn pass_gate(
    arguments: &Arguments,
    anchor: &TrustAnchor,
    image: &VerifiedImage,
) -> Result<ReleasedFacts, Stop> {
    let now = arguments.clock.now()?;
    let mut gate = HubGate::new(anchor.clone());
    for path in &arguments.papers.statuses {
        gate.take_status(now, &read_status(path)?).or_refuse(path.display())?;
    }
    for path in &arguments.papers.releases {
        gate.take_release(now, &read_release(path)?).or_refuse(path.display())?;
    }
    gate.require_current(now, image).or_refuse(arguments.name())?;
    let release = gate.require_released(now, &image.file_digest()).or_refuse(arguments.name())?;
    Ok(ReleasedFacts {
        campaign: release.campaign.as_str().to_owned(),
        release_serial: release.serial,
        status_serial: gate.status().map_or(0, |status| status.serial),
    })
}

/// Reads and verifies an image. What is no sound OTA file is bad input, unless bytes were hung on.
pub(in super::super) fn parse_and_verify(
    path: &Path,
    bytes: Bytes,
    trust: &TrustStore,
    revoked: &[PublicKey],
) -> Result<VerifiedImage, Stop> {
    let file = match OtaFile::parse(bytes) {
        Ok(file) => file,
        Err(error) => {
            let attack = IntakeError::Parse(error.clone()).attack();
            return Err(match attack {
                Attack::EndlessData => {
                    Refusal::new(path.display(), attack, error).hint(inspect_hint(path)).into()
                }
                _ => {
                    let place = format!("{}: expected a sound OTA file", path.display());
                    Failure::new(ExitCode::BadInput, error).at(place).hint(inspect_hint(path)).into()
                }
            });
        }
    };
    let verified = SignedImage::from_file(file).and_then(|image| trust.verify(image));
    verified.map_err(|error| {
        let refusal = Refusal::new(path.display(), error.attack(), error.reason());
        let hint = match &error {
            VerifyError::Unsigned => Some("sign it with `lamplighter image sign`".to_owned()),
            VerifyError::UntrustedKey { signer }
                if revoked.iter().any(|key| key.fingerprint() == *signer) =>
            {
                Some("the trust root lists that key as revoked".to_owned())
            }
            VerifyError::UntrustedKey { .. } | VerifyError::ForeignAuthority { .. } => {
                let keys: Vec<String> =
                    trust.keys().iter().map(|key| key.fingerprint().to_string()).collect();
                Some(format!("trusted here: {}", keys.join(", ")))
            }
            VerifyError::RootTooOld { .. } => {
                Some("verify it with --root and the chain of trust roots".to_owned())
            }
            _ => None,
        };
        Stop::Refused(match hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        })
    })
}
