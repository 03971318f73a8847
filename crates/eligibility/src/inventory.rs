//! All devices, by id and by installation, cross-checked: what is known of the homes now.
//!
//! A SMETS1 Installation is read as the devices on one hub, at most one of each type, because a combination has one
//! place for each. That reading is ours.

use std::collections::BTreeMap;
use std::io::Read;

use firmware_image::Eui64;
use thiserror::Error;

use crate::combination::Combination;
use crate::device::{Device, DeviceType, Exclusion, HanChannel, MeterStatus};
use crate::table::{Fault, Faults, FileKind, Lined, LoadError, number_lines, read_lines};
use crate::text::{CplEntryId, InstallationId, SupplierId};

/// The devices of all installations.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    devices: BTreeMap<Eui64, Device>,
    /// The hub first, then by channel.
    installations: BTreeMap<InstallationId, Vec<Eui64>>,
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
        let rows = read_lines(csv, &mut faults);
        if faults.is_empty() { Self::join(rows, faults) } else { Err(faults.into_error()) }
    }

    /// Cross-checks devices that were made, not read. A fault names the line the row would be written on.
    pub fn from_rows(devices: Vec<Device>) -> Result<Self, LoadError> {
        Self::join(number_lines(devices), Faults::default())
    }

    fn join(rows: Vec<Lined<Device>>, mut faults: Faults) -> Result<Self, LoadError> {
        let mut homes: BTreeMap<InstallationId, Home> = BTreeMap::new();
        let mut hubs: BTreeMap<Eui64, (InstallationId, u64)> = BTreeMap::new();
        let mut lines: BTreeMap<Eui64, u64> = BTreeMap::new();
        let mut inventory = Inventory::default();
        for Lined { line, row } in rows {
            if let Some(first_line) = lines.insert(row.id, line) {
                lines.insert(row.id, first_line);
                faults.add_twice(FileKind::Inventory, line, "device_id", &row.id.to_string(), first_line);
                continue;
            }
            check_alone(&row, line, &mut faults);
            let (installation, first_line) =
                hubs.entry(row.hub).or_insert_with(|| (row.installation.clone(), line));
            if *installation != row.installation {
                let expected = format!("another hub than that of {installation} (line {first_line})");
                faults.add(fault(line, "hub_id", &expected, &row.hub.to_string()));
            }
            homes.entry(row.installation.clone()).or_default().take(
                &row,
                line,
                &inventory.devices,
                &mut faults,
            );
            inventory.devices.insert(row.id, row);
        }
        for (id, home) in homes {
            if !home.members.contains_key(&HanChannel::HUB) {
                let line = home.lines.values().next().map_or(1, |(line, _)| *line);
                faults.add(fault(
                    line,
                    "installation_id",
                    "an installation with a row for its hub",
                    id.as_str(),
                ));
            }
            inventory.installations.insert(id, home.members.into_values().collect());
        }
        faults.into_result(inventory)
    }

    /// Returns a device.
    pub fn device(&self, id: Eui64) -> Option<&Device> {
        self.devices.get(&id)
    }

    /// Returns all devices, in the order of their ids.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Returns how many devices there are.
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// Returns the ids of all installations, in their order.
    pub fn installations(&self) -> impl Iterator<Item = &InstallationId> {
        self.installations.keys()
    }

    /// Returns how many installations there are.
    pub fn installation_count(&self) -> usize {
        self.installations.len()
    }

    /// Returns the devices of an installation, the hub first, then by channel; none when it is unknown.
    pub fn members(&self, installation: &InstallationId) -> impl Iterator<Item = &Device> {
        let ids = self.installations.get(installation).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.devices.get(id))
    }

    /// Returns the combination an installation would be, were each device on the entry that `entry_of` gives.
    /// `None` when the installation is unknown.
    pub fn combination<'a>(
        &'a self,
        installation: &InstallationId,
        entry_of: impl Fn(&'a Device) -> &'a CplEntryId,
    ) -> Option<Combination> {
        let first = self.members(installation).next()?;
        let mut combination = Combination {
            group: first.group.clone(),
            smso: first.smso.clone(),
            comms_provider: first.comms_provider.clone(),
            esme: None,
            gsme: None,
            hub: None,
            ppmid: None,
            ihd: None,
        };
        for device in self.members(installation) {
            combination.set_place(device.device_type, entry_of(device).clone());
        }
        Some(combination)
    }

    /// Takes note of what has changed about a device.
    pub fn note(&mut self, id: Eui64, change: DeviceChange) -> Result<(), ChangeError> {
        let device = self.devices.get_mut(&id).ok_or(ChangeError::UnknownDevice(id))?;
        match change {
            DeviceChange::Runs(entry) => device.entry = entry,
            DeviceChange::Status(status) if !status.fits(device.device_type) => {
                return Err(ChangeError::StatusOfType { device_type: device.device_type, status });
            }
            DeviceChange::Status(status) => device.status = status,
            DeviceChange::Supplier(supplier) => device.supplier = supplier,
            DeviceChange::Enrolled(enrolled) => device.enrolled = enrolled,
            DeviceChange::Exclusion(exclusion) => device.exclusion = exclusion,
        }
        Ok(())
    }
}

