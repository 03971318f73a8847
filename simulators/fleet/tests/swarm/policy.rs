//! Whether a device was updated outside policy, as somebody finds out who has the ledger, the lists of the first day and
//! the letters that came since. Nothing of the house is asked, and no rule is taken from its gate: they are written down
//! here once more, after the decision table of the trade.
//!
//! | rule | an activation is ordered only … | source |
//! |---|---|---|
//! | instructed | by the DCC, for a device that the gate allowed, in a wave that was opened, once the device held the image | A1, ours |
//! | dormant | for a Dormant Meter, or a device beside one in the same installation | A2 |
//! | not enrolled | outside the DCC's own service | A3 |
//! | not excluded | where no exclusion category holds | A5 |
//! | evidence | on a listed combination, or on evidence that nobody has withdrawn | B1 to B7 |
//! | vouched for | for an image whose signer is believed | A9 |
//! | running | while no pause, halt or abort is in force | ours |
//!
//! Each order is judged a few times more with one letter too many: a rule that would let it pass proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use campaign::{OrderedRecord, PlanRecord, Record};
use eligibility::{DeviceChange, MeterStatus};
use firmware_image::{Eui64, FileDigest};
use fleet::{Evidence, Simulation, Standing};
use ledger::EntryIndex;
use transfer_engine::Moment;

/// What the lists of the first day say of a device.
#[derive(Clone, Copy)]
struct Listed {
    home: u32,
    is_meter: bool,
}

/// What the lists of the first day say of an installation.
struct Home {
    standing: Standing,
    evidence: Evidence,
    dormant: BTreeSet<Eui64>,
}

/// What came since, each with its moment.
#[derive(Clone, Default)]
pub struct Letters {
    /// A meter has smart service again.
    pub active: BTreeMap<Eui64, Moment>,
    /// An installation is not to be touched any more.
    excluded: BTreeMap<u32, Moment>,
    /// All reports and tests were withdrawn.
    pub evidence: Option<Moment>,
    /// Images whose signers are not believed any more.
    pub images: BTreeMap<FileDigest, Moment>,
}

/// What the ledger says up to an entry.
#[derive(Clone, Default)]
struct Story {
    instructed_by: String,
    plans: BTreeMap<Eui64, PlanRecord>,
    waves: BTreeSet<u16>,
    delivered: BTreeSet<Eui64>,
    /// Why nothing may be ordered.
    stopped: Option<&'static str>,
}

/// Judges orders.
struct Auditor {
    devices: BTreeMap<Eui64, Listed>,
    homes: BTreeMap<u32, Home>,
    letters: Letters,
}

/// Reads the whole ledger; returns how many orders were found within policy, and as many with letters too many beyond it.
pub fn audit(simulation: &Simulation, mut letters: Letters) -> Result<u64, String> {
    for (at, meter, change) in simulation.news().told() {
        if *change == DeviceChange::Status(MeterStatus::Active) {
            letters.active.entry(meter).or_insert(at);
        }
    }
    let mut auditor = Auditor::of(simulation, letters);
    let mut story = Story::default();
    let mut orders = 0;
    for entry in simulation.ledger().entries(EntryIndex(0)) {
        let entry = entry.map_err(|error| error.to_string())?;
        let at = Moment::from_micros(entry.recorded_at_us);
        let record = Record::from_entry(&entry).map_err(|error| error.to_string())?;
        if let Record::Ordered(order) = &record {
            auditor.judge(&story, at, order).map_err(|why| {
                format!("nothing is updated outside policy: {} at {at}: {why}", order.device)
            })?;
            auditor.would_find(&mut story, at, order)?;
            orders += 1;
        }
        story.read(record);
    }
    Ok(orders)
}

impl Story {
    fn read(&mut self, record: Record) {
        match record {
            Record::Order(order) => self.instructed_by = order.instructing_party,
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
            Record::Delivered(body) => {
                self.delivered.insert(body.device);
            }
            Record::Paused(_) => self.stopped = Some("the campaign is paused"),
            Record::Resumed(_) => self.stopped = None,
            Record::Halted(_) => self.stopped = Some("the campaign is halted"),
            Record::Aborted(_) => self.stopped = Some("the campaign is aborted"),
            _ => {}
        }
    }
}

