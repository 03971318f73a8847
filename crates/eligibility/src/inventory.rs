//! All devices, by id and by installation, cross-checked: what is known of the homes now.
//!
//! A SMETS1 Installation is read as the devices on one hub, at most one of each type, because a combination has one
//! place for each. `[I]` That reading is ours.
//!
//! Sketch, for a million homes with four devices each: a device is 36 B and lies beside the others of its home; a home
//! is 72 B, and the text of its id about 45 B more; 4 B keep the order of the ids, and a table of 16 B a device finds it
//! by its id. That is about 400 MB, as measured. What repeats (operator, supplier, cell, district, model, exclusion) is held
//! once, under a number. A verdict waits for memory three times: for the table, the devices of the home, the order.

mod home;
mod join;
mod notices;

use std::hash::BuildHasher;
use std::io::Read;

use firmware_image::{Eui64, HardwareVersion};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::civil::Date;
use thiserror::Error;

use crate::address::HubAddress;
use crate::catalogue::Pool;
use crate::device::{Device, DeviceType, HanChannel, MeterStatus};
use crate::exclusion::{Exclusion, ExclusionEntry};
use crate::notice::Notice;
use crate::places::Places;
use crate::table::{CsvRows, Faults, LoadError, number_lines};
use crate::text::{
    CellId, CommsProviderId, CplEntryId, DocRef, GroupId, InstallationId, PostcodeDistrict, SmsoId,
    SupplierId,
};

pub(crate) use home::{Home, Member};
pub(crate) use join::Gathering;
pub use notices::NoticeView;
pub(crate) use notices::{ExclusionLines, NoticeLines};

/// The devices of all installations.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Home by home in the order of the installations; in a home the hub first, then by channel.
    devices: Vec<DeviceRow>,
    /// In the order of the installations' ids.
    homes: Vec<HomeRow>,
    /// The places of the devices, in the order of their ids.
    by_id: Vec<u32>,
    places: Places,
    home_places: HashTable<u32>,
    names: Names,
    notices: notices::Notices,
}

/// What the rows of devices and homes refer to by number.
#[derive(Debug, Clone, Default)]
struct Names {
    entries: Pool<CplEntryId>,
    suppliers: Pool<SupplierId>,
    sites: Pool<Site>,
    cells: Pool<CellId>,
    districts: Pool<PostcodeDistrict>,
    exclusions: Pool<Excluded>,
}

/// One device. Small on purpose: see the module's sketch.
#[derive(Debug, Clone, Copy)]
struct DeviceRow {
    id: Eui64,
    home: u32,
    entry: u32,
    supplier: u32,
    exclusion: u32,
    /// What the home has in common, so that a verdict does not wait for the home's row as well.
    site: u32,
    hardware: HardwareVersion,
    channel: HanChannel,
    device_type: DeviceType,
    status: MeterStatus,
    enrolled: bool,
    /// Its place among the devices of its home, and how many there are.
    position: u8,
    siblings: u8,
}

/// No exclusion, or no district.
const NONE: u32 = u32::MAX;

/// What the devices of an installation have in common.
#[derive(Debug, Clone)]
struct HomeRow {
    installation: InstallationId,
    hub: Eui64,
    hub_address: HubAddress,
    site: u32,
    cell: u32,
    district: u32,
    first: u32,
}

/// Who operates and connects an installation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Site {
    smso: SmsoId,
    group: GroupId,
    comms_provider: CommsProviderId,
}

/// Why a device is excluded, and what is known about that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Excluded {
    pub reason: Exclusion,
    pub since: Option<Date>,
    pub doc_ref: Option<DocRef>,
}

