//! Opening and closing an association: AARQ, AARE, RLRQ, RLRE (IEC 62056-5-3, ACSE APDUs in BER).
//!
//! ```text
//! AARQ 60 len | a1 application context | [8a 8b authentication] | [ac its value] | be user information
//! AARE 61 len | a1 application context | a2 result | a3 diagnostic                | be user information
//! user information: 04 len | xDLMS initiate, in A-XDR
//!   request   01 | dedicated key? | response-allowed default | quality of service? | 06 | conformance | max PDU u16
//!   response  08 | quality of service? | 06 | conformance | max PDU u16 | 0007 (names are logical names)
//! conformance: 5f 1f 04 00 and three bytes
//! RLRQ 62 len | 80 01 reason | [be]      RLRE 63 len | 80 01 reason | [be]
//! ```
//!
//! Fields in brackets are accepted from others, whatever they hold, and never sent by us but for the one
//! that asks for authentication. There is no security here; [`super::security`] opens associations that have it.

use crate::reader::{Reader, put_length};
use crate::{Conformance, WireError};

/// The names by which the peers may refer to objects, and whether they cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationContext {
    /// Logical names, no ciphering: 2.16.756.5.8.1.1.
    LnNoCiphering,
    /// Short names or ciphering. Emitted as logical names with ciphering, 2.16.756.5.8.1.3.
    Other,
}

/// A client asks for an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssociationRequest {
    /// How it wants to speak.
    pub context: ApplicationContext,
    /// The services it proposes; none when they are ciphered.
    pub conformance: Conformance,
    /// The longest APDU it takes; 0 = no limit, and when it is ciphered.
    pub max_pdu: u16,
    /// Whether it names an authentication mechanism other than the lowest (which is none at all). Emitted
    /// as low-level security with an empty secret, which is enough to be refused by whoever takes none.
    pub wants_authentication: bool,
}

/// A server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssociationResponse {
    /// Whether the result is 0, accepted; emitted as 0 or as 1, rejected for good.
    pub accepted: bool,
    /// Why (IEC 62056-5-3, associate-source-diagnostic): 0 nothing to say, 1 no reason given, 2 application
    /// context not supported, 11 mechanism name not recognised, 13 authentication failure, 14 authentication
    /// required: with an acceptance it means that a second step is expected.
    pub diagnostic: u8,
    /// The services granted; none when refused without an initiate-response.
    pub conformance: Conformance,
    /// The longest APDU the server takes; 0 as above.
    pub max_pdu: u16,
}

/// 2.16.756.5.8.1 in BER; the next byte is the context.
pub(super) const CONTEXT_NAME: [u8; 6] = [0x60, 0x85, 0x74, 0x05, 0x08, 0x01];
/// 2.16.756.5.8.2; the next byte is the mechanism.
pub(super) const MECHANISM_NAME: [u8; 6] = [0x60, 0x85, 0x74, 0x05, 0x08, 0x02];

const LN_NO_CIPHERING: u8 = 1;
pub(super) const LN_CIPHERING: u8 = 3;
/// Mechanism 0: the peers trust one another.
const LOWEST_SECURITY: u8 = 0;
const LOW_SECURITY: u8 = 1;

const INITIATE_REQUEST: u8 = 0x01;
const INITIATE_RESPONSE: u8 = 0x08;
const DLMS_VERSION: u8 = 6;
/// The vaa-name of a server with logical names (IEC 62056-5-3).
const VAA_NAME_LN: [u8; 2] = [0x00, 0x07];