fn fault(line: u64, column: &str, expected: &str, found: &str) -> Fault {
    Fault::new(FileKind::Inventory, line, Some(column), expected, found)
}

/// Checks what a row says about itself.
fn check_alone(row: &Device, line: u64, faults: &mut Faults) {
    if !row.status.fits(row.device_type) {
        let expected = match row.device_type.is_meter() {
            true => "Dormant or Active for a meter",
            false => "NotApplicable for a device that is no meter",
        };
        faults.add(fault(line, "status", expected, row.status.as_str()));
    }
    let is_hub = row.device_type == DeviceType::Chf;
    if is_hub != (row.channel == HanChannel::HUB) {
        let expected =
            if is_hub { "channel 0 for a hub" } else { "a channel from 1 for a device behind a hub" };
        faults.add(fault(line, "channel", expected, &row.channel.0.to_string()));
    }
    if is_hub != (row.hub == row.id) {
        let expected = if is_hub { "the hub's own device_id" } else { "the id of another device" };
        faults.add(fault(line, "hub_id", expected, &row.hub.to_string()));
    }
}

/// An installation while its rows are gathered.
#[derive(Debug, Default)]
struct Home {
    members: BTreeMap<HanChannel, Eui64>,
    lines: BTreeMap<DeviceType, (u64, Eui64)>,
}

impl Home {
    /// Takes a row, comparing it with the first row of the same home.
    fn take(&mut self, row: &Device, line: u64, devices: &BTreeMap<Eui64, Device>, faults: &mut Faults) {
        let first = self.lines.values().min_by_key(|(line, _)| *line);
        if let Some((first_line, first)) =
            first.and_then(|(line, id)| devices.get(id).map(|row| (*line, row)))
        {
            let hub = (row.hub.to_string(), first.hub.to_string());
            let shared = [
                ("hub_id", hub.0.as_str(), hub.1.as_str()),
                ("smso", row.smso.as_str(), first.smso.as_str()),
                ("group", row.group.as_str(), first.group.as_str()),
                ("comms_provider", row.comms_provider.as_str(), first.comms_provider.as_str()),
                ("hub_address", row.hub_address.as_str(), first.hub_address.as_str()),
                ("cell", row.cell.as_str(), first.cell.as_str()),
            ];
            for (column, found, expected) in shared {
                if found != expected {
                    let expected =
                        format!("{expected:?}, as line {first_line} of the same installation has it");
                    faults.add(fault(line, column, &expected, found));
                }
            }
        }
        if let Some((first_line, _)) = self.lines.get(&row.device_type) {
            let expected = format!("one {} in an installation (line {first_line} is it)", row.device_type);
            faults.add(fault(line, "device_type", &expected, row.device_type.as_str()));
            return;
        }
        self.lines.insert(row.device_type, (line, row.id));
        if self.members.insert(row.channel, row.id).is_some() {
            let expected = "a channel that no other device of the installation has";
            faults.add(fault(line, "channel", expected, &row.channel.0.to_string()));
        }
    }
}
