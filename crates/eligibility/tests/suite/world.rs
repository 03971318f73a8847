//! One home with a Dormant electricity meter, a Dormant gas meter, a hub and a display, and an order that brings the
//! electricity meter from E1 to E2. As it stands, the order is allowed by row B1.

use std::collections::BTreeMap;

use eligibility::{
    Circumstances, Claim, Combination, CplEntry, CplEntryId, CplStatus, Date, Device, DeviceType, DmcId,
    EpclEntry, Evidence, EvidenceKind, EvidenceState, ExclusionEntry, GateConfig, HanChannel, ImageSize,
    InstructingParty, Inventory, MeterStatus, Notice, ObjectionCount, OfferedImage, PpclEntry, Predecessors,
    Register, RegisterRows, RegisteredImage, SmsoId, Targets, Verdict, decide,
};
use firmware_image::{
    Eui64, FileVersion, HardwareRange, HardwareVersion, ImageDigest, ImageIdentity, ImageType,
    ManufacturerCode,
};

pub const HARDWARE: HardwareVersion = HardwareVersion(0x0101);
pub const ESME: Eui64 = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 1, 1]);
pub const GSME: Eui64 = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 1, 2]);
pub const HUB: Eui64 = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 1, 0]);
pub const IHD: Eui64 = Eui64::from_bytes([0, 0, 0, 0, 0, 0, 1, 3]);

/// Makes a value of any id type.
pub fn id<T: std::str::FromStr<Err = eligibility::TextError>>(text: &str) -> T {
    text.parse().expect("the test's id is sound")
}

pub fn day(text: &str) -> Date {
    text.parse().expect("the test's date is sound")
}

#[derive(Clone)]
pub struct World {
    pub rows: RegisterRows,
    pub devices: Vec<Device>,
    pub notices: Vec<Notice>,
    pub exclusions: Vec<ExclusionEntry>,
    pub device: Eui64,
    pub targets: BTreeMap<Eui64, CplEntryId>,
    pub instructed_by: InstructingParty,
    pub addressed_smso: SmsoId,
    pub image: OfferedImage,
    pub circumstances: Circumstances,
    pub today: Date,
    pub config: GateConfig,
}

/// An order allowed because the combination D2 (E2 G1 C1 I1) is on the EPCL.
pub fn world() -> World {
    let cpl = vec![
        cpl_entry("E1", DeviceType::Esme, 1, Predecessors::Any),
        cpl_entry("E2", DeviceType::Esme, 2, predecessors("E1")),
        cpl_entry("E3", DeviceType::Esme, 3, predecessors("E2")),
        cpl_entry("G1", DeviceType::Gsme, 1, Predecessors::Any),
        cpl_entry("G2", DeviceType::Gsme, 2, predecessors("G1")),
        cpl_entry("C1", DeviceType::Chf, 1, Predecessors::Any),
        cpl_entry("C2", DeviceType::Chf, 2, predecessors("C1")),
        cpl_entry("I1", DeviceType::Ihd, 1, Predecessors::Any),
        cpl_entry("I2", DeviceType::Ihd, 2, Predecessors::Any),
    ];
    let epcl = vec![EpclEntry {
        id: id("D2"),
        combination: combination("E2", "G1", "C1", "I1"),
        date_added: day("2020-06-01"),
        date_removed: None,
    }];
    World {
        rows: RegisterRows { cpl, epcl, ..RegisterRows::default() },
        devices: vec![
            device(HUB, DeviceType::Chf, 0, "C1"),
            device(ESME, DeviceType::Esme, 1, "E1"),
            device(GSME, DeviceType::Gsme, 2, "G1"),
            device(IHD, DeviceType::Ihd, 3, "I1"),
        ],
        notices: Vec::new(),
        exclusions: Vec::new(),
        device: ESME,
        targets: BTreeMap::from([(ESME, id("E2"))]),
        instructed_by: InstructingParty::Dcc,
        addressed_smso: id("SMSO-1"),
        image: image("E2", 2),
        circumstances: Circumstances::default(),
        today: day("2020-10-01"),
        config: GateConfig::AS_EXPECTED,
    }
}

/// The same order, with D2 proposed and not listed, so that evidence decides.
pub fn early_world() -> World {
    let mut world = world();
    world.rows.epcl.clear();
    world.rows.ppcl.push(proposal("D2", combination("E2", "G1", "C1", "I1")));
    world
}

impl World {
    pub fn register(&self) -> Register {
        Register::from_rows(self.rows.clone()).unwrap_or_else(|error| panic!("the test's register: {error}"))
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::from_rows(self.devices.clone())
            .and_then(|inventory| inventory.with_rows(self.notices.clone(), self.exclusions.clone()))
            .unwrap_or_else(|error| panic!("the test's inventory: {error}"))
    }

