//! The paperwork of a world: the lists and the inventory that an SMSO would hold about its homes.
//!
//! The records of the homes and the images on offer go in; rows in the formats of `eligibility` come out, so that a
//! simulated campaign passes the same gate as a real one. A home ends in a device model combination (DMC) that is told
//! apart by its communication service provider; what is known of it is the home's [`Evidence`]:
//!
//! ```text
//! CSP-1  on the EPCL                                    allowed, B1
//! CSP-2  proposed, MT and SIT complete                  allowed, B2
//! CSP-3  proposed, DMCT EPCL Report issued              allowed, B3
//! CSP-4  proposed as equivalent, report still a draft   refused, B5
//! CSP-5  proposed, and nothing else                     refused, B7
//! ```

use super::record::{DeviceKind, DeviceRecord, Evidence, HomeRecord, Standing};
use super::spec::WorldSpec;
use eligibility::{
    CellId, Combination, CommsProviderId, CplEntry, CplEntryId, CplStatus, Device, DeviceType, DmcId, DocRef,
    EpclEntry, EvidenceKind, EvidenceState, Exclusion, GroupId, HanChannel, HubAddress, ImageSize,
    InstallationId, ManufacturerName, MeterStatus, ModelName, PostcodeDistrict, PpclEntry, Predecessors,
    RegisterRows, RegisteredImage, SmetsVersion, SmsoId, SupplierId, TextError,
};
use firmware_image::{Eui64, FileVersion, HardwareVersion, VerifiedImage};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use transfer_engine::Moment;

/// What an SMSO has on its desk when the DCC orders a campaign.
#[derive(Clone, Debug)]
pub struct Paperwork {
    /// Product list, eligible and proposed combinations, evidence.
    pub register: RegisterRows,
    /// Every device of every home.
    pub inventory: Vec<Device>,
    /// What an order that leaves nobody out would have each device run. In Mixed installations it names the
    /// Dormant Meter alone; Active, enrolled and excluded installations are named, for the gate to refuse.
    pub targets: BTreeMap<Eui64, CplEntryId>,
}

/// The SMSO that operates all homes of a world.
const SMSO: &str = "SMSO-1";
/// The group of its solution.
const GROUP: &str = "GROUP-A";

/// Writes the paperwork of a world for a campaign that offers `images`; hubs are reached at `hub_port`.
///
/// Fails when a name of the world file does not fit its column.
pub fn paperwork<'a>(
    spec: &WorldSpec,
    homes: impl IntoIterator<Item = &'a HomeRecord>,
    images: &BTreeMap<DeviceKind, VerifiedImage>,
    hub_port: u16,
) -> Result<Paperwork, TextError> {
    let dates = Dates::before(spec.start);
    let mut desk = Desk { images, hub_port, lists: Lists::default(), combinations: BTreeMap::new() };
    for kind in DeviceKind::ALL {
        desk.list_entries(spec, kind)?;
    }
    desk.list_storm_model(spec)?;
    let mut inventory = Vec::new();
    let mut targets = BTreeMap::new();
    for home in homes {
        for device in &home.devices {
            inventory.push(desk.inventory_row(home, device)?);
        }
        let ordered = desk.ordered(home);
        desk.propose(home, &ordered)?;
        targets.extend(ordered);
    }
    let mut register = RegisterRows { cpl: desk.lists.cpl, ..RegisterRows::default() };
    file_combinations(desk.combinations, &dates, &mut register)?;
    Ok(Paperwork { register, inventory, targets })
}

/// The dates on the documents; all lie before the world begins, and early evidence after the rule of 2020.
struct Dates {
    listed: Date,
    proposed: Date,
    evidence: Date,
}

impl Dates {
    fn before(start: Moment) -> Dates {
        let micros = i64::try_from(start.as_micros()).unwrap_or(i64::MAX);
        let today = match Timestamp::from_microsecond(micros) {
            Ok(instant) => TimeZone::UTC.to_datetime(instant).date(),
            Err(_) => Date::MAX,
        };
        let days_before = |days: i64| today.saturating_sub(days.days());
        Dates { listed: days_before(180), proposed: days_before(60), evidence: days_before(10) }
    }
}

#[derive(Default)]
struct Lists {
    cpl: Vec<CplEntry>,
    current: BTreeMap<DeviceKind, CplEntryId>,
    target: BTreeMap<DeviceKind, CplEntryId>,
    /// What hubs of the model that storms run; no campaign brings them anything.
    storm: Option<CplEntryId>,
}

