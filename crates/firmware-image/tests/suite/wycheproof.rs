//! Wycheproof's Ed25519 vectors through our keys and our verification: nothing that it calls invalid is taken,
//! nothing that it calls valid is refused. What it leaves out is in `edge_vectors`.

use firmware_image::PublicKey;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// Verifies as every caller of this crate does: a key that cannot be imported and a signature of another
/// length than 64 bytes are refusals too.
fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (<&[u8; 32]>::try_from(key), <&[u8; 64]>::try_from(signature)) else {
        return false;
    };
    PublicKey::from_bytes(key).is_ok_and(|key| key.verifies(message, signature))
}

/// A vector by name, whether Wycheproof calls it valid, and whether we do.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) expected: bool,
    pub(crate) accepted: bool,
}

/// Judges every vector of the crate.
pub(crate) fn judged() -> Vec<Judged> {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut judged = Vec::new();
    for group in &set.test_groups {
        for test in &group.tests {
            let name = format!("vector {}: {} {:?}", test.tc_id, test.comment, test.flags);
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("{name}: Ed25519 knows no half-truths"),
            };
            let accepted = accepts(&group.key.pk, &test.msg, &test.sig);
            judged.push(Judged { name, expected, accepted });
        }
    }
    judged
}

#[test]
fn every_vector_of_wycheproof_is_judged_as_wycheproof_judges_it() {
    let (mut valid, mut invalid) = (0, 0);
    for Judged { name, expected, accepted } in judged() {
        assert_eq!(accepted, expected, "{name}");
        if expected { valid += 1 } else { invalid += 1 }
    }
    println!("wycheproof Ed25519: {valid} valid and {invalid} invalid vectors judged rightly");
    assert_eq!((valid, invalid), (VALID, INVALID));
}

#[test]
fn the_keys_of_wycheproof_are_read_alike_from_their_files() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        let from_file = PublicKey::from_pem(&group.pem).unwrap();
        assert_eq!(from_file.to_bytes()[..], group.key.pk[..]);
    }
}

/// How many vectors the crate has of each kind: a release that loses some must not pass unseen.
const VALID: usize = 88;
const INVALID: usize = 63;
