//! One device as it stands in a home: a row of `inventory.csv`, which is ours.
//!
//! ```text
//! device_id, device_type, installation_id, hub_id, channel (0 for the hub itself), cpl_entry (what it runs now),
//! hardware_version (4 hex), supplier_id, status (Dormant or Active for a meter, else NotApplicable), enrolled,
//! exclusion (empty, or the reason), smso, group, comms_provider, hub_address (IP address and port), cell,
//! postcode_district (optional: the outward code of the postcode, the same for a whole home)
//! ```

use firmware_image::{Eui64, HardwareVersion};

use crate::address::HubAddress;
use crate::exclusion::Exclusion;
use crate::table::{Cell, FileKind, RowReader, RowWriter, Table, cell_from_text, cell_from_words};
use crate::text::{
    CellId, CommsProviderId, CplEntryId, GroupId, InstallationId, PostcodeDistrict, SharedTexts, SmsoId,
    SupplierId,
};

/// One device and what is known of it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its EUI-64.
    pub id: Eui64,
    /// What kind of device it is.
    pub device_type: DeviceType,
    /// The installation it belongs to.
    pub installation: InstallationId,
    /// The hub of that installation.
    pub hub: Eui64,
    /// Its place behind the hub.
    pub channel: HanChannel,
    /// The model and firmware it runs now.
    pub entry: CplEntryId,
    /// Its hardware.
    pub hardware: HardwareVersion,
    /// The supplier responsible for it.
    pub supplier: SupplierId,
    /// Whether it is a Dormant or an Active Meter, or no meter.
    pub status: MeterStatus,
    /// Whether it is migrated to the DCC or commissioned there.
    pub enrolled: bool,
    /// Why nothing is to be done with it, or with its whole installation.
    pub exclusion: Option<Exclusion>,
    /// The SMSO that operates the installation.
    pub smso: SmsoId,
    /// The group of that SMSO's solution.
    pub group: GroupId,
    /// The communication services provider.
    pub comms_provider: CommsProviderId,
    /// Where the hub is reached.
    pub hub_address: HubAddress,
    /// The WAN cell the hub is on.
    pub cell: CellId,
    /// The postcode district of the home, where it is known.
    pub postcode_district: Option<PostcodeDistrict>,
}

/// What kind of device it is (names as in DUIS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceType {
    /// Electricity meter.
    Esme,
    /// Gas meter.
    Gsme,
    /// Communications hub.
    Chf,
    /// Prepayment interface.
    Ppmid,
    /// In-home display.
    Ihd,
}

impl DeviceType {
    /// All types, in the order of the combination files.
    pub(crate) const IN_ORDER: [DeviceType; 5] =
        [DeviceType::Esme, DeviceType::Gsme, DeviceType::Chf, DeviceType::Ppmid, DeviceType::Ihd];

    /// Returns its place in that order.
    pub(crate) fn index(self) -> usize {
        match self {
            DeviceType::Esme => 0,
            DeviceType::Gsme => 1,
            DeviceType::Chf => 2,
            DeviceType::Ppmid => 3,
            DeviceType::Ihd => 4,
        }
    }

    /// Says whether it is a meter: only meters are Dormant or Active.
    pub fn is_meter(self) -> bool {
        matches!(self, DeviceType::Esme | DeviceType::Gsme)
    }
}

cell_from_words!(DeviceType { Esme = "ESME", Gsme = "GSME", Chf = "CHF", Ppmid = "PPMID", Ihd = "IHD" });

/// Whether a meter gets smart service from its supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterStatus {
    /// A Dormant Meter: its supplier gets no smart service from the SMSO.
    Dormant,
    /// An Active Meter.
    Active,
    /// No meter.
    NotApplicable,
}

impl MeterStatus {
    /// Says whether a device of this type can have this status.
    pub fn fits(self, device_type: DeviceType) -> bool {
        device_type.is_meter() == (self != MeterStatus::NotApplicable)
    }
}

cell_from_words!(MeterStatus { Dormant = "Dormant", Active = "Active", NotApplicable = "NotApplicable" });

/// The place of a device behind its hub: 0 is the hub itself, 1 to 255 the devices of its HAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HanChannel(pub u8);

impl HanChannel {
    /// The hub itself.
    pub const HUB: HanChannel = HanChannel(0);
}

impl Cell for HanChannel {
    fn expected() -> String {
        "a channel from 0 (the hub) to 255".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(HanChannel)
    }

    fn print(&self) -> String {
        self.0.to_string()
    }
}

cell_from_text!(InstallationId, SupplierId, CellId, PostcodeDistrict);

impl Table for Device {
    const FILE: FileKind = FileKind::Inventory;
    const COLUMNS: &'static [&'static str] = &[
        "device_id",
        "device_type",
        "installation_id",
        "hub_id",
        "channel",
        "cpl_entry",
        "hardware_version",
        "supplier_id",
        "status",
        "enrolled",
        "exclusion",
        "smso",
        "group",
        "comms_provider",
        "hub_address",
        "cell",
        "postcode_district",
    ];
    const OPTIONAL: &'static [&'static str] = &["postcode_district"];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let id = row.cell("device_id");
        let device_type = row.cell("device_type");
        let installation = row.cell("installation_id");
        let hub = row.cell("hub_id");
        let channel = row.cell("channel");
        let entry = row.cell("cpl_entry");
        let hardware = row.cell("hardware_version");
        let supplier = row.cell("supplier_id");
        let status = row.cell("status");
        let enrolled = row.cell("enrolled");
        let exclusion = row.cell("exclusion");
        let smso = row.cell("smso");
        let group = row.cell("group");
        let comms_provider = row.cell("comms_provider");
        let hub_address = row.cell("hub_address");
        let cell = row.cell("cell");
        let postcode_district = row.cell("postcode_district");
        Some(Self {
            id: id?,
            device_type: device_type?,
            installation: installation?,
            hub: hub?,
            channel: channel?,
            entry: entry?,
            hardware: hardware?,
            supplier: supplier?,
            status: status?,
            enrolled: enrolled?,
            exclusion: exclusion?,
            smso: smso?,
            group: group?,
            comms_provider: comms_provider?,
            hub_address: hub_address?,
            cell: cell?,
            postcode_district: postcode_district?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("device_id", &self.id);
        row.cell("device_type", &self.device_type);
        row.cell("installation_id", &self.installation);
        row.cell("hub_id", &self.hub);
        row.cell("channel", &self.channel);
        row.cell("cpl_entry", &self.entry);
        row.cell("hardware_version", &self.hardware);
        row.cell("supplier_id", &self.supplier);
        row.cell("status", &self.status);
        row.cell("enrolled", &self.enrolled);
        row.cell("exclusion", &self.exclusion);
        row.cell("smso", &self.smso);
        row.cell("group", &self.group);
        row.cell("comms_provider", &self.comms_provider);
        row.cell("hub_address", &self.hub_address);
        row.cell("cell", &self.cell);
        row.cell("postcode_district", &self.postcode_district);
    }
}
