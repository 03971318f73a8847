//! Sample images for simulated campaigns: payloads of the committed samples under the world's own identities.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::Bytes;
use firmware_image::{
    ImageIdentity, OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage,
};
use fleet::{DeviceKind, WorldSpec};

use crate::exit::{ExitCode, Failure, OrFail};

const ELECTRICITY: &[u8] = include_bytes!("../../../firmware-images/esme.ota");
const GAS: &[u8] = include_bytes!("../../../firmware-images/gsme.ota");

/// The samples by the kinds of device that they are for. Hubs and displays have none of their own; a world that wants
/// images for them says how long they are, and they are given bytes of the electricity meter's, from another place on:
/// lists tell images apart by the digest of their payload.
const SAMPLES: [(DeviceKind, &[u8]); 2] = [(DeviceKind::Electricity, ELECTRICITY), (DeviceKind::Gas, GAS)];

/// Signs an image and verifies it again, because only verification makes an image that can be queued.
pub(crate) fn sign(file: &OtaFile, key: &SigningKey) -> Result<VerifiedImage, Failure> {
    let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
    let signed =
        SignedImage::sign(file, sequence, key).or_fail(ExitCode::BadInput, "the image cannot be signed")?;
    TrustStore::new(vec![key.public()])
        .verify(signed)
        .or_fail(ExitCode::Failed, "the image does not verify with the key that signed it")
}

/// Builds the sample image of one kind under an identity: as long as the sample, or `len` bytes of it over and over.
/// `None` for a kind without a sample whose length is not said.
pub(crate) fn sample(
    kind: DeviceKind,
    identity: &ImageIdentity,
    len: Option<NonZeroU32>,
) -> Result<Option<OtaFile>, Failure> {
    let own = SAMPLES.iter().find(|(known, _)| *known == kind).map(|(_, sample)| *sample);
    let Some(sample) = own.or_else(|| len.map(|_| ELECTRICITY)) else { return Ok(None) };
    let sample =
        OtaFile::parse(Bytes::from_static(sample)).or_fail(ExitCode::Failed, "a built-in sample image")?;
    let text = format!("Lamplighter sample {}", kind.duis_name());
    let payload: Vec<u8> = match len {
        Some(len) => {
            let from = usize::from(kind.channel()) * 4_099;
            sample.payload().iter().copied().cycle().skip(from).take(len.get() as usize).collect()
        }
        None => sample.payload().to_vec(),
    };
    let file = OtaFile::build(identity, &text, &payload)
        .or_fail(ExitCode::BadInput, "an image for the world's device models")?;
    Ok(Some(file))
}

/// Builds and signs the sample images of a world.
pub(crate) fn signed_samples(
    spec: &WorldSpec,
    key: &SigningKey,
) -> Result<BTreeMap<DeviceKind, VerifiedImage>, Failure> {
    let mut images = BTreeMap::new();
    for kind in DeviceKind::ALL {
        let model = spec.device.of(kind);
        if let Some(file) = sample(kind, &model.target(), model.image_bytes)? {
            images.insert(kind, sign(&file, key)?);
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREET: &str = include_str!("../../../simulators/fleets/street.toml");

    #[test]
    fn images_are_as_long_as_the_world_says_and_there_are_no_others() {
        let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
        for kind in DeviceKind::ALL {
            spec.device.of_mut(kind).image_bytes = None;
        }
        let key = SigningKey::generate_from_seed([1; 32]);
        let lengths = |spec: &WorldSpec| {
            let images = signed_samples(spec, &key).expect("they are made");
            images.into_iter().map(|(kind, image)| (kind, image.file().payload().len())).collect::<Vec<_>>()
        };
        let [(_, electricity), (_, gas)] =
            SAMPLES.map(|(kind, file)| (kind, OtaFile::parse(Bytes::from_static(file)).expect("sound")));
        let usual =
            [(DeviceKind::Electricity, electricity.payload().len()), (DeviceKind::Gas, gas.payload().len())];
        assert_eq!(lengths(&spec), usual);
        spec.device.of_mut(DeviceKind::Display).image_bytes = NonZeroU32::new(700_000);
        spec.device.of_mut(DeviceKind::Gas).image_bytes = NonZeroU32::new(1_000);
        let said = [usual[0], (DeviceKind::Gas, 1_000), (DeviceKind::Display, 700_000)];
        assert_eq!(lengths(&spec), said);
    }

    #[test]
    fn no_two_images_have_the_same_payload() {
        let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
        for kind in DeviceKind::ALL {
            spec.device.of_mut(kind).image_bytes = NonZeroU32::new(241_000);
        }
        let images = signed_samples(&spec, &SigningKey::generate_from_seed([1; 32])).expect("they are made");
        let digests: std::collections::BTreeSet<_> =
            images.values().map(|image| image.image_digest()).collect();
        assert_eq!(digests.len(), DeviceKind::ALL.len());
    }
}
