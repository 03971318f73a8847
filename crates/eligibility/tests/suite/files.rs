//! What is wrong with files is named with file, line, column, what was expected and what was found.

use eligibility::{
    CplEntry, EpclEntry, Evidence, FAULTS_KEPT, Inventory, LoadError, Register, RegisterFiles, read_csv,
    write_csv,
};

use crate::world::{World, early_world, world};

/// The files of a world as text, each to be damaged by one replacement.
struct Files {
    cpl: String,
    epcl: String,
    ppcl: String,
    evidence: String,
    inventory: String,
}

fn files(world: &World) -> Files {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("we write UTF-8");
    Files {
        cpl: text(write_csv(&world.rows.cpl)),
        epcl: text(write_csv(&world.rows.epcl)),
        ppcl: text(write_csv(&world.rows.ppcl)),
        evidence: text(write_csv(&world.rows.evidence)),
        inventory: text(write_csv(&world.devices)),
    }
}

fn full() -> Files {
    use eligibility::{EvidenceKind, EvidenceState};
    let mut world = early_world();
    world.list("D1", crate::world::combination("E1", "G1", "C1", "I1"));
    world.evidence(EvidenceKind::MigrationTesting, EvidenceState::Complete, "2020-08-01");
    world.evidence(EvidenceKind::DmctEpclReport, EvidenceState::Issued, "2020-08-01").equivalent_to =
        Some(crate::world::id("D1"));
    files(&world)
}

impl Files {
    fn load(&self) -> Result<(Register, Inventory), LoadError> {
        let register = Register::load(RegisterFiles {
            cpl: self.cpl.as_bytes(),
            epcl: self.epcl.as_bytes(),
            ppcl: self.ppcl.as_bytes(),
            evidence: self.evidence.as_bytes(),
        })?;
        Ok((register, Inventory::load(self.inventory.as_bytes())?))
    }
}

/// Damages one file and compares the first fault.
#[track_caller]
fn check(file: fn(&mut Files) -> &mut String, from: &str, to: &str, expected: &str) -> LoadError {
    let mut files = full();
    let text = file(&mut files);
    assert!(text.contains(from), "{text}");
    *text = text.replacen(from, to, 1);
    let error = files.load().map(|_| ()).expect_err("the files are damaged");
    assert_eq!(error.faults()[0].to_string(), expected);
    error
}

fn cpl(files: &mut Files) -> &mut String {
    &mut files.cpl
}

fn epcl(files: &mut Files) -> &mut String {
    &mut files.epcl
}

fn ppcl(files: &mut Files) -> &mut String {
    &mut files.ppcl
}

fn evidence(files: &mut Files) -> &mut String {
    &mut files.evidence
}

fn inventory(files: &mut Files) -> &mut String {
    &mut files.inventory
}

#[test]
fn sound_files_load_and_look_as_documented() {
    let files = full();
    let (register, inventory) = files.load().expect("sound");
    assert_eq!(
        (register.entries().count(), inventory.device_count(), inventory.installation_count()),
        (9, 4, 1)
    );
    assert_eq!(
        files.epcl,
        "dmc_id,group,smso,comms_provider,esme_entry,gsme_entry,ch_entry,ppmid_entry,ihd_entry,date_added,\
         date_removed\nD1,GROUP-1,SMSO-1,CSP-1,E1,G1,C1,,I1,2020-06-01,\n"
    );
    assert_eq!(
        files.inventory.lines().nth(2),
        Some(
            "00-00-00-00-00-00-01-01,ESME,HOME-1,00-00-00-00-00-00-01-00,1,E1,0101,SUPPLIER-1,Dormant,false,,\
             SMSO-1,GROUP-1,CSP-1,127.0.0.1:4059,CELL-1,CF10"
        )
    );
}

#[test]
fn columns_may_stand_in_any_order() {
    let shuffled = "date,kind,dmc_id,doc_ref,equivalent_to,state\n2020-08-01,MT,D2,a document,,complete\n";
    let rows: Vec<Evidence> = read_csv(shuffled.as_bytes()).expect("sound");
    assert_eq!((rows[0].dmc.as_str(), rows[0].doc_ref.as_str()), ("D2", "a document"));
}

#[test]
fn columns_that_are_missing_unknown_or_there_twice_are_named() {
    let header = "dmc_id,kind,kind,state,colour,date,doc_ref\n";
    let error = read_csv::<Evidence>(header.as_bytes()).expect_err("damaged");
    let faults = error.faults().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        faults,
        [
            "evidence.csv line 1, column kind: expected each column once, found \"kind\"",
            "evidence.csv line 1, column colour: expected only the columns of this file, found \"colour\"",
            "evidence.csv line 1, column equivalent_to: expected a column of this name, found \"no such column\"",
        ]
    );
}

#[test]
fn an_empty_file_lacks_its_header() {
    let error = read_csv::<CplEntry>(&b""[..]).expect_err("damaged");
    assert_eq!(
        error.to_string(),
        "cpl.csv line 1: expected a header with the column names, found \"an empty file\""
    );
}

