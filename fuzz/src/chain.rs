//! A small chain of trust: a root and the one after it, for the target that offers roots to somebody who holds the
//! first.

use firmware_image::{
    CounterEpoch, Holder, KeyRecord, Maker, Quorum, RootVersion, SignatureAlgorithm, SignedRoot, SigningKey,
    TrustRoot, UtcSeconds, Validity,
};

use crate::identity;

/// Returns the secret key of this number.
pub fn key_of(number: u8) -> SigningKey {
    SigningKey::generate_from_seed([number; 32])
}

fn quorum(threshold: u8, numbers: &[u8]) -> Quorum {
    let record = |number: &u8| KeyRecord {
        algorithm: SignatureAlgorithm::Ed25519,
        key: key_of(*number).public(),
        holder: Holder::new(&format!("holder of {number}")).expect("a short name"),
    };
    Quorum::new(threshold, numbers.iter().map(record).collect()).expect("different keys, enough of them")
}

/// Returns the root that is held: root keys 11 to 13, two of them needed.
pub fn first_root() -> TrustRoot {
    let identity = identity();
    TrustRoot {
        version: RootVersion(1),
        validity: Validity { issued: UtcSeconds(1_800_000_000), expires: UtcSeconds(1_831_000_000) },
        root: quorum(2, &[11, 12, 13]),
        makers: vec![Maker {
            manufacturer: identity.manufacturer,
            image_types: vec![identity.image_type],
            quorum: quorum(1, &[21]),
        }],
        operator: quorum(2, &[31, 32]),
        status: quorum(1, &[41]),
        order: quorum(1, &[51]),
        revoked: Vec::new(),
        epoch: CounterEpoch(1),
    }
}

/// Returns the root after it, in which the maker's key is revoked.
pub fn next_root() -> TrustRoot {
    let mut root = TrustRoot { version: RootVersion(2), revoked: vec![key_of(21).public()], ..first_root() };
    root.makers[0].quorum = quorum(1, &[22]);
    root
}

/// Returns a root as it travels, signed with these keys.
pub fn signed_root(root: &TrustRoot, signers: &[u8]) -> Vec<u8> {
    let draft = SignedRoot::draft(root).expect("the root holds together");
    let signed = signers
        .iter()
        .fold(draft, |draft, number| draft.sign(&key_of(*number)).expect("a key in memory signs"));
    signed.bytes().to_vec()
}
