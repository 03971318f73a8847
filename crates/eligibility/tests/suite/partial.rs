//! Lists taken in part: what is good is taken, everything else is told, and nothing opens by being left out.

use eligibility::{
    Completeness, CsvRows, EvidenceKind, EvidenceState, FAULTS_KEPT, FileKind, ListReader, Lists, LoadError,
    decide, write_csv,
};

use crate::world::{ESME, World, combination, day, early_world, id, world};

/// The lists of a world as text, in the order of `FileKind::ALL`.
fn texts(world: &World) -> Vec<String> {
    let bytes = [
        write_csv(&world.rows.cpl),
        write_csv(&world.rows.epcl),
        write_csv(&world.rows.ppcl),
        write_csv(&world.rows.evidence),
        write_csv(&world.devices),
        write_csv(&world.notices),
        write_csv(&world.exclusions),
    ];
    bytes.into_iter().map(|bytes| String::from_utf8(bytes).expect("we write UTF-8")).collect()
}

fn read(texts: &[String], completeness: Completeness) -> Result<Lists, LoadError> {
    let mut reader = ListReader::new(completeness);
    for (kind, text) in FileKind::ALL.into_iter().zip(texts) {
        reader.read(kind, &mut CsvRows::new(text.as_bytes()));
    }
    reader.finish()
}

/// Damages one list in one place.
#[track_caller]
fn damage(texts: &mut [String], kind: FileKind, from: &str, to: &str) {
    let place = FileKind::ALL.iter().position(|known| *known == kind).expect("one of all");
    assert!(texts[place].contains(from), "{}", texts[place]);
    texts[place] = texts[place].replacen(from, to, 1);
}

fn faults(lists: &Lists) -> Vec<String> {
    lists.left_out.faults().iter().map(ToString::to_string).collect()
}

fn code(world: &World, lists: &Lists) -> &'static str {
    decide(&world.claim(&world.targets()), &lists.register, &lists.inventory, world.today, &world.config)
        .code()
}

#[test]
fn sound_lists_are_the_same_either_way() {
    for completeness in [Completeness::Whole, Completeness::Part] {
        let world = world();
        let lists = read(&texts(&world), completeness).expect("sound");
        assert_eq!((lists.left_out.count(), lists.left_out.rows()), (0, 0));
        assert_eq!((lists.inventory.device_count(), code(&world, &lists)), (4, "EPCL"));
    }
}

#[test]
fn whole_lists_take_nothing_for_one_bad_row_and_say_where_it_is() {
    let mut texts = texts(&world());
    damage(&mut texts, FileKind::Inventory, "SUPPLIER-1", "SUPPLIER 1");
    let error = read(&texts, Completeness::Whole).map(|_| ()).expect_err("damaged");
    assert!(error.to_string().contains("inventory.csv line 2, column supplier_id"), "{error}");
}

/// The world with a second home like the first, whose hub is reached there.
fn two_homes(address: &str) -> World {
    let mut world = world();
    let shift = |id: firmware_image::Eui64| {
        let mut bytes = id.to_bytes();
        bytes[0] = 9;
        firmware_image::Eui64::from_bytes(bytes)
    };
    for mut other in world.devices.clone() {
        (other.id, other.hub, other.installation) = (shift(other.id), shift(other.hub), id("HOME-2"));
        other.hub_address = id(address);
        world.devices.push(other);
    }
    world
}

#[test]
fn a_bad_row_costs_its_whole_home_and_no_other() {
    let world = two_homes("127.0.0.2:4059");
    for (from, to, column) in [
        ("01-02,GSME,HOME-1", "01-02,GAS,HOME-1", Some("device_type")),
        ("2,G1,0101,SUPPLIER-1", "2,G1,0101,SUPPLIER-1,", None),
        ("01-02,GSME,HOME-1", "01-02,GSME,HOME 1", Some("installation_id")),
        ("01-00,2,G1", "01-00,1,G1", Some("channel")),
        ("01-02,GSME,HOME-1", "01-01,GSME,HOME-1", Some("device_id")),
    ] {
        let mut texts = texts(&world);
        damage(&mut texts, FileKind::Inventory, from, to);
        let lists = read(&texts, Completeness::Part).unwrap_or_else(|error| panic!("{from}: {error}"));
        let homes: Vec<_> = lists.inventory.installations().map(|home| home.as_str()).collect();
        assert_eq!((homes.as_slice(), lists.inventory.device_count()), (["HOME-2"].as_slice(), 4));
        let bad = lists.left_out.faults().iter().find(|fault| fault.line == 4).expect("line 4 is told");
        assert_eq!(bad.column.as_deref(), column, "{bad}");
        // The bad row, and the three that are left out for its sake, each with its line; one that stands there twice is
        // told twice.
        let told = if column == Some("device_id") { 5 } else { 4 };
        assert_eq!((lists.left_out.rows(), lists.left_out.count()), (4, told), "{:?}", faults(&lists));
        assert_eq!(code(&world, &lists), "REJECT_UNKNOWN_DEVICE");
    }
}

