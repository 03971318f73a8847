//! PKCS#11 URIs (RFC 7512), as much of them as finds one key in one token. Opening it is left to `token`.
//!
//! ```text
//! pkcs11:token=Signing;object=release;id=%01%02?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin
//! ```
//!
//! An attribute that is not understood is refused: it may be the one that tells two keys apart.

use std::fmt;
use std::path::PathBuf;

/// What every such URI begins with.
pub(super) const SCHEME: &str = "pkcs11:";

/// A key in a token: which library speaks to the token, which token, which object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenUri {
    /// The token's label.
    pub(super) token: Option<String>,
    /// The token's serial number.
    pub(super) serial: Option<String>,
    /// Who made the token.
    pub(super) manufacturer: Option<String>,
    /// The token's model.
    pub(super) model: Option<String>,
    /// The key's label.
    pub(super) object: Option<String>,
    /// The key's id.
    pub(super) id: Option<Vec<u8>>,
    /// The library that speaks to the token.
    pub(super) module: PathBuf,
    /// A file that holds the PIN.
    pub(super) pin_file: Option<PathBuf>,
}

impl TokenUri {
    /// Reads a URI that names a library and a token, and perhaps a key.
    pub(super) fn parse(text: &str) -> Result<TokenUri, TokenUriError> {
        let rest = text.strip_prefix(SCHEME).ok_or(TokenUriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = TokenUri::default();
        let mut seen = Vec::new();
        for part in path.split(';').chain(query.split('&')).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(TokenUriError::NoValue)?;
            if seen.contains(&name) {
                return Err(TokenUriError::Twice { name: name.to_owned() });
            }
            seen.push(name);
            uri.take(name, value)?;
        }
        if uri.token.is_none() && uri.serial.is_none() {
            return Err(TokenUriError::NoToken);
        }
        if !uri.module.is_absolute() {
            return Err(TokenUriError::NoModule);
        }
        Ok(uri)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), TokenUriError> {
        let text = || text_of(name, value);
        match name {
            "token" => self.token = Some(text()?),
            "serial" => self.serial = Some(text()?),
            "manufacturer" => self.manufacturer = Some(text()?),
            "model" => self.model = Some(text()?),
            "object" => self.object = Some(text()?),
            "id" => self.id = Some(bytes_of(name, value)?),
            "type" if value == "private" => {}
            "type" => return Err(TokenUriError::Type),
            "module-path" => self.module = text()?.into(),
            "pin-source" => self.pin_file = Some(pin_file_of(&text()?)?),
            "pin-value" => return Err(TokenUriError::PinValue),
            _ => return Err(TokenUriError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }

    /// Returns the token in words.
    pub(super) fn token_words(&self) -> String {
        match (&self.token, &self.serial) {
            (Some(label), None) => format!("token `{label}`"),
            (Some(label), Some(serial)) => format!("token `{label}` with serial number {serial}"),
            (None, serial) => format!("token with serial number {}", serial.as_deref().unwrap_or_default()),
        }
    }
}

/// The key in words, as errors name it.
impl fmt::Display for TokenUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.token_words())?;
        if let Some(label) = &self.object {
            write!(formatter, ", object `{label}`")?;
        }
        if let Some(id) = &self.id {
            write!(formatter, ", id ")?;
            id.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Undoes the percent-encoding of a value (RFC 3986, section 2.1).
fn bytes_of(name: &str, value: &str) -> Result<Vec<u8>, TokenUriError> {
    let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => {
                    u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte")
                }
                _ => return Err(TokenUriError::Encoding { name: name.to_owned() }),
            },
            byte => byte,
        });
    }
    if bytes.is_empty() { Err(TokenUriError::NoValue) } else { Ok(bytes) }
}

fn text_of(name: &str, value: &str) -> Result<String, TokenUriError> {
    let text = String::from_utf8(bytes_of(name, value)?).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| TokenUriError::Encoding { name: name.to_owned() })
}

/// Takes a path or a `file:` URI without a host. A program to run (`|...`) is never run.
fn pin_file_of(text: &str) -> Result<PathBuf, TokenUriError> {
    let path = text.strip_prefix("file://").or(text.strip_prefix("file:")).unwrap_or(text);
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(TokenUriError::PinSource) }
}

