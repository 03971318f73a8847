//! Keys, their holders and families of devices as options name them: `alice=keys/alice.pub.pem`,
//! `0x10E5:0x0011=keys/maker.pub.pem`. Which duty they get is left to the commands.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use firmware_image::{
    Holder, ImageType, KeyFingerprint, KeyRecord, Maker, ManufacturerCode, PublicKey, Quorum,
    SignatureAlgorithm, Signer,
};
use zeroize::Zeroizing;

use super::super::signing::signer;
use crate::exit::{Failure, OrFail};
use crate::files;
use crate::keys::{self, KeyPlace, PassphraseSource};

/// A key and whose it is: `NAME=KEY`, or a key whose file is named after its holder.
#[derive(Clone, Debug)]
pub(super) struct HolderKey {
    holder: Option<String>,
    path: PathBuf,
}

impl HolderKey {
    /// Reads a public key.
    pub(super) fn record(&self) -> Result<KeyRecord, Failure> {
        self.record_of(keys::read_public_key(&self.path)?)
    }

    /// Reads a key that may be public, or private and then signs.
    pub(super) fn record_and_signer(
        &self,
        passphrase: &PassphraseSource,
    ) -> Result<(KeyRecord, Option<Box<dyn Signer>>), Failure> {
        if is_public(&self.path) {
            return Ok((self.record()?, None));
        }
        let signer = signer(&KeyPlace::from(self.path.clone().into_os_string()), passphrase)?;
        Ok((self.record_of(signer.public())?, Some(signer)))
    }

    /// Reads a public key that comes in the place of another, and keeps its holder unless one is named.
    pub(super) fn record_instead_of(&self, old: &KeyRecord) -> Result<KeyRecord, Failure> {
        let record = self.record()?;
        if self.holder.is_some() {
            Ok(record)
        } else {
            Ok(KeyRecord { holder: old.holder.clone(), ..record })
        }
    }

    fn record_of(&self, key: PublicKey) -> Result<KeyRecord, Failure> {
        let name = self.holder.clone().unwrap_or_else(|| name_of(&self.path));
        let holder = Holder::new(&name).or_bad_input(self.path.display())?;
        Ok(KeyRecord { algorithm: SignatureAlgorithm::Ed25519, key, holder })
    }
}

impl FromStr for HolderKey {
    type Err = String;

    fn from_str(text: &str) -> Result<HolderKey, String> {
        let (holder, path) = match text.split_once('=') {
            // A folder may have a `=` in its name, a holder has no `/`; a token's URI is full of them.
            Some((holder, path)) if !holder.contains('/') && !holder.starts_with("pkcs11:") => {
                (Some(holder.to_owned()), path)
            }
            _ => (None, text),
        };
        if path.is_empty() || holder.as_deref() == Some("") {
            return Err("expected NAME=KEY, or KEY".to_owned());
        }
        Ok(HolderKey { holder, path: path.into() })
    }
}

/// A key of a named person: `NAME=PUB`.
#[derive(Clone, Debug)]
pub(super) struct PersonKey(pub(super) HolderKey);

impl FromStr for PersonKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PersonKey, String> {
        let key: HolderKey = text.parse()?;
        if key.holder.is_none() {
            return Err(
                "expected NAME=PUB: releases need different people, so each key needs a name".to_owned()
            );
        }
        Ok(PersonKey(key))
    }
}

/// Devices of one manufacturer: `0x10E5`, or `0x10E5:0x0011,0x0012` for some of its image types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) manufacturer: ManufacturerCode,
    pub(super) image_types: Vec<ImageType>,
}

impl Family {
    pub(super) fn is_of(&self, maker: &Maker) -> bool {
        maker.manufacturer == self.manufacturer && maker.image_types == self.image_types
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Family, String> {
        let (manufacturer, types) = match text.split_once(':') {
            Some((manufacturer, types)) => (manufacturer, types.split(',').collect()),
            None => (text, Vec::new()),
        };
        let manufacturer = manufacturer.parse().map_err(|error| format!("{error}"))?;
        let types: Result<Vec<ImageType>, _> = types.into_iter().map(str::parse).collect();
        let mut image_types = types.map_err(|error| format!("{error}"))?;
        image_types.sort_unstable();
        image_types.dedup();
        Ok(Family { manufacturer, image_types })
    }
}

/// A family of devices and the keys that sign its images together: `FAMILY=PUB[,PUB]`.
#[derive(Clone, Debug)]
pub(super) struct MakerKeys {
    pub(super) family: Family,
    keys: Vec<HolderKey>,
}

impl MakerKeys {
    /// Reads the keys; all of them must sign.
    pub(super) fn maker(&self) -> Result<Maker, Failure> {
        let records: Result<Vec<KeyRecord>, Failure> = self.keys.iter().map(HolderKey::record).collect();
        let threshold = u8::try_from(self.keys.len()).expect("a maker was given one or two keys");
        let quorum = Quorum::new(threshold, records?).or_bad_input("--maker")?;
        let Family { manufacturer, image_types } = self.family.clone();
        Ok(Maker { manufacturer, image_types, quorum })
    }
}

impl FromStr for MakerKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<MakerKeys, String> {
        let (family, keys) = text.split_once('=').ok_or("expected CODE[:TYPE,TYPE]=PUB[,PUB]")?;
        let keys: Vec<HolderKey> = keys.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if keys.len() > 2 {
            return Err(format!("expected one or two keys, found {}", keys.len()));
        }
        Ok(MakerKeys { family: family.parse()?, keys })
    }
}

