//! Every number of the committed worlds says on its own line whether it is a fact, an inference or an assumption.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the numbers of the sources that stand at the top of a file: `#   1  GPRS multislot class 10: …`.
fn sources(text: &str) -> BTreeSet<u32> {
    let numbered =
        |line: &str| line.strip_prefix("#   ").and_then(|rest| rest.split_once("  ")?.0.parse().ok());
    text.lines().take_while(|line| line.starts_with('#')).filter_map(numbered).collect()
}

/// Returns the key on a line, if its value is a number, a date or a list.
fn numbered_key(line: &str) -> Option<&str> {
    let (key, value) = line.split_once('=').filter(|_| !line.starts_with(['#', '[']))?;
    value
        .trim_start()
        .starts_with(|first: char| "+-.[".contains(first) || first.is_ascii_digit())
        .then(|| key.trim())
}

/// Returns the sources that a line's mark names, none for an assumption; `None` for a line without a mark.
fn mark(line: &str) -> Option<Vec<u32>> {
    let comment = line.split_once("# (")?.1;
    let (mark, _) = comment.split_once(')')?;
    if mark == "assumption" {
        return Some(Vec::new());
    }
    let named = mark.strip_prefix("fact ").or_else(|| mark.strip_prefix("inference "))?;
    named.split(", ").map(|number| number.parse().ok()).collect()
}

#[test]
fn every_number_of_a_committed_world_is_marked_on_its_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleets");
    let files = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it is readable").path());
    let worlds: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert_eq!(worlds.len(), 8);
    let mut numbers = 0;
    for world in worlds {
        let text = fs::read_to_string(&world).expect("it is text");
        let sources = sources(&text);
        assert!(sources.len() > 5, "{}: {sources:?}", world.display());
        for (number, line) in (1..).zip(text.lines()) {
            let Some(key) = numbered_key(line) else { continue };
            let at = format!("{}, line {number}, `{key}`", world.display());
            let named =
                mark(line).unwrap_or_else(|| panic!("{at}: neither fact nor inference nor assumption"));
            assert!(named.iter().all(|source| sources.contains(source)), "{at}: {named:?} of {sources:?}");
            numbers += 1;
        }
    }
    assert!(numbers > 700, "{numbers}");
}

#[test]
fn a_number_without_a_mark_is_found() {
    assert_eq!(numbered_key("outage_s = 900"), Some("outage_s"));
    assert_eq!(numbered_key("wave_shares = [0.25, 0.7]"), Some("wave_shares"));
    assert_eq!(numbered_key("name = \"good\""), None);
    assert_eq!(mark("outage_s = 900"), None);
    assert_eq!(mark("outage_s = 900 # a fact"), None);
    assert_eq!(mark("outage_s = 900 # (inference) of what"), None);
    assert_eq!(mark("outage_s = 900 # (inference 2, 3) of them"), Some(vec![2, 3]));
    assert_eq!(mark("outage_s = 900 # (assumption)"), Some(Vec::new()));
}