impl AssociationRequest {
    /// Parses what follows the tag 0x60.
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<AssociationRequest, WireError> {
        let mut context = None;
        let mut wants_authentication = false;
        let mut initiate = None;
        let mut fields = body(reader, "AARQ")?;
        while let Some((tag, mut field)) = next_field(&mut fields)? {
            match tag {
                0xA1 => context = Some(parse_context(&mut field)?),
                // Implicit, so the field is the name itself (IEC 62056-5-3, mechanism-name [11]).
                0x8B => {
                    let lowest = ends_name(field.rest(), MECHANISM_NAME) == Some(LOWEST_SECURITY);
                    wants_authentication |= !lowest;
                }
                0xAC => wants_authentication = true,
                0xBE => initiate = Some(user_information(field)?),
                _ => {}
            }
        }
        let offset = fields.offset();
        let context = context.ok_or(missing("application context name", offset))?;
        let mut initiate = initiate.ok_or(missing("initiate-request", offset))?;
        let (conformance, max_pdu) = match (context, initiate.peek()) {
            (ApplicationContext::LnNoCiphering, _) | (_, Some(INITIATE_REQUEST)) => {
                parse_initiate_request(&mut initiate)?
            }
            _ => (Conformance::NONE, 0),
        };
        Ok(AssociationRequest { context, conformance, max_pdu, wants_authentication })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let context = match self.context {
            ApplicationContext::LnNoCiphering => LN_NO_CIPHERING,
            ApplicationContext::Other => LN_CIPHERING,
        };
        let authentication: &[u8] = match self.wants_authentication {
            // 8a: the bit that says that 8b follows; ac: an empty graphic string.
            true => &[
                0x8A,
                2,
                7,
                0x80,
                0x8B,
                7,
                0x60,
                0x85,
                0x74,
                0x05,
                0x08,
                0x02,
                LOW_SECURITY,
                0xAC,
                2,
                0x80,
                0,
            ],
            false => &[],
        };
        // 11 for the context, 18 for the user information.
        out.push(0x60);
        put_length(11 + authentication.len() + 18, out);
        emit_context(context, out);
        out.extend_from_slice(authentication);
        out.extend_from_slice(&[0xBE, 0x10, 0x04, 0x0E]);
        emit_initiate_request(self.conformance, self.max_pdu, out);
    }
}

impl AssociationResponse {
    /// Parses what follows the tag 0x61.
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<AssociationResponse, WireError> {
        let (mut result, mut diagnostic, mut initiate) = (None, 0, None);
        let mut fields = body(reader, "AARE")?;
        while let Some((tag, mut field)) = next_field(&mut fields)? {
            match tag {
                0xA2 => result = Some(parse_integer(&mut field, "association result")?),
                0xA3 => diagnostic = parse_diagnostic(&mut field)?,
                0xBE => initiate = Some(user_information(field)?),
                _ => {}
            }
        }
        let accepted = result.ok_or(missing("association result", fields.offset()))? == 0;
        let (conformance, max_pdu) = match initiate {
            Some(mut initiate) if accepted || initiate.peek() == Some(INITIATE_RESPONSE) => {
                parse_initiate_response(&mut initiate)?
            }
            None if accepted => return Err(missing("initiate-response", fields.offset())),
            // A refusal may say nothing more, or why in a confirmed-service-error.
            _ => (Conformance::NONE, 0),
        };
        Ok(AssociationResponse { accepted, diagnostic, conformance, max_pdu })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        // A refusal that grants nothing carries no user information.
        let grants = self.accepted || self.conformance != Conformance::NONE || self.max_pdu != 0;
        out.push(0x61);
        put_length(11 + 5 + 7 + if grants { 18 } else { 0 }, out);
        emit_context(LN_NO_CIPHERING, out);
        emit_result(self.accepted, self.diagnostic, out);
        if grants {
            out.extend_from_slice(&[0xBE, 0x10, 0x04, 0x0E]);
            emit_initiate_response(self.conformance, self.max_pdu, out);
        }
    }
}

/// Checks what follows the tag of an RLRQ or RLRE: sound fields, of whatever content.
pub(crate) fn parse_release(reader: &mut Reader<'_>) -> Result<(), WireError> {
    let mut fields = body(reader, "release APDU")?;
    while next_field(&mut fields)?.is_some() {}
    Ok(())
}

/// Appends an RLRQ (0x62) or RLRE (0x63) with reason 0, normal.
pub(crate) fn emit_release(tag: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag, 3, 0x80, 1, 0]);
}

pub(super) fn body<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<Reader<'a>, WireError> {
    let len = reader.length(what)?;
    let body = reader.part(len, what)?;
    reader.finish(what)?;
    Ok(body)
}

/// Takes the next BER field. All tags of ACSE fit one byte.
pub(super) fn next_field<'a>(fields: &mut Reader<'a>) -> Result<Option<(u8, Reader<'a>)>, WireError> {
    if fields.is_empty() {
        return Ok(None);
    }
    let tag = fields.u8("ACSE field")?;
    let len = fields.length("ACSE field")?;
    Ok(Some((tag, fields.part(len, "ACSE field")?)))
}

/// Reads the application context's name.
pub(super) fn parse_name<'a>(field: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    field.exactly(0x06, "application context name", "06 (an object identifier)")?;
    let len = field.length("application context name")?;
    field.take(len, "application context name")
}

fn parse_context(field: &mut Reader<'_>) -> Result<ApplicationContext, WireError> {
    Ok(match ends_name(parse_name(field)?, CONTEXT_NAME) {
        Some(LN_NO_CIPHERING) => ApplicationContext::LnNoCiphering,
        _ => ApplicationContext::Other,
    })
}

