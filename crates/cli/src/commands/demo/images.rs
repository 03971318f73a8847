//! The images of the demo: samples, or any firmware file that the user brings.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use bytes::Bytes;
use firmware_image::{
    Adoption, FileVersion, ImageIdentity, MAX_FILE_LEN, OtaFile, SignedImage, SigningKey, VerifiedImage,
    adopt,
};
use fleet::{DeviceKind, Share, WorldSpec};

use super::DemoArguments;
use crate::cast;
use crate::exit::{Failure, OrFail};
use crate::files;
use crate::output::Output;

/// What the demo carries over simulated radios in well under a minute on two cores: about nine million blocks
/// of 48 bytes.
const HAN_BYTES: usize = 450_000_000;

/// The fewest homes that still show pilot, waves and troubles.
const FEWEST_HOMES: usize = 40;

/// Reads or builds the images, and makes the world's meters the ones they are meant for.
pub(super) fn prepare(
    arguments: &DemoArguments,
    spec: &mut WorldSpec,
    key: &SigningKey,
    output: &Output,
) -> Result<BTreeMap<DeviceKind, VerifiedImage>, Failure> {
    let mut images = cast::signed_samples(spec, key)?;
    if let Some(path) = &arguments.image {
        let file = bring(path, spec, output)?;
        spec.adopt_model(DeviceKind::Electricity, &file.identity());
        images.insert(DeviceKind::Electricity, cast::sign(&file, key)?);
    }
    Ok(images)
}

/// Makes a sound, unsigned OTA file of whatever the user brought.
fn bring(path: &Path, spec: &WorldSpec, output: &Output) -> Result<OtaFile, Failure> {
    let bytes = Bytes::from(files::read(path, MAX_FILE_LEN)?);
    let fallback = spec.device.of(DeviceKind::Electricity).target();
    let (file, adoption) = adopt(bytes, fallback).or_bad_input(path.display())?;
    match &adoption {
        Adoption::Kept => output.talk(format_args!("image   {}: a sound Zigbee OTA file", path.display())),
        Adoption::Rewrapped { oddities, .. } => {
            let oddities: Vec<String> = oddities.iter().map(ToString::to_string).collect();
            output.talk(format_args!(
                "image   {}: an odd Zigbee OTA file, wrapped anew ({})",
                path.display(),
                oddities.join("; ")
            ));
        }
        Adoption::Wrapped => {
            output
                .talk(format_args!("image   {}: a raw binary, wrapped as a Zigbee OTA file", path.display()));
        }
    }
    let identity = file.identity();
    let is_signed = SignedImage::from_file(file.clone()).is_ok();
    if !is_signed && identity.file_version.0 > 0 {
        return Ok(file);
    }
    // The demo signs with its own key, and its meters must have an older version to come from.
    let identity = ImageIdentity { file_version: FileVersion(identity.file_version.0.max(1)), ..identity };
    output.talk("        its payload is wrapped anew, to be signed with the demo's key");
    OtaFile::build(&identity, "Lamplighter demo", file.payload()).or_bad_input(path.display())
}

/// Takes fewer homes for larger images, unless the user said how many.
pub(super) fn scale(asked: Option<u32>, spec: &mut WorldSpec, images: &BTreeMap<DeviceKind, VerifiedImage>) {
    let bytes: usize = images.values().map(|image| image.bytes().len()).sum();
    let most = spec.installations.get() as usize;
    let fits = (HAN_BYTES / bytes.max(1)).clamp(FEWEST_HOMES, most) as u32;
    let homes = asked.unwrap_or(fits);
    spec.installations = NonZeroU32::new(homes).unwrap_or(NonZeroU32::MIN);
    if spec.cells > spec.installations {
        spec.cells = spec.installations;
    }
}

/// Has the new firmware fail its self-check on every meter.
pub(super) fn spoil(spec: &mut WorldSpec) {
    spec.trouble.does_not_come_up_share = Share::ALL;
    spec.trouble.wrong_hardware_share = Share::NONE;
    spec.trouble.already_current_share = Share::NONE;
    spec.trouble.flash_defect_share = Share::NONE;
    spec.trouble.unreachable_share = Share::NONE;
}
