//! `lamplighter campaign explain`: may this device be updated, and why or why not, in sentences.
//!
//! ```text
//! --order FILE   the question is the order's: its images, its targets for the whole home, who instructs whom
//! --to ENTRY     each device of the home gets the entry that is for its model; instructed by the DCC of the home's SMSO
//! neither        each entry of the device's model that has an image, by itself
//! --engine URL   what a running engine has on the device: its campaigns, and what its gate says now
//! ```
//!
//! Without an order no image is at hand: the one on offer is taken to be the one that the product list registers.

mod engine;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use eligibility::{
    Circumstances, Claim, CplEntry, CplEntryId, CplStatus, DeviceView, GateRow, ImageSize, InstructingParty,
    MeterStatus, OfferedImage, SmsoId, Targets, VerdictRecord, Word, decide_beside, judge_home,
};
use firmware_image::{Eui64, FileVersion, ImageDigest, ImageIdentity, ImageType, ManufacturerCode};
use serde::Serialize;
use smso_adapter::{HomeView, LaterExclusion, MemberView};

use super::order_file::WrittenOrder;
use super::question::{Question, QuestionArguments};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::lists::FaultList;
use crate::output::Output;

/// Say whether a device may be updated and why, by lists in files or by what a running engine has.
///
/// The answer is the one that the engine would give: each verdict names the row of the gate, the documents and their
/// dates. A running engine also says who waits for a slot (row A7) and whose hub is not reached (A8), which no list knows.
/// Exit code 0: one of the updates that were asked about is allowed, or nothing is to be done. 4: none is allowed, or not
/// yet.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
lamplighter campaign explain 00-0D-6F-00-00-00-01-01 --lists examples/lists --on 2020-10-05\n  \
lamplighter campaign explain 00-0D-6F-00-00-00-01-01 --lists examples/lists --order examples/lists/order.toml\n  \
lamplighter campaign explain 00-0D-6F-00-00-00-01-01 --engine http://127.0.0.1:8080\n  \
lamplighter campaign explain 00-0D-6F-00-00-00-01-01 --to ESME-2 --to GSME-2 --cpl cpl.xlsx --epcl epcl.csv \
--evidence evidence.csv --inventory inventory.csv")]
pub(crate) struct Arguments {
    /// The device, by its EUI-64.
    device: Eui64,
    /// The order that is asked about.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    order: Option<PathBuf>,
    /// Product list entry to go to; several are for several devices of the home.
    #[arg(long, value_name = "ENTRY", value_parser = parse_entry)]
    to: Vec<CplEntryId>,
    /// Ask the engine whose API listens there, by its lists, images and orders, instead of lists in files.
    #[arg(long, value_name = "URL",
          conflicts_with_all = ["order", "to", "lists", "cpl", "epcl", "ppcl", "evidence", "inventory", "notices",
                                "exclusions", "allow_partial", "faults", "on", "config", "notice_days", "trust"])]
    engine: Option<String>,
    #[command(flatten)]
    question: QuestionArguments,
}

fn parse_entry(text: &str) -> Result<CplEntryId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    if let Some(url) = &arguments.engine {
        return engine::run(arguments.device, url, output);
    }
    let question = arguments.question.read(output)?;
    let explanation = explain(arguments, question, output)?;
    output.report(&explanation)?;
    // Running the target already is a success without a step.
    let is_fine = |verdict: &VerdictRecord| verdict.allowed || verdict.code == "ALREADY_ON_TARGET";
    match explanation.verdicts.iter().any(is_fine) {
        true => Ok(()),
        false => Err(Failure::told(ExitCode::Refused)),
    }
}