    /// Asks the gate. The lists are leaked, so that a verdict, which refers to them, can be handed about in a test.
    pub fn decide(&self) -> Verdict<'static> {
        let world: &'static World = Box::leak(Box::new(self.clone()));
        let targets = Box::leak(Box::new(self.targets()));
        let (register, inventory) =
            (Box::leak(Box::new(self.register())), Box::leak(Box::new(self.inventory())));
        decide(&world.claim(targets), register, inventory, world.today, &world.config)
    }

    /// Asks the gate and hands the verdict on, without leaking anything.
    pub fn ask_gate<R>(&self, look: impl FnOnce(&Verdict<'_>) -> R) -> R {
        let (register, inventory) = (self.register(), self.inventory());
        look(&decide(&self.claim(&self.targets()), &register, &inventory, self.today, &self.config))
    }

    pub fn targets(&self) -> Targets {
        self.targets.clone().into_iter().collect()
    }

    pub fn claim<'a>(&'a self, targets: &'a Targets) -> Claim<'a> {
        Claim {
            device: self.device,
            targets,
            instructed_by: &self.instructed_by,
            addressed_smso: &self.addressed_smso,
            image: &self.image,
            circumstances: self.circumstances,
        }
    }

    pub fn device_mut(&mut self, wanted: Eui64) -> &mut Device {
        self.devices.iter_mut().find(|device| device.id == wanted).expect("the device is of the home")
    }

    pub fn entry_mut(&mut self, wanted: &str) -> &mut CplEntry {
        let entries = &mut self.rows.cpl;
        entries.iter_mut().find(|entry| entry.id.as_str() == wanted).expect("the entry is of the list")
    }

    /// Has the order bring a device to an entry, and makes that device the one asked about.
    pub fn ask(&mut self, device: Eui64, target: &str) {
        self.device = device;
        self.targets = BTreeMap::from([(device, id(target))]);
        let version = target.bytes().last().map_or(0, |digit| u32::from(digit - b'0'));
        self.image = image(target, version);
    }

    pub fn list(&mut self, dmc: &str, combination: Combination) {
        self.rows.epcl.push(EpclEntry {
            id: id(dmc),
            combination,
            date_added: day("2020-06-01"),
            date_removed: None,
        });
    }

    /// Adds evidence about D2.
    pub fn evidence(&mut self, kind: EvidenceKind, state: EvidenceState, date: &str) -> &mut Evidence {
        self.evidence_of("D2", kind, state, date)
    }

    pub fn evidence_of(
        &mut self,
        dmc: &str,
        kind: EvidenceKind,
        state: EvidenceState,
        date: &str,
    ) -> &mut Evidence {
        let doc_ref = id(&format!("{dmc} {kind} {state}"));
        self.rows.evidence.push(Evidence {
            dmc: id(dmc),
            kind,
            state,
            date: day(date),
            doc_ref,
            equivalent_to: None,
            open_objections: ObjectionCount::default(),
        });
        self.rows.evidence.last_mut().expect("it was just added")
    }
}

/// Asks the gate and compares row and code.
#[track_caller]
pub fn check(world: &World, row: &str, code: &str) {
    let _ = judge(world, row, code);
}

/// The same, for who wants to know more of the verdict.
#[track_caller]
pub fn judge(world: &World, row: &str, code: &str) -> Verdict<'static> {
    let verdict = world.decide();
    assert_eq!((verdict.row().as_str(), verdict.code()), (row, code), "{}", verdict.explain());
    verdict
}

pub fn combination(esme: &str, gsme: &str, hub: &str, ihd: &str) -> Combination {
    Combination {
        group: id("GROUP-1"),
        smso: id("SMSO-1"),
        comms_provider: id("CSP-1"),
        esme: Some(id(esme)),
        gsme: Some(id(gsme)),
        hub: Some(id(hub)),
        ppmid: None,
        ihd: Some(id(ihd)),
    }
}

pub fn proposal(dmc: &str, combination: Combination) -> PpclEntry {
    PpclEntry { id: id::<DmcId>(dmc), combination, date_proposed: day("2020-01-10"), uneconomic: false }
}

pub fn predecessors(entry: &str) -> Predecessors {
    Predecessors::These([id(entry)].into())
}

fn cpl_entry(entry: &str, device_type: DeviceType, version: u32, predecessors: Predecessors) -> CplEntry {
    CplEntry {
        id: id(entry),
        device_type,
        manufacturer: id("Lamps & Co"),
        model: id(&format!("{device_type} model")),
        hardware: HARDWARE,
        firmware: FileVersion(version),
        image: Some(RegisteredImage { digest: ImageDigest::of(entry.as_bytes()), size: ImageSize(1000) }),
        smets_version: id("SMETS1"),
        status: CplStatus::Active,
        predecessors,
    }
}

fn image(entry: &str, version: u32) -> OfferedImage {
    OfferedImage {
        digest: ImageDigest::of(entry.as_bytes()),
        size: ImageSize(1000),
        identity: ImageIdentity {
            manufacturer: ManufacturerCode(0x10E5),
            image_type: ImageType(0x0011),
            file_version: FileVersion(version),
            hardware: Some(HardwareRange { min: HARDWARE, max: HARDWARE }),
        },
    }
}

fn device(device: Eui64, device_type: DeviceType, channel: u8, entry: &str) -> Device {
    Device {
        id: device,
        device_type,
        installation: id("HOME-1"),
        hub: HUB,
        channel: HanChannel(channel),
        entry: id(entry),
        hardware: HARDWARE,
        supplier: id("SUPPLIER-1"),
        status: if device_type.is_meter() { MeterStatus::Dormant } else { MeterStatus::NotApplicable },
        enrolled: false,
        exclusion: None,
        smso: id("SMSO-1"),
        group: id("GROUP-1"),
        comms_provider: id("CSP-1"),
        hub_address: id("127.0.0.1:4059"),
        cell: id("CELL-1"),
        postcode_district: Some(id("CF10")),
    }
}
