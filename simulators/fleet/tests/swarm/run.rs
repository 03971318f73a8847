//! One seed from its order to its end: faults first, with a head-end that dies, then calm until every device has its
//! outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campaign::{ChainPapers, Command, CommandError, CommandRecord, Conductor, Desk, Settings};
use eligibility::{DeviceChange, DeviceType, Exclusion, MeterStatus};
use firmware_image::{Eui64, OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage};
use fleet::{
    Cast, Census, DeviceKind, DeviceTrust, FaultCounts, Fidelity, Rehearsal, Simulation, WatchRules,
};
use ledger::Head;
use transfer_engine::Moment;

use crate::chain::{Chain, FIRST, key};
use crate::checker::Checker;
use crate::coverage::Coverage;
use crate::lists::Lists;
use crate::plan::{Letter, Mistake, Plan};
use crate::policy::Letters;

pub const PORT: u16 = 4059;

/// Real time that one seed may take before it counts as hung; the usual one takes half a second.
const HUNG_AFTER: Duration = Duration::from_secs(300);

/// What a seed came to.
pub struct Account {
    pub homes: u64,
    pub steps: u64,
    /// Events in homes, each followed by a look at all devices.
    pub looks: u64,
    /// Checks of invariants, in homes and of the house.
    pub checks: u64,
    pub faults: FaultCounts,
    /// Instructions and activation orders that the auditor found within policy.
    pub instructions: u64,
    pub audited: u64,
    pub coverage: Coverage,
    head: Head,
    census: Census,
    compared: bool,
}

impl Account {
    /// Returns whether the seed was run twice.
    pub fn was_compared(&self) -> bool {
        self.compared
    }

    /// Runs the plan again, if it is to be, and compares ledger and census byte for byte.
    pub fn compared_with(mut self, plan: Option<&Plan>, began: Instant) -> Result<Account, String> {
        let Some(plan) = plan else { return Ok(self) };
        let again = run(plan, began)?;
        if again.head != self.head {
            return Err(format!("the ledgers of two runs differ: {:?} and {:?}", self.head, again.head));
        }
        if again.census != self.census {
            return Err("the censuses of two runs differ".to_owned());
        }
        self.compared = true;
        Ok(self)
    }
}

/// The people of a seed: their keys, images and papers.
pub struct Crew<'a> {
    plan: &'a Plan,
    images: BTreeMap<DeviceKind, VerifiedImage>,
    lists: Option<Lists>,
}

impl<'a> Crew<'a> {
    /// The length of the blocks that hubs ask for, bytes.
    pub fn block_len(&self) -> u64 {
        self.plan.spec.device.hub.block_bytes.get().into()
    }