fn explain(arguments: &Arguments, question: Question, output: &Output) -> Result<Explanation, Failure> {
    let device = arguments.device;
    let Question { lists, today, gate, .. } = &question;
    let judge = |asked: Asked| {
        let Asked { targets, instructed_by, smso, images } = asked;
        let devices: Vec<Eui64> = images.keys().copied().collect();
        // As the engine does when it plans an order.
        let judge_one = |device, targets: &Targets| {
            let claim = Claim {
                device,
                targets,
                instructed_by: &instructed_by,
                addressed_smso: &smso,
                image: &images[&device],
                circumstances: Circumstances::default(),
            };
            let Word { said, standing } =
                decide_beside(&claim, &lists.register, &lists.inventory, *today, gate);
            Word { said: said.record(), standing }
        };
        let words = judge_home(&devices, targets, judge_one, VerdictRecord::beside_held);
        let verdict = words.into_iter().find(|(judged, _)| *judged == device).map(|(_, verdict)| verdict);
        verdict.map(|verdict| match arguments.order {
            Some(_) => verdict,
            None => without_order(verdict, &arguments.to),
        })
    };
    let asked = match &arguments.order {
        Some(path) => {
            let order = WrittenOrder::read(
                path,
                &arguments.question.trust,
                &lists.register,
                &lists.inventory,
                output,
            )?;
            vec![of_order(&order, device, &question)]
        }
        None => of_entries(device, &arguments.to, &question)?,
    };
    let verdicts = asked.into_iter().filter_map(judge).collect();
    let home = Home::of(device, &question);
    Ok(Explanation { device, on: today.to_string(), home, verdicts, left_out: question.left_out })
}

/// Says what was not asked, where the gate misses a target in an order that nobody gave.
fn without_order(verdict: VerdictRecord, named: &[CplEntryId]) -> VerdictRecord {
    if verdict.target.is_some() || verdict.row != GateRow::A4.as_str() {
        return verdict;
    }
    let detail = match named.is_empty() {
        true => {
            "no order was given, and the product list has no other entry with an image for its model: ask about an \
             order with --order FILE, or about an entry with --to ENTRY"
        }
        false => {
            "no order was given, and no entry named with --to is for its model: name one that is, or ask about an \
             order with --order FILE"
        }
    };
    let sentence = verdict.sentence.replace(&verdict.detail, detail);
    VerdictRecord { detail: detail.to_owned(), sentence, ..verdict }
}

/// One question to the gate.
struct Asked {
    targets: Targets,
    instructed_by: InstructingParty,
    smso: SmsoId,
    /// For the device that is asked about, and those that are asked about with it.
    images: BTreeMap<Eui64, OfferedImage>,
}

fn of_order(order: &WrittenOrder, device: Eui64, question: &Question) -> Asked {
    let lists = &question.lists;
    let of_home = order.targets_of_home(device, &lists.register, &lists.inventory);
    let mut images: BTreeMap<Eui64, OfferedImage> =
        of_home.iter().map(|(device, (_, image))| (*device, OfferedImage::of(image))).collect();
    // Of one that it does not name, the gate says so whatever the image.
    let unnamed = || order.images.first().map_or_else(|| as_registered(None), OfferedImage::of);
    images.entry(device).or_insert_with(unnamed);
    Asked {
        targets: of_home.into_iter().map(|(device, (entry, _))| (device, entry.clone())).collect(),
        instructed_by: order.order.instructing_party.clone(),
        smso: order.order.smso.clone(),
        images,
    }
}

