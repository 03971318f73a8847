//! What is on file about each home: the facts from which an SMSO's lists are written, and where its hub answers.

use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageType, ManufacturerCode};
use std::net::Ipv4Addr;
use transfer_engine::HubId;

/// The four kinds of device in an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// The communications hub (CHF).
    Hub,
    /// The electricity meter (ESME).
    Electricity,
    /// The gas meter (GSME).
    Gas,
    /// The in-home display (PPMID or IHD).
    Display,
}

impl DeviceKind {
    /// All kinds, in the order of their channels.
    pub const ALL: [DeviceKind; 4] =
        [DeviceKind::Hub, DeviceKind::Electricity, DeviceKind::Gas, DeviceKind::Display];

    /// Returns the channel of the device's ImageTransfer instance on its hub, and its HAN short address.
    pub const fn channel(self) -> u8 {
        self as u8
    }

    /// Returns whether it is a meter, which a supplier answers for.
    pub const fn is_meter(self) -> bool {
        matches!(self, DeviceKind::Electricity | DeviceKind::Gas)
    }

    /// Returns the abbreviation that DUIS uses (fact).
    pub const fn duis_name(self) -> &'static str {
        match self {
            DeviceKind::Hub => "CHF",
            DeviceKind::Electricity => "ESME",
            DeviceKind::Gas => "GSME",
            DeviceKind::Display => "PPMID",
        }
    }
}

/// A WAN cell, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(pub u32);

impl Cell {
    /// Returns its name in the inventory.
    pub fn name(self) -> String {
        format!("CELL-{:05}", self.0 + 1)
    }

    /// Returns the postcode district that its homes lie in: made up, two cells to a district (assumption).
    pub fn district(self) -> String {
        let area = self.0 / (Self::CELLS_OF_A_DISTRICT * Self::DISTRICTS_OF_AN_AREA);
        let letter = |number: u32| char::from(b'A' + (number % 26) as u8);
        let number = self.0 / Self::CELLS_OF_A_DISTRICT % Self::DISTRICTS_OF_AN_AREA + 1;
        format!("{}{}{number}", letter(area / 26), letter(area))
    }

    /// An urban cell covers less than a district (assumption).
    const CELLS_OF_A_DISTRICT: u32 = 2;
    /// Districts have at most two digits after the letters of their area.
    const DISTRICTS_OF_AN_AREA: u32 = 99;
}

/// How an installation stands with the DCC and its suppliers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// All meters Dormant.
    Dormant,
    /// All meters Active.
    Active,
    /// The electricity meter Active, the gas meter Dormant.
    Mixed,
    /// Enrolled in the DCC already, so that the SMSO's own service to the supplier has ended.
    Enrolled,
    /// Dormant, but in an exclusion category.
    Excluded,
}

/// What testing evidence covers the device model combination that the campaign would create in a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// On the EPCL.
    Epcl,
    /// Proposed; MT and SIT complete.
    MtSit,
    /// Proposed; DMCT EPCL Report issued.
    DmctReport,
    /// Proposed by substantive equivalence; the report is a draft.
    EquivalenceDraft,
    /// Nothing.
    Nothing,
}

impl Evidence {
    /// All situations, in the order of the world file.
    pub const ALL: [Evidence; 5] = [
        Evidence::Epcl,
        Evidence::MtSit,
        Evidence::DmctReport,
        Evidence::EquivalenceDraft,
        Evidence::Nothing,
    ];
}

/// What is wrong with one device; the inventory does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceTrouble {
    /// It already runs the target version.
    AlreadyCurrent,
    /// Its hardware is another revision than the inventory says.
    WrongHardware,
    /// New firmware does not come up on it.
    DoesNotComeUp,
    /// An operation of its flash is torn: the supply fails while it stores an image.
    FlashDefect,
    /// New firmware works on it, and falls silent some hours later.
    FailsLater,
    /// New firmware works on it, and some hours later the others of its home are not heard any more.
    SilencesOthers,
    /// Its battery is nearly used up.
    LowBattery,
}

/// One device on file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// What it is.
    pub kind: DeviceKind,
    /// Its identifier.
    pub eui: Eui64,
    /// Its channel on the hub; 0 is the hub itself.
    pub channel: u8,
    /// The model's name on the product list.
    pub model: String,
    /// Manufacturer code of its images.
    pub manufacturer: ManufacturerCode,
    /// Type of its images.
    pub image_type: ImageType,
    /// Hardware version as the inventory says, which is not always true.
    pub hardware: HardwareVersion,
    /// File version that it runs when the world begins.
    pub firmware_version: FileVersion,
    /// The supplier that answers for it; the hub is answered for by the electricity supplier.
    pub supplier: String,
    /// Whether its supplier still gets smart service (for the hub: whether any meter of the home is Active).
    pub is_active: bool,
    /// What is wrong with it; for reports on the simulation, never for an inventory.
    pub trouble: Option<DeviceTrouble>,
}

/// One installation on file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeRecord {
    /// The dense index of its hub, which is also the home's place in the fleet.
    pub hub: HubId,
    /// The installation's identifier.
    pub installation: String,
    /// The loopback address at which its hub answers on real sockets.
    pub address: Ipv4Addr,
    /// The WAN cell it is in.
    pub cell: Cell,
    /// Name of its link's profile.
    pub link: String,
    /// The communication service provider, which is a part of its device model combination.
    pub comms_provider: String,
    /// How it stands.
    pub standing: Standing,
    /// What evidence covers it.
    pub evidence: Evidence,
    /// Whether the hub has no WAN although the inventory does not know.
    pub is_unreachable: bool,
    /// Whether its hub is of the model that storms.
    pub storms: bool,
    /// Whether a sector of one device's flash is worn, which nobody knows.
    pub wears: bool,
    /// Its devices; the hub first.
    pub devices: Vec<DeviceRecord>,
}

impl HomeRecord {
    /// Returns the identifier of the hub.
    pub fn hub_eui(&self) -> Eui64 {
        self.devices[0].eui
    }

    /// Returns the device of a kind, if the home has one.
    pub fn device(&self, kind: DeviceKind) -> Option<&DeviceRecord> {
        self.devices.iter().find(|device| device.kind == kind)
    }
}

/// Hosts per /24 that are used: .0 and .255 are left out, because some tools take them for nets and broadcasts.
const HOSTS: u32 = 254;
/// The first of the /16 nets; 127.0.0.1 and its neighbours stay free for head-ends.
const FIRST_NET: u32 = 16;

/// Returns the loopback address of a hub: 127.16.0.1 for the first, upwards without .0 and .255.
///
/// # Panics
///
/// Beyond [`super::checks::MOST_INSTALLATIONS`], which no checked world reaches.
pub fn hub_address(hub: HubId) -> Ipv4Addr {
    let (net, host) = (hub.0 / HOSTS, hub.0 % HOSTS + 1);
    let second = FIRST_NET + net / 256;
    assert!(second < 256, "a world has no more hubs than loopback has addresses");
    Ipv4Addr::new(127, second as u8, (net % 256) as u8, host as u8)
}

/// Returns the hub that has this address, if any hub can.
pub fn hub_at(address: Ipv4Addr) -> Option<HubId> {
    let [first, second, third, host] = address.octets().map(u32::from);
    if first != 127 || second < FIRST_NET || host == 0 || host == 255 {
        return None;
    }
    Some(HubId(((second - FIRST_NET) * 256 + third) * HOSTS + host - 1))
}
