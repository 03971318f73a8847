//! What block A asks without evidence and time: the order, the home, the image, the companions.
//!
//! What a word makes is in three parts: the lists, the home and the order. Each is made of those letters alone that its
//! type holds, so that words which have these in common can share it.

use super::super::world::{ESME, GSME, HUB, IHD, World, combination, day, id, predecessors, world};
use super::{Axis, axis};
use crate::{
    Combination, CplStatus, Exclusion, ExclusionEntry, ImageSize, InstructingParty, MeterStatus, Predecessors,
};
use firmware_image::{Eui64, FileVersion, HardwareRange, HardwareVersion, ImageDigest};

const FUTURE: &str = "2020-11-01";

/// In the order in which the gate asks, so that what decides early cuts lines short.
pub const AXES: [Axis; 12] = [
    axis("instructed by", &[('d', "the DCC"), ('o', "another party")]),
    axis("addressed to", &[('s', "the operating SMSO"), ('w', "another")]),
    axis(
        "known",
        &[
            ('k', "everything"),
            ('r', "not the running entry"),
            ('t', "not the target entry"),
            ('n', "not named by the order"),
            ('=', "runs the target"),
            ('u', "runs the target, which is not known"),
        ],
    ),
    axis(
        "device",
        &[
            ('M', "Dormant electricity meter, gas Dormant"),
            ('m', "Dormant electricity meter, gas Active"),
            ('A', "Active electricity meter, gas Dormant"),
            ('S', "hub, both Dormant"),
            ('X', "hub, electricity Dormant, gas Active"),
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
            ('o', "the display, for the home"),
            ('g', "the gas meter, for its HAN"),
            ('l', "itself, later"),
        ],
    ),
    axis("combination", &[('k', "known"), ('u', "known in another group only")]),
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
            ('f', "ordered"),
            ('=', "ordered, on target"),
            ('0', "ordered, runs an unknown entry"),
            ('3', "ordered, enrolled"),
            ('9', "ordered, its entry not in force"),
            ('X', "ordered, its predecessors do not permit"),
        ],
    ),
    axis("display", &[('-', "not ordered"), ('f', "ordered"), ('x', "ordered, enrolled")]),
];

/// The word that the gate takes to block B.
pub(super) const SATISFIED: [char; AXES.len()] = ['d', 's', 'k', 'M', '-', '-', '-', 'k', 'i', 'p', '-', '-'];

/// The letters that make the product list, and the combination of which there is evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lists {
    asked: Asked,
    combination: char,
    image: char,
    path: char,
    gas: char,
    display: char,
}

/// The letters that make the devices of the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Home {
    device: char,
    known: char,
    enrolled: char,
    exclusion: char,
    gas: char,
    display: char,
}

/// The letters that make the order and what is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    asked: Asked,
    party: char,
    addressed: char,
    known: char,
    policy: char,
    image: char,
    gas: char,
    display: char,
}

/// Which device is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Electricity,
    Hub,
}

/// Tells the letters of a word apart by what they make.
pub fn parts(word: [char; AXES.len()]) -> (Lists, Home, Order) {
    let [
        party,
        addressed,
        known,
        device,
        policy,
        enrolled,
        exclusion,
        combination,
        image,
        path,
        gas,
        display,
    ] = word;
    let asked = Asked::of(device);
    (
        Lists { asked, combination, image, path, gas, display },
        Home { device, known, enrolled, exclusion, gas, display },
        Order { asked, party, addressed, known, policy, image, gas, display },
    )
}

impl Asked {
    fn of(device: char) -> Asked {
        if "SXN".contains(device) { Asked::Hub } else { Asked::Electricity }
    }

    fn id(self) -> Eui64 {
        match self {
            Asked::Electricity => ESME,
            Asked::Hub => HUB,
        }
    }

    /// Returns the entry that it runs, the one it is to run, and a later one.
    fn versions(self) -> [&'static str; 3] {
        match self {
            Asked::Electricity => ["E1", "E2", "E3"],
            Asked::Hub => ["C1", "C2", "C3"],
        }
    }
}

