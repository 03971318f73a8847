//! CSV as people's files have it: line ends of either kind, empty lines, quotes, and an end that comes too soon.

use eligibility::{Device, Evidence, PpclEntry, read_csv, write_csv};

use crate::world::world;

/// The csv library reports the line it stood on before it skipped empty lines, and with CR LF one line too few; both
/// led people to the wrong row.
#[test]
fn a_fault_is_named_by_its_line_after_empty_lines_quoted_cells_and_any_line_end() {
    for end in ["\n", "\r\n"] {
        let lines = [
            "dmc_id,kind,state,date,doc_ref,equivalent_to",
            "D2,MT,complete,2020-08-01,\"a, \"\"quoted\"\" one\",",
            "",
            "",
            "D2,SIT,complete",
            "D2,MT,complete,2020-08-01,\" over\",",
            "D2,SIT,complete,2020-08-01,good,",
            "D2,SIT,done,2020-08-01,\"good, \"\"too\"\"\",",
        ];
        let error = read_csv::<Evidence>(lines.join(end).as_bytes()).expect_err("damaged");
        let places =
            error.faults().iter().map(|fault| (fault.line, fault.column.as_deref())).collect::<Vec<_>>();
        assert_eq!(places, [(5, None), (6, Some("doc_ref")), (8, Some("state"))], "{error}");
    }
}

#[test]
fn line_ends_of_either_kind_and_a_missing_last_one_read_the_same() {
    let world = world();
    let text = String::from_utf8(write_csv(&world.devices)).expect("we write UTF-8");
    for text in [text.replace('\n', "\r\n"), text.trim_end().to_string(), format!("\u{feff}\n\r\n{text}\r\n")]
    {
        assert_eq!(read_csv::<Device>(text.as_bytes()), Ok(world.devices.clone()), "{text:?}");
    }
}

/// A quote that opens a cell and is not closed made a cell of all lines up to the next quote, or to the end of the file:
/// rows were gone, and what was told was one row with a bad cell. No cell of these lists goes on into another line.
#[test]
fn a_quote_that_is_not_closed_on_its_line_is_named_where_it_opens() {
    let header = "dmc_id,kind,state,date,doc_ref,equivalent_to\n";
    let closed = "\"a cell that ends on its line: a quote is opened and not closed\"";
    let expected = closed.trim_matches('"');
    for (row, column, found) in [
        ("D2,MT,complete,2020-08-01,\"cut", "doc_ref", "\"cut"),
        ("D2,MT,complete,2020-08-01,\"over\ntwo lines\",\n", "doc_ref", "\"over"),
        ("D2,MT,complete,2020-08-01,a,\"", "equivalent_to", "\""),
        ("D2,MT,complete,2020-08-01,a,\"\r\nD2,SIT,complete,2020-08-01,b,\r\n", "equivalent_to", "\""),
        (
            "D2,\"M\"\"T\"\",complete,2020-08-01,a,\nD2,\"SIT\",done,2020-08-01,a,\n",
            "kind",
            "\"M\"\"T\"\",compl",
        ),
    ] {
        let error = read_csv::<Evidence>(format!("{header}\n{row}").as_bytes()).expect_err("damaged");
        let told = error.to_string();
        let said = format!("evidence.csv line 3, column {column}: expected {expected}, found \"");
        assert!(error.count() == 1 && told.starts_with(&said), "{told}");
        assert!(error.faults()[0].found.starts_with(found), "{told}");
    }
    let error = read_csv::<Evidence>(&b"dmc_id,\"kind,state\n"[..]).expect_err("damaged");
    assert!(error.to_string().starts_with("evidence.csv line 1: expected a cell that ends"), "{error}");
}

#[test]
fn a_quote_that_is_never_closed_does_not_make_a_cell_of_the_rest_of_the_file() {
    let mut text =
        String::from("dmc_id,kind,state,date,doc_ref,equivalent_to\nD2,MT,complete,2020-08-01,\"open,\n");
    for _ in 0..50_000 {
        text.push_str("D2,SIT,complete,2020-08-01,a document of some length,\n");
    }
    let error = read_csv::<Evidence>(text.as_bytes()).expect_err("damaged");
    assert!(error.to_string().starts_with("evidence.csv line 2, column doc_ref: expected a cell"), "{error}");
    // As long a file of short rows is no long row, and one that has no line ends is.
    assert!(read_csv::<Evidence>(text.replace('"', "").as_bytes()).is_ok());
    let error = read_csv::<Evidence>(text.replace("\nD2,SIT", "D2,SIT").as_bytes()).expect_err("damaged");
    assert!(
        error.to_string().starts_with("evidence.csv line 2: expected a readable file, found \"a row longer")
    );
}

#[test]
fn an_unreadable_source_is_a_fault_of_its_file() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let error = read_csv::<Device>(Broken).expect_err("unreadable");
    assert_eq!(
        error.to_string(),
        "inventory.csv line 1: expected a readable file, found \"the disk is gone\""
    );
    assert!(read_csv::<PpclEntry>(Broken).is_err());
}