#[test]
fn a_bad_cell_is_named_with_what_should_stand_there() {
    check(
        inventory,
        "Dormant",
        "dormant",
        "inventory.csv line 3, column status: expected one of Dormant, Active, NotApplicable, found \"dormant\"",
    );
    check(
        cpl,
        "00000002",
        "2",
        "cpl.csv line 3, column firmware_version: expected a firmware version of 8 hex digits, found \"2\"",
    );
    check(
        ppcl,
        "2020-01-10",
        "10/01/2020",
        "ppcl.csv line 2, column date_proposed: expected a date written YYYY-MM-DD, found \"10/01/2020\"",
    );
    check(
        cpl,
        ",1000,",
        ",,",
        "cpl.csv line 2, column image_size: expected the size of the image whose SHA-256 is given, found \"\"",
    );
    check(
        evidence,
        "MT,complete",
        "MT,issued",
        "evidence.csv line 2, column state: expected planned, complete or withdrawn for a test, found \"issued\"",
    );
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let mut bytes = full().inventory.into_bytes();
    let place = bytes.windows(6).position(|window| window == b"CELL-1").expect("there");
    bytes[place] = 0xFF;
    let error = Inventory::load(bytes.as_slice()).expect_err("damaged");
    assert!(
        error.to_string().starts_with("inventory.csv line 2, column cell: expected text in UTF-8"),
        "{error}"
    );
}

#[test]
fn every_bad_row_is_counted_and_the_first_hundred_are_kept() {
    let mut text = full().evidence;
    for line in 0..250 {
        text.push_str(&format!("D2,MT,complete,2020-08-01,,x{line};,\n"));
    }
    let error = read_csv::<Evidence>(text.as_bytes()).expect_err("damaged");
    // Each of those rows has two bad cells.
    assert_eq!((error.count(), error.faults().len()), (500, FAULTS_KEPT));
    assert!(
        error.to_string().starts_with("500 faults; the first: evidence.csv line 4, column doc_ref"),
        "{error}"
    );
}

#[test]
fn ids_that_stand_twice_are_named_with_both_lines() {
    check(
        cpl,
        "\nE2,",
        "\nE1,",
        "cpl.csv line 3, column entry_id: expected a value that no other line has (line 2 has it), found \"E1\"",
    );
    check(
        inventory,
        "00-00-00-00-00-00-01-02,GSME",
        "00-00-00-00-00-00-01-01,GSME",
        "inventory.csv line 4, column device_id: expected a value that no other line has (line 3 has it), found \
         \"00-00-00-00-00-00-01-01\"",
    );
    check(
        evidence,
        "DMCT_EPCL_REPORT,issued,2020-08-01,D2 DMCT_EPCL_REPORT issued,D1",
        "MT,planned,2020-08-01,again,",
        "evidence.csv line 3, column kind: expected one row in force for a combination and kind (line 2 is one), \
         found \"D2 MT\"",
    );
}

#[test]
fn a_combination_has_one_id_and_an_id_one_combination() {
    check(
        ppcl,
        "\nD2,GROUP-1,SMSO-1,CSP-1,E2",
        "\nD2,GROUP-1,SMSO-1,CSP-1,E1",
        "ppcl.csv line 2, column dmc_id: expected the id D1, under which epcl.csv line 2 has the same combination, \
         found \"D2\"",
    );
    let error = check(
        ppcl,
        "\nD2,",
        "\nD1,",
        "ppcl.csv line 2, column dmc_id: expected the combination it has in epcl.csv: ESME E1 + GSME G1 + CHF C1 + \
         IHD I1 (SMSO SMSO-1, group GROUP-1, CSP-1), found \"ESME E2 + GSME G1 + CHF C1 + IHD I1 (SMSO SMSO-1, group \
         GROU…\"",
    );
    // The evidence about D2 names an unknown combination then.
    assert_eq!(error.count(), 3);
}

#[test]
fn names_of_what_does_not_exist_are_named() {
    check(
        evidence,
        "D2,MT",
        "D9,MT",
        "evidence.csv line 2, column dmc_id: expected a combination of epcl.csv or ppcl.csv, found \"D9\"",
    );
    check(
        evidence,
        "issued,D1",
        "issued,D9",
        "evidence.csv line 3, column equivalent_to: expected a combination of epcl.csv or ppcl.csv, found \"D9\"",
    );
    check(
        evidence,
        "issued,D1",
        "issued,D2",
        "evidence.csv line 3, column equivalent_to: expected another combination than dmc_id, found \"D2\"",
    );
    check(
        cpl,
        "Active,E1",
        "Active,E1;G1",
        "cpl.csv line 3, column predecessors: expected other entries of this file for the same device type and \
         model, found \"G1\"",
    );
    check(
        epcl,
        ",G1,",
        ",G9,",
        "epcl.csv line 2, column gsme_entry: expected an entry of cpl.csv for a device of type GSME, found \"G9\"",
    );
    check(
        epcl,
        ",G1,",
        ",E1,",
        "epcl.csv line 2, column gsme_entry: expected an entry of cpl.csv for a device of type GSME, found \"E1\"",
    );
}

