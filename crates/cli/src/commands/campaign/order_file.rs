//! An order in a file: what `campaign create` is told by options, written down, so that it can be asked about beforehand.
//!
//! ```toml
//! id = "autumn"
//! smso = "SMSO-1"
//! devices = "all"                     # or a list of EUI-64
//! [[targets]]
//! image = "esme.ota"                  # beside this file
//! cpl_entry = "ESME-01020304"         # may be left out when the product list registers the payload for one entry
//! [policy]                            # may be left out; see examples/policy.toml
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use campaign::{
    CampaignId, CampaignOrder, CampaignPolicy, MAX_DEVICES, MAX_TARGETS, OrderError, PolicyFault, Target,
    instructing_party, next_step,
};
use eligibility::{CplEntryId, InstructingParty, Inventory, Register, SmsoId};
use firmware_image::{Eui64, MAX_FILE_LEN, TrustStore, VerifiedImage};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smso_adapter::DeviceSelection;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::toml_file::{At, Source};
use crate::{development, files, keys, toml_file};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: CampaignId,
    #[serde(default = "dcc")]
    instructing_party: String,
    smso: String,
    devices: WrittenDevices,
    targets: Vec<WrittenTarget>,
    #[serde(default)]
    policy: CampaignPolicy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    image: PathBuf,
    cpl_entry: Option<String>,
}

/// A word, or EUI-64 that are still text, so that a bad one is named where it stands.
#[derive(Debug)]
enum WrittenDevices {
    Word(String),
    List(Vec<String>),
}

/// By hand, because serde's untagged enums forget which device of fifty thousand was wrong.
impl<'de> Deserialize<'de> for WrittenDevices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrittenDevices, D::Error> {
        struct Devices;

        impl<'de> Visitor<'de> for Devices {
            type Value = WrittenDevices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a list of EUI-64")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<WrittenDevices, E> {
                Ok(WrittenDevices::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenDevices, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(WrittenDevices::List(texts))
            }
        }

        deserializer.deserialize_any(Devices)
    }
}

/// The file, as far as it can be checked alone; paths are resolved against its folder.
pub(super) struct OrderFile {
    pub(super) id: CampaignId,
    pub(super) instructing_party: String,
    pub(super) smso: SmsoId,
    pub(super) devices: DeviceSelection,
    pub(super) targets: Vec<TargetFile>,
    pub(super) policy: CampaignPolicy,
    source: Source,
}

/// An image, and the entry it leads to when the file says it.
pub(super) struct TargetFile {
    pub(super) image: PathBuf,
    pub(super) cpl_entry: Option<CplEntryId>,
}

/// Largest order in bytes: 50,000 devices are 1.3 MB, and there may be comments.
const MAX_ORDER_LEN: usize = 16 << 20;

impl OrderFile {
    /// Reads the file alone, not what it names. Every fault has its line.
    pub(super) fn read(path: &Path) -> Result<OrderFile, Failure> {
        let (written, source): (Written, Source) = toml_file::read_with_source(path, MAX_ORDER_LEN)?;
        let Written { id, instructing_party, smso, devices, targets, policy } = written;
        let smso = SmsoId::new(&smso).map_err(|error| {
            source.fault(&[At::Key("smso")], format_args!("expected the id of an SMSO: {error}"))
        })?;
        let devices = selection(&devices, &source)?;
        if !(1..=MAX_TARGETS).contains(&targets.len()) {
            let what = OrderError::Targets { found: targets.len() };
            return Err(source.fault(&[At::Key("targets")], what));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut read = Vec::with_capacity(targets.len());
        for (place, target) in targets.iter().enumerate() {
            let at = [At::Key("targets"), At::Place(place), At::Key("cpl_entry")];
            let entry = target.cpl_entry.as_deref().map(CplEntryId::new).transpose();
            let cpl_entry = entry.map_err(|error| {
                source.fault(&at, format_args!("expected the id of an entry of the product list: {error}"))
            })?;
            read.push(TargetFile { image: folder.join(&target.image), cpl_entry });
        }
        if let Some(fault) = policy.fault() {
            let mut at = vec![At::Key("policy"), At::Key(fault.key)];
            at.extend(fault.place.map(At::Place));
            let PolicyFault { what, expected, found, .. } = &fault;
            return Err(source.fault(&at, format_args!("{what}, expected {expected}, found {found}")));
        }
        Ok(OrderFile { id, instructing_party, smso, devices, targets: read, policy, source })
    }

    /// Checks that the product list has every entry that is named.
    fn check_entries(&self, register: &Register) -> Result<(), Failure> {
        for (place, target) in self.targets.iter().enumerate() {
            if let Some(unknown) = target.cpl_entry.as_ref().filter(|entry| register.entry(entry).is_none()) {
                let at = [At::Key("targets"), At::Place(place), At::Key("cpl_entry")];
                return Err(self.source.fault(&at, OrderError::UnknownEntry(unknown.clone())));
            }
        }
        Ok(())
    }
}

/// Reads which devices are meant, each once.
fn selection(written: &WrittenDevices, source: &Source) -> Result<DeviceSelection, Failure> {
    const KEY: At<'_> = At::Key("devices");
    let texts = match written {
        WrittenDevices::Word(word) if word == "all" => return Ok(DeviceSelection::All),
        WrittenDevices::Word(word) => {
            let what = format_args!("expected \"all\" or a list of EUI-64, found {word:?}");
            return Err(source.fault(&[KEY], what));
        }
        WrittenDevices::List(texts) => texts,
    };
    if !(1..=MAX_DEVICES).contains(&texts.len()) {
        return Err(source.fault(&[KEY], OrderError::Devices { found: texts.len() }));
    }
    let mut places: BTreeMap<Eui64, usize> = BTreeMap::new();
    let mut devices = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let at = [KEY, At::Place(place)];
        let device: Eui64 = text.parse().map_err(|error| source.fault(&at, error))?;
        if let Some(first) = places.insert(device, place) {
            let line = source.line(&[KEY, At::Place(first)]).unwrap_or_default();
            let what = format_args!(
                "expected each device once, found {device}, which is named twice: line {line} has it"
            );
            return Err(source.fault(&at, what));
        }
        devices.push(device);
    }
    Ok(DeviceSelection::These(devices))
}