#[test]
fn a_bad_row_of_which_nobody_can_tell_the_home_spoils_the_inventory() {
    let mut texts = texts(&world());
    damage(
        &mut texts,
        FileKind::Inventory,
        "01-02,GSME,HOME-1,00-00-00-00-00-00-01-00",
        "01-02,GSME,HOME 1,hub",
    );
    let error = read(&texts, Completeness::Part).map(|_| ()).expect_err("it may be any home's");
    assert!(error.faults().iter().any(|fault| fault.to_string().contains("the whole home")), "{error:?}");
}

/// A row whose cells had moved to the left, with an empty one at its end, seemed to name a home that is in no other row.
/// It was left out alone, and the rest of its home was judged as a combination without it.
#[test]
fn a_bad_row_that_names_no_home_of_the_others_may_be_of_any() {
    let world = world();
    for (from, to) in [
        ("00-00-00-00-00-00-01-02,GSME,", "GSME,"),
        ("HOME-1,00-00-00-00-00-00-01-00,2", "HOME-7,hub,2"),
        ("HOME-1,00-00-00-00-00-00-01-00,2", "HOME 1,00-00-00-00-00-00-07-00,2"),
    ] {
        let mut texts = texts(&world);
        damage(&mut texts, FileKind::Inventory, from, to);
        if to == "GSME," {
            let row = texts[4].lines().nth(3).expect("of the gas meter").to_owned();
            damage(&mut texts, FileKind::Inventory, &row, &format!("{row},"));
        }
        let error = read(&texts, Completeness::Part).map(|_| ()).expect_err("it may be any home's");
        let told = |fault: &eligibility::Fault| {
            fault.to_string().contains("line 4, column hub_id: expected the hub_id of a home")
        };
        assert!(error.faults().iter().any(told), "{error:?}");
    }
    // A home of its own that is bad as a whole is no other's.
    let mut texts = texts(&world);
    let lone = "00-00-00-00-00-00-07-00,CHF,HOME-7,00-00-00-00-00-00-07-00,0,C1,0101,SUPPLIER-1,Dormant?,false,,SMSO-1,\
                GROUP-1,CSP-1,127.0.0.7:4059,CELL-1,\n";
    texts[4].push_str(lone);
    let lists = read(&texts, Completeness::Part).expect("the rest is good");
    assert_eq!((lists.inventory.device_count(), lists.left_out.rows()), (4, 1));
}

/// Of two hubs at one address the engine reached one, and sent it what was meant for both.
#[test]
fn hubs_at_one_address_are_a_fault_and_neither_home_is_taken() {
    let world = two_homes("127.0.0.1:4059");
    let error = read(&texts(&world), Completeness::Whole).map(|_| ()).expect_err("one address");
    assert_eq!(
        error.to_string(),
        "inventory.csv line 6, column hub_address: expected another address than that of HOME-1 (line 2), found \
         \"127.0.0.1:4059\""
    );
    let lists = read(&texts(&world), Completeness::Part).expect("the rest is good");
    assert_eq!((lists.inventory.device_count(), lists.left_out.rows()), (0, 8));
}

#[test]
fn what_rests_on_a_bad_row_is_left_out_and_told_too() {
    let mut world = world();
    world.list("D1", combination("E1", "G1", "C1", "I1"));
    let mut texts = texts(&world);
    // E2 goes for its size, E3 because its predecessor is gone, D2 because it names E2.
    damage(&mut texts, FileKind::Cpl, "00000002,", "2,");
    let lists = read(&texts, Completeness::Part).expect("the rest is good");
    assert_eq!(
        faults(&lists),
        [
            "cpl.csv line 3, column firmware_version: expected a firmware version of 8 hex digits, found \"2\"",
            "cpl.csv line 4, column predecessors: expected other entries of this file for the same device type and \
             model, found \"E2\"",
            "epcl.csv line 2, column esme_entry: expected an entry of cpl.csv for a device of type ESME, found \"E2\"",
        ]
    );
    assert_eq!(lists.left_out.rows(), 3);
    assert!(
        lists.register.combination(&id("D1")).is_some() && lists.register.combination(&id("D2")).is_none()
    );
    assert_eq!(code(&world, &lists), "REJECT_UNKNOWN_MODEL");
}

