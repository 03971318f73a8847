//! From rows to an inventory: each is compared with the others of its home as it comes, so that only small rows are
//! held, whatever the length of the file.
//!
//! Whoever loads lists in part gets whole homes or none of them: a home that lacks a device would seem to be another
//! combination, perhaps one that is tested. A bad row of which nobody can tell the home spoils the file therefore: one that
//! names no home of the others, unless it says of itself in full which home it is of.

use std::collections::HashMap;
use std::hash::BuildHasher;

use firmware_image::Eui64;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{DeviceRow, Excluded, HomeRow, Inventory, NONE, Names, Site, hash_text, notices::Notices};
use crate::device::{Device, DeviceType, HanChannel};
use crate::places::Places;
use crate::table::{BadRow, Fault, Faults, FileKind, Lined, Row, RowSource, read_rows};
use crate::text::{InstallationId, PostcodeDistrict};

/// The most devices an inventory may have: Great Britain has fewer meters, and places fit into 32 bits.
const DEVICES_MAX: usize = 200_000_000;

/// The rows that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    devices: Vec<DeviceRow>,
    /// The line of each device; lines beyond 32 bits are all told as the last.
    lines: Vec<u32>,
    homes: Vec<GatheredHome>,
    by_installation: HashTable<u32>,
    by_hub: HashMap<Eui64, u32, FixedState>,
    /// The home of the row before: the rows of a home mostly stand beside one another.
    home_before: usize,
    names: Names,
    bad_rows: Vec<BadHome>,
}

/// The home of a bad row, as far as it can be read.
#[derive(Debug)]
struct BadHome {
    line: u64,
    hub: Option<Eui64>,
    installation: Option<InstallationId>,
}

/// An installation while its rows are gathered.
#[derive(Debug)]
struct GatheredHome {
    row: HomeRow,
    first_line: u32,
    members: [Option<u32>; DeviceType::IN_ORDER.len()],
    sound: bool,
}

fn fault(line: u64, column: &str, expected: &str, found: &str) -> Fault {
    Fault::new(FileKind::Inventory, line, Some(column), expected, found)
}

impl Gathering {
    /// Reads a whole file.
    pub(crate) fn read(&mut self, source: &mut dyn RowSource, faults: &mut Faults) {
        read_rows(source, faults, |row, faults| match row {
            Row::Good(row) => self.take(row, faults),
            Row::Bad(row) => self.note_bad(&row, faults),
        });
    }

    /// Notes of which home a bad row is.
    fn note_bad(&mut self, row: &BadRow<'_>, faults: &mut Faults) {
        faults.leave_out_row();
        let hub: Option<Eui64> = row.value("hub_id");
        let installation: Option<InstallationId> =
            if row.is_whole() { row.value("installation_id") } else { None };
        if hub.is_none() && installation.is_none() {
            let expected = "a hub_id that can be read, as the whole home of a bad row is left out";
            return faults.spoil(|| fault(row.line, "hub_id", expected, "none"));
        }
        self.bad_rows.push(BadHome { line: row.line, hub, installation });
    }

    /// Takes a row that is good by itself.
    pub(crate) fn take(&mut self, Lined { line, row }: Lined<Device>, faults: &mut Faults) {
        if self.devices.len() >= DEVICES_MAX {
            let expected = format!("at most {DEVICES_MAX} devices");
            return faults.add_fatal(fault(line, "device_id", &expected, "more"));
        }
        let home = self.home_of(&row, line, faults);
        let mut sound = check_alone(&row, line, faults);
        sound &= self.check_home(home, &row, line, faults);
        if !sound {
            faults.leave_out_row();
            return self.condemn(home);
        }
        let place = self.devices.len() as u32;
        if let Some(slot) =
            self.homes.get_mut(home).and_then(|home| home.members.get_mut(row.device_type.index()))
        {
            *slot = Some(place);
        }
        let names = &mut self.names;
        let excluded = row.exclusion.map(|reason| Excluded { reason, since: None, doc_ref: None });
        self.devices.push(DeviceRow {
            id: row.id,
            home: home as u32,
            entry: names.entries.number(&row.entry),
            supplier: names.suppliers.number(&row.supplier),
            exclusion: excluded.map_or(NONE, |excluded| names.exclusions.number(&excluded)),
            hardware: row.hardware,
            channel: row.channel,
            device_type: row.device_type,
            status: row.status,
            enrolled: row.enrolled,
            // The home's, once it is complete.
            site: 0,
            position: 0,
            siblings: 0,
        });
        self.lines.push(short(line));
    }