    fn of(plan: &'a Plan) -> Result<Crew<'a>, String> {
        let maker = match plan.mistake {
            Some(Mistake::WrongMakerKey) => key("nobody", 1),
            _ => key("maker", FIRST.maker),
        };
        let trust = TrustStore::new(vec![maker.public()]);
        let image = |(kind, len): &(DeviceKind, usize)| {
            let payload: Vec<u8> = (0..*len as u64).map(|at| (at * 31 % 253 + plan.seed % 3) as u8).collect();
            let file = OtaFile::build(&plan.spec.device.of(*kind).target(), "swarm", &payload).unwrap();
            let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
            let signed = SignedImage::sign(&file, sequence, &maker).unwrap();
            (*kind, trust.verify(signed).unwrap())
        };
        let images = plan.images.iter().map(image).collect();
        let mut crew = Crew { plan, images, lists: None };
        let rehearsal = crew.rehearsal(plan.spec.start, 1)?;
        crew.lists = Some(Lists::of(plan, rehearsal.fleet.homes(), &crew.images)?);
        Ok(crew)
    }

    /// The lists of the first day.
    pub fn lists(&self) -> &Lists {
        self.lists.as_ref().expect("made with the crew")
    }

    /// Returns whether hubs are shown a release that one person approved, and no other.
    pub fn lacks_an_approval(&self) -> bool {
        self.plan.mistake == Some(Mistake::OneApproval)
    }

    fn order_key(&self) -> SigningKey {
        match self.plan.mistake {
            Some(Mistake::WrongOrderKey) => key("nobody", 2),
            _ => key("order", FIRST.order),
        }
    }

    /// What devices believe when the world begins.
    fn trust(&self) -> DeviceTrust {
        if self.plan.rooted {
            return Chain::at(self.plan.spec.start).factory();
        }
        let makers = TrustStore::new(vec![key("maker", FIRST.maker).public()]);
        DeviceTrust::pinned(makers, vec![key("order", FIRST.order).public()])
    }

    /// The papers of the day, each later than those before.
    fn papers(&self, now: Moment, serial: u64) -> ChainPapers {
        if !self.plan.rooted {
            return ChainPapers::default();
        }
        let chain = Chain::at(now);
        let files: Vec<OtaFile> = self.images.values().map(|image| image.file().clone()).collect();
        let approved_by: &[u8] = if self.lacks_an_approval() { &[1] } else { &[1, 2] };
        let release = chain.release_by(approved_by, "swarm", serial, 1, &files.iter().collect::<Vec<_>>());
        let root = Chain::at(self.plan.spec.start).signed_root(1, FIRST);
        ChainPapers::new(vec![root], vec![chain.status(serial, 1, Vec::new()), release]).unwrap()
    }

    /// Everything that a head-end which starts now is given.
    fn rehearsal(&self, now: Moment, serial: u64) -> Result<Rehearsal, String> {
        let cast = Cast {
            spec: &self.plan.spec,
            seed: self.plan.seed,
            images: &self.images,
            trust: Arc::new(self.trust()),
            order_key: self.order_key(),
            hub_port: PORT,
        };
        let mut rehearsal = Rehearsal::new(cast).map_err(|error| format!("no campaign: {error}"))?;
        rehearsal.settings.papers = self.papers(now, serial);
        if let Some(lists) = &self.lists {
            rehearsal.desk = lists.desk(true)?;
            lists.complete(&mut rehearsal.order, self.plan, &self.images);
        }
        Ok(rehearsal)
    }

    /// What a head-end needs to start again from the ledger: lists of the first day, and what was written since but the
    /// news of its suppliers.
    pub fn head_end(
        &self,
        now: Moment,
        serial: u64,
        letters: &Letters,
    ) -> Result<(Settings, Desk, Vec<VerifiedImage>), String> {
        let Rehearsal { settings, images, .. } = self.rehearsal(now, serial)?;
        let mut desk = self.lists().desk(letters.evidence.is_none())?;
        for (_, device, change) in &letters.changes {
            desk.inventory.note(*device, change.clone()).map_err(|error| error.to_string())?;
        }
        Ok((settings, desk, images))
    }

    /// What a letter says of devices. A home without a gas meter has nothing to say of one.
    fn news_in(&self, letter: Letter) -> Option<(Eui64, DeviceChange)> {
        let (home, kind, change) = match letter {
            Letter::Excluded(home) => {
                (home, DeviceType::Chf, DeviceChange::Exclusion(Some(Exclusion::MissingMasterKeys)))
            }
            Letter::GasExcluded(home) => {
                (home, DeviceType::Gsme, DeviceChange::Exclusion(Some(Exclusion::GasMeterHanError)))
            }
            Letter::OneActive(home) => (home, DeviceType::Esme, DeviceChange::Status(MeterStatus::Active)),
        };
        let homes = self.lists().homes();
        let mut members = self.lists().members(homes.get(home as usize)?);
        members.find(|member| member.device_type == kind).map(|member| (member.id, change))
    }
}

/// What happens from outside, by its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Death,
    Withdrawal,
    EvidenceWithdrawal,
    Letter(Letter),
    Command(Command),
    Calm,
}

/// Runs one seed.
pub fn run(plan: &Plan, began: Instant) -> Result<Account, String> {
    let crew = Crew::of(plan)?;
    let start = plan.spec.start;
    let mut rehearsal = crew.rehearsal(start, 1)?;
    // Both fidelities must stand all of this; that they agree has a test of its own.
    rehearsal.fleet.set_fidelity(match plan.seed.is_multiple_of(2) {
        true => Fidelity::Batched,
        false => Fidelity::Exact,
    });
    let mut simulation = Simulation::new(rehearsal, start, PORT).map_err(|error| error.to_string())?;
    let allowance = crate::checker::link_allowance(&plan.spec);
    let rate = plan.spec.campaign.link_rate_bytes_per_s.get();
    simulation.watch(WatchRules::new(crew.images.values(), rate, allowance));
    let mut checker = Checker::new(plan, &simulation);
    let mut coverage = Coverage::default();
    let hung_at = Instant::now() + HUNG_AFTER;
    for (at, blow) in blows(plan) {
        while simulation.now() < at {
            if !one_step(&mut simulation, &mut checker, &mut coverage)? {
                break;
            }
            if Instant::now() > hung_at {
                return Err(format!("hung at {} since {:?}", simulation.now(), began.elapsed()));
            }
        }
        strike(blow, &crew, &mut simulation, &mut checker)?;
    }
    let limit = simulation.now().max(start + plan.calm_after) + plan.patience();
    while one_step(&mut simulation, &mut checker, &mut coverage)? {
        if simulation.now() > limit {
            return Err(checker.endless(&simulation));
        }
    }
    simulation.run(Duration::MAX, |_, _| {}).map_err(|error| error.to_string())?;
    checker.at_the_end(&simulation, &crew)?;
    let census = simulation.census();
    coverage.note_end(&simulation, &census);
    coverage.note_audit(checker.audit());
    Ok(Account {
        homes: u64::from(simulation.fleet().hub_count()),
        steps: checker.steps(),
        looks: simulation.fleet().looks(),
        instructions: checker.audit().instructions,
        audited: checker.audit().orders,
        checks: checker.checks() + simulation.fleet().checks(),
        faults: census.faults,
        coverage,
        head: simulation.head(),
        census,
        compared: false,
    })
}

