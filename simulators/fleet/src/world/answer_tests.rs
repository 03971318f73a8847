//! What the answer to a bad world file names: the key that is meant, however it is written, and what it expects.

use super::WorldSpec;

const STREET: &str = include_str!("../../../fleets/street.toml");

/// Changes the street and checks the whole answer to it; `{line}` is the line that begins with `at`.
#[track_caller]
fn check_answer((find, put): (&str, &str), at: &str, answer: &str) {
    assert!(STREET.contains(find), "street.toml has no `{find}`");
    let text = STREET.replacen(find, put, 1);
    let error = WorldSpec::parse(&text).err().unwrap_or_else(|| panic!("`{put}` is taken"));
    let line = 1 + text.lines().position(|line| line.starts_with(at)).expect("the line is there");
    assert_eq!(error.to_string(), answer.replace("{line}", &line.to_string()));
}

/// Returns the street without the `[han]` table.
fn without_han() -> String {
    let start = STREET.find("[han]").expect("it has one");
    let end = start + STREET[start..].find("\n\n").expect("and more");
    format!("{}{}", &STREET[..start], &STREET[end..])
}

#[track_caller]
fn answer(text: &str) -> String {
    WorldSpec::parse(text).expect_err("this is no world").to_string()
}

#[test]
fn a_file_that_is_no_text_is_answered_at_its_first_bad_byte() {
    let error = |bytes: &[u8]| WorldSpec::read(bytes).expect_err("this is no text").to_string();
    assert_eq!(
        error(b"\xff\xfe\x00\x01name"),
        "line 1, column 1: expected a world file, TOML in UTF-8, found the byte 0xFF"
    );
    assert_eq!(
        error(b"name = \"a\"\n[han]\nloss = \xe9"),
        "line 3, column 8, key `han.loss`: expected a world file, TOML in UTF-8, found the byte 0xE9"
    );
    WorldSpec::read(STREET.as_bytes()).expect("the street is sound");
}

#[test]
fn a_key_that_is_missing_is_named_wherever_it_belongs() {
    let without =
        |find: &str| STREET.lines().filter(|line| !line.starts_with(find)).collect::<Vec<_>>().join("\n");
    assert_eq!(
        answer(&without("installations")),
        "line 1, column 1, key `installations`: missing field `installations` (`installations`: homes)"
    );
    assert_eq!(answer(""), "line 1, column 1, key `name`: missing field `name`");
    assert_eq!(answer(&without_han()), "line 1, column 1, key `han`: missing field `han`");
    let line =
        1 + without("wake_interval_s").lines().position(|line| line == "[device.gas]").expect("it is there");
    assert_eq!(
        answer(&without("wake_interval_s")),
        format!(
            "line {line}, column 1, key `device.gas.wake_interval_s`: missing field `wake_interval_s` (`wake_interval_s`: seconds)"
        )
    );
}

#[test]
fn keys_are_named_however_they_are_written() {
    let says = "expected a share between 0 and 1 (`loss`: a share between 0 and 1 of what is sent)";
    let table = without_han().replacen("cells = 1", "han = { latency_ms = 25, loss = 2 }\ncells = 1", 1);
    let line = 1 + table.lines().position(|line| line.starts_with("han = ")).expect("it is there");
    assert_eq!(answer(&table), format!("line {line}, column 33, key `han.loss`: {says}"));
    let dotted = without_han().replacen("cells = 1", "han.latency_ms = 25\nhan.\"loss\" = 2\ncells = 1", 1);
    assert_eq!(answer(&dotted), format!("line {}, column 14, key `han.loss`: {says}", line + 1));
    let quoted = STREET.replacen("[han]", "[\"han\"]", 1).replacen("latency_ms = 25 ", "latency_ms = 0 ", 1);
    let error = WorldSpec::parse(&quoted).expect_err("no radio is that fast");
    assert_eq!(error.key, "han.latency_ms", "{error}");
    let quoted = STREET.replacen("display_share = 0.4", "\"display_share\" = 1.4", 1);
    let error = WorldSpec::parse(&quoted).expect_err("no share is that large");
    assert_eq!(error.key, "display_share", "{error}");
    assert!(error.expected.ends_with("(`display_share`: a share between 0 and 1)"), "{error}");
    let first = WorldSpec::parse("name = 5").expect_err("no name is a number");
    assert_eq!(first.key, "name", "{first}");
}