struct Desk<'a> {
    images: &'a BTreeMap<DeviceKind, VerifiedImage>,
    hub_port: u16,
    lists: Lists,
    combinations: BTreeMap<Combination, Evidence>,
}

impl Desk<'_> {
    /// Lists the firmware that devices of a kind run now and, if there is an image for them, the new one.
    fn list_entries(&mut self, spec: &WorldSpec, kind: DeviceKind) -> Result<(), TextError> {
        let model = spec.device.of(kind);
        let row = |version: FileVersion| {
            Ok(CplEntry {
                id: CplEntryId::new(&format!("{}-{version}", kind.duis_name()))?,
                device_type: device_type(kind),
                manufacturer: ManufacturerName::new(&format!("Manufacturer {:04X}", model.manufacturer))?,
                model: ModelName::new(&model.name)?,
                hardware: HardwareVersion(model.hardware),
                firmware: version,
                image: None,
                smets_version: SmetsVersion::new("SMETS1 v1.2")?,
                status: CplStatus::Active,
                predecessors: Predecessors::Any,
            })
        };
        let current = row(FileVersion(model.running_version))?;
        self.lists.current.insert(kind, current.id.clone());
        let current_id = current.id.clone();
        self.lists.cpl.push(current);
        let target_version = match self.images.get(&kind) {
            Some(image) => image.identity().file_version,
            None => FileVersion(model.target_version),
        };
        let mut target = row(target_version)?;
        target.predecessors = Predecessors::These(BTreeSet::from([current_id]));
        target.image = self.images.get(&kind).map(|image| RegisteredImage {
            digest: image.image_digest(),
            size: ImageSize(image.file().payload().len() as u32),
        });
        self.lists.target.insert(kind, target.id.clone());
        self.lists.cpl.push(target);
        Ok(())
    }

    /// Lists the hub model that storms, under its own name, so that it is told apart as it would be.
    fn list_storm_model(&mut self, spec: &WorldSpec) -> Result<(), TextError> {
        let usual = self.lists.cpl.iter().find(|entry| entry.id == self.lists.current[&DeviceKind::Hub]);
        if let (Some(name), Some(usual)) = (&spec.faults.storm_model, usual) {
            let id = CplEntryId::new(&format!("{}-STORM", usual.id.as_str()))?;
            let entry = CplEntry { id: id.clone(), model: ModelName::new(name)?, ..usual.clone() };
            self.lists.storm = Some(id);
            self.lists.cpl.push(entry);
        }
        Ok(())
    }

    /// Finds the entry of what a device runs now.
    fn entry_now(&self, home: &HomeRecord, device: &DeviceRecord) -> CplEntryId {
        let kind = device.kind;
        if let Some(entry) = self.lists.storm.as_ref().filter(|_| home.storms && kind == DeviceKind::Hub) {
            return entry.clone();
        }
        let target = &self.lists.target[&kind];
        let runs_target = self
            .lists
            .cpl
            .iter()
            .any(|entry| entry.id == *target && entry.firmware == device.firmware_version);
        if runs_target { target.clone() } else { self.lists.current[&kind].clone() }
    }

    fn inventory_row(&self, home: &HomeRecord, device: &DeviceRecord) -> Result<Device, TextError> {
        let device_type = device_type(device.kind);
        let status = match (device_type.is_meter(), device.is_active) {
            (false, _) => MeterStatus::NotApplicable,
            (true, true) => MeterStatus::Active,
            (true, false) => MeterStatus::Dormant,
        };
        let is_excluded = home.standing == Standing::Excluded && device.kind == DeviceKind::Hub;
        Ok(Device {
            id: device.eui,
            device_type,
            installation: InstallationId::new(&home.installation)?,
            hub: home.hub_eui(),
            channel: HanChannel(device.channel),
            entry: self.entry_now(home, device),
            hardware: device.hardware,
            supplier: SupplierId::new(&device.supplier)?,
            status,
            enrolled: home.standing == Standing::Enrolled,
            exclusion: is_excluded.then_some(Exclusion::MissingMasterKeys),
            smso: SmsoId::new(SMSO)?,
            group: GroupId::new(GROUP)?,
            comms_provider: CommsProviderId::new(&home.comms_provider)?,
            hub_address: HubAddress::new(&format!("{}:{}", home.address, self.hub_port))?,
            cell: CellId::new(&home.cell.name())?,
            postcode_district: Some(PostcodeDistrict::new(&home.cell.district())?),
        })
    }

    /// What an order that leaves nobody out names in a home.
    fn ordered(&self, home: &HomeRecord) -> BTreeMap<Eui64, CplEntryId> {
        let dormant_only = home.standing == Standing::Mixed && home.device(DeviceKind::Gas).is_some();
        home.devices
            .iter()
            .filter(|device| self.images.contains_key(&device.kind))
            .filter(|device| !(home.storms && device.kind == DeviceKind::Hub && self.lists.storm.is_some()))
            .filter(|device| !dormant_only || !device.is_active)
            .map(|device| (device.eui, self.lists.target[&device.kind].clone()))
            .collect()
    }

    /// Notes the combination that the home would end in, and what is known of it.
    fn propose(&mut self, home: &HomeRecord, ordered: &BTreeMap<Eui64, CplEntryId>) -> Result<(), TextError> {
        let place = |kind| {
            let device = home.device(kind)?;
            Some(ordered.get(&device.eui).cloned().unwrap_or_else(|| self.entry_now(home, device)))
        };
        let combination = Combination {
            group: GroupId::new(GROUP)?,
            smso: SmsoId::new(SMSO)?,
            comms_provider: CommsProviderId::new(&home.comms_provider)?,
            esme: place(DeviceKind::Electricity),
            gsme: place(DeviceKind::Gas),
            hub: place(DeviceKind::Hub),
            ppmid: place(DeviceKind::Display),
            ihd: None,
        };
        self.combinations.insert(combination, home.evidence);
        Ok(())
    }
}