impl Auditor {
    fn of(simulation: &Simulation, letters: Letters) -> Auditor {
        let mut devices = BTreeMap::new();
        let mut homes = BTreeMap::new();
        for home in simulation.fleet().homes() {
            for device in &home.devices {
                devices.insert(device.eui, Listed { home: home.hub.0, is_meter: device.kind.is_meter() });
            }
            let meters = home.devices.iter().filter(|device| device.kind.is_meter());
            let dormant = meters.filter(|meter| !meter.is_active).map(|meter| meter.eui).collect();
            let (standing, evidence) = (home.standing, home.evidence);
            homes.insert(home.hub.0, Home { standing, evidence, dormant });
        }
        Auditor { devices, homes, letters }
    }

    fn judge(&self, story: &Story, at: Moment, order: &OrderedRecord) -> Result<(), &'static str> {
        let came = |moment: Option<&Moment>| moment.is_some_and(|moment| *moment <= at);
        let device = order.device;
        let plan = story.plans.get(&device).ok_or("no order names it")?;
        let listed = self.devices.get(&device).ok_or("no list names it")?;
        let home = self.homes.get(&listed.home).ok_or("no list names its home")?;
        let dormant = |meter: &Eui64| home.dormant.contains(meter) && !came(self.letters.active.get(meter));
        let covered = match home.evidence {
            Evidence::Epcl => true,
            Evidence::MtSit | Evidence::DmctReport => !came(self.letters.evidence.as_ref()),
            Evidence::EquivalenceDraft | Evidence::Nothing => false,
        };
        let is_dormant = match listed.is_meter {
            true => dormant(&device),
            false => home.dormant.iter().any(dormant),
        };
        let image = plan.image.ok_or("the gate allowed no image for it")?;
        let is_opened = plan.wave.is_some_and(|wave| story.waves.contains(&wave));
        let rules = [
            (story.instructed_by == "DCC", "the DCC has not instructed it"),
            (plan.verdict.allowed, "the gate has refused it"),
            (is_opened, "its wave is not open"),
            (story.delivered.contains(&device), "it was never known to hold the image"),
            (is_dormant, "there is no Dormant Meter"),
            (home.standing != Standing::Enrolled, "it is enrolled"),
            (home.standing != Standing::Excluded, "it is excluded"),
            (!came(self.letters.excluded.get(&listed.home)), "it was excluded meanwhile"),
            (covered, "no evidence covers it"),
            (!came(self.letters.images.get(&image)), "nobody vouches for its image"),
        ];
        if let Some(why) = story.stopped {
            return Err(why);
        }
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(*why))
    }

    /// Judges the order again with one letter too many at a time: each must be found.
    fn would_find(&mut self, story: &mut Story, at: Moment, order: &OrderedRecord) -> Result<(), String> {
        let device = order.device;
        let (home, image) = (self.devices[&device].home, story.plans[&device].image);
        let honest = self.letters.clone();
        let mut missed = Vec::new();
        let mut with = |auditor: &mut Auditor, what: &'static str, letters: Letters| {
            auditor.letters = letters;
            if auditor.judge(story, at, order).is_ok() {
                missed.push(what);
            }
        };
        let dormant = self.homes[&home].dormant.iter().map(|meter| (*meter, at));
        with(self, "active", Letters { active: dormant.collect(), ..honest.clone() });
        with(self, "excluded", Letters { excluded: BTreeMap::from([(home, at)]), ..honest.clone() });
        let withdrawn = image.map(|image| (image, at));
        with(self, "withdrawn", Letters { images: withdrawn.into_iter().collect(), ..honest.clone() });
        if self.homes[&home].evidence != Evidence::Epcl {
            with(self, "without evidence", Letters { evidence: Some(at), ..honest.clone() });
        }
        self.letters = honest;
        story.stopped = Some("stopped");
        if self.judge(story, at, order).is_ok() {
            missed.push("stopped");
        }
        story.stopped = None;
        match missed.as_slice() {
            [] => Ok(()),
            _ => Err(format!("the auditor would not have found that {device} was {missed:?}")),
        }
    }
}
