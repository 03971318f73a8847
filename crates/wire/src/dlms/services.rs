//! GET, SET and ACTION of one object at a time (IEC 62056-5-3).
//!
//! ```text
//! GET.request     c0 01 iid | class u16 | instance 6 | attribute | 00
//! GET.response    c4 01 iid | 00 data   or   01 result
//! SET.request     c1 01 iid | class u16 | instance 6 | attribute | 00 | data
//! SET.response    c5 01 iid | result
//! ACTION.request  c3 01 iid | class u16 | instance 6 | method | 00   or   01 data
//! ACTION.response c7 01 iid | result | 00   or   01 00 data   or   01 01 result
//! ```
//!
//! The second byte is the kind of the service: only 1, normal, is spoken here; lists and blocks are not.
//! Data stays encoded and unchecked: it is the rest of the APDU, and whoever knows its type parses it. So
//! nothing here allocates.

use super::data::skip_value;
use super::objects::{emit_descriptor, parse_descriptor};
use crate::reader::Reader;
use crate::{AccessResult, AttributeRef, InvokeId, MethodRef, WireError};

/// Kind 1 of every service.
const NORMAL: u8 = 1;

/// Asks for an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetRequest {
    /// Which request this is.
    pub invoke: InvokeId,
    /// What is asked for. A selector that comes with it is read over: no attribute spoken of here has one,
    /// so the answer is the whole value.
    pub attribute: AttributeRef,
}

/// Answers a [`GetRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetResponse<'a> {
    /// Which request is answered.
    pub invoke: InvokeId,
    /// The value, encoded ([`crate::Data::parse`]), or why there is none.
    pub result: Result<&'a [u8], AccessResult>,
}

/// Asks to write an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetRequest<'a> {
    /// Which request this is.
    pub invoke: InvokeId,
    /// What is written; selectors as in [`GetRequest`].
    pub attribute: AttributeRef,
    /// The value, encoded; never empty.
    pub data: &'a [u8],
}

/// Answers a [`SetRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetResponse {
    /// Which request is answered.
    pub invoke: InvokeId,
    /// What became of it.
    pub result: AccessResult,
}

/// Asks an object to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActionRequest<'a> {
    /// Which request this is.
    pub invoke: InvokeId,
    /// What is to be done.
    pub method: MethodRef,
    /// With what, encoded; never empty.
    pub parameter: Option<&'a [u8]>,
}

/// Answers an [`ActionRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActionResponse<'a> {
    /// Which request is answered.
    pub invoke: InvokeId,
    /// What became of it. If the answer says success, but also that the returned data could not be accessed,
    /// it is the latter: a caution of ours, for the standard does not say which of the two counts.
    pub result: AccessResult,
    /// What the method returned, encoded; never empty.
    pub data: Option<&'a [u8]>,
}

impl GetRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<GetRequest, WireError> {
        let (invoke, attribute) = parse_attribute_request(reader, "GET.request kind")?;
        reader.finish("GET.request")?;
        Ok(GetRequest { invoke, attribute })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        emit_attribute_request(0xC0, self.invoke, self.attribute, out);
    }
}

impl<'a> GetResponse<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<GetResponse<'a>, WireError> {
        let invoke = parse_head(reader, "GET.response kind")?;
        let result = parse_get_data_result(reader)?;
        Ok(GetResponse { invoke, result })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0xC4, NORMAL, self.invoke.to_byte()]);
        match self.result {
            Ok(data) => {
                out.push(0);
                out.extend_from_slice(data);
            }
            Err(result) => out.extend_from_slice(&[1, result.to_byte()]),
        }
    }
}

impl<'a> SetRequest<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<SetRequest<'a>, WireError> {
        let (invoke, attribute) = parse_attribute_request(reader, "SET.request kind")?;
        Ok(SetRequest { invoke, attribute, data: reader.some_rest("SET.request value")? })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        emit_attribute_request(0xC1, self.invoke, self.attribute, out);
        out.extend_from_slice(self.data);
    }
}