/// Files every combination on the list where it belongs, with its evidence.
fn file_combinations(
    mut combinations: BTreeMap<Combination, Evidence>,
    dates: &Dates,
    register: &mut RegisterRows,
) -> Result<(), TextError> {
    // A claim of equivalence points at a listed combination of the same models.
    let listed_provider = CommsProviderId::new("CSP-1")?;
    let twin = |combination: &Combination| Combination {
        comms_provider: listed_provider.clone(),
        ..combination.clone()
    };
    let claimed: Vec<Combination> = combinations
        .iter()
        .filter(|(_, evidence)| **evidence == Evidence::EquivalenceDraft)
        .map(|(combination, _)| twin(combination))
        .collect();
    for combination in claimed {
        combinations.entry(combination).or_insert(Evidence::Epcl);
    }
    let ids = combinations
        .keys()
        .enumerate()
        .map(|(index, combination)| Ok((combination.clone(), DmcId::new(&format!("DMC-{:04}", index + 1))?)))
        .collect::<Result<BTreeMap<Combination, DmcId>, TextError>>()?;
    for (combination, evidence) in combinations {
        let id = ids[&combination].clone();
        let document = |kind, state, name: &str, equivalent_to| {
            Ok(eligibility::Evidence {
                dmc: id.clone(),
                kind,
                state,
                date: dates.evidence,
                doc_ref: DocRef::new(&format!("{name} on {id}"))?,
                equivalent_to,
                open_objections: eligibility::ObjectionCount::default(),
            })
        };
        match evidence {
            Evidence::Epcl => {}
            Evidence::MtSit => {
                let (migration, integration) =
                    (EvidenceKind::MigrationTesting, EvidenceKind::SystemIntegrationTesting);
                register.evidence.push(document(migration, EvidenceState::Complete, "MT report", None)?);
                register.evidence.push(document(integration, EvidenceState::Complete, "SIT report", None)?);
            }
            Evidence::DmctReport => {
                let report = EvidenceKind::DmctEpclReport;
                register.evidence.push(document(report, EvidenceState::Issued, "DMCT EPCL Report", None)?);
            }
            Evidence::EquivalenceDraft => {
                let report = EvidenceKind::DmctEpclReport;
                let reference = ids.get(&twin(&combination)).cloned();
                let name = "Draft DMCT EPCL Report";
                register.evidence.push(document(report, EvidenceState::Complete, name, reference)?);
            }
            Evidence::Nothing => {}
        }
        if evidence == Evidence::Epcl {
            register.epcl.push(EpclEntry { id, combination, date_added: dates.listed, date_removed: None });
        } else {
            let (date_proposed, uneconomic) = (dates.proposed, false);
            register.ppcl.push(PpclEntry { id, combination, date_proposed, uneconomic });
        }
    }
    Ok(())
}

pub(crate) fn device_type(kind: DeviceKind) -> DeviceType {
    match kind {
        DeviceKind::Hub => DeviceType::Chf,
        DeviceKind::Electricity => DeviceType::Esme,
        DeviceKind::Gas => DeviceType::Gsme,
        DeviceKind::Display => DeviceType::Ppmid,
    }
}
