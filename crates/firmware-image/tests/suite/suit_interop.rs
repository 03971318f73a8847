//! An image signed here is accepted by a SUIT verifier that others wrote (crate `suit_validator`, with its own
//! reader of CBOR and COSE), and altered ones are refused by it too.
//!
//! It knows the algorithm by the label -19 only, looks at the first signature block of an envelope only, and
//! reads at most 20 commands of a sequence.

use cose_minicbor::cose_keys::{CoseAlg, CoseKey, CoseKeySetBuilder, Curve, KeyType};
use firmware_image::{ImageDigest, OtaFile, SequenceNumber, SignedImage, SigningKey};
use suit_validator::crypto::CoseCrypto;
use suit_validator::handler::{PairView, SuitCommandHandler, SuitSharedSequenceHandler, SuitStartHandler};
use suit_validator::suit_manifest::{
    CommandCustomValue, SuitCondition, SuitDirective, SuitEnvelope, SuitManifest, SuitSharedCommand,
};
use suit_validator::{SuitError, suit_decode};

use crate::support::{element, file_with_body, key, parse, signed, unsigned};

/// What the other verifier read of an envelope it believes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    sequence: u64,
    components: Vec<Vec<u8>>,
    vendor_and_class: Vec<Vec<u8>>,
    digests_and_sizes: Vec<(Vec<u8>, u64)>,
    /// How many components it is told to compare with their digests before they are used.
    image_matches: usize,
}

impl SuitStartHandler for Reading {
    fn on_envelope<'a>(&mut self, envelope: SuitEnvelope<'a>) -> Result<(), SuitError> {
        let manifest = envelope.manifest.get()?;
        self.sequence = manifest.sequence_number;
        let common = manifest.common.get()?;
        for component in common.components.get()? {
            let parts: Result<Vec<_>, _> = component.unwrap().get()?.collect();
            self.components.push(parts.unwrap().iter().flat_map(|part| part.to_vec()).collect());
        }
        common.shared_seq.expect("ours have one").get()?.decode_and_dispatch(self)?;
        manifest.validate.expect("ours have one").get()?.decode_and_dispatch(self)
    }

    fn on_manifest<'a>(&mut self, _: SuitManifest<'a>) -> Result<(), SuitError> {
        panic!("a manifest that nobody signed was taken")
    }
}

impl SuitSharedSequenceHandler for Reading {
    fn on_conditions<'a>(
        &mut self,
        conditions: impl Iterator<Item = PairView<'a, SuitCondition>>,
    ) -> Result<(), SuitError> {
        for pair in conditions {
            pair.get()?;
        }
        Ok(())
    }

    fn on_commands<'a>(
        &mut self,
        commands: impl Iterator<Item = PairView<'a, SuitSharedCommand<'a>>>,
    ) -> Result<(), SuitError> {
        for pair in commands {
            let SuitSharedCommand::OverrideParameters(parameters) = pair.get()? else { continue };
            self.vendor_and_class.extend(parameters.vendor_identifier.map(|id| id.to_vec()));
            self.vendor_and_class.extend(parameters.class_identifier.map(|id| id.to_vec()));
            if let (Some(digest), Some(size)) = (&parameters.image_digest, parameters.image_size) {
                self.digests_and_sizes.push((digest.get()?.bytes.to_vec(), size));
            }
        }
        Ok(())
    }
}

impl SuitCommandHandler for Reading {
    fn on_conditions<'a>(
        &mut self,
        conditions: impl Iterator<Item = PairView<'a, SuitCondition>>,
    ) -> Result<(), SuitError> {
        for pair in conditions {
            self.image_matches += usize::from(matches!(pair.get()?, SuitCondition::ImageMatch(_)));
        }
        Ok(())
    }

    fn on_directives<'a>(
        &mut self,
        directives: impl Iterator<Item = PairView<'a, SuitDirective<'a>>>,
    ) -> Result<(), SuitError> {
        for pair in directives {
            pair.get()?;
        }
        Ok(())
    }

    fn on_customs<'a>(
        &mut self,
        customs: impl Iterator<Item = PairView<'a, CommandCustomValue<'a>>>,
    ) -> Result<(), SuitError> {
        assert_eq!(customs.count(), 0, "ours speak the draft's vocabulary only");
        Ok(())
    }
}

/// Offers an envelope to the other verifier, which trusts one key under the name that ours go by.
fn read(envelope: &[u8], trusted: &SigningKey) -> Result<Reading, SuitError> {
    let public = trusted.public();
    let (coordinate, fingerprint) = (public.to_bytes(), public.fingerprint());
    let mut key = CoseKey::new(KeyType::Okp);
    key.alg(CoseAlg::ED25519);
    key.crv(Curve::Ed25519).unwrap();
    key.x(&coordinate).unwrap();
    key.kid(fingerprint.as_bytes());
    let mut key_set = CoseKeySetBuilder::<128>::try_new().unwrap();
    key_set.push_key(key).unwrap();
    let key_set = key_set.into_bytes().unwrap();
    let mut reading = Reading::default();
    suit_decode(envelope, &mut reading, &mut CoseCrypto::new(&key_set))?;
    Ok(reading)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    ImageDigest::of(bytes).as_bytes().to_vec()
}

#[test]
fn an_independent_verifier_accepts_an_image_signed_here_and_reads_the_same_promises() {
    let image = signed();
    let reading = read(image.envelope(), &key(1)).unwrap();
    assert_eq!(reading.sequence, 7);
    assert_eq!(reading.components[..2], [b"payload".to_vec(), b"header".to_vec()]);
    assert_eq!(reading.vendor_and_class.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16]);
    let payload = unsigned().payload().to_vec();
    let header = image.file().header_bytes();
    assert_eq!(reading.digests_and_sizes[0], (sha256(&payload), payload.len() as u64));
    assert_eq!(reading.digests_and_sizes[1], (sha256(header), header.len() as u64));
    assert_eq!(reading.digests_and_sizes.len(), reading.components.len());
    assert_eq!(reading.image_matches, reading.components.len());
}

#[test]
fn an_independent_verifier_accepts_an_image_with_other_elements_too() {
    let body = [element(0xf100, b"before"), element(0, b"image"), element(3, b"after")].concat();
    let file: OtaFile = parse(&file_with_body(&body)).unwrap();
    let image = SignedImage::sign(&file, SequenceNumber(u64::MAX), &key(1)).unwrap();
    let reading = read(image.envelope(), &key(1)).unwrap();
    assert_eq!(reading.sequence, u64::MAX);
    assert!(reading.components.contains(&b"elements".to_vec()));
    assert_eq!(reading.image_matches, reading.components.len());
}

#[test]
fn an_independent_verifier_refuses_strangers_and_every_flipped_bit_that_says_something() {
    let envelope = signed().envelope().to_vec();
    assert!(read(&envelope, &key(2)).is_err());
    // {4: fingerprint} in the unprotected header: with another label the block names no key, and the verifier
    // tries the one it has. Nothing that is signed has changed. We refuse that form all the same.
    let name_label = envelope.windows(3).position(|window| window == [0xa1, 0x04, 0x48]).unwrap() + 1;
    for bit in 0..envelope.len() * 8 {
        let mut altered = envelope.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(reading) = read(&altered, &key(1)) {
            assert_eq!(bit / 8, name_label, "bit {} of byte {} changes {reading:?}", bit % 8, bit / 8);
        }
    }
}