#[test]
fn of_rows_that_contradict_one_another_none_is_taken() {
    let mut world = early_world();
    world.evidence(EvidenceKind::MigrationTesting, EvidenceState::Complete, "2020-08-01");
    world.evidence(EvidenceKind::SystemIntegrationTesting, EvidenceState::Complete, "2020-08-01");
    world.evidence(EvidenceKind::SystemIntegrationTesting, EvidenceState::Planned, "2020-11-01");
    let lists = read(&texts(&world), Completeness::Part).expect("the rest is good");
    assert_eq!(code(&world, &lists), "TESTING_INCOMPLETE");
    assert_eq!((lists.left_out.rows(), lists.left_out.count()), (2, 2), "{:?}", faults(&lists));
}

#[test]
fn a_bad_row_of_the_epcl_may_have_been_a_removal_so_that_its_combination_is_left_out() {
    let mut world = early_world();
    world.evidence(EvidenceKind::DmctEpclReport, EvidenceState::Issued, "2020-08-01");
    world.list("D2", combination("E2", "G1", "C1", "I1"));
    world.rows.epcl[0].date_removed = Some(day("2020-09-01"));
    assert_eq!(code(&world, &read(&texts(&world), Completeness::Whole).expect("sound")), "NO_EVIDENCE");
    let mut damaged = texts(&world);
    damage(&mut damaged, FileKind::Epcl, "2020-09-01", "September");
    let lists = read(&damaged, Completeness::Part).expect("the rest is good");
    assert_eq!(code(&world, &lists), "REJECT_FW_NOT_IN_DMC");
    damage(&mut damaged, FileKind::Epcl, "\nD2,", "\n D2,");
    assert!(read(&damaged, Completeness::Part).is_err(), "nobody can tell the combination");
}

#[test]
fn a_bad_row_of_the_evidence_may_have_been_a_withdrawal_so_that_its_documents_are_left_out() {
    let mut world = early_world();
    world.evidence(EvidenceKind::MigrationTesting, EvidenceState::Complete, "2020-08-01");
    world.evidence(EvidenceKind::SystemIntegrationTesting, EvidenceState::Complete, "2020-08-01");
    world.evidence(EvidenceKind::MigrationTesting, EvidenceState::Withdrawn, "2020-09-30");
    let texts = texts(&world);
    assert_eq!(code(&world, &read(&texts, Completeness::Whole).expect("sound")), "TESTING_INCOMPLETE");
    for (from, to, left) in [
        ("withdrawn,2020-09-30", "withdrawn,September", "TESTING_INCOMPLETE"),
        ("withdrawn,2020-09-30", "taken back,2020-09-30", "TESTING_INCOMPLETE"),
        (
            "MT,withdrawn,2020-09-30,D2 MT withdrawn,",
            "MT,withdrawn,2020-09-30,D2 MT withdrawn,D7",
            "TESTING_INCOMPLETE",
        ),
        // Of which kind it is nobody can tell.
        ("MT,withdrawn", "M,withdrawn", "NO_EVIDENCE"),
    ] {
        let mut damaged = texts.clone();
        damage(&mut damaged, FileKind::Evidence, from, to);
        let lists = read(&damaged, Completeness::Part).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!(code(&world, &lists), left, "{to}: {:?}", faults(&lists));
        // The bad row and each document that is left out for it.
        let rows = if left == "NO_EVIDENCE" { 3 } else { 2 };
        assert_eq!(
            (lists.left_out.rows(), lists.left_out.count()),
            (rows, rows as usize),
            "{:?}",
            faults(&lists)
        );
    }
    for (from, to) in [("D2,MT,withdrawn", " D2,MT,withdrawn"), ("D2,MT,withdrawn", "D2,MT,withdrawn,")] {
        let mut damaged = texts.clone();
        damage(&mut damaged, FileKind::Evidence, from, to);
        assert!(read(&damaged, Completeness::Part).is_err(), "nobody can tell the combination");
    }
}

