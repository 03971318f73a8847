//! Any rows can be written and read back as they were; any bytes can be read without harm.

use std::net::SocketAddr;

use eligibility::{
    Combination, CplEntry, CplStatus, CsvRow, Date, Device, DeviceType, EpclEntry, Evidence, EvidenceKind,
    EvidenceState, Exclusion, ExclusionEntry, HanChannel, HubAddress, ImageSize, Inventory, MeterStatus,
    Mpxn, Notice, ObjectionCount, PostcodeDistrict, PpclEntry, Predecessors, Register, RegisterFiles,
    RegisteredImage, TextError, read_csv, write_csv,
};
use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageDigest};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::world::{early_world, world};

fn word<T: std::str::FromStr<Err = TextError> + std::fmt::Debug>() -> impl Strategy<Value = T> + Clone {
    "[A-Za-z0-9][!#-+./:<>A-z{}~-]{0,12}".prop_filter_map("a reserved word", |text| text.parse().ok())
}

/// Text with everything that a table might trip over: commas, quotes, formulas, letters of any script.
fn line<T: std::str::FromStr<Err = TextError> + std::fmt::Debug>() -> impl Strategy<Value = T> + Clone {
    "[ \",;=+@#'a-zé€漢-]{1,18}".prop_filter_map("space at an end", |text| text.parse().ok())
}

fn date() -> impl Strategy<Value = Date> {
    (-9999i16..=9999, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| jiff::civil::date(year, month, day))
}

fn cpl_entry() -> impl Strategy<Value = CplEntry> {
    let image = (any::<[u8; 8]>(), 1u32..)
        .prop_map(|(seed, size)| RegisteredImage { digest: ImageDigest::of(&seed), size: ImageSize(size) });
    let predecessors = option::of(btree_set(word(), 0..4))
        .prop_map(|entries| entries.map_or(Predecessors::Any, Predecessors::These));
    let names = (word(), line(), line(), line());
    let versions = (any::<u16>(), any::<u32>(), option::of(image));
    (names, versions, select(DeviceType::ALL), select(CplStatus::ALL), predecessors).prop_map(
        |((id, manufacturer, model, smets_version), versions, device_type, status, predecessors)| CplEntry {
            id,
            device_type,
            manufacturer,
            model,
            hardware: HardwareVersion(versions.0),
            firmware: FileVersion(versions.1),
            image: versions.2,
            smets_version,
            status,
            predecessors,
        },
    )
}

fn combination() -> impl Strategy<Value = Combination> {
    let others = (option::of(word()), option::of(word()), option::of(word()));
    (word(), word(), word(), word(), word(), others).prop_map(
        |(group, smso, comms_provider, meter, hub, (gsme, ppmid, ihd))| Combination {
            group,
            smso,
            comms_provider,
            esme: Some(meter),
            gsme,
            hub: Some(hub),
            ppmid,
            ihd,
        },
    )
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let state = select(EvidenceState::ALL);
    let claim = option::of((word(), any::<u16>()));
    (word(), select(EvidenceKind::ALL), state, date(), line(), claim)
        .prop_map(|(dmc, kind, state, date, doc_ref, claim)| {
            let (equivalent_to, open) = claim.unzip();
            let open_objections = ObjectionCount(open.unwrap_or_default());
            Evidence { dmc, kind, state, date, doc_ref, equivalent_to, open_objections }
        })
        .prop_filter("tests are neither issued nor equivalent", |row| {
            let plain = row.state != EvidenceState::Issued && row.equivalent_to.is_none();
            row.kind == EvidenceKind::DmctEpclReport || plain
        })
}

fn district() -> impl Strategy<Value = PostcodeDistrict> {
    "[A-Z]{1,2}[0-9][0-9A-Z]?".prop_map(|text| text.parse().expect("a district"))
}

fn address() -> impl Strategy<Value = HubAddress> {
    let port = 1..=u16::MAX;
    let four = (any::<[u8; 4]>(), port.clone()).prop_map(SocketAddr::from);
    let six = (any::<[u16; 8]>(), port).prop_map(SocketAddr::from);
    prop_oneof![four, six].prop_filter_map("one host", |address| address.to_string().parse().ok())
}

fn device() -> impl Strategy<Value = Device> {
    let named = select(vec![
        Exclusion::MissingMasterKeys,
        Exclusion::NoWanBeforeMigration,
        Exclusion::NoWanDuringMigration,
        Exclusion::FiveFailedAttempts,
        Exclusion::GasMeterHanError,
        Exclusion::DmcUneconomic,
        Exclusion::SupplierBelief,
    ]);
    let exclusion = option::of(prop_oneof![named, line().prop_map(Exclusion::Other)]);
    let numbers = (any::<[u8; 8]>(), any::<[u8; 8]>(), any::<u8>(), any::<u16>(), any::<bool>());
    let words = (word(), word(), word(), word(), word(), word());
    let kinds = (select(DeviceType::ALL), select(MeterStatus::ALL));
    let place = (address(), word(), option::of(district()));
    (numbers, words, kinds, exclusion, place).prop_map(
        |(numbers, words, (device_type, status), exclusion, (hub_address, cell, postcode_district))| Device {
            id: Eui64::from_bytes(numbers.0),
            device_type,
            installation: words.0,
            hub: Eui64::from_bytes(numbers.1),
            channel: HanChannel(numbers.2),
            entry: words.1,
            hardware: HardwareVersion(numbers.3),
            supplier: words.2,
            status,
            enrolled: numbers.4,
            exclusion,
            smso: words.3,
            group: words.4,
            comms_provider: words.5,
            hub_address,
            cell,
            postcode_district,
        },
    )
}

