//! The standard's own examples (IEC 62056-5-3 / Green Book: ciphered initiate-request; GET.request in all three
//! protections; HLS 5), as they also stand in the tests of dlms-cosem, jDLMS and Gurux.

use super::control::SecurityControl;
use super::envelope::{Envelope, seal_tail, sealed_len};
use super::error::LinkError;
use super::hls::{Challenge, check_proof, prove};
use super::keys::{Cipher, LinkKeys, Nonce, SystemTitle};

const SERVER: SystemTitle = SystemTitle([0x4D, 0x4D, 0x4D, 0, 0, 0xBC, 0x61, 0x4E]);
const CLIENT: SystemTitle = SystemTitle([0x4D, 0x4D, 0x4D, 0, 0, 0, 0, 1]);
const COUNTER: u32 = 0x0123_4567;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}

/// EK 000102...0f, AK d0d1...df.
fn cipher() -> Cipher {
    let keys = |first: u8| std::array::from_fn(|at| first + at as u8);
    LinkKeys::new(keys(0), keys(0xD0)).expand()
}

#[track_caller]
fn both_ways(plain: &str, sealed: &str) {
    let (plain, sealed) = (hex(plain), hex(sealed));
    let nonce = Nonce { title: SERVER, counter: COUNTER };
    let mut out = plain.clone();
    seal_tail(&cipher(), nonce, SecurityControl::UNICAST, 0, &mut out).expect("has a ciphered form");
    assert_eq!(out, sealed);
    assert_eq!(sealed.len(), sealed_len(plain.len()));
    let mut opened = Vec::new();
    let envelope = Envelope::parse(&sealed).expect("a ciphered APDU");
    envelope.open(&cipher(), SERVER, &mut opened).expect("authentic");
    assert_eq!(opened, plain);
}

#[test]
fn an_initiate_request_is_ciphered_as_in_the_standard() {
    both_ways(
        "01 01 10 00112233445566778899aabbccddeeff 00 00 06 5f1f0400 007e1f 04b0",
        "21 30 30 01234567 801302ff8a7874133d414ced25b42534d28db0047720606b175bd52211be68 41db204d39ee6fdb8e356855",
    );
}

#[test]
fn a_get_request_is_ciphered_as_in_the_standard() {
    both_ways(
        "c0 01 00 0008 0000010000ff 02 00",
        "c8 1e 30 01234567 411312ff935a47566827c467bc 7d825c3be4a77c3fcc056b6b",
    );
}

#[test]
fn half_a_protection_is_recognised_and_refused() {
    let authenticated = "c8 1e 10 01234567 c0010000080000010000ff0200 06725d910f9221d263877516";
    let encrypted = "c8 12 20 01234567 411312ff935a47566827c467bc";
    for (bytes, byte) in [(authenticated, 0x10), (encrypted, 0x20)] {
        let found = SecurityControl::from_byte(byte);
        assert_eq!(Envelope::parse(&hex(bytes)).expect_err("refused"), LinkError::Policy { found });
    }
}

#[test]
fn challenges_are_answered_as_in_the_standard() {
    let (client_challenge, server_challenge) = (b"K56iVagY", b"P6wRJ21F");
    let answers = [
        (CLIENT, 1, server_challenge, "10 00000001 1a52fe7dd3e72748973c1e28"),
        (SERVER, COUNTER, client_challenge, "10 01234567 fe1466afb3dbcd4f9389e2b7"),
    ];
    for (title, counter, challenge, proof) in answers {
        let challenge = Challenge::new(challenge).expect("eight bytes");
        assert_eq!(prove(&cipher(), Nonce { title, counter }, &challenge)[..], hex(proof));
        assert_eq!(check_proof(&cipher(), title, &challenge, &hex(proof)), Ok(()));
        let other = Challenge::new(b"K56iVagZ").expect("eight bytes");
        assert_eq!(check_proof(&cipher(), title, &other, &hex(proof)), Err(LinkError::Forged));
    }
}