/// One device and what is known of it now.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView<'a> {
    /// Its EUI-64.
    pub id: Eui64,
    /// What kind of device it is.
    pub device_type: DeviceType,
    /// The installation it belongs to.
    pub installation: &'a InstallationId,
    /// The hub of that installation.
    pub hub: Eui64,
    /// Its place behind the hub.
    pub channel: HanChannel,
    /// The model and firmware it runs now.
    pub entry: &'a CplEntryId,
    /// Its hardware.
    pub hardware: HardwareVersion,
    /// The supplier responsible for it.
    pub supplier: &'a SupplierId,
    /// Whether it is a Dormant or an Active Meter, or no meter.
    pub status: MeterStatus,
    /// Whether it is migrated to the DCC or commissioned there.
    pub enrolled: bool,
    /// Why nothing is to be done with it, or with its whole installation, now or from a day on: see
    /// [`exclusion_on`](DeviceView::exclusion_on).
    pub exclusion: Option<&'a Exclusion>,
    /// From which day on that holds; when nothing says so, for every day.
    pub excluded_since: Option<Date>,
    /// The SMSO that operates the installation.
    pub smso: &'a SmsoId,
    /// The group of that SMSO's solution.
    pub group: &'a GroupId,
    /// The communication services provider.
    pub comms_provider: &'a CommsProviderId,
    /// Where the hub is reached.
    pub hub_address: HubAddress,
    /// The WAN cell the hub is on.
    pub cell: &'a CellId,
    /// The postcode district of the home, where it is known.
    pub postcode_district: Option<&'a PostcodeDistrict>,
}

impl<'a> DeviceView<'a> {
    /// Returns why the device is excluded, if it is on a day.
    pub fn exclusion_on(&self, today: Date) -> Option<&'a Exclusion> {
        self.exclusion.filter(|_| self.excluded_since.is_none_or(|since| since <= today))
    }

    /// Returns why the device will be excluded, and from when on, if it is not yet on a day.
    pub fn exclusion_after(&self, today: Date) -> Option<(&'a Exclusion, Date)> {
        self.exclusion.zip(self.excluded_since.filter(|since| *since > today))
    }
}

/// A fact about a device that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// It was read back and runs this entry now.
    Runs(CplEntryId),
    /// The meter became Dormant or Active.
    Status(MeterStatus),
    /// Another supplier is responsible for it.
    Supplier(SupplierId),
    /// It was enrolled, or is no longer.
    Enrolled(bool),
    /// It was excluded, or is no longer.
    Exclusion(Option<Exclusion>),
}

/// Why a change was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// No such device.
    #[error("the inventory has no device {0}")]
    UnknownDevice(Eui64),
    /// Only meters are Dormant or Active.
    #[error("a device of type {device_type} cannot be {status}")]
    StatusOfType {
        /// The device's type.
        device_type: DeviceType,
        /// The status it cannot have.
        status: MeterStatus,
    },
}

