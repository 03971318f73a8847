//! One bad value for every key of a world file, and what the answer names: line, column, key, range and unit.

use super::WorldSpec;
use std::collections::BTreeSet;

const STREET: &str = include_str!("../../../fleets/street.toml");

/// Every key that a world file can have, with a value that it cannot have, and what the answer must say was expected.
const TABLE: &[(&str, &str, &str)] = &[
    ("name", "5", "expected a string"),
    ("installations", "0", "a whole number from 1 to 4294967295 (`installations`: homes)"),
    ("installations", "99999999", "at most 15605760 installations"),
    ("start", "2020-10-05", "UTC date-time such as 2020-10-05T00:00:00Z, not before 1970"),
    ("cells", "-1", "a whole number from 1 to 4294967295 (`cells`: WAN cells)"),
    ("regions", "0", "(`regions`: campaigns)"),
    ("regions", "7", "a number that divides the 1 cells into equal parts, found 7"),
    ("gas_share", "1.5", "a share between 0 and 1"),
    ("display_share", "\"x\"", "expected a number (`display_share`: a share between 0 and 1)"),
    ("link.name", "7", "expected a string"),
    ("link.share", "-0.1", "a share between 0 and 1"),
    ("link.down_rate_bits_per_s", "0", "from 1 to 4294967295 (`down_rate_bits_per_s`: bits per second)"),
    ("link.up_rate_bits_per_s", "1.5", "(`up_rate_bits_per_s`: bits per second)"),
    ("link.latency_ms", "-4", "from 0 to 4294967295 (`latency_ms`: milliseconds)"),
    ("link.jitter_ms", "\"long\"", "(`jitter_ms`: milliseconds)"),
    ("link.loss", "2", "a share between 0 and 1"),
    ("link.burst_enter", "7.0", "a probability per datagram"),
    ("link.burst_leave", "7.0", "a probability per datagram"),
    ("link.burst_loss", "7.0", "(`burst_loss`: a share between 0 and 1 of what is sent)"),
    ("link.duplicates", "-1.0", "of all datagrams"),
    ("link.queue_bytes", "0", "(`queue_bytes`: bytes)"),
    ("link.outage_every_s", "0", "(`outage_every_s`: seconds)"),
    ("link.outage_s", "-1", "(`outage_s`: seconds)"),
    ("han.latency_ms", "0", "from 1 to 4294967295 (`latency_ms`: milliseconds)"),
    ("han.loss", "1.1", "a share between 0 and 1"),
    ("device.hub.block_bytes", "0", "(`block_bytes`: bytes)"),
    ("device.hub.minimum_block_period_ms", "-1", "(`minimum_block_period_ms`: milliseconds)"),
    ("device.electricity.block_bytes", "300", "from 1 to 255 (`block_bytes`: bytes)"),
    ("device.electricity.page_bytes", "0", "a whole number from 1 to 65535 (`page_bytes`: bytes)"),
    ("device.electricity.block_period_ms", "-1", "milliseconds"),
    ("device.electricity.query_interval_s", "0", "(`query_interval_s`: seconds)"),
    ("device.gas.block_bytes", "0", "from 1 to 255 (`block_bytes`: bytes)"),
    ("device.gas.page_bytes", "70000", "a whole number from 1 to 65535 (`page_bytes`: bytes)"),
    ("device.gas.block_period_ms", "true", "milliseconds"),
    ("device.gas.wake_interval_s", "0", "(`wake_interval_s`: seconds)"),
    ("device.gas.blocks_per_wake", "0", "(`blocks_per_wake`: blocks of block_bytes)"),
    ("device.gas.battery.charge_mah", "-1", "(`charge_mah`: milliampere-hours)"),
    ("device.gas.battery.low_mah", "1.5", "(`low_mah`: milliampere-hours)"),
    ("device.gas.battery.reserve_mah", "-1", "(`reserve_mah`: milliampere-hours)"),
    ("device.gas.battery.wake_nah", "-1", "(`wake_nah`: nanoampere-hours)"),
    ("device.gas.battery.block_nah", "-1", "(`block_nah`: nanoampere-hours)"),
    ("device.display.block_bytes", "0", "from 1 to 255 (`block_bytes`: bytes)"),
    ("device.display.page_bytes", "\"all\"", "(`page_bytes`: bytes)"),
    ("device.display.block_period_ms", "-1", "milliseconds"),
    ("device.display.query_interval_s", "0", "(`query_interval_s`: seconds)"),
    ("standing.active_share", "1.1", "a share between 0 and 1"),
    ("standing.mixed_share", "1.1", "a share between 0 and 1"),
    ("standing.enrolled_share", "1.1", "a share between 0 and 1"),
    ("standing.excluded_share", "1.1", "a share between 0 and 1"),
    ("evidence.epcl_share", "1.1", "a share between 0 and 1"),
    ("evidence.mt_sit_share", "1.1", "a share between 0 and 1"),
    ("evidence.dmct_report_share", "1.1", "a share between 0 and 1"),
    ("evidence.equivalence_draft_share", "1.1", "a share between 0 and 1"),
    ("evidence.none_share", "1.1", "a share between 0 and 1"),
    ("trouble.already_current_share", "1.1", "a share between 0 and 1"),
    ("trouble.wrong_hardware_share", "1.1", "a share between 0 and 1"),
    ("trouble.does_not_come_up_share", "1.1", "a share between 0 and 1"),
    ("trouble.flash_defect_share", "1.1", "a share between 0 and 1"),
    ("trouble.unreachable_share", "1.1", "a share between 0 and 1"),
    ("trouble.low_battery_share", "1.1", "a share between 0 and 1"),
    ("trouble.fails_later_share", "1.1", "a share between 0 and 1"),
    ("trouble.silences_others_share", "1.1", "a share between 0 and 1"),
    ("faults.reordered_per_datagram", "1.1", "of all datagrams"),
    ("faults.reorder_most_ms", "-1", "(`reorder_most_ms`: milliseconds)"),
    ("faults.corrupted_per_datagram", "1.1", "of all datagrams"),
    ("faults.undetected_per_corrupted", "1.1", "of the corrupted datagrams"),
    ("faults.half_open_per_day", "-1", "between 0 and 1440 times a day"),
    ("faults.half_open_s", "-1", "(`half_open_s`: seconds)"),
    ("faults.cell_congestion_per_day", "2000", "between 0 and 1440 times a day"),
    ("faults.cell_congestion_s", "-1", "(`cell_congestion_s`: seconds)"),
    ("faults.cell_congestion_rate_share", "1.1", "a share between 0 and 1"),
    ("faults.rate_collapse_per_day", "\"often\"", "expected a number (`rate_collapse_per_day`: times a day"),
    ("faults.rate_collapse_s", "-1", "(`rate_collapse_s`: seconds)"),
    ("faults.rate_collapse_rate_share", "1.1", "a share between 0 and 1"),
    ("faults.hub_reboots_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.meter_reboots_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.power_cuts_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.power_cut_most_s", "-1", "(`power_cut_most_s`: seconds)"),
    ("faults.activation_answers_lost_per_answer", "1.1", "a share between 0 and 1 of the answers"),
    ("faults.supplier_changes_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.storm_hubs_share", "1.1", "a share between 0 and 1"),
    ("faults.storm_model", "1", "expected a string"),
    ("faults.storms_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.storm_s", "-1", "(`storm_s`: seconds)"),
    ("faults.storm_length_factor", "70000", "from 0 to 65535 (`storm_length_factor`: times)"),
    ("faults.clock_off_most_s", "-1", "(`clock_off_most_s`: seconds)"),
    ("faults.clock_jumps_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.clock_jump_most_s", "-1", "(`clock_jump_most_s`: seconds)"),
    ("faults.meter_swaps_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.hub_swaps_per_day", "-0.1", "between 0 and 1440 times a day"),
    ("faults.flash_bit_flips_per_day", "1441", "between 0 and 1440 times a day"),
    ("faults.worn_flash_share", "1.1", "a share between 0 and 1"),
    ("campaign.pilot_share", "1.1", "a share between 0 and 1"),
    ("campaign.wave_shares", "[0.5, 1.1]", "a share between 0 and 1"),
    ("campaign.success_threshold", "1.1", "(`success_threshold`: a share between 0 and 1)"),
    ("campaign.failure_threshold", "1.1", "(`failure_threshold`: a share between 0 and 1)"),
    ("campaign.global_rate_bytes_per_s", "0", "(`global_rate_bytes_per_s`: bytes per second)"),
    ("campaign.cell_rate_bytes_per_s", "0", "(`cell_rate_bytes_per_s`: bytes per second)"),
    ("campaign.link_rate_bytes_per_s", "0", "(`link_rate_bytes_per_s`: bytes per second)"),
    ("campaign.link_rate_agreed", "1", "expected a boolean"),
    ("campaign.burst_ms", "0", "(`burst_ms`: milliseconds)"),
    ("campaign.link_round_trip_ms", "0", "(`link_round_trip_ms`: milliseconds)"),
    ("campaign.poll_interval_s", "0", "(`poll_interval_s`: seconds)"),
    ("campaign.han_deadline_s", "0", "(`han_deadline_s`: seconds)"),
    ("campaign.sending", "['22:00']", "expected a window as \"HH:MM-HH:MM\""),
    ("campaign.activating", "['22:00-22:00']", "expected a window as \"HH:MM-HH:MM\""),
    ("campaign.soak_s", "-1", "(`soak_s`: seconds)"),
];

