//! Any bytes as a trust root offered to somebody who holds the first, and the same bytes as a document that two of
//! the root keys have signed: an attacker may send the first, only confused holders of keys the second.

#![no_main]

use firmware_image::{RootError, SignedRoot, TrustAnchor};
use fuzz::chain::{first_root, next_root, signed_root};
use fuzz::{READING, bounded, root_around, seeds};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static HELD: LazyLock<TrustAnchor> = LazyLock::new(|| {
    let first =
        SignedRoot::from_bytes(signed_root(&first_root(), &[11, 12])).expect("a root is short enough");
    TrustAnchor::adopt(&first).expect("the first root is signed by its own keys")
});

fuzz_target!(init: check(), |data: &[u8]| {
    if let Ok(taken) = offer(data) {
        // Nobody can make another signature: what is taken is what the seeds say.
        assert!([first_root(), next_root()].contains(taken.root()));
    }
    match offer(&root_around(data)) {
        Ok(taken) => assert!(taken.root().check().is_ok() && taken.root().version.0 <= 2),
        Err(RootError::BadSignature | RootError::OldSigners(_)) => {
            panic!("the signatures made here are not the ones that are looked for")
        }
        Err(_) => {}
    }
});

fn offer(bytes: &[u8]) -> Result<TrustAnchor, RootError> {
    bounded("taking a root", bytes.len(), READING, || {
        let signed = SignedRoot::from_bytes(bytes)?;
        let _ = signed.claims();
        HELD.advance(&signed)
    })
}

/// Makes sure that the seeds are roots to be taken.
fn check() {
    seeds::check("trust_root");
    let next = offer(&signed_root(&next_root(), &[11, 12])).expect("the honest root is taken");
    assert_eq!(next.root(), &next_root());
}