    fn condemn(&mut self, home: usize) {
        if let Some(home) = self.homes.get_mut(home) {
            home.sound = false;
        }
    }

    /// Finds the home of a row, or makes it of what the row says.
    fn home_of(&mut self, row: &Device, line: u64, faults: &mut Faults) -> usize {
        let is =
            |home: Option<&GatheredHome>| home.is_some_and(|home| home.row.installation == row.installation);
        if is(self.homes.get(self.home_before)) {
            return self.home_before;
        }
        let hash = hash_text(row.installation.as_str());
        let found = self.by_installation.find(hash, |place| is(self.homes.get(*place as usize))).copied();
        let home = found.map_or_else(|| self.open_home(row, line, faults), |place| place as usize);
        self.home_before = home;
        home
    }

    fn open_home(&mut self, row: &Device, line: u64, faults: &mut Faults) -> usize {
        let home = self.homes.len();
        let first = *self.by_hub.entry(row.hub).or_insert(home as u32) as usize;
        let (smso, group) = (row.smso.clone(), row.group.clone());
        let site = Site { smso, group, comms_provider: row.comms_provider.clone() };
        self.homes.push(GatheredHome {
            row: HomeRow {
                installation: row.installation.clone(),
                hub: row.hub,
                hub_address: row.hub_address,
                site: self.names.sites.number(&site),
                cell: self.names.cells.number(&row.cell),
                district: row
                    .postcode_district
                    .as_ref()
                    .map_or(NONE, |name| self.names.districts.number(name)),
                first: 0,
            },
            first_line: short(line),
            members: Default::default(),
            sound: true,
        });
        let homes = &self.homes;
        let rehash = |place: &u32| {
            homes.get(*place as usize).map_or(0, |home| hash_text(home.row.installation.as_str()))
        };
        self.by_installation.insert_unique(hash_text(row.installation.as_str()), home as u32, rehash);
        if let Some(first) = self.homes.get_mut(first).filter(|_| first != home) {
            first.sound = false;
            let (installation, first_line) = (&first.row.installation, first.first_line);
            let expected = format!("another hub than that of {installation} (line {first_line})");
            faults.add(fault(line, "hub_id", &expected, &row.hub.to_string()));
            self.condemn(home);
        }
        home
    }

    /// Compares a row with what is known of its home.
    fn check_home(&self, home: usize, row: &Device, line: u64, faults: &mut Faults) -> bool {
        let Some(home) = self.homes.get(home) else { return false };
        let known = &home.row;
        let site = self.names.sites.get(known.site);
        let cell = self.names.cells.get(known.cell);
        let district = (known.district != NONE).then(|| self.names.districts.get(known.district).as_str());
        let mut sound = true;
        let mut compare = |column, found: &str, expected: &str| {
            if found != expected {
                sound = false;
                let first_line = home.first_line;
                let expected = format!("{expected:?}, as line {first_line} of the same installation has it");
                faults.add(fault(line, column, &expected, found));
            }
        };
        if row.hub != known.hub {
            compare("hub_id", &row.hub.to_string(), &known.hub.to_string());
        }
        compare("smso", row.smso.as_str(), site.smso.as_str());
        compare("group", row.group.as_str(), site.group.as_str());
        compare("comms_provider", row.comms_provider.as_str(), site.comms_provider.as_str());
        if row.hub_address != known.hub_address {
            compare("hub_address", &row.hub_address.to_string(), &known.hub_address.to_string());
        }
        compare("cell", row.cell.as_str(), cell.as_str());
        let found = row.postcode_district.as_ref().map(PostcodeDistrict::as_str);
        compare("postcode_district", found.unwrap_or_default(), district.unwrap_or_default());
        let members = home.members.iter().flatten().filter_map(|place| {
            Some((self.devices.get(*place as usize)?, *self.lines.get(*place as usize)?))
        });
        for (other, other_line) in members {
            if other.device_type == row.device_type {
                let expected =
                    format!("one {} in an installation (line {other_line} is it)", row.device_type);
                faults.add(fault(line, "device_type", &expected, row.device_type.as_str()));
                return false;
            }
            if other.channel == row.channel {
                let expected = "a channel that no other device of the installation has";
                faults.add(fault(line, "channel", expected, &row.channel.0.to_string()));
                return false;
            }
        }
        sound
    }