impl Inventory {
    /// Reads and cross-checks `inventory.csv`: all rows are good, or nothing is taken.
    pub fn load(csv: impl Read) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let mut gathering = Gathering::default();
        gathering.read(&mut CsvRows::new(csv), &mut faults);
        let inventory = gathering.finish(&mut faults);
        faults.into_result(inventory)
    }

    /// Cross-checks devices that were made, not read. A fault names the line the row would be written on.
    pub fn from_rows(devices: Vec<Device>) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let mut gathering = Gathering::default();
        for row in number_lines(devices) {
            gathering.take(row, &mut faults);
        }
        let inventory = gathering.finish(&mut faults);
        faults.into_result(inventory)
    }

    /// Adds notices and exclusions that were made, not read. A fault names the line the row would be written on.
    pub fn with_rows(
        mut self,
        notices: Vec<Notice>,
        exclusions: Vec<ExclusionEntry>,
    ) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let mut lines = NoticeLines::default();
        number_lines(notices).iter().for_each(|row| lines.take(row));
        self.take_notices(lines, &mut faults);
        self.take_exclusions(ExclusionLines::of(number_lines(exclusions)), &mut faults);
        faults.into_result(self)
    }

    /// Returns a device.
    pub fn device(&self, id: Eui64) -> Option<DeviceView<'_>> {
        self.find(id).map(|member| member.view())
    }

    /// Returns all devices, in the order of their ids.
    pub fn devices(&self) -> impl Iterator<Item = DeviceView<'_>> {
        self.by_id.iter().filter_map(|place| self.member(*place)).map(|member| member.view())
    }

    /// Returns how many devices there are.
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// Returns the ids of all installations, in their order.
    pub fn installations(&self) -> impl Iterator<Item = &InstallationId> {
        self.homes.iter().map(|home| &home.installation)
    }

    /// Returns how many installations there are.
    pub fn installation_count(&self) -> usize {
        self.homes.len()
    }

    /// Returns the devices of an installation, the hub first, then by channel; none when it is unknown.
    pub fn members(&self, installation: &InstallationId) -> impl Iterator<Item = DeviceView<'_>> {
        let is_it = |place: &u32| {
            self.homes.get(*place as usize).is_some_and(|home| home.installation == *installation)
        };
        let place = self.home_places.find(hash_text(installation.as_str()), is_it);
        let hub = place.and_then(|place| self.homes.get(*place as usize)).map(|home| home.first);
        let home = hub.and_then(|hub| self.member(hub)).map(Member::home);
        home.into_iter().flat_map(Home::members).map(Member::view)
    }

    /// Returns the notices about a device, by the day of issue.
    pub fn notices(&self, device: Eui64) -> impl Iterator<Item = NoticeView<'_>> {
        self.notices.of(device)
    }

    /// Takes note of what has changed about a device.
    pub fn note(&mut self, id: Eui64, change: DeviceChange) -> Result<(), ChangeError> {
        let place = self.place_of(id).ok_or(ChangeError::UnknownDevice(id))?;
        let row = self.devices.get_mut(place as usize).ok_or(ChangeError::UnknownDevice(id))?;
        match change {
            DeviceChange::Runs(entry) => row.entry = self.names.entries.number(&entry),
            DeviceChange::Status(status) if !status.fits(row.device_type) => {
                return Err(ChangeError::StatusOfType { device_type: row.device_type, status });
            }
            DeviceChange::Status(status) => row.status = status,
            DeviceChange::Supplier(supplier) => row.supplier = self.names.suppliers.number(&supplier),
            DeviceChange::Enrolled(enrolled) => row.enrolled = enrolled,
            DeviceChange::Exclusion(None) => row.exclusion = NONE,
            DeviceChange::Exclusion(Some(reason)) => {
                let excluded = Excluded { reason, since: None, doc_ref: None };
                row.exclusion = self.names.exclusions.number(&excluded);
            }
        }
        Ok(())
    }

    fn place_of(&self, id: Eui64) -> Option<u32> {
        self.places.find(id, &self.devices, |row| row.id)
    }

    pub(crate) fn find(&self, id: Eui64) -> Option<Member<'_>> {
        self.place_of(id).and_then(|place| self.member(place))
    }

    /// Returns the district of a home, where it is known.
    fn district(&self, home: &HomeRow) -> Option<&PostcodeDistrict> {
        (home.district != NONE).then(|| self.names.districts.get(home.district))
    }

    fn member(&self, place: u32) -> Option<Member<'_>> {
        let row = self.devices.get(place as usize)?;
        Some(Member { inventory: self, row, place })
    }
}

/// The hash has a fixed seed, as in `catalogue`.
fn hash_text(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

/// The row that a device would be written as.
impl From<DeviceView<'_>> for Device {
    fn from(view: DeviceView<'_>) -> Device {
        Device {
            id: view.id,
            device_type: view.device_type,
            installation: view.installation.clone(),
            hub: view.hub,
            channel: view.channel,
            entry: view.entry.clone(),
            hardware: view.hardware,
            supplier: view.supplier.clone(),
            status: view.status,
            enrolled: view.enrolled,
            exclusion: view.exclusion.cloned(),
            smso: view.smso.clone(),
            group: view.group.clone(),
            comms_provider: view.comms_provider.clone(),
            hub_address: view.hub_address,
            cell: view.cell.clone(),
            postcode_district: view.postcode_district.cloned(),
        }
    }
}