/// The same for the keys that every kind of device has in its `model`.
const MODEL_TABLE: &[(&str, &str, &str)] = &[
    ("name", "7", "expected a string"),
    ("manufacturer", "70000", "from 0 to 65535 (`manufacturer`: a Zigbee manufacturer code, such as 0x10E5)"),
    ("image_type", "-1", "a Zigbee image type, such as 0x0011"),
    ("hardware", "70000", "a hardware version, such as 0x0102"),
    ("wrong_hardware", "70000", "a hardware version, such as 0x0102"),
    ("running_version", "-1", "a file version, such as 0x01020304"),
    ("target_version", "4294967296", "a file version, such as 0x01020304"),
    ("image_bytes", "0", "(`image_bytes`: bytes)"),
    ("image_bytes", "11000000", "at most 10014464 bytes"),
];

/// Faults that go together, and say so when they do not.
const PAIRS: &[(&str, &str)] = &[
    ("half_open_per_day = 1", "`half_open_s` of at least 1 second"),
    ("cell_congestion_per_day = 1", "`cell_congestion_s` of at least 1 second"),
    (
        "cell_congestion_per_day = 1\ncell_congestion_s = 9",
        "`cell_congestion_rate_share` between 0.001 and 1",
    ),
    ("rate_collapse_per_day = 1\nrate_collapse_s = 9", "`rate_collapse_rate_share` between 0.001 and 1"),
    ("power_cuts_per_day = 1", "`power_cut_most_s` of at least 1 second"),
    ("clock_jumps_per_day = 1", "`clock_jump_most_s` of at least 1 second"),
    ("reordered_per_datagram = 0.1", "`reorder_most_ms` of at least 1 millisecond"),
    ("storm_hubs_share = 0.1", "`storm_model`, a model's name"),
    ("storms_per_day = 1\nstorm_s = 9", "`storm_length_factor` between 2 and 1000"),
];