#[test]
fn the_list_of_exclusions_is_never_taken_in_part() {
    let mut world = world();
    world.exclusions.push(eligibility::ExclusionEntry {
        device: ESME,
        reason: eligibility::Exclusion::FiveFailedAttempts,
        since: day("2020-09-01"),
        doc_ref: None,
    });
    assert_eq!(code(&world, &read(&texts(&world), Completeness::Part).expect("sound")), "SKIP_EXCLUDED");
    for (from, to) in [("2020-09-01", "soon"), ("five-failed-attempts", ""), ("2020-09-01,", "2020-09-01")] {
        let mut texts = texts(&world);
        damage(&mut texts, FileKind::Exclusions, from, to);
        let error = read(&texts, Completeness::Part).map(|_| ()).expect_err("a row left out would open");
        assert!(error.to_string().contains("exclusions.csv line 2"), "{error}");
    }
    // An inventory that excludes the device too leaves nobody to choose between two reasons.
    world.device_mut(ESME).exclusion = Some(eligibility::Exclusion::GasMeterHanError);
    assert!(read(&texts(&world), Completeness::Part).is_err());
}

/// A quote in one row took in the rows after it: of a list of removals one was gone, and the gate opened.
#[test]
fn a_quote_that_is_not_closed_spoils_its_list_for_it_may_take_in_any_row() {
    let mut world = early_world();
    world.evidence(EvidenceKind::DmctEpclReport, EvidenceState::Issued, "2020-08-01");
    world.list("D1", combination("E1", "G1", "C1", "I1"));
    world.list("D2", combination("E2", "G1", "C1", "I1"));
    world.rows.epcl[1].date_removed = Some(day("2020-09-01"));
    assert_eq!(code(&world, &read(&texts(&world), Completeness::Part).expect("sound")), "NO_EVIDENCE");
    for (kind, from, to, place) in [
        (FileKind::Epcl, "2020-06-01,\n", "2020-06-01,\"\n", "epcl.csv line 2, column date_removed"),
        (FileKind::Inventory, "Dormant", "\"Dormant", "inventory.csv line 3, column status"),
        (FileKind::Evidence, "issued,", "\"issued,", "evidence.csv line 2, column state"),
    ] {
        let mut texts = texts(&world);
        damage(&mut texts, kind, from, to);
        for completeness in [Completeness::Whole, Completeness::Part] {
            let error = read(&texts, completeness).map(|_| ()).expect_err("rows are gone");
            let told = error.to_string();
            assert!(told.starts_with(place) && told.contains("a quote is opened"), "{told}");
            assert!(error.spoils_all(), "{told}");
        }
    }
}

#[test]
fn notices_and_exclusions_of_devices_that_are_not_there_are_told() {
    let mut world = world();
    world.exclusions.push(eligibility::ExclusionEntry {
        device: firmware_image::Eui64::from_bytes([7; 8]),
        reason: eligibility::Exclusion::FiveFailedAttempts,
        since: day("2020-09-01"),
        doc_ref: None,
    });
    let error = read(&texts(&world), Completeness::Whole).map(|_| ()).expect_err("an unknown device");
    assert_eq!(
        error.to_string(),
        "exclusions.csv line 2, column device_id: expected a device of inventory.csv, found \
         \"07-07-07-07-07-07-07-07\""
    );
    let lists = read(&texts(&world), Completeness::Part).expect("there is nothing to exclude");
    assert_eq!(lists.left_out.rows(), 1);
}

#[test]
fn faults_beyond_the_first_hundred_are_counted_and_no_row_is_dropped_silently() {
    let mut texts = texts(&world());
    for line in 0..300 {
        texts[3].push_str(&format!("D9,MT,complete,2020-08-01,document {line},,\n"));
    }
    let lists = read(&texts, Completeness::Part).expect("the rest is good");
    let left_out = &lists.left_out;
    assert_eq!((left_out.faults().len(), left_out.count(), left_out.rows()), (FAULTS_KEPT, 300, 300));
}

#[test]
fn a_file_that_cannot_be_read_or_lacks_a_column_is_no_part_of_anything() {
    let mut cut = texts(&world());
    cut[0] = cut[0].replacen("predecessors", "before", 1);
    assert!(read(&cut, Completeness::Part).is_err());
    cut[0].clear();
    assert!(read(&cut, Completeness::Part).is_err());
}