/// A key that has a duty, or had: by its file, by its fingerprint, or by its holder.
#[derive(Clone, Debug)]
pub(super) struct KeyName(pub(super) String);

/// A key by its name, looked up as far as the name goes.
pub(super) enum NamedKey {
    /// The key itself.
    Key(PublicKey),
    /// Its fingerprint.
    Fingerprint(KeyFingerprint),
    /// Whose it is.
    Holder(String),
}

impl KeyName {
    /// Reads what is meant: a file if there is one of that name, else a fingerprint, else a holder.
    pub(super) fn read(&self) -> Result<NamedKey, Failure> {
        let path = Path::new(&self.0);
        if path.is_file() || self.0.contains('/') {
            return keys::read_public_key(path).map(NamedKey::Key);
        }
        Ok(match self.0.parse() {
            Ok(fingerprint) => NamedKey::Fingerprint(fingerprint),
            Err(_) => NamedKey::Holder(self.0.clone()),
        })
    }
}

impl FromStr for KeyName {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<KeyName, Self::Err> {
        Ok(KeyName(text.to_owned()))
    }
}

impl NamedKey {
    pub(super) fn is(&self, record: &KeyRecord) -> bool {
        match self {
            NamedKey::Key(key) => record.key == *key,
            NamedKey::Fingerprint(fingerprint) => record.key.fingerprint() == *fingerprint,
            NamedKey::Holder(name) => record.holder.as_str() == name,
        }
    }
}

/// Returns whether a file says that it holds a public key.
fn is_public(path: &Path) -> bool {
    let bytes = files::read_start(path, MAX_LABEL_SEARCH).map(Zeroizing::new).unwrap_or_default();
    String::from_utf8_lossy(&bytes).contains("BEGIN PUBLIC KEY")
}

/// Returns a file's name without what key files end in.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = [".pub.pem", ".key.pem", ".pem"];
    let bare = endings.iter().find_map(|ending| name.strip_suffix(ending));
    bare.unwrap_or(&name).to_owned()
}

/// How far into a file its label is looked for, in bytes: PEM allows some text before it.
const MAX_LABEL_SEARCH: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_or_follows_from_the_file() {
        let parsed = |text: &str| text.parse::<HolderKey>().map(|key| (key.holder, key.path));
        assert_eq!(parsed("alice=keys/a.pem"), Ok((Some("alice".to_owned()), "keys/a.pem".into())));
        assert_eq!(parsed("a=b/key.pem"), Ok((Some("a".to_owned()), "b/key.pem".into())));
        assert_eq!(parsed("dir/a=b.pem"), Ok((None, "dir/a=b.pem".into())));
        assert!(parsed("=a.pem").is_err() && parsed("alice=").is_err() && parsed("").is_err());
        assert_eq!(name_of(Path::new("keys/root-a.key.pem")), "root-a");
        assert_eq!(name_of(Path::new("token")), "token");
        assert!("keys/alice.pub.pem".parse::<PersonKey>().is_err());
    }

    #[test]
    fn a_family_is_a_manufacturer_and_maybe_some_of_its_types() {
        let parsed = |text: &str| text.parse::<Family>().map(|family| family.image_types);
        assert_eq!(parsed("0x10E5"), Ok(vec![]));
        assert_eq!(parsed("10e5:12,0x11,12"), Ok(vec![ImageType(0x11), ImageType(0x12)]));
        for wrong in ["", "0x10E5:", "0x10E5:meter", "0x110E5"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert!("0x10E5=a,b,c".parse::<MakerKeys>().is_err_and(|error| error.contains("found 3")));
    }
}
