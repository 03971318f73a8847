//! Whether a device was updated outside policy, as somebody finds out who has the ledger, the lists of the first day and
//! the letters that came since. Nothing of the house is asked, and no rule is taken from its gate: they are written down
//! here once more, after the decision table of the trade (`domain.md` 1.3).
//!
//! | rule | an image is sent, or its activation ordered, only … | source |
//! |---|---|---|
//! | instructed | by the DCC, to the operator of the home | A1 |
//! | dormant | for a Dormant Meter, or a device beside one in the same installation | A2 |
//! | shared | for a device beside an Active Meter, where the policy says so | A2 |
//! | not enrolled | outside the DCC's own service | A3 |
//! | combination | when the home ends in a combination that is on a list, beside what else may be updated in it | A4 |
//! | not excluded | where no exclusion category holds | A5 |
//! | same supplier | while the supplier is the one it had when it was instructed | ours |
//! | notified | when the supplier was told in time, where that is asked for | A6 |
//! | vouched for | for the registered image, made for this hardware, whose signer is believed | A9 |
//! | path | from a version that the new one may follow | A10 |
//! | evidence | on a listed combination, or on evidence in force that nobody has withdrawn | B1 to B8 |
//! | planned | for a device that was planned, in a wave that was opened | ours |
//! | held | once the device held the image (an activation) | ours |
//! | running | while no pause, halt or abort is in force | ours |
//! | hours | within the campaign's windows and not before its day, by the clocks of Great Britain | ours |
//!
//! Each activation order is judged a few times more with one letter too many: a rule that would let it pass proves
//! nothing. And what was refused is judged as well, to see which rule alone stood in the way of it: that is the proof that
//! the swarm asks the gate for all of them (`coverage`).

mod clock; // what a clock on a wall in Great Britain shows
mod letters; // what came since the first day
mod papers; // what the lists of the first day say
mod story; // what the ledger says up to an entry

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{OrderedRecord, Outcome, OutcomeRecord, Record};
use eligibility::{
    CplEntry, CplStatus, Device, DeviceChange, Exclusion, MeterStatus, Predecessors, SmsoId, SupplierId,
};
use firmware_image::Eui64;
use fleet::Simulation;
use ledger::EntryIndex;
use transfer_engine::Moment;

use crate::lists::Lists;
pub use letters::Letters;
use papers::Papers;
use story::Story;

/// What may be done for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It is planned.
    Plan,
    /// Its image is sent.
    Send,
    /// It is told to run it.
    Activate,
}

/// A question: may this be done for this device at this moment?
struct Question<'a> {
    story: &'a Story,
    at: Moment,
    act: Act,
    device: &'a Device,
    target: &'a CplEntry,
}

/// A rule: its name, and whether it lets something pass.
type Rule = (&'static str, fn(&Auditor, &Question<'_>) -> bool);

/// The decision table.
const TABLE: [Rule; 11] = [
    ("instructed", Auditor::is_instructed),
    ("dormant", Auditor::is_dormant),
    ("shared", Auditor::may_be_shared),
    ("not enrolled", |_, asked| !asked.device.enrolled),
    ("combination", |auditor, asked| auditor.papers.knows(&auditor.end_of_home(asked))),
    ("not excluded", Auditor::is_not_excluded),
    ("same supplier", Auditor::has_its_supplier),
    ("notified", Auditor::is_notified),
    ("vouched for", Auditor::is_vouched_for),
    ("path", |_, asked| follows(asked.target, asked.device)),
    ("evidence", Auditor::is_covered),
];

/// What a campaign has to keep beside it.
const CAMPAIGN: [Rule; 4] = [
    ("planned", |_, asked| asked.act == Act::Plan || asked.story.is_planned(asked.device.id)),
    ("held", |_, asked| asked.act != Act::Activate || asked.story.is_delivered(asked.device.id)),
    ("running", |_, asked| asked.act == Act::Plan || asked.story.stopped.is_none()),
    ("hours", Auditor::is_in_time),
];

/// What an audit has found.
#[derive(Default)]
pub struct Audit {
    /// Activation orders within policy, and as many with letters too many beyond it.
    pub orders: u64,
    /// Instructions to send within policy.
    pub instructions: u64,
    /// Which rule stood in the way of a device alone, when it was planned or in flight.
    pub alone: BTreeSet<String>,
}

/// Judges.
struct Auditor {
    papers: Papers,
    letters: Letters,
}

