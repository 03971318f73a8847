//! Turns: which devices of an opened wave wait for others. Two rules of the policy make them wait.
//!
//! - *Order of kinds*: in a home the hub may have to run its target before the meters behind it are touched. If one that
//!   comes first fails, those behind it are held back.
//! - *Blast radius*: of one supplier, model, cell or postcode district no more devices may be at risk than agreed, counting those under way
//!   and those that failed on the image. When one of them ends well the next has its turn; when failures alone have used
//!   the number up, nobody has it any more.
//!
//! ```text
//! device of an opened wave ──► its home ──► its groups ──► instructed
//!                                 │ waits      │ waits with those of the same groups
//!                                 ▼            ▼
//!                              held back as soon as what it waits for cannot come any more
//! ```
//!
//! What is kept here is counted from the rows of the campaign, and counted again after a restart. A device counts in the
//! groups that it was in when it was instructed: its record names them, because lists change, and a restart must not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use firmware_image::Eui64;
use transfer_engine::Moment;

use super::Conductor;
use crate::order::CampaignId;
use crate::policy::CampaignPolicy;
use crate::risk::RiskGroup;
use crate::stage::{Outcome, OutcomeClass, Stage};

/// Whether a device has its turn.
pub(super) enum Turn {
    Now,
    Later,
    /// And why not.
    Never(String),
}

/// The groups of a device. There are a few hundred combinations in a campaign, shared by those who wait.
type Groups = Arc<[RiskGroup]>;

/// The devices of a group that count against its limit.
#[derive(Clone, Copy, Debug, Default)]
struct Risk {
    under_way: u32,
    failed: u32,
}

impl Risk {
    fn is_full(self, most: u32) -> bool {
        self.under_way + self.failed >= most
    }
}

/// Who waits for whom; lost and rebuilt by a restart.
#[derive(Debug, Default)]
pub(super) struct Turns {
    risks: BTreeMap<CampaignId, BTreeMap<RiskGroup, Risk>>,
    /// In which groups each device under way counts.
    counted: BTreeMap<Eui64, Vec<RiskGroup>>,
    /// Who waits for others of its home, by the installation that the order was planned for: the inventory may name
    /// another one by then, or none.
    at_home: BTreeMap<(CampaignId, String), BTreeSet<Eui64>>,
    /// Who waits for groups, by priority, together with those of the same groups: whether there is room is asked once for
    /// all of them, and nobody is moved from one group's waiting to another's.
    waiting: BTreeMap<CampaignId, BTreeMap<Groups, BTreeSet<(u8, Eui64)>>>,
    /// Who waits until the gate lets it have its image, see `held`.
    pub(super) held: BTreeMap<CampaignId, BTreeSet<Eui64>>,
    /// Devices that have ended, for whom others may have waited, and the groups in which they counted.
    ended: VecDeque<(CampaignId, Eui64, Vec<RiskGroup>)>,
}

impl Turns {
    /// Forgets a campaign that is over.
    pub(super) fn forget(&mut self, campaign: &CampaignId) {
        self.risks.remove(campaign);
        self.at_home.retain(|(other, _), _| other != campaign);
        self.waiting.remove(campaign);
        self.held.remove(campaign);
        self.ended.retain(|(other, ..)| other != campaign);
    }

    fn risk(&self, campaign: &CampaignId, group: &RiskGroup) -> Risk {
        self.risks.get(campaign).and_then(|risks| risks.get(group)).copied().unwrap_or_default()
    }

    fn risk_mut(&mut self, campaign: &CampaignId, group: &RiskGroup) -> &mut Risk {
        self.risks.entry(campaign.clone()).or_default().entry(group.clone()).or_default()
    }
}

impl CampaignPolicy {
    fn has_turns(&self) -> bool {
        !self.order_of_kinds.is_empty() || self.limits_risk()
    }
}

