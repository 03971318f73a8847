//! What world files and the homes drawn from them promise.

use super::record::{DeviceKind, Standing};
use super::*;
use eligibility::{
    Claim, GateConfig, ImageSize, InstructingParty, Inventory, OfferedImage, Register, decide,
};
use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile,
    SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use transfer_engine::HubId;

const STREET: &str = include_str!("../../../fleets/street.toml");
const TOWN: &str = include_str!("../../../fleets/town.toml");
const DEMO: &str = include_str!("../../../fleets/demo.toml");

fn street() -> WorldSpec {
    WorldSpec::parse(STREET).expect("street.toml is a sound world")
}

#[track_caller]
fn check_refused(find: &str, put: &str, line: usize, column: usize, key: &str, says: &str) {
    assert!(STREET.contains(find), "street.toml has no `{find}`");
    let error = WorldSpec::parse(&STREET.replacen(find, put, 1)).expect_err("this world is impossible");
    assert!(error.expected.contains(says), "{error}");
    assert_eq!((error.line, error.column, error.key.as_str()), (line, column, key), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

fn line_of(text: &str) -> usize {
    1 + STREET.lines().position(|line| line.starts_with(text)).expect("the line is there")
}

#[test]
fn the_worlds_that_are_shipped_are_sound() {
    assert_eq!(street().installations.get(), 10);
    // 2020-10-05T00:00:00Z.
    assert_eq!(street().start.as_micros(), 1_601_856_000 * 1_000_000);
    assert_eq!(WorldSpec::parse(TOWN).expect("town.toml is sound").installations.get(), 2_000);
    assert_eq!(WorldSpec::parse(DEMO).expect("demo.toml is sound").installations.get(), 1_000);
    for (world, installations, regions) in [
        (include_str!("../../../fleets/city.toml"), 100_000, 10),
        (include_str!("../../../fleets/nation.toml"), 1_000_000, 100),
        (include_str!("../../../fleets/dormant-two-years.toml"), 500, 1),
        (include_str!("../../../fleets/one-cohort-down.toml"), 1_000, 1),
        (include_str!("../../../fleets/gas-heavy.toml"), 1_000, 1),
    ] {
        let spec = WorldSpec::parse(world).expect("a committed world is sound");
        assert_eq!((spec.installations.get(), spec.regions.get()), (installations, regions), "{}", spec.name);
        assert!(spec.device.of(DeviceKind::Electricity).image_bytes.is_some(), "{}", spec.name);
    }
}

#[test]
fn hubs_of_the_model_that_storms_are_on_file_under_its_name() {
    let spec = WorldSpec::parse(include_str!("../../../fleets/one-cohort-down.toml")).expect("it is sound");
    let homes: Vec<HomeRecord> = draw_homes(&spec, 3).into_iter().map(|plan| plan.record).collect();
    assert_eq!(homes.iter().filter(|home| home.storms).count(), 200);
    let images = images(&spec, &[DeviceKind::Electricity, DeviceKind::Hub]);
    let Paperwork { register, inventory, targets } =
        paperwork(&spec, &homes, &images, 4059).expect("the names fit");
    let register = Register::from_rows(register).expect("the lists agree");
    let inventory = Inventory::from_rows(inventory).expect("the inventory agrees");
    for home in &homes {
        let entry = inventory.device(home.hub_eui()).expect("it is on file").entry;
        let model = register.entry(entry).expect("it is listed").model.to_string();
        assert_eq!(model, if home.storms { "Lantern CH0" } else { "Lantern CH1" });
        let is_ordered = targets.contains_key(&home.hub_eui());
        assert!(
            is_ordered != home.storms || home.standing == Standing::Mixed,
            "only hubs that an image is for"
        );
    }
}

#[test]
fn a_wrong_value_is_named_with_line_column_key_and_expectation() {
    let line = line_of("display_share");
    check_refused("display_share = 0.4", "display_share = 1.4", line, 17, "display_share", "between 0 and 1");
    check_refused("display_share = 0.4", "display_share = \"x\"", line, 17, "display_share", "string");
    check_refused(
        "installations = 10",
        "installations = 0",
        line_of("installations"),
        17,
        "installations",
        "from 1",
    );
    let latency = line_of("latency_ms");
    check_refused("latency_ms = 400", "latency_ms = -4", latency, 14, "link.latency_ms", "milliseconds");
    check_refused("latency_ms = 400", "latency = 400", latency, 1, "link.latency", "`latency_ms`");
    let start = line_of("start");
    check_refused("2020-10-05T00:00:00Z", "2020-10-05", start, 9, "start", "UTC date-time");
    check_refused("2020-10-05T00:00:00Z", "1920-10-05T00:00:00Z", start, 9, "start", "not before 1970");
}

#[test]
fn mixes_that_do_not_add_up_are_refused_where_they_stand() {
    let error = |find: &str, put: &str| {
        WorldSpec::parse(&STREET.replacen(find, put, 1)).expect_err("this mix is impossible")
    };
    assert!(error("share = 0.7", "share = 0.2").expected.contains("add up to 1, found 0.500"));
    let evidence = error("mt_sit_share = 0.3", "mt_sit_share = 0.9");
    assert_eq!((evidence.line, evidence.key.as_str()), (line_of("[evidence]"), "evidence"), "{evidence}");
    let standing = error("active_share = 0.1", "active_share = 1.0");
    assert_eq!((standing.line, standing.key.as_str()), (line_of("[standing]"), "standing"), "{standing}");
    let campaign = error("wave_shares = [0.8]", "wave_shares = [0.8, 0.1]");
    assert_eq!(campaign.key, "campaign", "{campaign}");
}

#[test]
fn a_missing_key_is_named_in_its_table() {
    let lines = STREET.lines().filter(|line| !line.starts_with("poll_interval_s"));
    let without = lines.collect::<Vec<_>>().join("\n");
    let error = WorldSpec::parse(&without).expect_err("a key is missing");
    assert_eq!(error.key, "campaign.poll_interval_s");
    assert_eq!(error.line, line_of("[campaign]"), "{error}");
    assert!(error.expected.contains("poll_interval_s"), "{error}");
}

#[test]
fn broken_toml_is_named_where_it_breaks() {
    let error = WorldSpec::parse("name = \"x\"\ncells = = 3\n").expect_err("this is no TOML");
    assert_eq!((error.line, error.column, error.key.as_str()), (2, 9, "cells"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", cut in 0usize..6_000) {
        let _ = WorldSpec::parse(&text);
        let cut = (0..=cut.min(STREET.len())).rev().find(|at| STREET.is_char_boundary(*at)).unwrap_or(0);
        let _ = WorldSpec::parse(&format!("{}{text}", &STREET[..cut]));
    }

    #[test]
    fn every_hub_has_its_own_address(index in 0..super::checks::MOST_INSTALLATIONS) {
        let address = hub_address(HubId(index));
        prop_assert_eq!(hub_at(address), Some(HubId(index)));
        prop_assert!(address.is_loopback() && address.octets()[3] != 0 && address.octets()[3] != 255);
    }
}

#[test]
fn addresses_outside_the_hubs_range_belong_to_no_hub() {
    assert_eq!(hub_address(HubId(0)), Ipv4Addr::new(127, 16, 0, 1));
    assert_eq!(hub_address(HubId(254)), Ipv4Addr::new(127, 16, 1, 1));
    for stranger in [[127, 0, 0, 1], [127, 16, 0, 0], [127, 16, 0, 255], [10, 16, 0, 1], [127, 15, 9, 9]] {
        assert_eq!(hub_at(Ipv4Addr::from(stranger)), None);
    }
}

#[test]
fn homes_are_dealt_exactly_as_the_file_says_and_the_seed_shuffles_them() {
    let spec = WorldSpec::parse(DEMO).expect("demo.toml is sound");
    let homes = draw_homes(&spec, 42);
    let count = |test: &dyn Fn(&HomeRecord) -> bool| homes.iter().filter(|home| test(&home.record)).count();
    assert_eq!(count(&|home| home.standing == Standing::Active), 60);
    assert_eq!(count(&|home| home.standing == Standing::Dormant), 880);
    assert_eq!(count(&|home| home.evidence == Evidence::EquivalenceDraft), 60);
    assert_eq!(count(&|home| home.is_unreachable), 10);
    assert_eq!(count(&|home| home.link == "lossy"), 150);
    assert_eq!(count(&|home| home.device(DeviceKind::Gas).is_some()), 1_000);
    assert_eq!(count(&|home| home.device(DeviceKind::Display).is_some()), 250);
    let trouble = |kind| count(&|home| home.devices.iter().any(|device| device.trouble == Some(kind)));
    assert_eq!(trouble(DeviceTrouble::WrongHardware), 20);
    assert_eq!(trouble(DeviceTrouble::DoesNotComeUp), 20);
    assert_eq!(count(&|home| home.cell == Cell(9)), 100);

    let records = |seed| draw_homes(&spec, seed).into_iter().map(|plan| plan.record).collect::<Vec<_>>();
    assert_eq!(records(42), records(42));
    assert_ne!(records(42), records(43));
}

#[test]
fn identifiers_are_unique_and_the_already_current_run_the_target() {
    let spec = WorldSpec::parse(TOWN).expect("town.toml is sound");
    let homes = draw_homes(&spec, 7);
    let devices = || homes.iter().flat_map(|home| &home.record.devices);
    let mut ids: Vec<_> = devices().map(|device| device.eui).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for device in devices() {
        let current = device.trouble == Some(DeviceTrouble::AlreadyCurrent);
        assert_eq!(device.firmware_version == FileVersion(0x0102_0304), current);
    }
}

#[test]
fn a_world_takes_over_the_model_of_any_image() {
    let mut spec = street();
    let image = ImageIdentity {
        manufacturer: ManufacturerCode(0x1234),
        image_type: ImageType(9),
        file_version: FileVersion(5),
        hardware: Some(HardwareRange { min: HardwareVersion(7), max: HardwareVersion(0xFFFF) }),
    };
    spec.adopt_model(DeviceKind::Gas, &image);
    let gas = spec.device.of(DeviceKind::Gas);
    assert_eq!((gas.manufacturer, gas.image_type, gas.hardware, gas.wrong_hardware), (0x1234, 9, 7, 6));
    assert_eq!((gas.running_version, gas.target_version), (4, 5));
}

/// Signs a small image for each kind in `kinds`, as the world's models want it.
fn images(spec: &WorldSpec, kinds: &[DeviceKind]) -> BTreeMap<DeviceKind, VerifiedImage> {
    let key = SigningKey::generate_from_seed([1; 32]);
    let trust = TrustStore::new(vec![key.public()]);
    let image = |kind| {
        let file = OtaFile::build(&spec.device.of(kind).target(), "test", &[7; 100]).expect("a sound image");
        let signed = SignedImage::sign(&file, SequenceNumber(2), &key).expect("signing works");
        (kind, trust.verify(signed).expect("our own signature holds"))
    };
    kinds.iter().copied().map(image).collect()
}

#[test]
fn the_gate_answers_every_home_as_its_paperwork_says() {
    let spec = WorldSpec::parse(DEMO).expect("demo.toml is sound");
    let homes: Vec<HomeRecord> = draw_homes(&spec, 42).into_iter().map(|plan| plan.record).collect();
    let images = images(&spec, &DeviceKind::ALL);
    let Paperwork { register, inventory, targets } =
        paperwork(&spec, &homes, &images, 4059).expect("the demo's names fit");
    let register = Register::from_rows(register).expect("the lists agree");
    let inventory = Inventory::from_rows(inventory).expect("the inventory agrees");
    let goals: eligibility::Targets = targets.clone().into_iter().collect();
    let mut tally: BTreeMap<String, u32> = BTreeMap::new();
    for (home, device) in homes.iter().flat_map(|home| home.devices.iter().map(move |device| (home, device)))
    {
        if !targets.contains_key(&device.eui) {
            assert_eq!(home.standing, Standing::Mixed);
            continue;
        }
        let image = &images[&device.kind];
        let offered = OfferedImage {
            digest: image.image_digest(),
            size: ImageSize(image.file().payload().len() as u32),
            identity: image.identity(),
        };
        let claim = Claim {
            device: device.eui,
            targets: &goals,
            instructed_by: &InstructingParty::Dcc,
            addressed_smso: inventory.device(device.eui).expect("it is on file").smso,
            image: &offered,
            circumstances: eligibility::Circumstances::default(),
        };
        let today = eligibility::Date::new(2020, 10, 5).expect("a date");
        let verdict = decide(&claim, &register, &inventory, today, &GateConfig::AS_EXPECTED);
        if verdict.basis().is_some() {
            assert!(matches!(home.standing, Standing::Dormant | Standing::Mixed));
        }
        let word = verdict.code().to_string();
        *tally.entry(word).or_default() += 1;
    }
    assert_eq!(tally.values().sum::<u32>() as usize, targets.len());
    for word in [
        "EPCL",
        "EARLY_MT_SIT",
        "EARLY_DMCT_REPORT",
        "REJECT_ACTIVE",
        "REJECT_ENROLLED",
        "SE_NOT_FINAL",
        "NO_EVIDENCE",
    ] {
        assert!(tally.contains_key(word), "{tally:?}");
    }
}

#[test]
fn the_regions_of_a_world_are_worlds_that_share_no_home() {
    let text = STREET.replacen("cells = 1 ", "cells = 4\nregions = 4\n#", 1);
    let spec = WorldSpec::parse(&text).expect("it is sound");
    let regions: Vec<WorldSpec> = (0..4).map(|number| spec.region(number)).collect();
    let homes: u32 = regions.iter().map(|region| region.installations.get()).sum();
    assert_eq!(homes, spec.installations.get());
    let mut hubs: Vec<_> = regions.iter().flat_map(|region| hub_ids(region, 7)).collect();
    hubs.sort_unstable();
    assert_eq!(hubs, hub_ids(&spec, 7), "the regions have the homes of the whole");
    assert_ne!(crate::random::region_seed(7, 0), crate::random::region_seed(7, 1));
}