/// Reads the whole ledger.
pub fn audit(simulation: &Simulation, lists: &Lists, mut letters: Letters) -> Result<Audit, String> {
    let told = simulation.news().told();
    letters.changes.extend(told.map(|(at, device, change)| (at, device, change.clone())));
    // In the order of time; what was told at the same moment as it was told.
    letters.changes.sort_by_key(|(at, _, _)| *at);
    let mut auditor = Auditor { papers: Papers::of(lists), letters };
    let mut story = Story::default();
    let mut audit = Audit::default();
    for entry in simulation.ledger().entries(EntryIndex(0)) {
        let entry = entry.map_err(|error| error.to_string())?;
        let at = Moment::from_micros(entry.recorded_at_us);
        let record = Record::from_entry(&entry).map_err(|error| error.to_string())?;
        match &record {
            Record::Instructed(body) => {
                auditor.judge(&story, at, body.device, Act::Send)?;
                audit.instructions += 1;
            }
            Record::Ordered(order) => {
                auditor.judge(&story, at, order.device, Act::Activate)?;
                auditor.is_the_image(&story, order)?;
                auditor.would_find(&story, at, order.device)?;
                audit.orders += 1;
            }
            Record::WaveOpened(opened) if opened.wave == 0 => {
                for device in story.refused() {
                    let code = story.code(device);
                    auditor.note_alone((&story, at, device, Act::Plan), code, &mut audit.alone)?;
                }
            }
            Record::Outcome(body) if was_turned_away(&story, body) => {
                let is_delivered = story.is_delivered(body.device);
                let act = if is_delivered { Act::Activate } else { Act::Send };
                auditor.note_alone((&story, at, body.device, act), &body.reason, &mut audit.alone)?;
            }
            _ => {}
        }
        story.read(record);
    }
    Ok(audit)
}

/// Says whether the gate has changed its mind about a device that it had allowed.
fn was_turned_away(story: &Story, body: &OutcomeRecord) -> bool {
    let turned = matches!(body.outcome, Outcome::Refused | Outcome::HeldUnactivated);
    turned && story.plan(body.device).is_some_and(|plan| plan.verdict.may_come())
}