/// Why a PKCS#11 URI is refused. Never quotes a value: a mistaken one may hold a PIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenUriError {
    /// It is no such URI.
    #[error("expected a URI that begins `{SCHEME}`")]
    Scheme,
    /// An attribute has no value.
    #[error("expected attributes of the form name=value")]
    NoValue,
    /// An attribute stands there twice.
    #[error("attribute `{name}` is given twice")]
    Twice {
        /// Which.
        name: String,
    },
    /// An attribute is not understood.
    #[error(
        "attribute `{name}` is not understood, expected token, serial, manufacturer, model, object, id, type, \
         module-path or pin-source"
    )]
    Unknown {
        /// Which.
        name: String,
    },
    /// A value is not percent-encoded text.
    #[error("attribute `{name}` is not percent-encoded text")]
    Encoding {
        /// Which.
        name: String,
    },
    /// The object is no private key.
    #[error("attribute `type` names something else, expected `private`")]
    Type,
    /// The PIN is on the command line.
    #[error(
        "a PIN on the command line can be read by others: expected pin-source=file:/..., or none to be asked"
    )]
    PinValue,
    /// The PIN is to come from something that is no file.
    #[error("attribute `pin-source` is no file, expected file:/...")]
    PinSource,
    /// Nothing says which token.
    #[error("no token is named, expected token=... or serial=...")]
    NoToken,
    /// Nothing says which library.
    #[error("no library is named, expected module-path=/... with its whole path")]
    NoModule,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

    #[test]
    fn a_whole_uri_is_read() {
        let text = format!(
            "pkcs11:token=The%20Key%3b;manufacturer=SoftHSM%20project;model=SoftHSM%20v2;serial=0a1b;type=private;\
             object=release;id=%01%FFz?module-path={MODULE}&pin-source=file:/run/pin"
        );
        let expected = TokenUri {
            token: Some("The Key;".to_owned()),
            serial: Some("0a1b".to_owned()),
            manufacturer: Some("SoftHSM project".to_owned()),
            model: Some("SoftHSM v2".to_owned()),
            object: Some("release".to_owned()),
            id: Some(vec![1, 255, b'z']),
            module: MODULE.into(),
            pin_file: Some("/run/pin".into()),
        };
        assert_eq!(TokenUri::parse(&text), Ok(expected));
    }

    #[test]
    fn a_pin_may_lie_in_a_file_named_in_three_ways() {
        for source in ["file:/run/pin", "file:///run/pin", "/run/pin"] {
            let text = format!("pkcs11:token=t?module-path={MODULE}&pin-source={source}");
            assert_eq!(
                TokenUri::parse(&text).map(|uri| uri.pin_file),
                Ok(Some("/run/pin".into())),
                "{source}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name_and_never_quoted() {
        let cases = [
            ("pkcs12:token=t?module-path=/m", "begins `pkcs11:`"),
            ("pkcs11:token?module-path=/m", "name=value"),
            ("pkcs11:token=?module-path=/m", "name=value"),
            ("pkcs11:token=t;token=u?module-path=/m", "`token` is given twice"),
            ("pkcs11:token=t;object=%0?module-path=/m", "`object` is not percent-encoded"),
            ("pkcs11:token=t;object=%0g?module-path=/m", "`object` is not percent-encoded"),
            ("pkcs11:token=t;object=%ff?module-path=/m", "`object` is not percent-encoded"),
            ("pkcs11:token=t;object=%00?module-path=/m", "`object` is not percent-encoded"),
            ("pkcs11:token=t;type=public?module-path=/m", "expected `private`"),
            ("pkcs11:token=t;slot-id=0?module-path=/m", "`slot-id` is not understood"),
            ("pkcs11:token=t?module-path=/m&pin-value=12345678", "can be read by others"),
            ("pkcs11:token=t?module-path=/m&pin-source=|12345678", "is no file"),
            ("pkcs11:token=t?module-path=/m&pin-source=file:12345678", "is no file"),
            ("pkcs11:object=o?module-path=/m", "no token is named"),
            ("pkcs11:token=t", "no library is named"),
            ("pkcs11:token=t?module-path=libsofthsm2.so", "no library is named"),
        ];
        for (text, said) in cases {
            let error = TokenUri::parse(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
            assert!(!error.contains("12345678"), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_is_named_in_words() {
        let uri = TokenUri::parse("pkcs11:token=t;serial=7;object=o;id=%01%02?module-path=/m");
        assert_eq!(
            uri.map(|uri| uri.to_string()).as_deref(),
            Ok("token `t` with serial number 7, object `o`, id 0102")
        );
    }
}