/// Returns the last byte of a name that begins as given.
pub(super) fn ends_name(name: &[u8], prefix: [u8; 6]) -> Option<u8> {
    name.split_last().and_then(|(last, start)| (start == prefix).then_some(*last))
}

pub(super) fn emit_context(context: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xA1, 9, 6, 7]);
    out.extend_from_slice(&CONTEXT_NAME);
    out.push(context);
}

/// Appends result and diagnostic of an AARE; the diagnostic is said by the service user.
pub(super) fn emit_result(accepted: bool, diagnostic: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xA2, 3, 2, 1, u8::from(!accepted)]);
    out.extend_from_slice(&[0xA3, 5, 0xA1, 3, 2, 1, diagnostic]);
}

/// Reads the diagnostic of an AARE. A choice: a1 = said by the service user, a2 = by the service provider.
pub(super) fn parse_diagnostic(field: &mut Reader<'_>) -> Result<u8, WireError> {
    field.u8("diagnostic source")?;
    let len = field.length("diagnostic")?;
    parse_integer(&mut field.part(len, "diagnostic")?, "diagnostic")
}

pub(super) fn parse_integer(field: &mut Reader<'_>, what: &'static str) -> Result<u8, WireError> {
    field.exactly(0x02, what, "02 (an integer)")?;
    field.exactly(1, what, "01 (of one byte)")?;
    field.u8(what)
}

pub(super) fn user_information<'a>(mut field: Reader<'a>) -> Result<Reader<'a>, WireError> {
    field.exactly(0x04, "user information", "04 (an octet-string)")?;
    let len = field.length("user information")?;
    field.part(len, "user information")
}

/// Reads an initiate-request: the services proposed and the longest APDU.
pub(super) fn parse_initiate_request(reader: &mut Reader<'_>) -> Result<(Conformance, u16), WireError> {
    reader.exactly(INITIATE_REQUEST, "initiate-request", "01")?;
    if reader.flag("dedicated key")? {
        let len = reader.length("dedicated key")?;
        reader.take(len, "dedicated key")?;
    }
    if reader.flag("response allowed")? {
        reader.u8("response allowed")?;
    }
    parse_quality_of_service(reader)?;
    parse_limits(reader)
}

/// Reads an initiate-response: the services granted and the longest APDU.
pub(super) fn parse_initiate_response(reader: &mut Reader<'_>) -> Result<(Conformance, u16), WireError> {
    reader.exactly(INITIATE_RESPONSE, "initiate-response", "08")?;
    parse_quality_of_service(reader)?;
    let limits = parse_limits(reader)?;
    reader.u16_be("vaa-name")?;
    Ok(limits)
}

fn parse_quality_of_service(reader: &mut Reader<'_>) -> Result<(), WireError> {
    if reader.flag("quality of service")? {
        reader.u8("quality of service")?;
    }
    Ok(())
}

fn parse_limits(reader: &mut Reader<'_>) -> Result<(Conformance, u16), WireError> {
    // Later versions of DLMS would have to be compatible with 6; earlier ones are not.
    reader.u8("DLMS version")?;
    reader.exactly(0x5F, "conformance tag", "5f")?;
    // The tag is [APPLICATION 31] and takes two bytes; stacks written before this was settled send one.
    if reader.peek() == Some(0x1F) {
        reader.u8("conformance tag")?;
    }
    reader.exactly(4, "conformance length", "4")?;
    reader.u8("conformance's unused bits")?;
    let conformance = Conformance::from_bytes(reader.array("conformance")?);
    Ok((conformance, reader.u16_be("maximum PDU size")?))
}

/// Appends an initiate-request of 14 bytes: no dedicated key; response-allowed and quality of service as the
/// standard presumes them.
pub(super) fn emit_initiate_request(conformance: Conformance, max_pdu: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[INITIATE_REQUEST, 0, 0, 0, DLMS_VERSION]);
    emit_limits(conformance, max_pdu, out);
}

/// Appends an initiate-response of 14 bytes.
pub(super) fn emit_initiate_response(conformance: Conformance, max_pdu: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[INITIATE_RESPONSE, 0, DLMS_VERSION]);
    emit_limits(conformance, max_pdu, out);
    out.extend_from_slice(&VAA_NAME_LN);
}

fn emit_limits(conformance: Conformance, max_pdu: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x5F, 0x1F, 4, 0]);
    out.extend_from_slice(&conformance.to_bytes());
    out.extend_from_slice(&max_pdu.to_be_bytes());
}

fn missing(what: &'static str, offset: usize) -> WireError {
    WireError::Truncated { what, offset, needed: 1, available: 0 }
}
