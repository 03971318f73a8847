//! The rules of ARCHITECTURE.md that a machine can hold: arrows, sizes, opening lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every arrow between our crates, from the one that knows to the one that is known. A new arrow is a design
/// decision: it belongs into ARCHITECTURE.md first.
const ARROWS: &[(&str, &[&str])] = &[
    ("firmware-image", &[]),
    ("wire", &[]),
    ("eligibility", &["firmware-image"]),
    ("ledger", &[]),
    ("transfer-engine", &["wire"]),
    ("campaign", &["eligibility", "firmware-image", "ledger", "transfer-engine", "wire"]),
    ("fleet", &["campaign", "eligibility", "firmware-image", "ledger", "transfer-engine", "wire"]),
    ("head-end", &["campaign", "ledger", "transfer-engine", "wire"]),
    ("smso-adapter", &["campaign", "eligibility", "firmware-image", "ledger"]),
    ("host", &["firmware-image", "fleet", "transfer-engine", "wire"]),
    (
        "cli",
        &[
            "campaign",
            "eligibility",
            "firmware-image",
            "fleet",
            "head-end",
            "host",
            "ledger",
            "smso-adapter",
            "transfer-engine",
            "wire",
        ],
    ),
];

/// Crates that decide and do nothing: no sockets, files, clocks, threads or randomness of their own. The
/// ledger's SQLite store is the one file behind a trait.
const PURE: &[&str] =
    &["firmware-image", "wire", "eligibility", "transfer-engine", "campaign", "ledger", "fleet"];

/// The one file of a pure crate that is not: a store behind the ledger's trait. Files of tests may time things.
const STORE: &str = "crates/ledger/src/sqlite.rs";

/// What a pure crate never says.
const IMPURE_WORDS: &[&str] = &[
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "SystemTime::now",
    "Instant::now",
    "std::fs::",
    "thread::spawn",
    "tokio::",
    "rand::rng()",
];

const LINES_PER_FILE: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of our crates, by name.
fn crates() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for parent in ["crates", "simulators"] {
        for entry in fs::read_dir(root().join(parent)).expect("the folder exists") {
            let folder = entry.expect("the entry is readable").path();
            if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) {
                let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
                let name = manifest["package"]["name"].as_str().expect("packages have names");
                found.insert(name.to_owned(), folder);
            }
        }
    }
    found
}

/// Our crates that a manifest depends on, in one table.
fn dependencies(folder: &Path, table: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest is readable");
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    let ours = crates();
    let named =
        manifest.get(table).and_then(|table| table.as_table()).into_iter().flat_map(|table| table.keys());
    named.filter(|name| ours.contains_key(*name)).cloned().collect()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["crates", "simulators", "tests", "benches", "fuzz"] {
        sources(&root().join(folder), &mut found);
    }
    found
}

#[test]
fn arrows_between_crates_are_those_of_the_drawing() {
    let expected: BTreeMap<&str, BTreeSet<String>> = ARROWS
        .iter()
        .map(|(name, known)| (*name, known.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let crates = crates();
    let names: Vec<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(names, expected.keys().copied().collect::<Vec<_>>(), "a crate came or went");
    for (name, folder) in &crates {
        let allowed = &expected[name.as_str()];
        let found = dependencies(folder, "dependencies");
        let strangers: Vec<_> = found.difference(allowed).collect();
        assert!(strangers.is_empty(), "{name} must not know {strangers:?}");
    }
}

#[test]
fn pure_crates_touch_nothing() {
    let crates = crates();
    for name in PURE {
        let mut files = Vec::new();
        sources(&crates[*name].join("src"), &mut files);
        for file in files.iter().filter(|file| !file.ends_with(STORE) && !file.ends_with("tests.rs")) {
            let text = fs::read_to_string(file).expect("the source is readable");
            let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for word in IMPURE_WORDS {
                assert!(!code.contains(word), "{}: a pure crate says {word}", file.display());
            }
        }
    }
}

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    for file in all_sources() {
        let text = fs::read_to_string(&file).expect("the source is readable");
        let lines = text.lines().count();
        assert!(lines <= LINES_PER_FILE, "{}: {lines} lines", file.display());
        assert!(text.starts_with("//!"), "{}: begins without a module doc", file.display());
    }
}

#[test]
fn no_crate_of_ours_is_unsafe() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest is readable");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for (name, folder) in crates() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest is readable");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} does not take the workspace's lints");
    }
}