impl Lists {
    /// Makes the product list.
    pub fn world(self) -> World {
        let mut world = world();
        world.rows.epcl.clear();
        let [running, target, third] = self.asked.versions();
        let mut older = world.entry_mut(target).clone();
        (older.id, older.predecessors) = (id(third), Predecessors::Any);
        world.rows.cpl.retain(|entry| entry.id != older.id);
        world.rows.cpl.push(older);
        world.entry_mut(target).predecessors = match self.path {
            'p' => predecessors(running),
            'a' => Predecessors::Any,
            'x' => predecessors(third),
            _ => Predecessors::These([].into()),
        };
        match self.image {
            's' => world.entry_mut(target).status = CplStatus::Withdrawn,
            'm' => world.entry_mut(target).manufacturer = id("Somebody else"),
            'h' => world.entry_mut(target).hardware = OTHER_HARDWARE,
            'n' => world.entry_mut(target).image = None,
            _ => {}
        }
        match self.gas {
            '9' => world.entry_mut("G2").status = CplStatus::Withdrawn,
            'X' => world.entry_mut("G2").predecessors = Predecessors::These([].into()),
            _ => {}
        }
        world
    }

    /// Returns the combination of which there is evidence: the one that the home is to end in, or a stranger.
    pub fn proven(self) -> Combination {
        let (electricity, hub) = match self.asked {
            Asked::Electricity => ("E2", "C1"),
            Asked::Hub => ("E1", "C2"),
        };
        let gas = if self.gas == '-' { "G1" } else { "G2" };
        let display = if self.display == '-' { "I1" } else { "I2" };
        let ends = combination(electricity, gas, hub, display);
        if self.combination == 'k' { ends } else { Combination { group: id("GROUP-2"), ..ends } }
    }
}

const OTHER_HARDWARE: HardwareVersion = HardwareVersion(0x0200);

impl Home {
    /// Returns the device that is asked about.
    pub fn asked(self) -> Eui64 {
        Asked::of(self.device).id()
    }

    /// Makes the devices and their exclusions.
    pub fn world(self) -> World {
        let mut world = world();
        let (electricity, gas) = match self.device {
            'A' => (MeterStatus::Active, MeterStatus::Dormant),
            'm' | 'X' => (MeterStatus::Dormant, MeterStatus::Active),
            'N' => (MeterStatus::Active, MeterStatus::Active),
            _ => (MeterStatus::Dormant, MeterStatus::Dormant),
        };
        world.device_mut(ESME).status = electricity;
        world.device_mut(GSME).status = gas;
        let asked = self.asked();
        let [running, target, _] = Asked::of(self.device).versions();
        let device = world.device_mut(asked);
        device.enrolled = self.enrolled == 'e';
        device.entry = id(match self.known {
            'r' | 'u' => "UNKNOWN",
            '=' => target,
            _ => running,
        });
        match self.gas {
            '=' => world.device_mut(GSME).entry = id("G2"),
            '0' => world.device_mut(GSME).entry = id("G0"),
            '3' => world.device_mut(GSME).enrolled = true,
            _ => {}
        }
        world.device_mut(IHD).enrolled = self.display == 'x';
        match self.exclusion {
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
        world
    }
}

impl Order {
    /// Makes the order, the image on offer and the policy.
    pub fn world(self) -> World {
        let mut world = world();
        let asked = self.asked.id();
        let [_, target, _] = self.asked.versions();
        world.ask(asked, target);
        match self.known {
            't' | 'u' => _ = world.targets.insert(asked, id("UNKNOWN")),
            'n' => _ = world.targets.remove(&asked),
            _ => {}
        }
        if self.gas != '-' {
            world.targets.insert(GSME, id("G2"));
        }
        if self.display != '-' {
            world.targets.insert(IHD, id("I2"));
        }
        if self.party == 'o' {
            world.instructed_by = InstructingParty::Other("Supplier Ltd".to_owned());
        }
        if self.addressed == 'w' {
            world.addressed_smso = id("SMSO-2");
        }
        let image = &mut world.image;
        match self.image {
            'd' => image.digest = ImageDigest::of(b"another payload"),
            'z' => image.size = ImageSize(1001),
            'v' => image.identity.file_version = FileVersion(9),
            'r' => {
                image.identity.hardware = Some(HardwareRange { min: OTHER_HARDWARE, max: OTHER_HARDWARE });
            }
            'a' => image.identity.hardware = None,
            _ => {}
        }
        world.config.allow_shared_in_mixed = self.policy == '+';
        world
    }
}
