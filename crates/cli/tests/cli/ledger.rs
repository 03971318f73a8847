//! `lamplighter ledger` beside a writer, on sound, damaged and foreign files.

use ledger::{Ledger, NewEntry, SqliteStore};

use crate::desk::Desk;

/// A desk with the ledger `l.sqlite` of `count` entries; the writer keeps it open.
fn written(count: u64) -> (Desk, Ledger<SqliteStore>) {
    let desk = Desk::empty();
    let mut writer = Ledger::open(SqliteStore::open(&desk.path("l.sqlite")).unwrap()).unwrap();
    writer.append((0..count).map(entry).collect()).unwrap();
    (desk, writer)
}

fn entry(n: u64) -> NewEntry {
    NewEntry {
        recorded_at_us: 1_795_392_000_000_000 + n,
        kind: if n.is_multiple_of(2) { "instruction".to_owned() } else { "outcome".to_owned() },
        subject: format!("c-{}", n % 3),
        body: if n == 4 { vec![0, 1, 255] } else { format!("{{\"n\":{n}}}").into_bytes() },
    }
}

#[test]
fn a_ledger_is_verified_and_shown_while_it_is_written() {
    let (desk, mut writer) = written(12);
    let report = desk.run("ledger verify l.sqlite --json").succeeded().json();
    assert_eq!(report["entries"], 12);
    assert_eq!(report["head"], writer.head().to_string());
    let old = writer.head();
    writer.append(vec![entry(12)]).unwrap();
    let text = desk.run(&format!("ledger verify l.sqlite --head {old}")).succeeded().stdout;
    assert!(text.contains(&writer.head().to_string()), "{text}");
    let shown = desk.run("ledger show l.sqlite --from 3 --limit 2").succeeded();
    assert_eq!(shown.stdout.lines().count(), 2);
    assert!(shown.stdout.contains("2026-11-23T") && shown.stdout.contains("{\"n\":3}"), "{shown:?}");
    assert!(shown.stdout.contains("(3 bytes, --json shows them)"), "{shown:?}");
    assert_eq!(shown.stderr, "more: --from 5\n");
}

#[test]
fn entries_are_picked_by_kind_and_subject() {
    let (desk, _writer) = written(600);
    let line = "ledger show l.sqlite --kind instruction --subject c-1 --limit 3 --json";
    let report = desk.run(line).succeeded().json();
    let indices: Vec<_> =
        report["entries"].as_array().unwrap().iter().map(|e| e["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [4, 10, 16]);
    assert_eq!(report["entries"][0]["body_hex"], "0001ff");
    assert_eq!(report["entries"][1]["body_text"], "{\"n\":10}");
    assert_eq!(report["next"], 22);
    let rest = desk.run("ledger show l.sqlite --from 598 --json").succeeded().json();
    assert_eq!(rest["next"], serde_json::Value::Null);
}

#[test]
fn a_cut_or_foreign_history_is_refused_against_a_known_head() {
    let (desk, writer) = written(12);
    let hash = writer.head().hash;
    let line = format!("ledger verify l.sqlite --head 13:{hash}");
    desk.run(&line).failed(4, &["l.sqlite", "entry 12 does not hold", "the tail was cut"]);
    let line = format!("ledger verify l.sqlite --head 11:{hash}");
    desk.run(&line).failed(4, &["l.sqlite", "entry 10 does not hold", "another history"]);
    assert_eq!(desk.run("ledger verify l.sqlite --head nonsense").code, 2);
}

#[test]
fn a_damaged_ledger_is_refused_and_can_still_be_shown() {
    let (desk, writer) = written(30);
    drop(writer);
    let connection = rusqlite::Connection::open(desk.path("l.sqlite")).unwrap();
    connection.execute("UPDATE entry SET body = 'forged' WHERE entry_index = 29", []).unwrap_err();
    connection.execute("UPDATE entry SET body = x'666f72676564' WHERE entry_index = 29", []).unwrap();
    drop(connection);
    desk.run("ledger verify l.sqlite").failed(4, &["l.sqlite", "entry 29 does not hold"]);
    let ended = desk.run("ledger verify l.sqlite --json");
    ended.failed(4, &["entry 29"]);
    assert_eq!((&ended.json()["verdict"], &ended.json()["entry"]), (&"refused".into(), &29.into()));
    let shown = desk.run("ledger show l.sqlite --from 29").succeeded();
    assert!(shown.stdout.contains("forged"), "{shown:?}");
}

#[test]
fn what_is_no_ledger_is_bad_input() {
    let desk = Desk::empty();
    desk.write("notes.txt", "no database at all ".repeat(100).as_bytes());
    desk.write("empty", b"");
    for command in ["verify", "show"] {
        let foreign = ["expected a ledger file", "is not a lamplighter ledger"];
        desk.check_failure(&format!("ledger {command} notes.txt"), 3, &foreign);
        desk.check_failure(&format!("ledger {command} empty"), 3, &foreign);
        desk.check_failure(&format!("ledger {command} absent"), 3, &["absent", "No such file"]);
    }
}
