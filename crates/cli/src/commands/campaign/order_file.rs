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

use std::path::{Path, PathBuf};

use bytes::Bytes;
use campaign::{CampaignId, CampaignOrder, CampaignPolicy, Target, instructing_party, next_step};
use eligibility::{CplEntryId, InstructingParty, Inventory, Register, SmsoId, Targets};
use firmware_image::{Eui64, MAX_FILE_LEN, TrustStore, VerifiedImage};
use serde::Deserialize;
use smso_adapter::DeviceSelection;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::{development, files, keys, toml_file};

/// The file as it is written; paths are resolved against its folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderFile {
    pub(super) id: CampaignId,
    #[serde(default = "dcc")]
    pub(super) instructing_party: String,
    pub(super) smso: String,
    pub(super) devices: DeviceSelection,
    pub(super) targets: Vec<TargetFile>,
    #[serde(default)]
    pub(super) policy: CampaignPolicy,
}

/// An image, and the entry it leads to when the file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub(super) image: PathBuf,
    cpl_entry: Option<String>,
}

/// Largest order in bytes: 50,000 devices are 1.3 MB, and there may be comments.
const MAX_ORDER_LEN: usize = 16 << 20;

impl OrderFile {
    /// Reads the file alone, not what it names.
    pub(super) fn read(path: &Path) -> Result<OrderFile, Failure> {
        let mut file: OrderFile = toml_file::read_up_to(path, MAX_ORDER_LEN)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for target in &mut file.targets {
            target.image = folder.join(&target.image);
        }
        Ok(file)
    }
}

impl TargetFile {
    /// Returns the entry that is named in an order.
    pub(super) fn entry(&self, order: &Path) -> Result<Option<CplEntryId>, Failure> {
        let entry = self.cpl_entry.as_deref().map(CplEntryId::new).transpose();
        entry.or_bad_input(format_args!("{}, key cpl_entry", order.display()))
    }
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
        let smso = SmsoId::new(&file.smso).or_bad_input(format_args!("{}, key smso", path.display()))?;
        let trust = believed(trust, output)?;
        let (mut targets, mut images) = (Vec::new(), Vec::new());
        for target in &file.targets {
            let image = read_image(&target.image, &trust)?;
            let cpl_entry = match target.entry(path)? {
                Some(entry) => entry,
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
        let OrderFile { id, policy, .. } = file;
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

    /// Returns what each device of a home is to run.
    pub(super) fn targets_of_home(
        &self,
        device: Eui64,
        register: &Register,
        inventory: &Inventory,
    ) -> Targets {
        let home = inventory.device(device).map(|found| found.installation);
        let members = home.into_iter().flat_map(|home| inventory.members(home));
        let target = |id| Some((id, self.target_for(id, register, inventory)?.0.clone()));
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
