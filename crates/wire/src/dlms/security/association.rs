//! Opening an association with ciphering and high-level security: the AARQ and AARE around it.
//!
//! ```text
//! AARQ 60 len | a1 context 3 | a6 0a 04 08 title | 8a 02 07 80 | 8b 07 mechanism 5 | ac len 80 len CtoS
//!             | be len 04 len 21 ciphered initiate-request
//! AARE 61 len | a1 context 3 | a2 result | a3 diagnostic | a4 0a 04 08 title | 88 02 07 80 | 89 07 mechanism 5
//!             | aa len 80 len StoC | be len 04 len 28 ciphered initiate-response
//! ```
//!
//! Fields may come in any order and others may come with them; which must be there is for client and server.

use super::super::association::{
    CONTEXT_NAME, LN_CIPHERING, MECHANISM_NAME, body, emit_context, emit_result, ends_name, next_field,
    parse_diagnostic, parse_integer, parse_name, user_information,
};
use super::hls::Challenge;
use super::keys::SystemTitle;
use crate::WireError;
use crate::reader::{Reader, put_length};

/// High-level security with GMAC.
pub(crate) const HLS_GMAC: u8 = 5;

/// Diagnostics of a refused association (IEC 62056-5-3, associate-source-diagnostic).
pub(crate) const CONTEXT_NOT_SUPPORTED: u8 = 2;
pub(crate) const MECHANISM_NOT_RECOGNISED: u8 = 11;
pub(crate) const AUTHENTICATION_FAILED: u8 = 13;
/// With an acceptance: and now the second pass.
pub(crate) const AUTHENTICATION_REQUIRED: u8 = 14;

/// What an AARQ or AARE says about security. `None` where it says nothing, or nothing that can be meant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SecuredFields<'a> {
    /// The last number of the application context's name.
    pub(crate) context: Option<u8>,
    /// The last number of the authentication mechanism's name.
    pub(crate) mechanism: Option<u8>,
    pub(crate) title: Option<SystemTitle>,
    pub(crate) challenge: Option<Challenge>,
    /// The user information: a ciphered initiate-request or -response.
    pub(crate) initiate: Option<&'a [u8]>,
    /// AARE only: 0 accepted.
    pub(crate) result: Option<u8>,
    /// AARE only.
    pub(crate) diagnostic: Option<u8>,
}

/// Says whether an APDU is an AARQ.
pub(crate) fn is_request(apdu: &[u8]) -> bool {
    apdu.first() == Some(&0x60)
}

/// Says whether an APDU is an AARE.
pub(crate) fn is_response(apdu: &[u8]) -> bool {
    apdu.first() == Some(&0x61)
}

impl<'a> SecuredFields<'a> {
    /// Parses an AARQ or AARE, which must be the whole input.
    pub(crate) fn parse(apdu: &'a [u8]) -> Result<SecuredFields<'a>, WireError> {
        let mut reader = Reader::new(apdu);
        let from_client = reader.u8("APDU tag")? == 0x60;
        let mut fields = body(&mut reader, "association APDU")?;
        let mut found = SecuredFields::default();
        while let Some((tag, mut field)) = next_field(&mut fields)? {
            match (tag, from_client) {
                (0xA1, _) => found.context = ends_name(parse_name(&mut field)?, CONTEXT_NAME),
                (0xA6, true) | (0xA4, false) => found.title = parse_title(&mut field)?,
                (0x8B, true) | (0x89, false) => {
                    found.mechanism = ends_name(field.rest(), MECHANISM_NAME);
                }
                (0xAC, true) | (0xAA, false) => found.challenge = parse_challenge(&mut field)?,
                (0xBE, _) => found.initiate = Some(user_information(field)?.rest()),
                (0xA2, false) => found.result = Some(parse_integer(&mut field, "association result")?),
                (0xA3, false) => found.diagnostic = Some(parse_diagnostic(&mut field)?),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Reads `04 08 title`; a title of another length is none.
fn parse_title(field: &mut Reader<'_>) -> Result<Option<SystemTitle>, WireError> {
    field.exactly(0x04, "system title", "04 (an octet-string)")?;
    let len = field.length("system title")?;
    let title = field.take(len, "system title")?;
    Ok(title.try_into().ok().map(SystemTitle))
}

/// Reads `80 len challenge`; a challenge of a length that the standard does not allow is none.
fn parse_challenge(field: &mut Reader<'_>) -> Result<Option<Challenge>, WireError> {
    field.exactly(0x80, "challenge", "80 (a character string)")?;
    let len = field.length("challenge")?;
    Ok(Challenge::new(field.take(len, "challenge")?))
}

/// What differs between the security fields of an AARQ and an AARE: their tags.
struct Tags {
    title: u8,
    requirements: u8,
    mechanism: u8,
    challenge: u8,
}

/// Appends an AARQ.
pub(crate) fn emit_request(title: SystemTitle, challenge: &Challenge, initiate: &[u8], out: &mut Vec<u8>) {
    out.push(0x60);
    put_length(CONTEXT_LEN + security_len(challenge, initiate), out);
    emit_context(LN_CIPHERING, out);
    let tags = Tags { title: 0xA6, requirements: 0x8A, mechanism: 0x8B, challenge: 0xAC };
    emit_security(&tags, title, challenge, initiate, out);
}

/// Appends an AARE that accepts, and asks for the second pass.
pub(crate) fn emit_acceptance(title: SystemTitle, challenge: &Challenge, initiate: &[u8], out: &mut Vec<u8>) {
    out.push(0x61);
    put_length(CONTEXT_LEN + RESULT_LEN + security_len(challenge, initiate), out);
    emit_context(LN_CIPHERING, out);
    emit_result(true, AUTHENTICATION_REQUIRED, out);
    let tags = Tags { title: 0xA4, requirements: 0x88, mechanism: 0x89, challenge: 0xAA };
    emit_security(&tags, title, challenge, initiate, out);
}

/// Appends an AARE that refuses. It is not protected.
pub(crate) fn emit_refusal(diagnostic: u8, out: &mut Vec<u8>) {
    out.push(0x61);
    put_length(CONTEXT_LEN + RESULT_LEN, out);
    emit_context(LN_CIPHERING, out);
    emit_result(false, diagnostic, out);
}

const CONTEXT_LEN: usize = 11;
const RESULT_LEN: usize = 5 + 7;

fn security_len(challenge: &Challenge, initiate: &[u8]) -> usize {
    12 + 4 + 9 + 4 + challenge.as_bytes().len() + 4 + initiate.len()
}

fn emit_security(tags: &Tags, title: SystemTitle, challenge: &Challenge, initiate: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[tags.title, 10, 0x04, 8]);
    out.extend_from_slice(&title.0);
    // The one bit that says that authentication is asked for.
    out.extend_from_slice(&[tags.requirements, 2, 7, 0x80]);
    out.extend_from_slice(&[tags.mechanism, 7]);
    out.extend_from_slice(&MECHANISM_NAME);
    out.push(HLS_GMAC);
    // All lengths below 128: a challenge has at most 64 bytes, a ciphered initiate 33.
    let challenge = challenge.as_bytes();
    out.extend_from_slice(&[tags.challenge, challenge.len() as u8 + 2, 0x80, challenge.len() as u8]);
    out.extend_from_slice(challenge);
    out.extend_from_slice(&[0xBE, initiate.len() as u8 + 2, 0x04, initiate.len() as u8]);
    out.extend_from_slice(initiate);
}
