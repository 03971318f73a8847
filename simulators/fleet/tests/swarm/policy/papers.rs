//! What the lists of the first day say. What configuration says stands here, too.

use std::collections::BTreeMap;

use campaign::Target;
use eligibility::{
    Combination, CplEntry, CplEntryId, Date, Device, DeviceType, DmcId, EpclEntry, Evidence, EvidenceKind,
    EvidenceState, GateConfig, InstallationId, Notice, NoticePolicy, PpclEntry, Predecessors, SmsoId,
    SupplierId,
};
use firmware_image::Eui64;

use crate::lists::Lists;

/// All of them.
#[derive(Clone)]
pub(super) struct Papers {
    devices: BTreeMap<Eui64, Device>,
    homes: BTreeMap<InstallationId, Vec<Eui64>>,
    entries: BTreeMap<CplEntryId, CplEntry>,
    listed: BTreeMap<Combination, EpclEntry>,
    proposed: BTreeMap<Combination, PpclEntry>,
    evidence: Vec<Evidence>,
    notices: Vec<Notice>,
    pub(super) gate: GateConfig,
}

impl Papers {
    pub(super) fn of(lists: &Lists) -> Papers {
        let mut homes: BTreeMap<InstallationId, Vec<Eui64>> = BTreeMap::new();
        for device in &lists.inventory {
            homes.entry(device.installation.clone()).or_default().push(device.id);
        }
        let register = &lists.register;
        Papers {
            devices: lists.inventory.iter().map(|device| (device.id, device.clone())).collect(),
            homes,
            entries: register.cpl.iter().map(|entry| (entry.id.clone(), entry.clone())).collect(),
            listed: register.epcl.iter().map(|row| (row.combination.clone(), row.clone())).collect(),
            proposed: register.ppcl.iter().map(|row| (row.combination.clone(), row.clone())).collect(),
            evidence: register.evidence.clone(),
            notices: lists.notices.clone(),
            gate: lists.gate,
        }
    }

    pub(super) fn device(&self, device: Eui64) -> Option<&Device> {
        self.devices.get(&device)
    }

    fn entry(&self, id: &CplEntryId) -> Option<&CplEntry> {
        self.entries.get(id)
    }

    /// The devices of a device's home, itself included.
    pub(super) fn home_of(&self, device: &Device) -> impl Iterator<Item = &Device> {
        let members = self.homes.get(&device.installation).into_iter().flatten();
        members.filter_map(|member| self.devices.get(member))
    }

    /// The entry to which an order brings a device: the first that is for its model.
    pub(super) fn target_of(&self, device: &Device, targets: &[Target]) -> Option<&CplEntry> {
        let now = self.entry(&device.entry)?;
        let entries = targets.iter().filter_map(|target| self.entry(&target.cpl_entry));
        let model = |entry: &CplEntry| (entry.device_type, entry.manufacturer.clone(), entry.model.clone());
        entries.into_iter().find(|entry| model(entry) == model(now))
    }

    /// Says whether a device ran a version on the first day.
    pub(super) fn runs(&self, device: &Device, target: &CplEntry) -> bool {
        device.entry == target.id
    }

    /// The combination of a home some of whose devices have come to other entries.
    pub(super) fn combination(&self, device: &Device, ends: &BTreeMap<Eui64, &CplEntry>) -> Combination {
        let place = |wanted: DeviceType| {
            let member = self.home_of(device).find(|member| member.device_type == wanted)?;
            Some(ends.get(&member.id).map_or(&member.entry, |entry| &entry.id).clone())
        };
        Combination {
            group: device.group.clone(),
            smso: device.smso.clone(),
            comms_provider: device.comms_provider.clone(),
            esme: place(DeviceType::Esme),
            gsme: place(DeviceType::Gsme),
            hub: place(DeviceType::Chf),
            ppmid: place(DeviceType::Ppmid),
            ihd: place(DeviceType::Ihd),
        }
    }

    /// Says whether a list has a combination, whatever is known of it.
    pub(super) fn knows(&self, combination: &Combination) -> bool {
        self.listed.contains_key(combination) || self.proposed.contains_key(combination)
    }

