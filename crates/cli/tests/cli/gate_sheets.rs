//! Lists as workbooks: dates, numbers and truth values as Excel keeps them, and faults with row and column.

use std::fmt::Write;
use std::time::Instant;

use rust_xlsxwriter::{Chart, ChartType, ExcelDateTime, Format, Formula, Workbook};

use crate::desk::{Desk, say};
use crate::gate::desk;

const PLAN: &str = "campaign plan examples/lists/order.toml --lists examples/lists --on 2020-10-05";

/// Columns that a person who fills in a sheet writes as numbers.
const NUMBERS: [&str; 3] = ["channel", "image_size", "open_objections"];

/// Makes a workbook of a CSV list, with the types that Excel would give its cells, in place of the list.
fn make_workbook(desk: &Desk, list: &str, change: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) {
    make_workbook_with(desk, list, change, |_| ());
}

/// The same, with further sheets.
fn make_workbook_with(
    desk: &Desk,
    list: &str,
    change: impl FnOnce(&mut rust_xlsxwriter::Worksheet),
    add_sheets: impl FnOnce(&mut Workbook),
) {
    let name = format!("examples/lists/{list}.csv");
    let text = String::from_utf8(desk.read(&name)).unwrap();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let as_date = Format::new().set_num_format("yyyy-mm-dd");
    let columns: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    for (row, line) in (0..).zip(text.lines()) {
        for ((column, cell), name) in (0..).zip(line.split(',')).zip(&columns) {
            if row > 0 && NUMBERS.contains(name) && !cell.is_empty() {
                sheet.write_number(row, column, cell.parse::<f64>().unwrap()).unwrap();
            } else if let Ok(date) = ExcelDateTime::parse_from_str(cell).map_err(drop)
                && cell.len() == 10
                && cell.starts_with("20")
            {
                sheet.write_datetime_with_format(row, column, &date, &as_date).unwrap();
            } else if let Ok(truth) = cell.parse::<bool>() {
                sheet.write_boolean(row, column, truth).unwrap();
            } else if !cell.is_empty() {
                sheet.write_string(row, column, cell).unwrap();
            }
        }
    }
    change(sheet);
    add_sheets(&mut workbook);
    let bytes = workbook.save_to_buffer().unwrap();
    desk.write(&format!("examples/lists/{list}.xlsx"), &bytes);
    std::fs::remove_file(desk.path(&name)).unwrap();
}

#[test]
fn workbooks_say_the_same_as_the_csv_files_they_were_made_of() {
    let desk = desk();
    let of_csv = desk.run(&format!("{PLAN} --json")).succeeded().stdout;
    for list in ["cpl", "epcl", "ppcl", "evidence", "inventory", "notices", "exclusions"] {
        make_workbook(&desk, list, |_| ());
        assert_eq!(desk.run(&format!("{PLAN} --json")).succeeded().stdout, of_csv, "{list}");
    }
}

#[test]
fn faults_of_a_sheet_are_named_with_row_and_column() {
    let at = |list: &str, row: u32, column: u16, text: &'static str, said: &str| {
        let desk = desk();
        make_workbook(&desk, list, |sheet| {
            sheet.write_string(row, column, text).unwrap();
        });
        desk.run(PLAN).failed_last(3, said);
    };
    at("inventory", 6, 8, "Asleep", "inventory.xlsx line 7, column status: expected one of Dormant, Active");
    // Blank rows are no rows, and do not shift those after them.
    at("exclusions", 5, 0, "00-0D", "exclusions.xlsx line 6, column device_id: expected an EUI-64");
    at("cpl", 0, 3, "modell", "cpl.xlsx line 1, column modell: expected only the columns of this file");
    at("cpl", 2, 12, "note", "cpl.xlsx line 3: expected 11 cells, found \"13 cells\"");
    at("cpl", 2, 200, "note", "a cell in column 201, which is out of place");
}

#[test]
fn a_version_that_excel_took_for_a_number_is_refused_and_not_guessed() {
    let desk = desk();
    make_workbook(&desk, "cpl", |sheet| {
        sheet.write_number(4, 5, 1_020_300.0).unwrap();
    });
    let said =
        ["cpl.xlsx line 5, column firmware_version: expected a firmware version of 8 hex digits", "1020300"];
    desk.check_failure(PLAN, 3, &said);
}