impl SetResponse {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<SetResponse, WireError> {
        let invoke = parse_head(reader, "SET.response kind")?;
        let result = AccessResult::from_byte(reader.u8("SET.response result")?);
        reader.finish("SET.response")?;
        Ok(SetResponse { invoke, result })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0xC5, NORMAL, self.invoke.to_byte(), self.result.to_byte()]);
    }
}

impl<'a> ActionRequest<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<ActionRequest<'a>, WireError> {
        let invoke = parse_head(reader, "ACTION.request kind")?;
        let (class, instance, index) = parse_descriptor(reader)?;
        let parameter = match reader.flag("method parameter")? {
            true => Some(reader.some_rest("method parameter")?),
            false => None,
        };
        reader.finish("ACTION.request")?;
        Ok(ActionRequest { invoke, method: MethodRef { class, instance, index }, parameter })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        emit_action_head(self.invoke, self.method, self.parameter.is_some(), out);
        out.extend_from_slice(self.parameter.unwrap_or_default());
    }
}

impl<'a> ActionResponse<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<ActionResponse<'a>, WireError> {
        let invoke = parse_head(reader, "ACTION.response kind")?;
        let result = AccessResult::from_byte(reader.u8("ACTION.response result")?);
        if !reader.flag("return parameters")? {
            reader.finish("ACTION.response")?;
            return Ok(ActionResponse { invoke, result, data: None });
        }
        Ok(match parse_get_data_result(reader)? {
            Ok(data) => ActionResponse { invoke, result, data: Some(data) },
            Err(error) if result == AccessResult::Success => {
                ActionResponse { invoke, result: error, data: None }
            }
            Err(_) => ActionResponse { invoke, result, data: None },
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0xC7, NORMAL, self.invoke.to_byte(), self.result.to_byte()]);
        match self.data {
            Some(data) => {
                out.extend_from_slice(&[1, 0]);
                out.extend_from_slice(data);
            }
            None => out.push(0),
        }
    }
}

/// Bytes of an ACTION.request before its parameter.
pub(crate) const ACTION_HEAD_LEN: usize = 3 + 9 + 1;

pub(crate) fn emit_action_head(invoke: InvokeId, method: MethodRef, parameter: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xC3, NORMAL, invoke.to_byte()]);
    emit_descriptor(method.class, method.instance, method.index, out);
    out.push(parameter.into());
}

fn parse_head(reader: &mut Reader<'_>, kind: &'static str) -> Result<InvokeId, WireError> {
    let offset = reader.offset();
    match reader.u8(kind)? {
        NORMAL => Ok(InvokeId::from_byte(reader.u8("invoke-id and priority")?)),
        // Next block, with list and their like.
        found => Err(WireError::Unsupported { what: kind, offset, found: found.into() }),
    }
}

fn parse_attribute_request(
    reader: &mut Reader<'_>,
    kind: &'static str,
) -> Result<(InvokeId, AttributeRef), WireError> {
    let invoke = parse_head(reader, kind)?;
    let (class, instance, index) = parse_descriptor(reader)?;
    if reader.flag("access selection")? {
        reader.u8("access selector")?;
        skip_value(reader)?;
    }
    Ok((invoke, AttributeRef { class, instance, index }))
}

fn emit_attribute_request(tag: u8, invoke: InvokeId, attribute: AttributeRef, out: &mut Vec<u8>) {
    out.extend_from_slice(&[tag, NORMAL, invoke.to_byte()]);
    emit_descriptor(attribute.class, attribute.instance, attribute.index, out);
    out.push(0);
}

/// Reads a Get-Data-Result: `00 data` or `01 result`.
fn parse_get_data_result<'a>(reader: &mut Reader<'a>) -> Result<Result<&'a [u8], AccessResult>, WireError> {
    let offset = reader.offset();
    match reader.u8("data or result")? {
        0 => Ok(Ok(reader.some_rest("data")?)),
        1 => {
            let result = AccessResult::from_byte(reader.u8("data-access-result")?);
            reader.finish("data-access-result")?;
            Ok(Err(result))
        }
        found => {
            let (what, expected) = ("data or result", "0 (data) or 1 (result)");
            Err(WireError::Unexpected { what, offset, found: found.into(), expected })
        }
    }
}