#[test]
fn a_home_agrees_with_itself() {
    check(
        inventory,
        "2,G1,0101,SUPPLIER-1,Dormant,false,,SMSO-1",
        "2,G1,0101,SUPPLIER-1,Dormant,false,,SMSO-2",
        "inventory.csv line 4, column smso: expected \"SMSO-1\", as line 2 of the same installation has it, found \
         \"SMSO-2\"",
    );
    check(
        inventory,
        "01-02,GSME",
        "01-02,ESME",
        "inventory.csv line 4, column device_type: expected one ESME in an installation (line 3 is it), found \
         \"ESME\"",
    );
    check(
        inventory,
        "01-00,2,G1",
        "01-00,1,G1",
        "inventory.csv line 4, column channel: expected a channel that no other device of the installation has, \
         found \"1\"",
    );
    check(
        inventory,
        "01-00,2,G1",
        "01-00,0,G1",
        "inventory.csv line 4, column channel: expected a channel from 1 for a device behind a hub, found \"0\"",
    );
    let error = check(
        inventory,
        "GSME,HOME-1",
        "GSME,HOME-2",
        "inventory.csv line 4, column hub_id: expected another hub than that of HOME-1 (line 2), found \
         \"00-00-00-00-00-00-01-00\"",
    );
    // One hub is one address, too: told once.
    assert_eq!(error.count(), 1, "{error}");
    check(
        inventory,
        "2,G1,0101,SUPPLIER-1,Dormant,false,,SMSO-1,GROUP-1,CSP-1,127.0.0.1:4059,CELL-1,CF10",
        "2,G1,0101,SUPPLIER-1,Dormant,false,,SMSO-1,GROUP-1,CSP-1,127.0.0.1:4059,CELL-1,",
        "inventory.csv line 4, column postcode_district: expected \"CF10\", as line 2 of the same installation has it, \
         found \"\"",
    );
    check(
        inventory,
        "CELL-1,CF10",
        "CELL-1,CF10 1AA",
        "inventory.csv line 2, column postcode_district: expected nothing, or a postcode district such as CF10, in \
         capitals, found \"CF10 1AA\"",
    );
    check(
        inventory,
        "127.0.0.1:4059",
        "127.0.0.2:4059",
        "inventory.csv line 3, column hub_address: expected \"127.0.0.2:4059\", as line 2 of the same installation has \
         it, found \"127.0.0.1:4059\"",
    );
    check(
        inventory,
        "NotApplicable",
        "Dormant",
        "inventory.csv line 2, column status: expected NotApplicable for a device that is no meter, found \
         \"Dormant\"",
    );
}

/// Any text was an address when the list was loaded; campaigns then ended device after device as out of reach.
#[test]
fn a_hub_address_that_nobody_can_send_to_is_a_fault_of_the_list() {
    for found in ["meter-hub-1", "127.0.0.1", "127.0.0.1:0", "0.0.0.0:4059", ""] {
        check(
            inventory,
            "127.0.0.1:4059",
            found,
            &format!(
                "inventory.csv line 2, column hub_address: expected an IP address with a port, such as 10.0.0.7:4059 or \
                 [fd00::7]:4059, found \"{found}\""
            ),
        );
    }
    let text = full().inventory.replace("127.0.0.1:4059", "[fd00:0::7]:4059");
    let inventory = Inventory::load(text.as_bytes()).expect("sound");
    let address = inventory.devices().next().map(|device| device.hub_address.to_string());
    assert_eq!(address.as_deref(), Some("[fd00::7]:4059"));
}

#[test]
fn a_home_without_its_hub_is_refused() {
    let mut world = world();
    world.devices.remove(0);
    let error = Inventory::from_rows(world.devices).expect_err("no hub");
    assert_eq!(
        error.to_string(),
        "inventory.csv line 2, column installation_id: expected an installation with a row for its hub, found \
         \"HOME-1\""
    );
}

#[test]
fn a_combination_has_a_hub_and_a_meter() {
    let header =
        "dmc_id,group,smso,comms_provider,esme_entry,gsme_entry,ch_entry,ppmid_entry,ihd_entry,date_added\n";
    for (row, column) in
        [("D,G,S,P,,,C1,,,2020-01-01\n", "esme_entry"), ("D,G,S,P,E1,,,,,2020-01-01\n", "ch_entry")]
    {
        let error = read_csv::<EpclEntry>(format!("{header}{row}").as_bytes()).expect_err("damaged");
        assert_eq!(error.faults()[0].column.as_deref(), Some(column));
    }
}

#[test]
fn an_inventory_without_districts_is_one_in_which_nobody_knows_them() {
    let district = |text: &str| {
        let inventory = Inventory::load(text.as_bytes()).expect("sound");
        let mut found = inventory.devices().map(|found| found.postcode_district.map(ToString::to_string));
        let first = found.next().expect("a device");
        assert!(found.all(|other| other == first), "a home is in one district");
        first
    };
    let text = full().inventory;
    assert_eq!(district(&text).as_deref(), Some("CF10"));
    assert_eq!(district(&text.replace(",postcode_district", "").replace("CELL-1,CF10", "CELL-1")), None);
    assert_eq!(district(&text.replace("CELL-1,CF10", "CELL-1,")), None);
}