#[test]
fn a_date_with_a_time_and_a_formula_that_failed_are_no_values() {
    let timed = desk();
    make_workbook(&timed, "exclusions", |sheet| {
        let noon = ExcelDateTime::parse_from_str("2020-07-13T12:00:00").unwrap();
        let format = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        sheet.write_datetime_with_format(1, 2, &noon, &format).unwrap();
    });
    timed.check_failure(PLAN, 3, &["exclusions.xlsx line 2, column since", "\"2020-07-13T12:00:00\""]);
    let failed = desk();
    make_workbook(&failed, "exclusions", |sheet| {
        sheet.write_formula(1, 2, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    });
    let said = "exclusions.xlsx line 2, column since: expected a date written YYYY-MM-DD, found \"#DIV/0!\"";
    failed.check_failure(PLAN, 3, &[said]);
}

/// One failed formula ended the reading of its sheet without a word on its column, and hid what was wrong after it.
#[test]
fn a_formula_that_failed_is_one_bad_cell_of_one_bad_row() {
    let desk = desk();
    make_workbook(&desk, "inventory", |sheet| {
        // HOME-2 has lines 5 to 7, HOME-8 the last two.
        sheet.write_formula(5, 8, Formula::new("=NA()").set_result("#N/A")).unwrap();
        sheet.write_string(22, 7, "SUP 8").unwrap();
    });
    let told = desk.run(PLAN);
    for said in [
        "inventory.xlsx line 6, column status: expected one of Dormant, Active, NotApplicable, found \"#N/A\"",
        "inventory.xlsx line 23, column supplier_id: expected an id",
        "error: 2 faults in the lists, the first: ",
    ] {
        assert!(told.code == 3 && told.stderr.contains(said), "{said}: {told:?}");
    }
    let code = |device: &str| {
        let lists = "--lists examples/lists --on 2020-10-05 --allow-partial --json";
        let told = desk.run(&format!("campaign explain 00-0D-6F-00-00-00-{device} {lists}")).json();
        told["verdicts"][0]["code"].as_str().unwrap().to_owned()
    };
    for (device, is_left_out) in [("01-01", false), ("02-01", true), ("07-01", false), ("08-01", true)] {
        assert_eq!(code(device) == "REJECT_UNKNOWN_DEVICE", is_left_out, "{device}");
    }
}

#[test]
fn what_a_failed_formula_leaves_is_no_text_either_in_a_workbook_or_in_csv() {
    let said = "line 3, column doc_ref: expected a document reference of 1 to 200 characters, found \"#N/A\"";
    let csv = desk();
    let text = String::from_utf8(csv.read("examples/lists/evidence.csv")).unwrap();
    csv.write("examples/lists/evidence.csv", text.replace("report 9", "#N/A").as_bytes());
    csv.check_failure(PLAN, 3, &[said]);
    let sheet = desk();
    make_workbook(&sheet, "evidence", |sheet| {
        sheet.write_formula(2, 4, Formula::new("=NA()").set_result("#N/A")).unwrap();
    });
    sheet.check_failure(PLAN, 3, &[said]);
}

/// Rows on further sheets were not read and nobody was told: a month of exclusions, or half of the homes.
#[test]
fn rows_on_a_further_sheet_are_a_fault_that_names_the_sheet() {
    for is_hidden in [false, true] {
        let desk = desk();
        let list = "exclusions";
        make_workbook_with(
            &desk,
            list,
            |_| (),
            |workbook| {
                workbook.add_worksheet();
                let more = workbook.add_worksheet().set_name("More of July").unwrap().set_hidden(is_hidden);
                more.write_string(2, 0, "00-0D-6F-00-00-00-01-01").unwrap();
            },
        );
        let said = "exclusions.xlsx line 3: expected rows on the first sheet alone (move them there, or take the sheet \
                    out), found \"a row on sheet More of July\"";
        for option in ["", " --allow-partial"] {
            desk.check_failure(&format!("{PLAN}{option}"), 3, &[said]);
        }
    }
    // What is wrong on the first sheet is told as well.
    let both = desk();
    let spoil = |sheet: &mut rust_xlsxwriter::Worksheet| {
        sheet.write_string(1, 2, "soon").unwrap();
    };
    make_workbook_with(&both, "exclusions", spoil, |workbook| {
        workbook.add_worksheet().write_string(0, 0, "more").unwrap();
    });
    let told = both.run(PLAN);
    assert!(told.code == 3 && told.stderr.contains("line 2, column since"), "{told:?}");
    assert!(told.stderr.contains("found \"a row on sheet Sheet2\""), "{told:?}");
    // Sheets on which nothing stands are no rows, whatever they look like.
    let empty = desk();
    let of_csv = empty.run(&format!("{PLAN} --json")).succeeded().stdout;
    make_workbook_with(
        &empty,
        "exclusions",
        |_| (),
        |workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write_blank(3, 3, &Format::new().set_bold()).unwrap();
            sheet.write_string(4, 4, "").unwrap();
            let mut chart = Chart::new(ChartType::Bar);
            chart.add_series().set_values("Sheet1!$A$1:$A$2");
            workbook.add_chartsheet().insert_chart(0, 0, &chart).unwrap();
        },
    );
    assert_eq!(empty.run(&format!("{PLAN} --json")).succeeded().stdout, of_csv);
}