fn blows(plan: &Plan) -> Vec<(Moment, Blow)> {
    let start = plan.spec.start;
    let deaths = plan.deaths.iter().map(|at| (start + *at, Blow::Death));
    let withdrawal = plan.withdrawal.map(|at| (start + at, Blow::Withdrawal));
    let evidence = plan.evidence_withdrawal.map(|at| (start + at, Blow::EvidenceWithdrawal));
    let commands = plan.commands.iter().map(|(at, command)| (start + *at, Blow::Command(*command)));
    let calm = (start + plan.calm_after, Blow::Calm);
    let letters = plan.letters.iter().map(|(at, letter)| (start + *at, Blow::Letter(*letter)));
    let blows = deaths.chain(withdrawal).chain(evidence).chain(letters).chain(commands);
    let mut blows: Vec<_> = blows.chain([calm]).collect();
    // Operators go home when the calm comes.
    blows.retain(|(at, blow)| *at < calm.0 || !matches!(blow, Blow::Command(_)));
    blows.sort_by_key(|(at, _)| *at);
    blows
}

fn one_step(
    simulation: &mut Simulation,
    checker: &mut Checker,
    coverage: &mut Coverage,
) -> Result<bool, String> {
    let goes_on = simulation.step().map_err(|error| error.to_string())?;
    checker.after_a_step(simulation)?;
    coverage.note_step(simulation);
    Ok(goes_on)
}

fn strike(
    blow: Blow,
    crew: &Crew<'_>,
    simulation: &mut Simulation,
    checker: &mut Checker,
) -> Result<(), String> {
    let now = simulation.now();
    match blow {
        Blow::Calm => {
            simulation.calm();
            command(simulation, Command::Resume)?;
        }
        Blow::Withdrawal => {
            let image = crew.images.values().next().expect("a plan has an image").file_digest();
            simulation.withdraw_image(image);
            checker.note_withdrawal(now, image);
        }
        Blow::EvidenceWithdrawal => {
            checker.note_evidence_withdrawal(now);
            let (_, desk, _) = crew.head_end(now, 1, checker.letters())?;
            simulation.replace_desk(desk);
        }
        Blow::Letter(letter) => {
            if let Some((device, change)) = crew.news_in(letter) {
                let noted = simulation.ask(|conductor, _| conductor.note_change(device, change.clone()));
                noted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                checker.note_change(now, device, change);
            }
        }
        Blow::Command(asked) => command(simulation, asked)?,
        Blow::Death => {}
    }
    // With the calm comes the paper of the day, which a head-end takes up when it starts.
    if blow == Blow::Death || (blow == Blow::Calm && crew.plan.rooted) {
        let serial = checker.next_serial();
        let (settings, desk, images) = crew.head_end(now, serial, checker.letters())?;
        simulation
            .restart_head_end(settings, desk, images, checker.withdrawn())
            .map_err(|error| error.to_string())?;
        checker.after_a_restart(simulation)?;
    }
    Ok(())
}

/// Asks for something as an operator does; a campaign that is over heeds nobody.
fn command(simulation: &mut Simulation, command: Command) -> Result<(), String> {
    let campaign = simulation.state().id.clone();
    let asked = CommandRecord { by: "an operator".to_owned(), reason: "the plan says so".to_owned() };
    let heeded = simulation.ask(|conductor, now| conductor.command(now, &campaign, command, asked));
    match heeded.map_err(|error| error.to_string())? {
        Ok(_) | Err(CommandError::Over { .. }) => Ok(()),
        Err(other) => Err(other.to_string()),
    }
}

/// Makes a second head-end of the ledger alone, to compare what it makes of it.
pub fn second_reader(simulation: &Simulation, crew: &Crew<'_>) -> Result<Conductor, String> {
    let (settings, desk, images) = crew.head_end(simulation.now(), 1, &Letters::default())?;
    let mut conductor = Conductor::new(settings, desk, simulation.now());
    for image in images {
        conductor.add_image(image);
    }
    for entry in simulation.ledger().entries(ledger::EntryIndex(0)) {
        let entry = entry.map_err(|error| error.to_string())?;
        conductor.replay(&[entry]).map_err(|error| error.to_string())?;
    }
    Ok(conductor)
}
