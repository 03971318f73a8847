//! Keys in a PKCS#11 token: found, made and signed with, without ever leaving it. Which token and which key is
//! left to `token_uri`; that a signature holds is checked where it is used.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use firmware_image::{PublicKey, Signer, SignerError, sign_checked};
use rustix::process::geteuid;

use super::passphrase::PassphraseSource;
use super::token_uri::{SCHEME, TokenUri};
use crate::exit::{ExitCode, Failure, OrFail};

/// A secret key inside a token, with a session that may use it.
pub(crate) struct TokenKey {
    session: Session,
    private_object: ObjectHandle,
    public_object: ObjectHandle,
    public: PublicKey,
    /// The key in words, for errors.
    words: String,
}

impl Signer for TokenKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        // Without parameters the mechanism is the Ed25519 of RFC 8032 (PKCS#11 3.1, table 57).
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = self
            .session
            .sign(&mechanism, self.private_object, message)
            .map_err(|error| SignerError::new(format!("{}: {}", self.words, answer(&error))))?;
        let len = signature.len();
        signature.try_into().map_err(|_| {
            SignerError::new(format!("{}: expected a signature of 64 bytes, found {len}", self.words))
        })
    }
}

impl TokenKey {
    /// Takes a key that was just made out of the token again.
    pub(crate) fn destroy(self) {
        // Called because something else failed already, which is what the user has to hear of.
        let _ = self.session.destroy_object(self.private_object);
        let _ = self.session.destroy_object(self.public_object);
    }
}

/// Opens the one key that a URI names.
pub(super) fn open(uri: &str, passphrase: &PassphraseSource) -> Result<TokenKey, Failure> {
    let uri = TokenUri::parse(uri).or_bad_input("the key's PKCS#11 URI")?;
    if uri.object.is_none() && uri.id.is_none() {
        return Err(bad(&uri, "no key is named, expected object=... or id=..."));
    }
    let session = log_in(&uri, passphrase, Access::Use)?;
    let private_object = find(&session, &uri, &template(ObjectClass::PRIVATE_KEY, &uri), "private key")?;
    let id = match &uri.id {
        Some(id) => id.clone(),
        None => id_of(&session, private_object).map_err(|error| failed(&uri, &error))?,
    };
    let half = vec![
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Id(id),
    ];
    let public_object = find(&session, &uri, &half, "public key beside it")?;
    let public = read_public(&session, &uri, public_object)?;
    Ok(TokenKey { session, private_object, public_object, public, words: uri.to_string() })
}

/// Makes a key inside the token that a URI names, under the URI's label or else `name`, and returns it with its
/// whole URI. A key that is there already is never replaced.
pub(crate) fn make_in_token(
    uri: &str,
    name: &str,
    fresh_id: [u8; 16],
    passphrase: &PassphraseSource,
) -> Result<(TokenKey, String), Failure> {
    let mut parsed = TokenUri::parse(uri).or_bad_input("the token's PKCS#11 URI")?;
    let mut whole = uri.to_owned();
    if parsed.object.is_none() {
        // A name of `image keygen` needs no percent-encoding.
        whole = uri.replacen(SCHEME, &format!("{SCHEME}object={name};"), 1);
        parsed.object = Some(name.to_owned());
    }
    let uri = parsed;
    let session = log_in(&uri, passphrase, Access::Change)?;
    let taken = session.find_objects(&template(ObjectClass::PRIVATE_KEY, &uri));
    if !taken.map_err(|error| failed(&uri, &error))?.is_empty() {
        return Err(bad(&uri, "exists already and is not overwritten"));
    }
    let (public_object, private_object) =
        make_pair(&session, &uri, &fresh_id).map_err(|error| failed(&uri, &error))?;
    let public = match read_public(&session, &uri, public_object) {
        Ok(public) => public,
        Err(failure) => {
            let _ = session.destroy_object(private_object);
            let _ = session.destroy_object(public_object);
            return Err(failure);
        }
    };
    let key = TokenKey { session, private_object, public_object, public, words: uri.to_string() };
    match sign_checked(&key, PROOF) {
        Ok(_) => Ok((key, whole)),
        Err(error) => {
            key.destroy();
            Err(Failure::new(ExitCode::Failed, error)
                .at(format_args!("{uri}: the new key is taken out again")))
        }
    }
}

/// Makes the pair: the private half can be used, and neither read nor taken out.
fn make_pair(
    session: &Session,
    uri: &TokenUri,
    fresh_id: &[u8; 16],
) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let label = Attribute::Label(uri.object.clone().unwrap_or_default().into_bytes());
    let id = Attribute::Id(uri.id.clone().unwrap_or_else(|| fresh_id.to_vec()));
    let private = [
        label.clone(),
        id.clone(),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    let public = |curve: &[u8]| {
        [
            label.clone(),
            id.clone(),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(curve.to_vec()),
        ]
    };
    let make = |curve| session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public(curve), &private);
    // Both names of the curve are standard, and tokens know one of them.
    make(CURVE_NAME).or_else(|_| make(CURVE_IDENTIFIER))
}

/// Whether a session may change what is in the token.
#[derive(Clone, Copy)]
enum Access {
    Use,
    Change,
}