    /// Puts what was gathered in order.
    pub(crate) fn finish(mut self, faults: &mut Faults) -> Inventory {
        let mut by_id: Vec<(Eui64, u32)> = self.devices.iter().map(|row| row.id).zip(0..).collect();
        by_id.sort_unstable();
        self.condemn_twins(&by_id, faults);
        self.condemn_neighbours(faults);
        self.condemn_homes(faults);
        for (place, row) in self.devices.iter().enumerate() {
            let Some(home) = self.homes.get(row.home as usize).filter(|home| !home.sound) else { continue };
            let line = self.lines.get(place).copied().map_or(0, u64::from);
            let expected = "an installation of which every row is sound";
            faults.leave_out(|| fault(line, "installation_id", expected, home.row.installation.as_str()));
        }
        if !faults.permit_taking() {
            return Inventory::default();
        }
        let Self { devices, mut homes, names, .. } = self;
        homes.retain(|home| home.sound);
        homes.sort_by(|one, other| one.row.installation.cmp(&other.row.installation));
        arrange(&devices, homes, names, by_id)
    }

    /// Finds devices that stand there twice.
    fn condemn_twins(&mut self, by_id: &[(Eui64, u32)], faults: &mut Faults) {
        let mut first: Option<(Eui64, u32)> = None;
        for (id, place) in by_id {
            let Some((_, first)) = first.filter(|(known, _)| known == id) else {
                first = Some((*id, *place));
                continue;
            };
            let line = |place: u32| self.lines.get(place as usize).copied().map_or(0, u64::from);
            let (line, first_line) = (line(*place), line(first));
            faults.add_twice(FileKind::Inventory, line, "device_id", &id.to_string(), first_line);
            for place in [first, *place] {
                let home = self.devices.get(place as usize).map(|row| row.home as usize);
                home.into_iter().for_each(|home| self.condemn(home));
            }
        }
    }

    /// Finds hubs at one address: what is sent to one of them reaches the other, in another home.
    fn condemn_neighbours(&mut self, faults: &mut Faults) {
        let address = |home: u32| self.homes.get(home as usize).map(|home| home.row.hub_address);
        let hash = |home: u32| FixedState::default().hash_one(address(home));
        let mut by_address: HashTable<u32> = HashTable::with_capacity(self.homes.len());
        let mut shared = Vec::new();
        for home in 0..self.homes.len() as u32 {
            let is = |other: &u32| address(*other) == address(home);
            match by_address.find(hash(home), is) {
                Some(first) => shared.push((*first, home)),
                None => {
                    by_address.insert_unique(hash(home), home, |home| hash(*home));
                }
            }
        }
        for (first, home) in shared {
            let known = |home: u32| self.homes.get(home as usize);
            // Two homes of one hub are told already.
            if let (Some(first), Some(home)) = (known(first), known(home))
                && first.row.hub != home.row.hub
            {
                let (name, first_line) = (&first.row.installation, first.first_line);
                let expected = format!("another address than that of {name} (line {first_line})");
                let found = home.row.hub_address.to_string();
                faults.add(fault(u64::from(home.first_line), "hub_address", &expected, &found));
            }
            self.condemn(first as usize);
            self.condemn(home as usize);
        }
    }