#[test]
fn what_is_no_workbook_although_it_begins_like_one_is_refused() {
    let desk = desk();
    desk.write("broken.xlsx", b"PK\x03\x04 and nothing that follows from it");
    desk.check_failure(&format!("{PLAN} --cpl broken.xlsx"), 3, &["broken.xlsx: expected an XLSX workbook"]);
    desk.write("older.xls", &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]);
    desk.check_failure(&format!("{PLAN} --cpl older.xls"), 3, &["older.xls: is an older workbook"]);
}

/// Rows of the large inventory: a sheet of Excel holds a million.
const MANY: u32 = 100_000;

/// Prints how fast an inventory is read from a workbook and from the CSV file that it was made of, the same lists judged
/// and planned by the command as a whole: `cargo test -p cli --test cli -- --ignored large_inventory`.
#[test]
#[ignore = "measures; it writes a workbook of a hundred thousand rows first"]
fn a_large_inventory_is_read_from_a_workbook() {
    let desk = desk();
    let list = "examples/lists/inventory.csv";
    let mut text = String::from_utf8(desk.read(list)).unwrap();
    let before = text.lines().count() as u32 - 1;
    for home in 0..(MANY - before).div_ceil(3) {
        let eui = |channel: u32| {
            format!(
                "02-4C-4C-{channel:02X}-00-{:02X}-{:02X}-{:02X}",
                home >> 16,
                home >> 8 & 0xFF,
                home & 0xFF
            )
        };
        let devices = [("CHF", "NotApplicable"), ("ESME", "Dormant"), ("GSME", "Dormant")];
        for (channel, (kind, status)) in (0..).zip(devices) {
            writeln!(
                text,
                "{},{kind},MANY-{home},{},{channel},{kind}-01020300,0102,SUP-{},{status},false,,SMSO-1,GROUP-A,CSP-1,\
                 10.{}.{}.{}:4059,CELL-{},CF{}",
                eui(channel),
                eui(0),
                home % 60,
                home >> 16,
                home >> 8 & 0xFF,
                home & 0xFF,
                home % 5_000,
                home % 99 + 1,
            )
            .unwrap();
        }
    }
    let rows = text.lines().count() as u32 - 1;
    assert!(rows >= MANY);
    desk.write(list, text.as_bytes());
    let timed = |form: &str| {
        let began = Instant::now();
        let stdout = desk.run(&format!("{PLAN} --json")).succeeded().stdout;
        let seconds = began.elapsed().as_secs_f64();
        say(&format!(
            "{rows} inventory rows of {form}: {seconds:.2} s, {:.0} rows/s",
            f64::from(rows) / seconds
        ));
        stdout
    };
    let of_csv = timed("CSV");
    make_workbook(&desk, "inventory", |_| ());
    let length = desk.read("examples/lists/inventory.xlsx").len();
    say(&format!("the workbook has {:.1} MB", length as f64 / 1e6));
    assert_eq!(timed("XLSX"), of_csv);
}
