//! What the ledger says up to an entry.

use std::collections::{BTreeMap, BTreeSet};

use campaign::{OrderRecord, Outcome, OutcomeClass, PlanRecord, Record, Target};
use eligibility::{CplEntry, CplEntryId};
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

use super::clock;

/// All of it that an auditor needs.
#[derive(Clone, Default)]
pub(super) struct Story {
    order: Option<OrderRecord>,
    plans: BTreeMap<Eui64, PlanRecord>,
    waves: BTreeSet<u16>,
    delivered: BTreeSet<Eui64>,
    watched: BTreeSet<Eui64>,
    /// Devices that were told to activate, or are about to be, and have not ended.
    ordered: BTreeSet<Eui64>,
    /// Devices that ended without running their target: they stay as they are.
    given_up: BTreeSet<Eui64>,
    /// Whose device it was when it was instructed.
    suppliers: BTreeMap<Eui64, String>,
    /// What devices have said they run.
    running: BTreeMap<Eui64, String>,
    /// Times of day, as the order spells them.
    pub(super) sending: Vec<String>,
    pub(super) activating: Vec<String>,
    pub(super) activate_not_before: Option<Moment>,
    /// Why nothing may be sent or ordered.
    pub(super) stopped: Option<&'static str>,
}

impl Story {
    /// Takes the next record.
    pub(super) fn read(&mut self, record: Record) {
        match record {
            Record::Order(order) => {
                self.sending = order.policy.sending.clone().into();
                self.activating = order.policy.activating.clone().into();
                self.activate_not_before = order.policy.activate_not_before.moment();
                self.order = Some(order);
            }
            Record::Verdict(plan) => {
                self.plans.insert(plan.device, plan);
            }
            Record::WaveOpened(opened) => {
                self.waves.insert(opened.wave);
            }
            Record::BroughtForward(body) => {
                if let Some(plan) = self.plans.get_mut(&body.device) {
                    plan.wave = Some(body.wave);
                }
            }
            Record::Instructed(body) => {
                self.suppliers.extend(body.supplier.map(|supplier| (body.device, supplier)));
            }
            Record::Stepped(body) => {
                self.suppliers.remove(&body.device);
                self.ordered.remove(&body.device);
            }
            Record::Ordered(body) => drop(self.ordered.insert(body.device)),
            Record::Delivered(body) => {
                self.delivered.insert(body.device);
            }
            Record::Soaking(body) => {
                self.watched.insert(body.device);
                self.running.insert(body.device, body.running);
            }
            Record::Outcome(body) => {
                self.watched.remove(&body.device);
                self.ordered.remove(&body.device);
                // One that was last read back to run its target, and was not well, is taken to run it still.
                let left_it = body.outcome != Outcome::Unhealthy || body.running.is_some();
                if body.outcome.class() != OutcomeClass::Done && left_it {
                    self.given_up.insert(body.device);
                }
                if let Some(running) = body.running {
                    self.running.insert(body.device, running);
                }
            }
            Record::Paused(_) => self.stopped = Some("the campaign is paused"),
            Record::Resumed(_) => self.stopped = None,
            Record::Halted(_) => self.stopped = Some("the campaign is halted"),
            Record::Aborted(_) => self.stopped = Some("the campaign is aborted"),
            _ => {}
        }
    }

    pub(super) fn instructed_by(&self) -> &str {
        self.order.as_ref().map_or("", |order| &order.instructing_party)
    }

    pub(super) fn smso(&self) -> &str {
        self.order.as_ref().map_or("", |order| &order.smso)
    }

    pub(super) fn targets(&self) -> &[Target] {
        self.order.as_ref().map_or(&[], |order| &order.targets)
    }

    pub(super) fn image_for(&self, entry: &CplEntryId) -> Option<FileDigest> {
        self.targets().iter().find(|target| target.cpl_entry == *entry).map(|target| target.image)
    }

    pub(super) fn plan(&self, device: Eui64) -> Option<&PlanRecord> {
        self.plans.get(&device)
    }

    /// The code of the gate's word when it was planned.
    pub(super) fn code(&self, device: Eui64) -> &str {
        self.plan(device).map_or("", |plan| &plan.verdict.code)
    }

    /// Those that the gate would not have planned.
    pub(super) fn refused(&self) -> Vec<Eui64> {
        self.plans.values().filter(|plan| !plan.verdict.allowed).map(|plan| plan.device).collect()
    }

    /// Says whether a device is still to be updated. While the order is planned, so is whoever was not turned down for what
    /// it is itself: the others of its home are judged beside it.
    pub(super) fn is_named(&self, device: Eui64, at_plan: bool) -> bool {
        let is_of_home = |row: &str| row == "A4" || row.starts_with('B');
        self.plan(device).is_some_and(|plan| match at_plan {
            true => plan.verdict.may_come() || is_of_home(&plan.verdict.row),
            false => plan.verdict.may_come() && !self.given_up.contains(&device),
        })
    }

    /// Says whether a device was told to activate, and nothing is known of it since.
    pub(super) fn is_ordered(&self, device: Eui64) -> bool {
        self.ordered.contains(&device)
    }

    pub(super) fn supplier(&self, device: Eui64) -> Option<&str> {
        self.suppliers.get(&device).map(String::as_str)
    }

    pub(super) fn is_planned(&self, device: Eui64) -> bool {
        let plan = self.plan(device).filter(|plan| plan.verdict.may_come() && plan.image.is_some());
        plan.and_then(|plan| plan.wave).is_some_and(|wave| self.waves.contains(&wave))
    }

    pub(super) fn is_delivered(&self, device: Eui64) -> bool {
        self.delivered.contains(&device)
    }

    /// Says whether a device runs its new version, and is watched before that counts.
    pub(super) fn is_watched(&self, device: Eui64) -> bool {
        self.watched.contains(&device)
    }

    /// Says whether a device has said that it runs a version.
    pub(super) fn has_come_to(&self, device: Eui64, target: &CplEntry) -> bool {
        self.running.get(&device).is_some_and(|running| *running == target.firmware.to_string())
    }

    /// Other stories, in each of which an order for a device would have been wrong.
    pub(super) fn others(&self, device: Eui64, at: Moment) -> Vec<(&'static str, Story)> {
        let other = |change: &dyn Fn(&mut Story)| {
            let mut story = self.clone();
            change(&mut story);
            story
        };
        let party = |story: &mut Story| {
            story.order.iter_mut().for_each(|order| "the SMSO".clone_into(&mut order.instructing_party));
        };
        let later = || Moment::from_micros(at.as_micros() + 1);
        vec![
            ("instructed", other(&party)),
            ("running", other(&|story| story.stopped = Some("stopped"))),
            ("planned", other(&|story| story.waves.clear())),
            ("held", other(&|story| story.delivered.clear())),
            ("planned", other(&|story| drop(story.plans.remove(&device)))),
            ("hours", other(&|story| story.activating = vec![clock::closed_window(at)])),
            ("hours", other(&|story| story.activate_not_before = Some(later()))),
        ]
    }
}