#[test]
fn a_world_without_links_is_told_so() {
    let start = STREET.find("[[link]]").expect("it has some");
    let end = STREET.find("[han]").expect("it has one");
    let text = format!("{}link = []\n{}", &STREET[..start], &STREET[end..]);
    let error = WorldSpec::parse(&text).expect_err("no home is reached");
    assert_eq!(
        (error.key.as_str(), error.expected.as_str()),
        ("link", "expected at least one `[[link]]` table, found none")
    );
}

#[test]
fn a_number_with_something_after_it_is_answered_by_what_was_expected() {
    check_answer(
        ("display_share = 0.4", "display_share = 40%"),
        "display_share",
        "line {line}, column 17, key `display_share`: \
         expected a number (`display_share`: a share between 0 and 1), found `40%`",
    );
    check_answer(
        ("latency_ms = 400 ", "latency_ms = 400ms "),
        "latency_ms",
        "line {line}, column 14, key `link.latency_ms`: \
         expected a whole number from 0 to 4294967295 (`latency_ms`: milliseconds), found `400ms`",
    );
    check_answer(
        ("installations = 10", "installations = 1,000"),
        "installations",
        "line {line}, column 18, key `installations`: \
         expected a whole number from 1 to 4294967295 (`installations`: homes), found `1,000`",
    );
    check_answer(
        ("manufacturer = 0x10E5", "manufacturer = -0x10E5"),
        "manufacturer",
        "line {line}, column 16, key `device.hub.model.manufacturer`: expected a whole number from 0 to 65535 \
         (`manufacturer`: a Zigbee manufacturer code, such as 0x10E5), found `-0x10E5`",
    );
}

#[test]
fn numbers_out_of_range_are_told_the_range() {
    let says = "expected a whole number from 1 to 18446744073709551615 (`global_rate_bytes_per_s`: bytes per second)";
    let key = "campaign.global_rate_bytes_per_s";
    for (rate, found) in [
        ("0", "invalid value: integer `0`"),
        ("18446744073709551616", "invalid type: integer `18446744073709551616`"),
    ] {
        check_answer(
            ("global_rate_bytes_per_s = 50000", &format!("global_rate_bytes_per_s = {rate}")),
            "global_rate_bytes_per_s",
            &format!("line {{line}}, column 27, key `{key}`: {found}, {says}"),
        );
    }
}

#[test]
fn a_start_that_is_none_is_told_the_format() {
    let format = "(`start`: UTC date-time such as 2020-10-05T00:00:00Z)";
    check_answer(
        ("start = 2020-10-05T00:00:00Z", "start = 2020-13-45T00:00:00Z"),
        "start",
        &format!(
            "line {{line}}, column 9, key `start`: invalid date, expected month between 01 and 12 {format}"
        ),
    );
    check_answer(
        ("start = 2020-10-05T00:00:00Z", "start = \"2020-10-05T00:00:00Z\""),
        "start",
        &format!(
            "line {{line}}, column 9, key `start`: invalid type: string \"2020-10-05T00:00:00Z\", \
             expected a date-time without quotes {format}"
        ),
    );
}

#[test]
fn a_key_that_resembles_another_is_pointed_there() {
    let hint = |find: &str, put: &str| {
        let error = WorldSpec::parse(&STREET.replacen(find, put, 1)).expect_err("there is no such key");
        error.expected.split_once('?').map(|(hint, _)| hint.to_owned())
    };
    assert_eq!(
        hint("latency_ms = 400", "latency_s = 0.4").as_deref(),
        Some("unknown field `latency_s`, did you mean `latency_ms` (milliseconds)")
    );
    assert_eq!(
        hint("wake_interval_s = 1800", "wake_interval_min = 30").as_deref(),
        Some("unknown field `wake_interval_min`, did you mean `wake_interval_s` (seconds)")
    );
    assert_eq!(
        hint("[evidence]", "[evidense]").as_deref(),
        Some("unknown field `evidense`, did you mean `evidence`")
    );
    assert_eq!(hint("gas_share", "colour = 3\ngas_share"), None);
}

#[test]
fn a_key_without_a_value_is_named() {
    let error = WorldSpec::parse(&STREET.replacen("display_share = 0.4", "display_share 0.4", 1))
        .expect_err("no TOML");
    assert_eq!(error.key, "display_share", "{error}");
}
