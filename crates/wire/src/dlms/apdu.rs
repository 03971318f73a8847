//! One APDU: what a client and a server say to one another (IEC 62056-5-3).
//!
//! | tag | APDU | answered by |
//! |--:|---|---|
//! | 60 | association request | 61 |
//! | 62 | release request | 63 |
//! | c0 | GET.request | c4 |
//! | c1 | SET.request | c5 |
//! | c3 | ACTION.request | c7 |
//! | d8 | exception response: `state error, service error` | |
//!
//! Ciphered APDUs, block transfers and notifications exist and are not spoken here; they are
//! [`WireError::Unsupported`], which a server answers with an exception response.

use super::association::{emit_release, parse_release};
use crate::reader::Reader;
use crate::{
    ActionRequest, ActionResponse, AssociationRequest, AssociationResponse, GetRequest, GetResponse,
    SetRequest, SetResponse, WireError,
};

/// One APDU, without its wrapper. Parsing and emitting do not allocate, but for the growth of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apdu<'a> {
    /// AARQ.
    AssociationRequest(AssociationRequest),
    /// AARE.
    AssociationResponse(AssociationResponse),
    /// RLRQ, whatever its reason.
    ReleaseRequest,
    /// RLRE, whatever its reason.
    ReleaseResponse,
    /// GET.request.
    GetRequest(GetRequest),
    /// GET.response.
    GetResponse(GetResponse<'a>),
    /// SET.request.
    SetRequest(SetRequest<'a>),
    /// SET.response.
    SetResponse(SetResponse),
    /// ACTION.request.
    ActionRequest(ActionRequest<'a>),
    /// ACTION.response.
    ActionResponse(ActionResponse<'a>),
    /// The server could not even begin: no association, or a service it does not have.
    ExceptionResponse {
        /// 1 service not allowed (no association), 2 service unknown.
        state_error: u8,
        /// 1 operation not possible, 2 service not supported, 3 other reason, and later ones.
        service_error: u8,
    },
}

impl<'a> Apdu<'a> {
    /// Parses an APDU, which must be the whole input.
    pub fn parse(apdu: &'a [u8]) -> Result<Apdu<'a>, WireError> {
        let mut reader = Reader::new(apdu);
        Ok(match reader.u8("APDU tag")? {
            0x60 => Apdu::AssociationRequest(AssociationRequest::parse(&mut reader)?),
            0x61 => Apdu::AssociationResponse(AssociationResponse::parse(&mut reader)?),
            0x62 => parse_release(&mut reader).map(|()| Apdu::ReleaseRequest)?,
            0x63 => parse_release(&mut reader).map(|()| Apdu::ReleaseResponse)?,
            0xC0 => Apdu::GetRequest(GetRequest::parse(&mut reader)?),
            0xC1 => Apdu::SetRequest(SetRequest::parse(&mut reader)?),
            0xC3 => Apdu::ActionRequest(ActionRequest::parse(&mut reader)?),
            0xC4 => Apdu::GetResponse(GetResponse::parse(&mut reader)?),
            0xC5 => Apdu::SetResponse(SetResponse::parse(&mut reader)?),
            0xC7 => Apdu::ActionResponse(ActionResponse::parse(&mut reader)?),
            0xD8 => parse_exception(&mut reader)?,
            found => return Err(WireError::Unsupported { what: "APDU tag", offset: 0, found: found.into() }),
        })
    }

    /// Appends the APDU.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Apdu::AssociationRequest(request) => request.emit(out),
            Apdu::AssociationResponse(response) => response.emit(out),
            Apdu::ReleaseRequest => emit_release(0x62, out),
            Apdu::ReleaseResponse => emit_release(0x63, out),
            Apdu::GetRequest(request) => request.emit(out),
            Apdu::GetResponse(response) => response.emit(out),
            Apdu::SetRequest(request) => request.emit(out),
            Apdu::SetResponse(response) => response.emit(out),
            Apdu::ActionRequest(request) => request.emit(out),
            Apdu::ActionResponse(response) => response.emit(out),
            Apdu::ExceptionResponse { state_error, service_error } => {
                out.extend_from_slice(&[0xD8, *state_error, *service_error]);
            }
        }
    }
}

fn parse_exception<'a>(reader: &mut Reader<'_>) -> Result<Apdu<'a>, WireError> {
    /// This error alone carries the counter that the server expects next.
    const INVOCATION_COUNTER_ERROR: u8 = 6;
    let state_error = reader.u8("state error")?;
    let service_error = reader.u8("service error")?;
    if service_error == INVOCATION_COUNTER_ERROR && !reader.is_empty() {
        reader.u32_be("invocation counter")?;
    }
    reader.finish("exception response")?;
    Ok(Apdu::ExceptionResponse { state_error, service_error })
}