    /// Finds the homes of bad rows, and those without a hub.
    fn condemn_homes(&mut self, faults: &mut Faults) {
        let bad_rows = std::mem::take(&mut self.bad_rows);
        let no_rows_are_bad = bad_rows.is_empty();
        for BadHome { line, hub, installation } in bad_rows {
            let is = |place: &u32| {
                let home = self.homes.get(*place as usize);
                home.is_some_and(|home| Some(&home.row.installation) == installation.as_ref())
            };
            let named = installation.as_ref().map(|name| hash_text(name.as_str()));
            let named = named.and_then(|hash| self.by_installation.find(hash, is).copied());
            let of_hub = hub.and_then(|hub| self.by_hub.get(&hub).copied());
            for home in of_hub.into_iter().chain(named) {
                self.condemn(home as usize);
            }
            // A home of its own is one of which every row is bad; columns that are shifted may seem to name one.
            let is_of_its_own = hub.is_some() && installation.is_some();
            if of_hub.or(named).is_none() && !is_of_its_own {
                let expected = "the hub_id of a home, as the whole home of a bad row is left out";
                let found = hub.map_or_else(|| "none".to_owned(), |hub| hub.to_string());
                faults.spoil(|| fault(line, "hub_id", expected, &found));
            }
        }
        for home in self.homes.iter_mut().filter(|home| home.sound) {
            if home.members.get(DeviceType::Chf.index()).is_none_or(Option::is_none) {
                home.sound = false;
                let (line, id) = (u64::from(home.first_line), home.row.installation.as_str());
                let expected = "an installation with a row for its hub";
                if no_rows_are_bad {
                    faults.add(fault(line, "installation_id", expected, id));
                }
            }
        }
    }
}

/// Lays the devices of each home beside one another and finds them again by id.
fn arrange(
    gathered: &[DeviceRow],
    homes: Vec<GatheredHome>,
    names: Names,
    by_id: Vec<(Eui64, u32)>,
) -> Inventory {
    /// The place of a device that is left out.
    const LEFT_OUT: u32 = u32::MAX;
    let mut moved_to = vec![LEFT_OUT; gathered.len()];
    let mut devices: Vec<DeviceRow> = Vec::with_capacity(gathered.len());
    let mut rows: Vec<HomeRow> = Vec::with_capacity(homes.len());
    for (number, GatheredHome { mut row, members, .. }) in (0..).zip(homes) {
        let first = devices.len();
        let mut places: Vec<u32> = members.into_iter().flatten().collect();
        places.sort_by_key(|place| gathered.get(*place as usize).map(|row| row.channel));
        for (place, to) in places.iter().zip(first as u32..) {
            devices.extend(gathered.get(*place as usize));
            moved_to.get_mut(*place as usize).into_iter().for_each(|moved| *moved = to);
        }
        let members = devices.get_mut(first..).unwrap_or_default();
        let siblings = members.len() as u8;
        for (position, member) in (0..).zip(members) {
            (member.home, member.site) = (number, row.site);
            (member.position, member.siblings) = (position, siblings);
        }
        row.first = first as u32;
        rows.push(row);
    }
    let moved = |(_, place): (Eui64, u32)| moved_to.get(place as usize).copied().filter(|to| *to != LEFT_OUT);
    let by_id: Vec<u32> = by_id.into_iter().filter_map(moved).collect();
    let places = Places::of(&devices, |row| row.id);
    let mut home_places = HashTable::with_capacity(rows.len());
    for (place, row) in (0..).zip(&rows) {
        let rehash =
            |place: &u32| rows.get(*place as usize).map_or(0, |row| hash_text(row.installation.as_str()));
        home_places.insert_unique(hash_text(row.installation.as_str()), place, rehash);
    }
    let notices = Notices::default();
    Inventory { devices, homes: rows, by_id, places, home_places, names, notices }
}

/// Checks what a row says about itself.
fn check_alone(row: &Device, line: u64, faults: &mut Faults) -> bool {
    let mut sound = true;
    let mut refuse = |column, expected: &str, found: &str| {
        sound = false;
        faults.add(fault(line, column, expected, found));
    };
    if !row.status.fits(row.device_type) {
        let expected = match row.device_type.is_meter() {
            true => "Dormant or Active for a meter",
            false => "NotApplicable for a device that is no meter",
        };
        refuse("status", expected, row.status.as_str());
    }
    let is_hub = row.device_type == DeviceType::Chf;
    if is_hub != (row.channel == HanChannel::HUB) {
        let expected =
            if is_hub { "channel 0 for a hub" } else { "a channel from 1 for a device behind a hub" };
        refuse("channel", expected, &row.channel.0.to_string());
    }
    if is_hub != (row.hub == row.id) {
        let expected = if is_hub { "the hub's own device_id" } else { "the id of another device" };
        refuse("hub_id", expected, &row.hub.to_string());
    }
    sound
}

fn short(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
