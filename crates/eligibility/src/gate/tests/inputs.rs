//! The inputs of the gate as axes, and how each combination of their values is made.
//!
//! The home is that of `world`: an electricity meter, a gas meter, a hub and a display. Which device is asked about,
//! and the state of its meters, is one axis; everything else is put on top of it.

use super::world::{ESME, GSME, HUB, IHD, World, combination, day, id, proposal, world};
use crate::{
    CplStatus, EpclEntry, EvidenceKind, EvidenceState, Exclusion, ExclusionEntry, ImageSize,
    InstructingParty, MeterStatus, Notice, NoticePolicy, ObjectionCount, Predecessors, Slot, WanContact,
};
use firmware_image::{Eui64, FileVersion, HardwareRange, HardwareVersion, ImageDigest};

/// One input: its values, each with a letter.
pub(super) struct Axis {
    pub name: &'static str,
    pub values: &'static [(char, &'static str)],
}

/// Inputs of which every combination is judged.
pub(super) struct Product {
    pub title: &'static str,
    pub axes: &'static [Axis],
    /// Makes a combination of one letter for each axis.
    pub build: fn(&[char]) -> World,
}

const fn axis(name: &'static str, values: &'static [(char, &'static str)]) -> Axis {
    Axis { name, values }
}

pub(super) const ALL: [&Product; 4] = [&PRECONDITIONS, &IMAGES, &EVIDENCE, &WAITS];

const PAST: &str = "2020-02-01";
const REMOVED: &str = "2020-03-01";
const AGAIN: &str = "2020-04-01";
const TODAY: &str = "2020-10-01";
const FUTURE: &str = "2020-11-01";

pub(super) const PRECONDITIONS: Product = Product {
    title: "preconditions",
    axes: &[
        axis("instruction", &[('d', "DCC"), ('o', "another party"), ('w', "DCC to another SMSO")]),
        axis(
            "known",
            &[
                ('k', "everything"),
                ('r', "not the running entry"),
                ('t', "not the target entry"),
                ('n', "not named by the order"),
                ('=', "runs the target"),
            ],
        ),
        axis(
            "device",
            &[
                ('M', "Dormant meter, the other Dormant"),
                ('m', "Dormant meter, the other Active"),
                ('A', "Active meter, the other Dormant"),
                ('S', "hub, both Dormant"),
                ('X', "hub, one Dormant and one Active"),
                ('N', "hub, both Active"),
            ],
        ),
        axis("shared devices in Mixed homes", &[('-', "no"), ('+', "allowed")]),
        axis("enrolled", &[('-', "no"), ('e', "yes")]),
        axis(
            "exclusion",
            &[
                ('-', "none"),
                ('s', "itself"),
                ('o', "another device, for the home"),
                ('g', "the gas meter, for its HAN"),
                ('l', "itself, later"),
            ],
        ),
        axis("combination", &[('k', "known"), ('u', "unknown")]),
        axis("image", &[('i', "sound"), ('d', "another payload")]),
        axis("predecessors", &[('p', "permit"), ('x', "do not")]),
        axis("display", &[('-', "not ordered"), ('f', "ordered, follows"), ('x', "ordered, enrolled")]),
        axis("evidence", &[('L', "listed"), ('-', "none")]),
    ],
    build: |word| {
        let [
            instruction,
            known,
            device,
            policy,
            enrolled,
            exclusion,
            combination,
            image,
            path,
            display,
            evidence,
        ] = *word
        else {
            unreachable!("one letter an axis")
        };
        let mut world = world();
        match instruction {
            'o' => world.instructed_by = InstructingParty::Other("Supplier Ltd".to_owned()),
            'w' => world.addressed_smso = id("SMSO-2"),
            _ => {}
        }
        set_device(&mut world, device);
        let companion = if display == '-' { None } else { Some((IHD, "I2")) };
        world.device_mut(IHD).enrolled = display == 'x';
        set_combination(&mut world, companion, combination == 'k', evidence);
        world.config.allow_shared_in_mixed = policy == '+';
        let asked = world.device;
        world.device_mut(asked).enrolled = enrolled == 'e';
        set_exclusion(&mut world, exclusion);
        set_image(&mut world, image);
        set_path(&mut world, path);
        set_known(&mut world, known);
        world
    },
};

pub(super) const IMAGES: Product = Product {
    title: "images",
    axes: &[
        axis("device", &[('M', "Dormant meter, the other Dormant"), ('S', "hub, both Dormant")]),
        axis("combination", &[('k', "known"), ('u', "unknown")]),
        axis(
            "image",
            &[
                ('i', "sound"),
                ('s', "entry not in force"),
                ('m', "entry for another model"),
                ('h', "entry for other hardware"),
                ('n', "none registered"),
                ('d', "another payload"),
                ('z', "another size"),
                ('v', "another version"),
                ('r', "hardware out of range"),
                ('a', "sound, and without a range"),
            ],
        ),
        axis("predecessors", &[('p', "permit"), ('a', "N/A"), ('x', "do not"), ('0', "none")]),
        axis(
            "gas meter",
            &[
                ('-', "not ordered"),
                ('f', "ordered, follows"),
                ('=', "ordered, on target"),
                ('0', "ordered, fails A0"),
                ('2', "ordered, fails A2"),
                ('3', "ordered, fails A3"),
                ('5', "ordered, fails A5"),
                ('9', "ordered, fails A9"),
                ('X', "ordered, fails A10"),
            ],
        ),
        axis("evidence", &[('L', "listed"), ('E', "MT and SIT"), ('-', "none")]),
    ],
    build: |word| {
        let [device, combination, image, path, gas, evidence] = *word else {
            unreachable!("one letter an axis")
        };
        let mut world = world();
        set_device(&mut world, device);
        let companion = if gas == '-' { None } else { Some((GSME, "G2")) };
        set_combination(&mut world, companion, combination == 'k', evidence);
        match gas {
            '=' => world.device_mut(GSME).entry = id("G2"),
            '0' => world.device_mut(GSME).entry = id("G0"),
            // A hub would fail A2 itself in a Mixed home, so the policy is open here.
            '2' => {
                world.device_mut(GSME).status = MeterStatus::Active;
                world.config.allow_shared_in_mixed = true;
            }
            '3' => world.device_mut(GSME).enrolled = true,
            '5' => world.device_mut(GSME).exclusion = Some(Exclusion::GasMeterHanError),
            '9' => world.entry_mut("G2").status = CplStatus::Withdrawn,
            'X' => world.entry_mut("G2").predecessors = Predecessors::These([].into()),
            _ => {}
        }
        set_image(&mut world, image);
        set_path(&mut world, path);
        world
    },
};

const TEST: &[(char, &str)] =
    &[('-', "absent"), ('p', "planned"), ('c', "complete"), ('l', "complete later"), ('w', "withdrawn")];

pub(super) const EVIDENCE: Product = Product {
    title: "evidence",
    axes: &[
        axis(
            "EPCL",
            &[
                ('-', "never"),
                ('L', "listed"),
                ('l', "listed later"),
                ('r', "removed"),
                ('R', "removed later"),
            ],
        ),
        axis("proposal", &[('-', "later"), ('p', "before any removal"), ('a', "after any removal")]),
        axis("MT", TEST),
        axis("SIT", TEST),
        axis(
            "report",
            &[
                ('-', "absent"),
                ('p', "planned"),
                ('d', "draft"),
                ('i', "issued"),
                ('l', "issued later"),
                ('w', "withdrawn"),
            ],
        ),
        axis(
            "equivalence",
            &[
                ('-', "not claimed"),
                ('t', "to one with MT and SIT"),
                ('r', "to one with an issued report"),
                ('L', "to a listed one"),
                ('u', "to an untested one"),
                ('c', "to one that claims it too"),
                ('o', "to one with MT and SIT, objections open"),
            ],
        ),
        axis("uneconomic", &[('-', "no"), ('u', "yes")]),
        axis("TMAD V7.0", &[('7', "in effect"), ('6', "not yet")]),
    ],
    build: |word| {
        let [epcl, proposed, mt, sit, report, equivalence, uneconomic, rule] = *word else {
            unreachable!("one letter an axis")
        };
        let mut world = world();
        let target = combination("E2", "G1", "C1", "I1");
        world.rows.epcl.clear();
        if epcl != '-' {
            let date_added = day(if epcl == 'l' { FUTURE } else { PAST });
            let date_removed = match epcl {
                'r' => Some(day(REMOVED)),
                'R' => Some(day(FUTURE)),
                _ => None,
            };
            world.rows.epcl.push(EpclEntry {
                id: id("D2"),
                combination: target.clone(),
                date_added,
                date_removed,
            });
        }
        let mut pending = proposal("D2", target);
        pending.uneconomic = uneconomic == 'u';
        // Documents are of the day of the proposal, which is what a removal comes before or after.
        let when = if proposed == 'a' { AGAIN } else { PAST };
        pending.date_proposed = day(if proposed == '-' { FUTURE } else { when });
        world.rows.ppcl.push(pending);
        document(&mut world, EvidenceKind::MigrationTesting, mt, when);
        document(&mut world, EvidenceKind::SystemIntegrationTesting, sit, when);
        document(&mut world, EvidenceKind::DmctEpclReport, report, when);
        if equivalence != '-' {
            claim_equivalence(&mut world, equivalence);
        }
        world.today = day(TODAY);
        world.config.tmad_v7_effective = day(if rule == '7' { TODAY } else { FUTURE });
        world
    },
};

pub(super) const WAITS: Product = Product {
    title: "waits",
    axes: &[
        axis("notices", &[('-', "not asked for"), ('n', "asked for, 14 days before")]),
        axis(
            "notice",
            &[
                ('-', "none"),
                ('c', "covers the day"),
                ('s', "to another supplier"),
                ('f', "from another version"),
                ('t', "to another version"),
                ('d', "of another combination"),
                ('o', "opens later"),
                ('l', "opened, lead time not over"),
                ('x', "closed"),
                ('2', "one closed and one that covers"),
            ],
        ),
        axis("slot", &[('-', "not asked"), ('f', "free"), ('t', "taken")]),
        axis("WAN", &[('-', "not asked"), ('r', "reached"), ('l', "lost")]),
        axis("evidence", &[('L', "listed"), ('E', "MT and SIT"), ('-', "none")]),
    ],
    build: |word| {
        let [notices, notice, slot, wan, evidence] = *word else { unreachable!("one letter an axis") };
        let mut world = world();
        set_device(&mut world, 'M');
        set_combination(&mut world, None, true, evidence);
        if notices == 'n' {
            world.config.notice = NoticePolicy::Required { lead_days: 14 };
        }
        set_notice(&mut world, notice);
        world.circumstances.slot = match slot {
            'f' => Slot::Free,
            't' => Slot::Taken,
            _ => Slot::NotAsked,
        };
        world.circumstances.wan = match wan {
            'r' => WanContact::Reached,
            'l' => WanContact::Lost,
            _ => WanContact::NotAsked,
        };
        world
    },
};

fn set_device(world: &mut World, device: char) {
    let (asked, target) = if "SXN".contains(device) { (HUB, "C2") } else { (ESME, "E2") };
    world.ask(asked, target);
    let (electricity, gas) = match device {
        'A' => (MeterStatus::Active, MeterStatus::Dormant),
        'm' | 'X' => (MeterStatus::Dormant, MeterStatus::Active),
        'N' => (MeterStatus::Active, MeterStatus::Active),
        _ => (MeterStatus::Dormant, MeterStatus::Dormant),
    };
    world.device_mut(ESME).status = electricity;
    world.device_mut(GSME).status = gas;
}

/// Orders a companion too, and makes the combination that comes about known under D2, with its evidence.
fn set_combination(world: &mut World, companion: Option<(Eui64, &str)>, known: bool, evidence: char) {
    world.targets.extend(companion.map(|(device, target)| (device, id(target))));
    world.rows.epcl.clear();
    if !known {
        return;
    }
    let runs = |device: Eui64, now: &str| {
        world.targets.get(&device).map_or_else(|| now.to_owned(), |target| target.as_str().to_owned())
    };
    let ends = combination(&runs(ESME, "E1"), &runs(GSME, "G1"), &runs(HUB, "C1"), &runs(IHD, "I1"));
    if evidence == 'L' {
        world.list("D2", ends);
        return;
    }
    world.rows.ppcl.push(proposal("D2", ends));
    if evidence == 'E' {
        world.evidence(EvidenceKind::MigrationTesting, EvidenceState::Complete, PAST);
        world.evidence(EvidenceKind::SystemIntegrationTesting, EvidenceState::Complete, PAST);
    }
}

fn set_exclusion(world: &mut World, exclusion: char) {
    let asked = world.device;
    match exclusion {
        's' => world.device_mut(asked).exclusion = Some(Exclusion::MissingMasterKeys),
        'o' => world.device_mut(IHD).exclusion = Some(Exclusion::MissingMasterKeys),
        'g' => world.device_mut(GSME).exclusion = Some(Exclusion::GasMeterHanError),
        'l' => world.exclusions.push(ExclusionEntry {
            device: asked,
            reason: Exclusion::MissingMasterKeys,
            since: day(FUTURE),
            doc_ref: None,
        }),
        _ => {}
    }
}

/// Returns the entry that the device asked about runs, and the one it is to run.
fn ends(world: &World) -> (&'static str, &'static str) {
    if world.device == HUB { ("C1", "C2") } else { ("E1", "E2") }
}

fn set_image(world: &mut World, image: char) {
    let (_, target) = ends(world);
    let other = HardwareVersion(0x0200);
    match image {
        's' => world.entry_mut(target).status = CplStatus::Withdrawn,
        'm' => world.entry_mut(target).manufacturer = id("Somebody else"),
        'h' => world.entry_mut(target).hardware = other,
        'n' => world.entry_mut(target).image = None,
        'd' => world.image.digest = ImageDigest::of(b"another payload"),
        'z' => world.image.size = ImageSize(1001),
        'v' => world.image.identity.file_version = FileVersion(9),
        'r' => world.image.identity.hardware = Some(HardwareRange { min: other, max: other }),
        'a' => world.image.identity.hardware = None,
        _ => {}
    }
}

fn set_path(world: &mut World, path: char) {
    let (_, target) = ends(world);
    let third = if world.device == HUB { "C3" } else { "E3" };
    let mut older = world.entry_mut(target).clone();
    older.id = id(third);
    older.predecessors = Predecessors::Any;
    world.rows.cpl.retain(|entry| entry.id != older.id);
    world.rows.cpl.push(older);
    match path {
        'a' => world.entry_mut(target).predecessors = Predecessors::Any,
        'x' => world.entry_mut(target).predecessors = Predecessors::These([id(third)].into()),
        '0' => world.entry_mut(target).predecessors = Predecessors::These([].into()),
        _ => {}
    }
}

fn set_known(world: &mut World, known: char) {
    let asked = world.device;
    let (running, target) = ends(world);
    match known {
        'r' => world.device_mut(asked).entry = id("UNKNOWN"),
        't' => {
            world.targets.insert(asked, id("UNKNOWN"));
        }
        'n' => {
            world.targets.remove(&asked);
        }
        '=' => world.device_mut(asked).entry = id(target),
        _ => world.device_mut(asked).entry = id(running),
    }
}

fn document(world: &mut World, kind: EvidenceKind, state: char, when: &str) {
    let (state, date) = match state {
        'p' => (EvidenceState::Planned, when),
        'c' | 'd' => (EvidenceState::Complete, when),
        'i' => (EvidenceState::Issued, when),
        'l' if kind == EvidenceKind::DmctEpclReport => (EvidenceState::Issued, FUTURE),
        'l' => (EvidenceState::Complete, FUTURE),
        'w' => (EvidenceState::Withdrawn, when),
        _ => return,
    };
    world.evidence(kind, state, date);
}

fn claim_equivalence(world: &mut World, equivalence: char) {
    for row in &mut world.rows.evidence {
        if row.kind == EvidenceKind::DmctEpclReport {
            row.equivalent_to = Some(id("D1"));
            row.open_objections = ObjectionCount(if equivalence == 'o' { 1 } else { 0 });
        }
    }
    let reference = combination("E1", "G1", "C1", "I1");
    if equivalence == 'L' {
        world.list("D1", reference);
        return;
    }
    world.rows.ppcl.push(proposal("D1", reference));
    let (migration, integration) = (EvidenceKind::MigrationTesting, EvidenceKind::SystemIntegrationTesting);
    match equivalence {
        't' | 'o' => {
            world.evidence_of("D1", migration, EvidenceState::Complete, PAST);
            world.evidence_of("D1", integration, EvidenceState::Complete, PAST);
        }
        'r' => {
            world.evidence_of("D1", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
        }
        'c' => {
            world.rows.ppcl.push(proposal("D0", combination("E1", "G2", "C1", "I1")));
            world.evidence_of("D0", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
            let report = world.evidence_of("D1", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
            report.equivalent_to = Some(id("D0"));
        }
        _ => {}
    }
}

fn set_notice(world: &mut World, notice: char) {
    let sound = Notice {
        supplier: id("SUPPLIER-1"),
        mpxn: id("1200023456789"),
        device: ESME,
        dmc: Some(id("D2")),
        from: FileVersion(1),
        to: FileVersion(2),
        window_start: day("2020-09-20"),
        window_end: day("2020-10-31"),
        issued_at: day("2020-09-01"),
    };
    let closed = Notice { window_end: day("2020-09-30"), ..sound.clone() };
    world.notices = match notice {
        'c' => vec![sound],
        's' => vec![Notice { supplier: id("SUPPLIER-2"), ..sound }],
        'f' => vec![Notice { from: FileVersion(9), ..sound }],
        't' => vec![Notice { to: FileVersion(9), ..sound }],
        'd' => vec![Notice { dmc: Some(id("D9")), ..sound }],
        'o' => vec![Notice { window_start: day("2020-10-02"), ..sound }],
        'l' => vec![Notice { issued_at: day("2020-09-18"), ..sound }],
        'x' => vec![closed],
        '2' => vec![closed, sound],
        _ => Vec::new(),
    };
}
