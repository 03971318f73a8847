//! A home and its devices as the gate looks at them: references into the inventory's rows, nothing copied.

use firmware_image::{Eui64, HardwareVersion};
use jiff::civil::Date;

use super::{DeviceRow, DeviceView, Excluded, Inventory, NONE, Site};
use crate::combination::CombinationView;
use crate::device::{DeviceType, MeterStatus};
use crate::text::{CplEntryId, SmsoId, SupplierId};

/// An installation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home<'a> {
    inventory: &'a Inventory,
    members: &'a [DeviceRow],
    site: u32,
    first: u32,
}

/// One of its devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) row: &'a DeviceRow,
    pub(super) place: u32,
}

impl<'a> Home<'a> {
    /// Returns the devices, the hub first, then by channel: at most one of each type.
    pub(crate) fn members(self) -> impl Iterator<Item = Member<'a>> {
        let Home { inventory, members, first, .. } = self;
        members.iter().zip(first..).map(move |(row, place)| Member { inventory, row, place })
    }

    fn site(self) -> &'a Site {
        self.inventory.names.sites.get(self.site)
    }

    pub(crate) fn smso(self) -> &'a SmsoId {
        &self.site().smso
    }

    /// Returns the combination the home would be, were each device on the entry that `entry_of` gives.
    pub(crate) fn combination(self, entry_of: impl Fn(Member<'a>) -> &'a CplEntryId) -> CombinationView<'a> {
        let Site { smso, group, comms_provider } = self.site();
        let mut places = [None; DeviceType::IN_ORDER.len()];
        for member in self.members() {
            if let Some(place) = places.get_mut(member.device_type().index()) {
                *place = Some(entry_of(member));
            }
        }
        CombinationView { group, smso, comms_provider, places }
    }
}

impl<'a> Member<'a> {
    pub(crate) fn home(self) -> Home<'a> {
        let DeviceRow { site, position, siblings, .. } = *self.row;
        let first = self.place - u32::from(position);
        let range = first as usize..first as usize + usize::from(siblings);
        let members = self.inventory.devices.get(range).unwrap_or_default();
        Home { inventory: self.inventory, members, site, first }
    }

    pub(crate) fn id(self) -> Eui64 {
        self.row.id
    }

    pub(crate) fn device_type(self) -> DeviceType {
        self.row.device_type
    }

    pub(crate) fn entry(self) -> &'a CplEntryId {
        self.inventory.names.entries.get(self.row.entry)
    }

    pub(crate) fn supplier(self) -> &'a SupplierId {
        self.inventory.names.suppliers.get(self.row.supplier)
    }

    pub(crate) fn hardware(self) -> HardwareVersion {
        self.row.hardware
    }

    pub(crate) fn status(self) -> MeterStatus {
        self.row.status
    }

    pub(crate) fn is_enrolled(self) -> bool {
        self.row.enrolled
    }

    /// Returns why the device is excluded, if it is on a day.
    pub(crate) fn excluded_on(self, today: Date) -> Option<&'a Excluded> {
        self.excluded().filter(|excluded| excluded.since.is_none_or(|since| since <= today))
    }

    fn excluded(self) -> Option<&'a Excluded> {
        let number = self.row.exclusion;
        (number != NONE).then(|| self.inventory.names.exclusions.get(number))
    }

    pub(crate) fn view(self) -> DeviceView<'a> {
        let DeviceRow { id, device_type, channel, hardware, status, enrolled, .. } = *self.row;
        let homes = &self.inventory.homes;
        let home = homes.get(self.row.home as usize).expect("a device of the inventory has a home there");
        let Site { smso, group, comms_provider } = self.inventory.names.sites.get(home.site);
        let excluded = self.excluded();
        DeviceView {
            id,
            device_type,
            installation: &home.installation,
            hub: home.hub,
            channel,
            entry: self.entry(),
            hardware,
            supplier: self.supplier(),
            status,
            enrolled,
            exclusion: excluded.map(|excluded| &excluded.reason),
            excluded_since: excluded.and_then(|excluded| excluded.since),
            smso,
            group,
            comms_provider,
            hub_address: home.hub_address,
            cell: self.inventory.names.cells.get(home.cell),
            postcode_district: self.inventory.district(home),
        }
    }
}