    /// Says whether a combination is on the EPCL on a day.
    pub(super) fn is_listed(&self, combination: &Combination, today: Date) -> bool {
        let row = self.listed.get(combination);
        row.is_some_and(|row| {
            row.date_added <= today && row.date_removed.is_none_or(|removed| today < removed)
        })
    }

    /// Says whether a combination is listed; or, from the day on which the rule is in force, proposed and tested.
    pub(super) fn is_covered(&self, combination: &Combination, today: Date, is_withdrawn: bool) -> bool {
        self.is_listed(combination, today) || {
            let row = self.proposed.get(combination).filter(|row| row.date_proposed <= today);
            let is_in_force = self.gate.tmad_v7_effective <= today;
            is_in_force && !is_withdrawn && row.is_some_and(|row| self.is_proven(&row.id, today, true))
        }
    }

    /// Says whether both tests are complete or a report is issued. A report on the tests of another combination has no
    /// objections against it, and that other one was tested itself.
    fn is_proven(&self, dmc: &DmcId, today: Date, may_be_equivalent: bool) -> bool {
        let has = |kind, state| {
            let documents = self.evidence.iter().filter(move |one| one.dmc == *dmc && one.date <= today);
            documents.into_iter().find(move |one| one.kind == kind && one.state == state)
        };
        let tests = [EvidenceKind::MigrationTesting, EvidenceKind::SystemIntegrationTesting];
        if tests.into_iter().all(|kind| has(kind, EvidenceState::Complete).is_some()) {
            return true;
        }
        let Some(report) = has(EvidenceKind::DmctEpclReport, EvidenceState::Issued) else { return false };
        match &report.equivalent_to {
            None => true,
            Some(reference) => {
                let is_listed = self.listed.values().any(|row| row.id == *reference);
                may_be_equivalent
                    && report.open_objections.0 == 0
                    && (is_listed || self.is_proven(reference, today, false))
            }
        }
    }

    /// Says whether a supplier was told in time of what is to be done with a device, where that is asked for.
    pub(super) fn was_told(
        &self,
        device: &Device,
        supplier: &SupplierId,
        target: &CplEntry,
        today: Date,
    ) -> bool {
        let NoticePolicy::Required { lead_days } = self.gate.notice else { return true };
        let Some(now) = self.entry(&device.entry) else { return false };
        self.notices.iter().filter(|notice| notice.device == device.id).any(|notice| {
            let lead = jiff::Span::new().days(i64::from(lead_days));
            let since = notice.issued_at.checked_add(lead).expect("a day of this era");
            notice.supplier == *supplier
                && (notice.from, notice.to) == (now.firmware, target.firmware)
                && since.max(notice.window_start) <= today
                && today <= notice.window_end
        })
    }

    /// Other lists, under each of which an order for a device would have been wrong.
    pub(super) fn others(
        &self,
        device: Eui64,
        target: &CplEntryId,
        stranger: &SmsoId,
    ) -> Vec<(&'static str, Papers)> {
        let other = |change: &dyn Fn(&mut Papers)| {
            let mut papers = self.clone();
            change(&mut papers);
            papers
        };
        let nobodys = |papers: &mut Papers| {
            papers.entries.get_mut(target).expect("it was judged").predecessors =
                Predecessors::These(<_>::default());
        };
        let unlisted = |papers: &mut Papers| {
            papers.listed.clear();
            papers.proposed.clear();
        };
        let run_by = |papers: &mut Papers| {
            papers.devices.get_mut(&device).expect("it was judged").smso = stranger.clone();
        };
        let enrolled = |papers: &mut Papers| {
            papers.devices.get_mut(&device).expect("it was judged").enrolled = true;
        };
        let mut others = vec![
            ("path", other(&nobodys)),
            ("combination", other(&unlisted)),
            ("instructed", other(&run_by)),
            ("not enrolled", other(&enrolled)),
        ];
        if self.gate.notice != NoticePolicy::NotAsked {
            others.push(("notified", other(&|papers| papers.notices.clear())));
        }
        others
    }
}