/// Asks about the entries that are named, all at once, or about each that the device could go to.
fn of_entries(device: Eui64, named: &[CplEntryId], question: &Question) -> Result<Vec<Asked>, Failure> {
    let (register, inventory) = (&question.lists.register, &question.lists.inventory);
    let found = inventory.device(device);
    let smso = found.map(|found| found.smso.clone());
    // Of a device that nobody knows, nobody knows the operator, and no row asks for it.
    let smso = smso.map_or_else(|| SmsoId::new("unknown"), Ok).or_fail(ExitCode::Failed, "an id")?;
    let asked = |to: BTreeMap<Eui64, &CplEntry>| {
        let mut images: BTreeMap<Eui64, OfferedImage> =
            to.iter().map(|(device, entry)| (*device, as_registered(Some(entry)))).collect();
        images.entry(device).or_insert_with(|| as_registered(None));
        let targets = to.into_iter().map(|(device, entry)| (device, entry.id.clone())).collect();
        Asked { targets, instructed_by: InstructingParty::Dcc, smso: smso.clone(), images }
    };
    if named.is_empty() {
        let running = found.map(|found| found.entry);
        let could_go = |entry: &&CplEntry| {
            let is_open = entry.status == CplStatus::Active && entry.image.is_some();
            running.is_some_and(|running| *running != entry.id && register.is_for_model(running, &entry.id))
                && is_open
        };
        let alone = |entry| asked(BTreeMap::from([(device, entry)]));
        let each: Vec<Asked> = register.entries().filter(could_go).map(alone).collect();
        return Ok(if each.is_empty() { vec![asked(BTreeMap::new())] } else { each });
    }
    if let Some(unknown) = named.iter().find(|entry| register.entry(entry).is_none()) {
        let message = format!("--to: expected an entry of the product list, found {unknown}");
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    let entry_for =
        |member: &DeviceView<'_>| named.iter().find(|entry| register.is_for_model(member.entry, entry));
    let members = found.into_iter().flat_map(|found| inventory.members(found.installation));
    let to = members.filter_map(|member| Some((member.id, register.entry(entry_for(&member)?)?)));
    Ok(vec![asked(to.collect())])
}

/// Describes the image of an entry as the product list registers it. The list names models in words, so that the two codes
/// of a header are not known; the gate does not ask for them. Where there is no entry, it does not ask for an image.
fn as_registered(entry: Option<&CplEntry>) -> OfferedImage {
    let registered = entry.and_then(|entry| entry.image);
    let identity = ImageIdentity {
        manufacturer: ManufacturerCode(0),
        image_type: ImageType(0),
        file_version: entry.map_or(FileVersion(0), |entry| entry.firmware),
        hardware: None,
    };
    OfferedImage {
        digest: registered.map_or_else(|| ImageDigest::of(b""), |image| image.digest),
        size: registered.map_or_else(|| ImageSize::of(b""), |image| image.size),
        identity,
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Explanation {
    device: Eui64,
    on: String,
    /// The home, when the inventory has the device.
    home: Option<Home>,
    verdicts: Vec<VerdictRecord>,
    left_out: FaultList,
}

/// What the inventory says of a home, as the engine's API says it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Home(HomeView);

/// One of its devices.
struct Member<'a>(&'a MemberView);

impl Home {
    fn of(device: Eui64, question: &Question) -> Option<Home> {
        HomeView::of(&question.lists.inventory, device, question.today).map(Home)
    }
}

/// `home HOME-1, operated by SMSO-1, in CF10`, and its devices a line each.
impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Home(home) = self;
        write!(f, "home {}, operated by {}", home.installation, home.smso)?;
        if let Some(district) = &home.postcode_district {
            write!(f, ", in {district}")?;
        }
        writeln!(f)?;
        home.devices.iter().try_for_each(|member| writeln!(f, "  {}", Member(member)))
    }
}

/// `ESME 00-0D-6F-00-00-00-01-01 runs ESME-1, Dormant`
impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Member(member) = self;
        write!(f, "{:<5} {} runs {}", member.kind, member.device, member.runs)?;
        if member.status != MeterStatus::NotApplicable.as_str() {
            write!(f, ", {}", member.status)?;
        }
        if member.enrolled {
            f.write_str(", enrolled")?;
        }
        if let Some(reason) = &member.exclusion {
            write!(f, ", excluded as {reason}")?;
        }
        match &member.later_exclusion {
            Some(LaterExclusion { reason, from }) => write!(f, ", to be excluded as {reason} from {from}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(home) = &self.home {
            home.fmt(f)?;
        }
        let sentences: Vec<&str> = self.verdicts.iter().map(|verdict| verdict.sentence.as_str()).collect();
        f.write_str(&sentences.join("\n"))
    }
}
