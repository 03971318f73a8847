//! Where a simulated device's nonces come from: a well that is as deep as its count of draws, and the same in every
//! run of the same world.
//!
//! A real device asks its hardware. Here the secret takes that place: who does not know it cannot tell the next
//! nonce, and no two draws of a device give the same one, whatever power cuts come between.

use firmware_image::{Eui64, Nonce};
use sha2::{Digest, Sha256};

/// Returns what a device draws the `draws`-th time, counted from 0 for the nonce that the factory left.
pub(crate) fn nonce_of(device: Eui64, secret: u64, draws: u64) -> Nonce {
    let mut hash = Sha256::new();
    hash.update(b"simulated nonce\0");
    hash.update(device.to_bytes());
    hash.update(secret.to_be_bytes());
    hash.update(draws.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    Nonce::from_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::nonce_of;
    use firmware_image::Eui64;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_draws_devices_or_secrets_share_a_nonce() {
        let mut seen = BTreeSet::new();
        for device in 0..10 {
            for secret in 0..10 {
                for draws in 0..100 {
                    let nonce = nonce_of(Eui64::from_bytes([device; 8]), secret, draws);
                    assert!(seen.insert(nonce), "{device} {secret} {draws}");
                }
            }
        }
    }
}
