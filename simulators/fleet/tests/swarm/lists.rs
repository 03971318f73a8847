//! What lies on the desk of a seed's head-end: the paperwork of its world, and what its plan has changed in that, so that
//! rules of the decision table are asked which a tidy desk never meets.

use std::collections::{BTreeMap, BTreeSet};

use campaign::{CampaignOrder, Desk, NotBefore, Target};
use eligibility::{
    Combination, CplEntry, CplEntryId, Date, Device, DeviceType, DmcId, EpclEntry, EvidenceState, GateConfig,
    InstallationId, Inventory, MeterStatus, Notice, NoticePolicy, Predecessors, Register, RegisterRows,
    SmsoId,
};
use firmware_image::{Eui64, VerifiedImage};
use fleet::{DeviceKind, HomeRecord, Paperwork, paperwork};
use transfer_engine::Moment;

use crate::plan::{HOLD_LIMIT_DAYS, Plan, Twists};
use crate::run::PORT;

/// Another operator than that of the world.
const STRANGER: &str = "SMSO-9";

/// Who was told of an update must have been told so many days before.
pub const LEAD_DAYS: u16 = 3;

/// The lists of the first day.
pub struct Lists {
    pub register: RegisterRows,
    pub inventory: Vec<Device>,
    pub notices: Vec<Notice>,
    pub gate: GateConfig,
    /// What the order would have each device run that it names.
    pub ordered: BTreeMap<Eui64, CplEntryId>,
}