impl Conductor {
    /// Says whether a device of an opened wave has its turn. One that has to wait is noted with its home or its
    /// group, and asked again when one of that has ended.
    pub(super) fn turn_of(&mut self, campaign: &CampaignId, device: Eui64) -> Turn {
        let Some(state) = self.campaigns.get(campaign) else { return Turn::Later };
        let Some(row) = state.row(device).filter(|row| row.stage == Stage::Planned) else {
            return Turn::Later;
        };
        if !state.order.policy.has_turns() {
            return Turn::Now;
        }
        let (priority, installation) = (row.priority, &row.installation);
        match self.turn_at_home(campaign, device) {
            Turn::Now => {}
            Turn::Later => {
                let home = (campaign.clone(), installation.clone());
                self.turns.at_home.entry(home).or_default().insert(device);
                return Turn::Later;
            }
            never => return never,
        }
        if self.turns.counted.contains_key(&device) {
            // On its next step it counts already.
            return Turn::Now;
        }
        let groups = self.groups_of(campaign, device);
        let turn = self.turn_in(campaign, &groups);
        if matches!(turn, Turn::Later) {
            let waiting = self.turns.waiting.entry(campaign.clone()).or_default();
            waiting.entry(groups.into()).or_default().insert((priority, device));
        }
        turn
    }

    /// Says whether a device of these groups has its turn: the first that is full decides.
    fn turn_in(&self, campaign: &CampaignId, groups: &[RiskGroup]) -> Turn {
        for group in groups {
            let most = self.most_of(campaign, group);
            match self.turns.risk(campaign, group) {
                risk if !risk.is_full(most) => {}
                risk if risk.under_way == 0 => return Turn::Never(used_up(group, most)),
                _ => return Turn::Later,
            }
        }
        Turn::Now
    }

    fn turn_at_home(&self, campaign: &CampaignId, device: Eui64) -> Turn {
        let Some(state) = self.campaigns.get(campaign) else { return Turn::Later };
        let order = &state.order.policy.order_of_kinds;
        let Some(found) = self.desk.inventory.device(device).filter(|_| !order.is_empty()) else {
            return Turn::Now;
        };
        let mut turn = Turn::Now;
        for member in self.desk.inventory.members(found.installation) {
            // Who was refused from the beginning is not served: nobody waits for that.
            let row = state.row(member.id).filter(|row| row.wave.is_some());
            let Some(row) = row.filter(|_| order.is_before(member.device_type, found.device_type)) else {
                continue;
            };
            match row.outcome.as_ref().map(|(outcome, _)| *outcome) {
                Some(outcome) if outcome.class() == OutcomeClass::Done => {}
                Some(outcome) => {
                    let (kind, word) = (member.device_type, outcome.as_str());
                    return Turn::Never(format!(
                        "{kind} {} before it in its home ended as {word}",
                        member.id
                    ));
                }
                None => turn = Turn::Later,
            }
        }
        turn
    }

    /// Returns the groups of a device whose risk is limited.
    fn groups_of(&self, campaign: &CampaignId, device: Eui64) -> Vec<RiskGroup> {
        let policy = self.campaigns.get(campaign).map(|state| &state.order.policy);
        let found = self.desk.inventory.device(device);
        let Some((policy, found)) = policy.filter(|policy| policy.limits_risk()).zip(found) else {
            return Vec::new();
        };
        let model = match self.desk.register.entry(found.entry) {
            Some(entry) => format!("{} {}", entry.manufacturer, entry.model),
            None => found.entry.to_string(),
        };
        policy.groups_of(&found, model)
    }

    fn most_of(&self, campaign: &CampaignId, group: &RiskGroup) -> u32 {
        self.campaigns.get(campaign).map_or(0, |state| state.order.policy.most_at_risk(group))
    }

    /// Counts a device that is about to be instructed, and returns the groups in which it counts; none where there are no
    /// limits.
    pub(super) fn count_at_risk(&mut self, campaign: &CampaignId, device: Eui64) -> Option<Vec<RiskGroup>> {
        self.campaigns.get(campaign).filter(|state| state.order.policy.limits_risk())?;
        if let Some(counted) = self.turns.counted.get(&device) {
            // On its next step it counts as it did on the one before.
            return Some(counted.clone());
        }
        let groups = self.groups_of(campaign, device);
        self.count_in(campaign, device, groups.clone());
        Some(groups)
    }

    fn count_in(&mut self, campaign: &CampaignId, device: Eui64, groups: Vec<RiskGroup>) {
        for group in &groups {
            self.turns.risk_mut(campaign, group).under_way += 1;
        }
        self.turns.counted.insert(device, groups);
    }