/// Says whether a reason is a code of the gate.
fn is_of_the_gate(reason: &str) -> bool {
    reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Says whether a version may follow the one that a device runs.
fn follows(target: &CplEntry, device: &Device) -> bool {
    match &target.predecessors {
        Predecessors::Any => true,
        Predecessors::These(these) => these.contains(&device.entry),
    }
}

impl Auditor {
    fn question<'a>(
        &'a self,
        story: &'a Story,
        at: Moment,
        device: Eui64,
        act: Act,
    ) -> Result<Question<'a>, &'static str> {
        let device = self.papers.device(device).ok_or("no list names it")?;
        let target = self.papers.target_of(device, story.targets()).ok_or("no image is for its model")?;
        Ok(Question { story, at, act, device, target })
    }

    /// Returns the rules that something breaks.
    fn broken(&self, rules: &[Rule], asked: &Question<'_>) -> Vec<&'static str> {
        rules.iter().filter(|(_, holds)| !holds(self, asked)).map(|(name, _)| *name).collect()
    }

    fn judge(&self, story: &Story, at: Moment, device: Eui64, act: Act) -> Result<(), String> {
        let broken = match self.question(story, at, device, act) {
            Ok(asked) => [self.broken(&TABLE, &asked), self.broken(&CAMPAIGN, &asked)].concat(),
            Err(why) => vec![why],
        };
        if broken.is_empty() {
            return Ok(());
        }
        Err(format!("nothing is updated outside policy: to {act:?} {device} at {at} breaks {broken:?}"))
    }

    /// Says whether an order would be found to break a rule.
    fn finds(&self, story: &Story, at: Moment, device: Eui64, rule: &str) -> bool {
        let Ok(asked) = self.question(story, at, device, Act::Activate) else { return false };
        let mut rules = TABLE.iter().chain(&CAMPAIGN);
        rules.any(|(name, holds)| *name == rule && !holds(self, &asked))
    }

    /// Checks that an order names the registered image.
    fn is_the_image(&self, story: &Story, order: &OrderedRecord) -> Result<(), String> {
        let device = self.papers.device(order.device);
        let target = device.and_then(|device| self.papers.target_of(device, story.targets()));
        let registered = target.and_then(|target| target.image).map(|image| image.digest);
        if registered == Some(order.image) {
            return Ok(());
        }
        Err(format!("nothing is updated outside policy: {} is to run an image of no list", order.device))
    }

    /// Notes which rule of the table alone stood in the way of a device. There must be one.
    fn note_alone(
        &self,
        (story, at, device, act): (&Story, Moment, Eui64, Act),
        reason: &str,
        alone: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        // What came at this very moment may be the reason.
        let at = at + Duration::from_micros(1);
        let Ok(asked) = self.question(story, at, device, act) else { return Ok(()) };
        let when = if act == Act::Plan { "when planned" } else { "in flight" };
        match self.broken(&TABLE, &asked).as_slice() {
            [rule] => drop(alone.insert(format!("alone {when}: {rule}"))),
            // The desk notes what a device runs that is watched when it has been watched, and holds up its companions
            // until then if it has become Active meanwhile. That is more than the table asks for.
            [] if self.companions(&asked).any(|(device, _)| story.is_watched(device.id)) => {}
            [] if is_of_the_gate(reason) && !self.papers.runs(asked.device, asked.target) => {
                return Err(format!("the gate refuses for a reason: {device} {when} at {at}, for {reason}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_instructed(&self, asked: &Question<'_>) -> bool {
        asked.story.instructed_by() == "DCC" && asked.story.smso() == asked.device.smso.as_str()
    }

    fn status(&self, device: &Device, at: Moment) -> MeterStatus {
        self.letters.status(device.id, at).unwrap_or(device.status)
    }

    /// Says whether a meter of the home is Dormant, or Active, by now.
    fn home_has(&self, device: &Device, status: MeterStatus, at: Moment) -> bool {
        self.papers.home_of(device).any(|member| self.status(member, at) == status)
    }

    fn is_dormant(&self, asked: &Question<'_>) -> bool {
        if asked.device.device_type.is_meter() {
            return self.status(asked.device, asked.at) == MeterStatus::Dormant;
        }
        self.home_has(asked.device, MeterStatus::Dormant, asked.at)
    }

    /// A device that an Active Meter uses as well is updated under an explicit policy only.
    fn may_be_shared(&self, asked: &Question<'_>) -> bool {
        self.papers.gate.allow_shared_in_mixed
            || asked.device.device_type.is_meter()
            || !self.home_has(asked.device, MeterStatus::Active, asked.at)
    }

    /// All devices of a home are left out with one, but for a gas meter's own trouble with its radio.
    fn is_not_excluded(&self, asked: &Question<'_>) -> bool {
        !self.papers.home_of(asked.device).any(|member| match self.exclusion(member, asked.at) {
            None => false,
            Some(Exclusion::GasMeterHanError) => member.id == asked.device.id,
            Some(_) => true,
        })
    }

    fn exclusion<'a>(&'a self, device: &'a Device, at: Moment) -> Option<&'a Exclusion> {
        let letter = self.letters.exclusion(device.id, at);
        letter.unwrap_or(device.exclusion.as_ref())
    }

    /// Returns what else is to be updated in the home and may be, and to what: who may not stays as it is.
    fn companions<'a>(&'a self, asked: &'a Question<'a>) -> impl Iterator<Item = (&'a Device, &'a CplEntry)> {
        let is_named = |member: &&Device| asked.story.is_named(member.id, asked.act == Act::Plan);
        let others = self.papers.home_of(asked.device).filter(|member| member.id != asked.device.id);
        let named = others.filter(is_named).filter_map(|member| {
            let target = self.papers.target_of(member, asked.story.targets())?;
            Some((member, target))
        });
        named.filter(|(device, target)| self.may_come(asked, device, target))
    }

    /// Says whether another device of the home has come to its target, or may for what it is itself.
    fn may_come(&self, asked: &Question<'_>, device: &Device, target: &CplEntry) -> bool {
        let is_there = self.papers.runs(device, target) || asked.story.has_come_to(device.id, target);
        let other = Question { device, target, ..*asked };
        let may = [
            Auditor::is_dormant,
            Auditor::may_be_shared,
            Auditor::is_not_excluded,
            Auditor::has_its_supplier,
            Auditor::is_notified,
            Auditor::is_vouched_for,
        ];
        is_there
            || asked.story.is_ordered(device.id)
            || (may.iter().all(|rule| rule(self, &other)) && !device.enrolled && follows(target, device))
    }

    /// The combination in which the home ends.
    fn end_of_home(&self, asked: &Question<'_>) -> eligibility::Combination {
        let mut ends: BTreeMap<Eui64, &CplEntry> =
            self.companions(asked).map(|(device, target)| (device.id, target)).collect();
        ends.insert(asked.device.id, asked.target);
        self.papers.combination(asked.device, &ends)
    }

    /// Of a combination that no list has there is nothing to be asked: that is a rule of its own.
    fn is_covered(&self, asked: &Question<'_>) -> bool {
        let is_withdrawn = self.letters.evidence.is_some_and(|since| since < asked.at);
        let today = clock::date(asked.at);
        let combination = self.end_of_home(asked);
        !self.papers.knows(&combination) || self.papers.is_covered(&combination, today, is_withdrawn)
    }

    fn is_notified(&self, asked: &Question<'_>) -> bool {
        let letter = self.letters.supplier(asked.device.id, asked.at);
        let supplier = letter.unwrap_or(&asked.device.supplier);
        self.papers.was_told(asked.device, supplier, asked.target, clock::date(asked.at))
    }

    fn has_its_supplier(&self, asked: &Question<'_>) -> bool {
        let letter = self.letters.supplier(asked.device.id, asked.at);
        let supplier = letter.unwrap_or(&asked.device.supplier);
        let before = asked.story.supplier(asked.device.id).filter(|_| asked.act != Act::Plan);
        before.is_none_or(|before| before == supplier.as_str())
    }

    fn is_vouched_for(&self, asked: &Question<'_>) -> bool {
        let image = asked.story.image_for(&asked.target.id);
        let withdrawn = image.and_then(|image| self.letters.images.get(&image));
        asked.target.image.is_some() && withdrawn.is_none_or(|since| *since >= asked.at) && self.fits(asked)
    }

    fn fits(&self, asked: &Question<'_>) -> bool {
        asked.target.status == CplStatus::Active && asked.target.hardware == asked.device.hardware
    }

    fn is_in_time(&self, asked: &Question<'_>) -> bool {
        match asked.act {
            Act::Plan => true,
            Act::Send => clock::is_open(&asked.story.sending, asked.at),
            Act::Activate => {
                let not_before = asked.story.activate_not_before;
                clock::is_open(&asked.story.activating, asked.at)
                    && not_before.is_none_or(|moment| moment <= asked.at)
            }
        }
    }

    /// Judges an order again with one letter too many at a time, one paper less, or another story: each must be found.
    fn would_find(&mut self, story: &Story, at: Moment, device: Eui64) -> Result<(), String> {
        let mut missed = self.would_find_letters(story, at, device);
        missed.extend(self.would_find_papers(story, at, device));
        let others = story.others(device, at).into_iter();
        missed.extend(
            others.filter(|(rule, other)| !self.finds(other, at, device, rule)).map(|(rule, _)| rule),
        );
        match missed.as_slice() {
            [] => Ok(()),
            _ => Err(format!("the auditor would not have found that {device} broke {missed:?}")),
        }
    }

    fn would_find_letters(&mut self, story: &Story, at: Moment, device: Eui64) -> Vec<&'static str> {
        let found = self.papers.device(device).expect("it was judged").clone();
        let dormant = self.papers.home_of(&found).filter(|one| self.status(one, at) == MeterStatus::Dormant);
        let dormant: Vec<Eui64> = dormant.map(|meter| meter.id).collect();
        let (hub, since) = (found.hub, Moment::from_micros(at.as_micros() - 1));
        let active = |meter: &Eui64| (since, *meter, DeviceChange::Status(MeterStatus::Active));
        let newcomer = SupplierId::new("SUP-99").expect("a name");
        let excluded = |device, reason| (since, device, DeviceChange::Exclusion(Some(reason)));
        let mut letters = vec![
            ("dormant", dormant.iter().map(active).collect()),
            ("not excluded", vec![excluded(device, Exclusion::GasMeterHanError)]),
            ("not excluded", vec![excluded(hub, Exclusion::MissingMasterKeys)]),
            ("same supplier", vec![(since, device, DeviceChange::Supplier(newcomer))]),
        ];
        if !found.device_type.is_meter() && !self.papers.gate.allow_shared_in_mixed {
            // One is enough, although another may be Dormant still.
            letters.push(("shared", dormant.iter().take(1).map(active).collect()));
        }
        let mut missed = Vec::new();
        for (rule, changes) in letters {
            let honest = self.letters.changes.len();
            self.letters.changes.extend(changes);
            missed.extend((!self.finds(story, at, device, rule)).then_some(rule));
            self.letters.changes.truncate(honest);
        }
        if let Some(image) = story.plan(device).and_then(|plan| plan.image) {
            let honest = self.letters.images.insert(image, since);
            missed.extend((!self.finds(story, at, device, "vouched for")).then_some("vouched for"));
            self.letters.images.remove(&image);
            self.letters.images.extend(honest.map(|since| (image, since)));
        }
        let asked = self.question(story, at, device, Act::Activate).expect("it was judged");
        if !self.papers.is_listed(&self.end_of_home(&asked), clock::date(at)) {
            let honest = self.letters.evidence.replace(since);
            missed.extend((!self.finds(story, at, device, "evidence")).then_some("evidence"));
            self.letters.evidence = honest;
        }
        missed
    }

    fn would_find_papers(&mut self, story: &Story, at: Moment, device: Eui64) -> Vec<&'static str> {
        let found = self.papers.device(device).expect("it was judged");
        let target = self.papers.target_of(found, story.targets()).expect("it was judged").id.clone();
        let stranger = SmsoId::new("SMSO-8").expect("a name");
        let mut missed = Vec::new();
        for (rule, other) in self.papers.others(device, &target, &stranger) {
            let honest = std::mem::replace(&mut self.papers, other);
            missed.extend((!self.finds(story, at, device, rule)).then_some(rule));
            self.papers = honest;
        }
        missed
    }
}