/// Opens a session with the one token that a URI names, and proves to it that we may.
fn log_in(uri: &TokenUri, passphrase: &PassphraseSource, access: Access) -> Result<Session, Failure> {
    check_module(&uri.module)?;
    let context = format!("{}: cannot be used as a PKCS#11 library", uri.module.display());
    let library = Pkcs11::new(&uri.module).or_bad_input(&context)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another key of this process lies in a token of the same library.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error).or_bad_input(&context),
    }
    let (slot, info) = find_token(&library, uri)?;
    let session = match access {
        Access::Use => library.open_ro_session(slot),
        Access::Change => library.open_rw_session(slot),
    };
    let session = session.map_err(|error| failed(uri, &error))?;
    let answered = if info.protected_authentication_path() {
        // The token has a keypad of its own.
        session.login(UserType::User, None)
    } else {
        let file = uri.pin_file.clone().map(PassphraseSource::File);
        let pin = file.as_ref().unwrap_or(passphrase).read(&format!("PIN of {}", uri.token_words()))?;
        session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(pin.as_bytes().to_vec())))
    };
    match answered {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
            let failure = bad_token(uri, "the PIN is wrong");
            let next_one_locks = library.get_token_info(slot).is_ok_and(|info| info.user_pin_final_try());
            Err(if next_one_locks { failure.hint("the next wrong PIN locks the token") } else { failure })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(bad_token(uri, "locked after too many wrong PINs")),
        Err(error) => Err(failed(uri, &error)),
    }
}

/// Refuses a library that somebody else could have exchanged: it will see the PIN.
fn check_module(module: &Path) -> Result<(), Failure> {
    let place = module.display();
    let metadata = fs::metadata(module).or_bad_input(format_args!("{place}: cannot be opened"))?;
    let owner = metadata.uid();
    if owner != 0 && owner != geteuid().as_raw() {
        let message = format!("{place}: the PKCS#11 library is owned by user {owner}, expected root or you");
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    if metadata.mode() & 0o022 != 0 {
        let message = format!("{place}: the PKCS#11 library can be written by others");
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    Ok(())
}

fn find_token(library: &Pkcs11, uri: &TokenUri) -> Result<(Slot, TokenInfo), Failure> {
    let slots = library.get_slots_with_initialized_token().map_err(|error| failed(uri, &error))?;
    let infos = slots.into_iter().filter_map(|slot| Some((slot, library.get_token_info(slot).ok()?)));
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let mut fitting = infos.filter(|(_, info)| {
        is(&uri.token, info.label())
            && is(&uri.serial, info.serial_number())
            && is(&uri.manufacturer, info.manufacturer_id())
            && is(&uri.model, info.model())
    });
    match (fitting.next(), fitting.next()) {
        (Some(found), None) => Ok(found),
        (None, _) => Err(bad_token(uri, &format!("not there, says the library {}", uri.module.display()))),
        (Some(_), Some(_)) => {
            Err(bad_token(uri, "there are several of that name").hint("serial=... tells them apart"))
        }
    }
}

fn template(class: ObjectClass, uri: &TokenUri) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.clone().map(Attribute::Id));
    template
}

fn find(
    session: &Session,
    uri: &TokenUri,
    template: &[Attribute],
    what: &str,
) -> Result<ObjectHandle, Failure> {
    let found = session.find_objects(template).map_err(|error| failed(uri, &error))?;
    match found[..] {
        [object] => Ok(object),
        _ => Err(bad(uri, &format!("expected one Ed25519 {what}, found {}", found.len()))),
    }
}

fn id_of(session: &Session, object: ObjectHandle) -> Result<Vec<u8>, Error> {
    let attributes = session.get_attributes(object, &[AttributeType::Id])?;
    let id = attributes.into_iter().find_map(|one| if let Attribute::Id(id) = one { Some(id) } else { None });
    Ok(id.unwrap_or_default())
}

fn read_public(session: &Session, uri: &TokenUri, object: ObjectHandle) -> Result<PublicKey, Failure> {
    let attributes =
        session.get_attributes(object, &[AttributeType::EcPoint]).map_err(|error| failed(uri, &error))?;
    let point = attributes
        .into_iter()
        .find_map(|one| if let Attribute::EcPoint(point) = one { Some(point) } else { None })
        .unwrap_or_default();
    // An octet string (PKCS#11 2.40), a bit string (3.0) or the bare bytes (3.1).
    let bytes =
        point.strip_prefix(&[0x04, 0x20]).or(point.strip_prefix(&[0x03, 0x21, 0x00])).unwrap_or(&point);
    let bytes: &[u8; 32] = bytes
        .try_into()
        .map_err(|_| bad(uri, &format!("expected a public key of 32 bytes, found {}", bytes.len())))?;
    PublicKey::from_bytes(bytes).or_bad_input(uri)
}

fn bad(uri: &TokenUri, what: &str) -> Failure {
    Failure::message(ExitCode::BadInput, format_args!("{uri}: {what}"))
}

fn bad_token(uri: &TokenUri, what: &str) -> Failure {
    Failure::message(ExitCode::BadInput, format_args!("{}: {what}", uri.token_words()))
}

fn failed(uri: &TokenUri, error: &Error) -> Failure {
    Failure::message(ExitCode::Failed, format_args!("{uri}: {}", answer(error)))
}

/// Says in a few words what a token answered; the library's own words are a paragraph of the standard.
fn answer(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => format!("the token answered {code:?} to {function:?}"),
        other => other.to_string(),
    }
}

/// What a new key signs to show that it can. No document begins like this: they begin with a CBOR array.
const PROOF: &[u8] = b"lamplighter: a new key shows that it signs";
/// Ed25519 as the PrintableString `edwards25519` (PKCS#11 3.1, section 6.3.3).
const CURVE_NAME: &[u8] = b"\x13\x0cedwards25519";
/// Ed25519 as the object identifier 1.3.101.112 (RFC 8410).
const CURVE_IDENTIFIER: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
