//! The wire from outside: bytes that others send and accept, and bytes that nobody should.

mod golden_dlms;
mod golden_han;
mod golden_security;
mod golden_zcl;
mod properties_dlms;
mod properties_security;
mod properties_zcl;
mod security;
mod security_rules;
mod variants;

/// Reads hexadecimal digits, spaces aside.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits: {text}");
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}

/// Returns what `emit` appends, and that it only appends.
fn emitted(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    emit(&mut out);
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}