fn notice() -> impl Strategy<Value = Notice> {
    let digits = "[0-9]{1,13}".prop_map(|text| text.parse::<Mpxn>().expect("digits"));
    let numbers = (any::<[u8; 8]>(), any::<u32>(), any::<u32>());
    (word(), digits, numbers, option::of(word()), date(), date(), date()).prop_map(
        |(supplier, mpxn, (device, from, to), dmc, one_day, other_day, issued_at)| Notice {
            supplier,
            mpxn,
            device: Eui64::from_bytes(device),
            dmc,
            from: FileVersion(from),
            to: FileVersion(to),
            window_start: one_day.min(other_day),
            window_end: one_day.max(other_day),
            issued_at,
        },
    )
}

fn exclusion() -> impl Strategy<Value = ExclusionEntry> {
    (any::<[u8; 8]>(), line(), date(), option::of(line())).prop_map(|(device, reason, since, doc_ref)| {
        let (device, reason) = (Eui64::from_bytes(device), Exclusion::Other(reason));
        ExclusionEntry { device, reason, since, doc_ref }
    })
}

fn check<T: CsvRow + PartialEq + std::fmt::Debug>(rows: &[T]) {
    assert_eq!(read_csv::<T>(write_csv(rows).as_slice()).as_deref(), Ok(rows));
}

/// Reads the same bytes as every file, which must neither panic nor keep more faults than it says.
fn read_as_everything(bytes: &[u8]) {
    let errors = [
        read_csv::<CplEntry>(bytes).err(),
        read_csv::<EpclEntry>(bytes).err(),
        read_csv::<PpclEntry>(bytes).err(),
        read_csv::<Evidence>(bytes).err(),
        read_csv::<Device>(bytes).err(),
        Inventory::load(bytes).err(),
        Register::load(RegisterFiles { cpl: bytes, epcl: bytes, ppcl: bytes, evidence: bytes }).err(),
    ];
    for error in errors.into_iter().flatten() {
        assert!(!error.faults().is_empty() && error.faults().len() <= eligibility::FAULTS_KEPT);
        assert!(error.count() >= error.faults().len() && !error.to_string().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_every_file_come_back_as_they_were_written(
        cpl in vec(cpl_entry(), 0..6),
        combinations in vec((word::<eligibility::DmcId>(), combination(), date(), any::<bool>()), 0..6),
        notices in vec(notice(), 0..6),
        exclusions in vec(exclusion(), 0..6),
        evidence in vec(evidence(), 0..6),
        devices in vec(device(), 0..6),
    ) {
        let epcl = combinations.iter().map(|(id, combination, date_added, _)| EpclEntry {
            id: id.clone(), combination: combination.clone(), date_added: *date_added,
            date_removed: Some(Date::MAX).filter(|_| date_added.year() % 2 == 0),
        });
        let ppcl = combinations.iter().map(|(id, combination, date_proposed, uneconomic)| PpclEntry {
            id: id.clone(), combination: combination.clone(), date_proposed: *date_proposed, uneconomic: *uneconomic,
        });
        check(&cpl);
        check(&epcl.collect::<Vec<_>>());
        check(&ppcl.collect::<Vec<_>>());
        check(&evidence);
        check(&devices);
        check(&notices);
        check(&exclusions);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn sound_files_with_damage_anywhere_never_panic(
        which in 0usize..4,
        damage in vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), select(&b",;\"\n\r-0Ee"[..])]), 1..8),
    ) {
        let world = early_world();
        let files = [
            write_csv(&world.rows.cpl), write_csv(&world.rows.ppcl),
            write_csv(&world.rows.evidence), write_csv(&world.devices),
        ];
        let mut bytes = files[which].clone();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_as_everything(&bytes);
    }
}

#[test]
fn a_register_and_an_inventory_written_and_loaded_give_the_same_verdict() {
    let world = world();
    let register = Register::load(RegisterFiles {
        cpl: write_csv(&world.rows.cpl).as_slice(),
        epcl: write_csv(&world.rows.epcl).as_slice(),
        ppcl: write_csv(&world.rows.ppcl).as_slice(),
        evidence: write_csv(&world.rows.evidence).as_slice(),
    })
    .expect("sound");
    let inventory = Inventory::load(write_csv(&world.devices).as_slice()).expect("sound");
    assert_eq!(
        inventory.devices().map(Device::from).collect::<Vec<_>>(),
        world.inventory().devices().map(Device::from).collect::<Vec<_>>()
    );
    let targets = world.targets();
    let loaded =
        eligibility::decide(&world.claim(&targets), &register, &inventory, world.today, &world.config);
    assert_eq!(loaded.record(), world.decide().record());
}