    /// Notes that a device has ended: others may have waited for that.
    pub(super) fn note_turn(&mut self, campaign: &CampaignId, device: Eui64, outcome: Outcome) {
        let groups = self.turns.counted.remove(&device).unwrap_or_default();
        for group in &groups {
            let risk = self.turns.risk_mut(campaign, group);
            risk.under_way = risk.under_way.saturating_sub(1);
            risk.failed += u32::from(outcome.blames_image());
        }
        let state = self.campaigns.get(campaign);
        if state.is_some_and(|state| state.phase.is_open() && state.order.policy.has_turns()) {
            self.turns.ended.push_back((campaign.clone(), device, groups));
        }
    }

    /// Gives those their turn that waited for devices which have ended. While the campaign waits itself nobody has it;
    /// all are asked when it goes on.
    pub(super) fn take_turns(&mut self, now: Moment) {
        while let Some((campaign, device, groups)) = self.turns.ended.pop_front() {
            if !self.may_send(now, &campaign) {
                continue;
            }
            for member in self.waiting_at_home(&campaign, device) {
                self.instruct(now, &campaign, member);
            }
            self.fill(now, &campaign, &groups);
        }
    }

    /// Takes the devices that wait for others of the home in which one has ended.
    fn waiting_at_home(&mut self, campaign: &CampaignId, device: Eui64) -> BTreeSet<Eui64> {
        let row = self.campaigns.get(campaign).and_then(|state| state.row(device));
        let home = row.map(|row| (campaign.clone(), row.installation.clone()));
        home.and_then(|home| self.turns.at_home.remove(&home)).unwrap_or_default()
    }

    /// Gives those their turn who wait for groups in which one has ended, by priority and as many as may be at risk. Those
    /// of the same groups are looked at together, once unless they have their turn, so that this ends.
    fn fill(&mut self, now: Moment, campaign: &CampaignId, ended: &[RiskGroup]) {
        let waiting = self.turns.waiting.get(campaign).into_iter().flatten();
        let concerned = waiting.filter(|(groups, _)| groups.iter().any(|group| ended.contains(group)));
        let mut firsts: BTreeSet<((u8, Eui64), Groups)> =
            concerned.filter_map(|(groups, devices)| Some((*devices.first()?, Arc::clone(groups)))).collect();
        while let Some((first, groups)) = firsts.pop_first() {
            if matches!(self.turn_in(campaign, &groups), Turn::Later) {
                continue;
            }
            let Some(waiting) = self.turns.waiting.get_mut(campaign) else { return };
            let Some(devices) = waiting.get_mut(&groups) else { continue };
            devices.remove(&first);
            match devices.first() {
                Some(next) => drop(firsts.insert((*next, groups))),
                None => drop(waiting.remove(&groups)),
            }
            self.instruct(now, campaign, first.1);
        }
    }

    /// Counts what is at risk from the rows, after a restart: in the groups that were recorded when each was instructed.
    /// Records of before they were kept name none; those devices count in the groups that the lists name today.
    pub(super) fn recount_risks(&mut self, campaign: &CampaignId) {
        let Some(state) = self.campaigns.get(campaign).filter(|state| state.order.policy.limits_risk())
        else {
            return;
        };
        let instructed = state.rows().filter(|row| row.reached(Stage::Instructed).is_some());
        let rows: Vec<(Eui64, Option<Outcome>, Option<Vec<RiskGroup>>)> = instructed
            .map(|row| (row.device, row.outcome.as_ref().map(|(outcome, _)| *outcome), row.groups.clone()))
            .collect();
        for (device, outcome, recorded) in rows {
            let groups = recorded.unwrap_or_else(|| self.groups_of(campaign, device));
            match outcome {
                None => self.count_in(campaign, device, groups),
                Some(outcome) if outcome.blames_image() => {
                    for group in &groups {
                        self.turns.risk_mut(campaign, group).failed += 1;
                    }
                }
                Some(_) => {}
            }
        }
    }
}

fn used_up(group: &RiskGroup, most: u32) -> String {
    format!("{group}: {most} devices failed on the image, and no more may be at risk")
}
