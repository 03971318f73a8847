//! Sample images for simulated campaigns: payloads of the committed samples under the world's own identities.

use std::collections::BTreeMap;

use bytes::Bytes;
use firmware_image::{
    ImageIdentity, OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage,
};
use fleet::{DeviceKind, WorldSpec};

use crate::exit::{ExitCode, Failure, OrFail};

const ELECTRICITY: &[u8] = include_bytes!("../../../firmware-images/esme.ota");
const GAS: &[u8] = include_bytes!("../../../firmware-images/gsme.ota");

/// The kinds of device that a simulated campaign brings firmware to: the meters. Hubs carry it, and displays
/// are left as they are.
const KINDS: [(DeviceKind, &[u8]); 2] = [(DeviceKind::Electricity, ELECTRICITY), (DeviceKind::Gas, GAS)];

/// Signs an image and verifies it again, because only verification makes an image that can be queued.
pub(crate) fn sign(file: &OtaFile, key: &SigningKey) -> Result<VerifiedImage, Failure> {
    let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
    let signed =
        SignedImage::sign(file, sequence, key).or_fail(ExitCode::BadInput, "the image cannot be signed")?;
    TrustStore::new(vec![key.public()])
        .verify(signed)
        .or_fail(ExitCode::Failed, "the image does not verify with the key that signed it")
}

/// Builds the sample image of one kind under an identity.
pub(crate) fn sample(kind: DeviceKind, identity: &ImageIdentity) -> Result<Option<OtaFile>, Failure> {
    let Some((_, sample)) = KINDS.iter().find(|(known, _)| *known == kind) else { return Ok(None) };
    let sample =
        OtaFile::parse(Bytes::from_static(sample)).or_fail(ExitCode::Failed, "a built-in sample image")?;
    let text = format!("Lamplighter sample {}", kind.duis_name());
    let file = OtaFile::build(identity, &text, sample.payload())
        .or_fail(ExitCode::BadInput, "an image for the world's device models")?;
    Ok(Some(file))
}

/// Builds and signs the sample images of a world.
pub(crate) fn signed_samples(
    spec: &WorldSpec,
    key: &SigningKey,
) -> Result<BTreeMap<DeviceKind, VerifiedImage>, Failure> {
    let mut images = BTreeMap::new();
    for (kind, _) in KINDS {
        if let Some(file) = sample(kind, &spec.device.of(kind).target())? {
            images.insert(kind, sign(&file, key)?);
        }
    }
    Ok(images)
}