impl Lists {
    /// Writes the lists of a seed's homes.
    pub fn of<'a>(
        plan: &Plan,
        homes: impl IntoIterator<Item = &'a HomeRecord>,
        images: &BTreeMap<DeviceKind, VerifiedImage>,
    ) -> Result<Lists, String> {
        let papers = paperwork(&plan.spec, homes, images, PORT).map_err(|error| error.to_string())?;
        let Paperwork { register, inventory, targets: ordered } = papers;
        let (notices, gate) = (Vec::new(), GateConfig::AS_EXPECTED);
        let mut lists = Lists { register, inventory, notices, gate, ordered };
        lists.twist(&plan.twists, plan.spec.start);
        Ok(lists)
    }

    /// Makes the desk of a head-end that starts with them; evidence may have been withdrawn since.
    pub fn desk(&self, has_evidence: bool) -> Result<Desk, String> {
        let mut rows = self.register.clone();
        if !has_evidence {
            for document in &mut rows.evidence {
                document.state = EvidenceState::Withdrawn;
            }
        }
        let register = Register::from_rows(rows).map_err(|error| error.to_string())?;
        let inventory = Inventory::from_rows(self.inventory.clone());
        let inventory = inventory.and_then(|rows| rows.with_rows(self.notices.clone(), Vec::new()));
        Ok(Desk { register, inventory: inventory.map_err(|error| error.to_string())?, gate: self.gate })
    }

    /// Changes an order so that it is the one of these lists and this plan.
    pub fn complete(
        &self,
        order: &mut CampaignOrder,
        plan: &Plan,
        images: &BTreeMap<DeviceKind, VerifiedImage>,
    ) {
        order.devices = self.ordered.keys().copied().collect();
        let entries: BTreeSet<&CplEntryId> = self.ordered.values().collect();
        order.targets = entries.into_iter().filter_map(|id| self.target(id, images)).collect();
        order.policy.hold_limit_days = HOLD_LIMIT_DAYS;
        if let Some(wait) = plan.activate_after {
            order.policy.activate_not_before = NotBefore::from(plan.spec.start + wait);
        }
    }

    /// Returns the image that brings an entry. Kinds may share a payload.
    fn target(&self, id: &CplEntryId, images: &BTreeMap<DeviceKind, VerifiedImage>) -> Option<Target> {
        let entry = self.entry(id)?;
        let kind = DeviceKind::ALL.into_iter().find(|kind| kind.duis_name() == entry.device_type.as_str())?;
        let image = images.get(&kind)?;
        Some(Target { image: image.file_digest(), cpl_entry: id.clone() })
    }

    fn entry(&self, id: &CplEntryId) -> Option<&CplEntry> {
        self.register.cpl.iter().find(|entry| entry.id == *id)
    }

    fn twist(&mut self, twists: &Twists, start: Moment) {
        self.gate.allow_shared_in_mixed = twists.allows_shared;
        if let Some(kind) = twists.orders_shared {
            self.order_shared(kind);
        }
        if let Some(one_in) = twists.strangers {
            self.hand_over(one_in as usize);
        }
        if let Some(kind) = twists.no_way_for {
            self.block_the_way(kind);
        }
        if twists.unlisted {
            self.strike_off_a_combination();
        }
        if twists.before_the_rule {
            self.gate.tmad_v7_effective = day(start, 3_650);
        }
        if let Some(days) = twists.notices_end_after_days {
            self.gate.notice = NoticePolicy::Required { lead_days: LEAD_DAYS };
            self.notices = self.notices_until(start, days);
        }
    }

    /// Has the order name hub or display of Mixed homes, too, and the combinations listed that would come of it: so that
    /// nothing speaks against them but that they are shared.
    fn order_shared(&mut self, kind: DeviceKind) {
        let target = self.targets_of(kind.duis_name());
        let mut homes = BTreeSet::new();
        for home in self.homes() {
            let has = |status| self.members(&home).any(|member| member.status == status);
            if !(has(MeterStatus::Active) && has(MeterStatus::Dormant)) {
                continue;
            }
            // The hubs of the model that storms have no image.
            let shared = self.members(&home).find(|one| one.device_type.as_str() == kind.duis_name());
            let shared = shared.filter(|one| !one.entry.as_str().ends_with("-STORM")).map(|one| one.id);
            if let (Some(device), Some(target)) = (shared, &target) {
                self.ordered.insert(device, target.clone());
                homes.insert(home);
            }
        }
        self.list(&homes);
    }

    /// Has another operator run one home in so many, under combinations that are listed as well.
    fn hand_over(&mut self, one_in: usize) {
        let homes: BTreeSet<_> = self.homes().into_iter().step_by(one_in).collect();
        let stranger = SmsoId::new(STRANGER).expect("a name");
        for device in self.inventory.iter_mut().filter(|device| homes.contains(&device.installation)) {
            device.smso = stranger.clone();
        }
        self.list(&homes);
    }

    /// Has the new version of a kind follow no other.
    fn block_the_way(&mut self, kind: DeviceKind) {
        let Some(target) = self.targets_of(kind.duis_name()) else { return };
        for entry in self.register.cpl.iter_mut().filter(|entry| entry.id == target) {
            entry.predecessors = Predecessors::These(BTreeSet::new());
        }
    }

    /// Takes a combination of which a home was to be from the lists, with all that speaks of it.
    fn strike_off_a_combination(&mut self) {
        let homes = self.homes();
        let Some(combination) = homes.get(homes.len() / 2).map(|home| self.end_of(home)) else { return };
        let RegisterRows { epcl, ppcl, evidence, .. } = &mut self.register;
        let listed = epcl.iter().find(|row| row.combination == combination).map(|row| row.id.clone());
        let proposed = ppcl.iter().find(|row| row.combination == combination).map(|row| row.id.clone());
        let Some(gone) = listed.or(proposed) else { return };
        // What others are equivalent to stays.
        if evidence.iter().any(|document| document.equivalent_to.as_ref() == Some(&gone)) {
            return;
        }
        epcl.retain(|row| row.id != gone);
        ppcl.retain(|row| row.id != gone);
        evidence.retain(|document| document.dmc != gone);
    }

    /// Writes to the suppliers of two homes of three.
    fn notices_until(&self, start: Moment, days: u8) -> Vec<Notice> {
        let homes = self.homes().into_iter().enumerate();
        let told: BTreeSet<_> = homes.filter(|(place, _)| place % 3 > 0).map(|(_, home)| home).collect();
        let devices = self.inventory.iter().filter(|device| told.contains(&device.installation));
        devices
            .filter_map(|device| {
                Some(Notice {
                    supplier: device.supplier.clone(),
                    mpxn: "1200023456789".parse().ok()?,
                    device: device.id,
                    dmc: None,
                    from: self.entry(&device.entry)?.firmware,
                    to: self.entry(self.ordered.get(&device.id)?)?.firmware,
                    window_start: day(start, 0),
                    window_end: day(start, i64::from(days)),
                    issued_at: day(start, -10),
                })
            })
            .collect()
    }

    /// Puts the combinations on the EPCL in which these homes would end.
    fn list(&mut self, homes: &BTreeSet<InstallationId>) {
        let ends: BTreeSet<Combination> = homes.iter().map(|home| self.end_of(home)).collect();
        let known = |rows: &RegisterRows, combination: &Combination| {
            rows.epcl.iter().any(|row| row.combination == *combination)
                || rows.ppcl.iter().any(|row| row.combination == *combination)
        };
        for combination in ends {
            if !known(&self.register, &combination) {
                let number = self.register.epcl.len();
                let id = DmcId::new(&format!("DMC-LISTED-{number}")).expect("a name");
                let row =
                    EpclEntry { id, combination, date_added: Date::constant(2020, 1, 6), date_removed: None };
                self.register.epcl.push(row);
            }
        }
    }

    /// The combination in which a home would end if all that is ordered was done.
    fn end_of(&self, home: &InstallationId) -> Combination {
        let first = self.members(home).next().expect("a home has a hub");
        let place = |wanted: DeviceType| {
            let member = self.members(home).find(|member| member.device_type == wanted)?;
            Some(self.ordered.get(&member.id).unwrap_or(&member.entry).clone())
        };
        Combination {
            group: first.group.clone(),
            smso: first.smso.clone(),
            comms_provider: first.comms_provider.clone(),
            esme: place(DeviceType::Esme),
            gsme: place(DeviceType::Gsme),
            hub: place(DeviceType::Chf),
            ppmid: place(DeviceType::Ppmid),
            ihd: place(DeviceType::Ihd),
        }
    }

    /// The entry to which devices of a kind are brought: of those of its model the newest.
    fn targets_of(&self, kind: &str) -> Option<CplEntryId> {
        let entries = self.register.cpl.iter().filter(|entry| entry.device_type.as_str() == kind);
        let with_image = entries.filter(|entry| entry.image.is_some());
        with_image.max_by_key(|entry| entry.firmware).map(|entry| entry.id.clone())
    }

    /// All homes, in the order of the inventory.
    pub fn homes(&self) -> Vec<InstallationId> {
        let mut homes: Vec<_> = self.inventory.iter().map(|device| device.installation.clone()).collect();
        homes.dedup();
        homes
    }

    /// The devices of a home.
    pub fn members<'a>(&'a self, home: &'a InstallationId) -> impl Iterator<Item = &'a Device> {
        self.inventory.iter().filter(move |device| device.installation == *home)
    }
}

/// The date, so many days after a moment, by UTC.
pub fn day(at: Moment, days: i64) -> Date {
    const DAY_S: u64 = 86_400;
    let since_1970 = i64::try_from(at.as_micros() / 1_000_000 / DAY_S).expect("a day of this era") + days;
    let span = jiff::Span::new().days(since_1970);
    Date::constant(1970, 1, 1).checked_add(span).expect("a day of this era")
}