/// The street with every key written down that it leaves out.
fn full() -> String {
    let mut text = STREET.replacen("cells = 1 ", "regions = 1\ncells = 1 ", 1);
    let links =
        "queue_bytes = 65536                 # (assumption) what the network buffers before it drops\n";
    let link = "jitter_ms = 1\nburst_enter = 0.0\nburst_leave = 1.0\nburst_loss = 0.0\nduplicates = 0.0\n\
                outage_every_s = 9\noutage_s = 1\n";
    text = text.replacen("jitter_ms = 200                     # (assumption)\n", "", 1);
    text = text.replacen(links, &format!("{links}{link}"), 1);
    for model in ["hub", "display"] {
        let header = format!("[device.{model}.model]\n");
        text = text.replacen(&header, &format!("{header}image_bytes = 5000\n"), 1);
    }
    for kind in ["electricity", "gas", "display"] {
        let header = format!("[device.{kind}]\n");
        text = text.replacen(&header, &format!("{header}page_bytes = 512\n"), 1);
    }
    let battery =
        "[device.gas.battery]\ncharge_mah = 2\nlow_mah = 1\nreserve_mah = 0\nwake_nah = 1\nblock_nah = 1\n";
    text = text.replacen("[device.display", &format!("{battery}\n[device.display"), 1);
    let trouble = "[trouble]\nlow_battery_share = 0\nfails_later_share = 0\nsilences_others_share = 0\n";
    text = text.replacen("[trouble]\n", trouble, 1);
    let mut faults = String::from("[faults]\nstorm_model = \"X\"\n");
    for (key, ..) in TABLE.iter().filter(|(key, ..)| key.starts_with("faults.") && !key.ends_with("_model")) {
        faults += &format!("{} = 0\n", key.trim_start_matches("faults."));
    }
    let campaign = "[campaign]\nlink_rate_agreed = false\nburst_ms = 50\n\
                    sending = []\nactivating = []\nsoak_s = 0\n";
    text.replacen("[campaign]\n", &format!("{faults}\n{campaign}"), 1)
}