fn dcc() -> String {
    InstructingParty::Dcc.to_string()
}

/// An order whose images were verified and whose devices are known by name.
pub(super) struct WrittenOrder {
    pub(super) order: CampaignOrder,
    /// In the order of the targets.
    pub(super) images: Vec<VerifiedImage>,
}

impl WrittenOrder {
    /// Reads an order and its images. Whoever signed them must be among those in `trust`; when nobody is named there, the
    /// development keys are believed, and that is said.
    pub(super) fn read(
        path: &Path,
        trust: &[PathBuf],
        register: &Register,
        inventory: &Inventory,
        output: &Output,
    ) -> Result<WrittenOrder, Failure> {
        let file = OrderFile::read(path)?;
        file.check_entries(register)?;
        let trust = believed(trust, output)?;
        let (mut targets, mut images) = (Vec::new(), Vec::new());
        for target in &file.targets {
            let image = read_image(&target.image, &trust)?;
            let cpl_entry = match &target.cpl_entry {
                Some(entry) => entry.clone(),
                None => registered_for(register, &image, &target.image)?,
            };
            targets.push(Target { image: image.file_digest(), cpl_entry });
            images.push(image);
        }
        let devices = match file.devices {
            DeviceSelection::These(devices) => devices,
            DeviceSelection::All => fitting(register, inventory, &targets),
        };
        let instructing_party = instructing_party(&file.instructing_party);
        let OrderFile { id, smso, policy, .. } = file;
        let order = CampaignOrder { id, instructing_party, smso, targets, devices, policy };
        Ok(WrittenOrder { order, images })
    }

    /// Returns what the order brings a device to next, and the image for that: the step that the engine would take.
    pub(super) fn target_for(
        &self,
        device: Eui64,
        register: &Register,
        inventory: &Inventory,
    ) -> Option<(&CplEntryId, &VerifiedImage)> {
        let running = inventory.device(device).filter(|_| self.order.devices.contains(&device))?.entry;
        let step = next_step(register, &self.order.targets, running)?;
        let image = self.images.iter().find(|image| image.file_digest() == step.image)?;
        Some((&step.cpl_entry, image))
    }

    /// Returns what each device of a home is to run, and the image for it.
    pub(super) fn targets_of_home<'a>(
        &'a self,
        device: Eui64,
        register: &Register,
        inventory: &Inventory,
    ) -> BTreeMap<Eui64, (&'a CplEntryId, &'a VerifiedImage)> {
        let home = inventory.device(device).map(|found| found.installation);
        let members = home.into_iter().flat_map(|home| inventory.members(home));
        let target = |id| Some((id, self.target_for(id, register, inventory)?));
        members.filter_map(|member| target(member.id)).collect()
    }
}

fn believed(paths: &[PathBuf], output: &Output) -> Result<TrustStore, Failure> {
    if !paths.is_empty() {
        return keys::read_trust(paths);
    }
    output.talk("images: the public development keys are believed, as no --trust names others");
    development::image_trust()
}

fn read_image(path: &Path, trust: &TrustStore) -> Result<VerifiedImage, Failure> {
    let bytes = Bytes::from(files::read(path, MAX_FILE_LEN)?);
    trust.verify_bytes(bytes).or_fail(ExitCode::Refused, format_args!("{}: refused", path.display()))
}

/// Finds the one entry of the product list that has an image's payload.
fn registered_for(register: &Register, image: &VerifiedImage, path: &Path) -> Result<CplEntryId, Failure> {
    let digest = image.image_digest();
    let has_it = |entry: &&eligibility::CplEntry| entry.image.is_some_and(|held| held.digest == digest);
    let entries: Vec<&CplEntryId> = register.entries().filter(has_it).map(|entry| &entry.id).collect();
    match entries.as_slice() {
        [entry] => Ok((*entry).clone()),
        found => {
            let found = match found {
                [] => "none".to_owned(),
                several => several.iter().map(|entry| entry.as_str()).collect::<Vec<_>>().join(", "),
            };
            let message = format!(
                "{}: expected one entry of the product list with the payload {digest}, found {found}",
                path.display()
            );
            Err(Failure::message(ExitCode::BadInput, message).hint("name the entry with the key cpl_entry"))
        }
    }
}

/// Returns the devices whose kind, manufacturer and model are those of a target.
fn fitting(register: &Register, inventory: &Inventory, targets: &[Target]) -> Vec<Eui64> {
    let fits =
        |running: &CplEntryId| targets.iter().any(|target| register.is_for_model(running, &target.cpl_entry));
    inventory.devices().filter(|device| fits(device.entry)).map(|device| device.id).collect()
}