/// Replaces a key's first value and returns the new text with the line and column of the value.
fn with_bad_value(text: &str, key: &str, bad: &str) -> (String, usize, usize) {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let header = |line: &str| line.trim_start_matches('[').split(']').next().map(str::to_owned);
    let mut here = String::new();
    for (number, line) in lines.iter_mut().enumerate() {
        if line.starts_with('[') {
            here = header(line).unwrap_or_default();
        } else if here == table && line.split('=').next().is_some_and(|name| name.trim() == last) {
            *line = format!("{last} = {bad}");
            return (lines.join("\n"), number + 1, last.len() + 4);
        }
    }
    panic!("the full world has no key {key}");
}

#[track_caller]
fn check(text: &str, key: &str, bad: &str, says: &str) {
    let (text, line, column) = with_bad_value(text, key, bad);
    let error = WorldSpec::parse(&text).err().unwrap_or_else(|| panic!("{key} = {bad} is taken"));
    let shown = error.to_string();
    assert!(error.expected.contains(says), "{key} = {bad}: {shown}");
    assert_eq!(error.key, key, "{shown}");
    assert_eq!(error.line, line, "{shown}");
    // In a list it is the element's place.
    assert!(error.column == column || bad.starts_with('['), "{shown}");
    assert!(!shown.contains('\n'), "{shown}");
}

#[test]
fn every_key_answers_a_bad_value_with_line_column_range_and_unit() {
    let full = full();
    WorldSpec::parse(&full).expect("the full world is sound");
    for (key, bad, says) in TABLE {
        check(&full, key, bad, says);
    }
    for kind in ["hub", "electricity", "gas", "display"] {
        for (key, bad, says) in MODEL_TABLE {
            check(&full, &format!("device.{kind}.model.{key}"), bad, says);
        }
    }
}

#[test]
fn no_key_is_left_out_of_the_table() {
    let full = full();
    let mut known: BTreeSet<String> = TABLE.iter().map(|(key, ..)| (*key).to_owned()).collect();
    for kind in ["hub", "electricity", "gas", "display"] {
        known.extend(MODEL_TABLE.iter().map(|(key, ..)| format!("device.{kind}.model.{key}")));
    }
    let tables: BTreeSet<String> = std::iter::once(String::new())
        .chain(known.iter().filter_map(|key| key.rsplit_once('.').map(|(table, _)| table.to_owned())))
        .collect();
    for table in &tables {
        // A key that there is not makes the reader list those that there are.
        let header = match table.as_str() {
            "" => "name = \"street\"".to_owned(),
            "link" => "[[link]]".to_owned(),
            other => format!("[{other}]"),
        };
        let text = full.replacen(&format!("\n{header}\n"), &format!("\n{header}\nno_such_key = 1\n"), 1);
        let error = WorldSpec::parse(&text).expect_err("there is no such key");
        let listed = error.expected.split("expected").nth(1).expect("it lists the others");
        for key in listed.split('`').skip(1).step_by(2) {
            let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            let is_table = tables.iter().any(|table| *table == key || table.starts_with(&format!("{key}.")));
            assert!(is_table || known.contains(&key), "no row for `{key}`");
        }
    }
}

#[test]
fn faults_that_need_one_another_say_so_in_their_table() {
    for (faults, says) in PAIRS {
        let text = STREET.replacen("[campaign]", &format!("[faults]\n{faults}\n\n[campaign]"), 1);
        let error = WorldSpec::parse(&text).expect_err(faults);
        assert!(error.expected.contains(says), "{error}");
        let line = 1 + text.lines().position(|line| line == "[faults]").expect("it is there");
        assert_eq!((error.line, error.key.as_str()), (line, "faults"), "{error}");
    }
}
