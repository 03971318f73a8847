//! Worlds that contradict themselves, or ask for more than a simulation carries: each is refused at the key at fault.

use super::WorldSpec;

const STREET: &str = include_str!("../../../fleets/street.toml");
const TOWN: &str = include_str!("../../../fleets/town.toml");

/// Changes a world and checks that it is refused at the line that begins so, for this key, in these words.
#[track_caller]
fn check_refused(world: &str, (find, put): (&str, &str), at: &str, key: &str, says: &str) {
    assert!(world.contains(find), "the world has no `{find}`");
    let text = world.replacen(find, put, 1);
    let error = WorldSpec::parse(&text).err().unwrap_or_else(|| panic!("`{put}` is taken"));
    let line = 1 + text.lines().position(|line| line.starts_with(at)).expect("the line is there");
    assert_eq!((error.line, error.key.as_str()), (line, key), "{error}");
    assert!(error.expected.contains(says), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

/// The same for a line in `[faults]`, which the street does not have.
#[track_caller]
fn check_fault(faults: &str, at: &str, says: &str) {
    let put = format!("[faults]\n{faults}\n\n[campaign]");
    check_refused(STREET, ("[campaign]", &put), at, &format!("faults.{at}"), says);
}

#[test]
fn no_part_of_a_world_is_empty() {
    // Fifty regions of ten homes were a hundred homes once: each was given one.
    let put = ("cells = 1 ", "cells = 50\nregions = 50\n#");
    check_refused(
        STREET,
        put,
        "regions",
        "regions",
        "at most 10, a home in each of them, found 50 (`regions`",
    );
    let put = ("cells = 1 ", "cells = 11\n#");
    check_refused(STREET, put, "cells", "cells", "at most 10, a home in each of them, found 11 (`cells`");
    let put = ("cells = 1 ", "cells = 4000000000\n#");
    check_refused(STREET, put, "cells", "cells", "at most 10");
    let text = STREET.replacen("cells = 1 ", "cells = 10\nregions = 10\n#", 1);
    let spec = WorldSpec::parse(&text).expect("a home in each");
    assert!((0..10).all(|number| spec.region(number).installations.get() == 1));
}

#[test]
fn hardware_that_is_called_wrong_is_wrong() {
    let put = ("wrong_hardware = 0x0301", "wrong_hardware = 0x01FF");
    let says = "outside 0x0100 to 0x01FF, which the image allows, as `wrong_hardware_share` is above 0, found 0x01FF";
    check_refused(STREET, put, "wrong_hardware = 0x01FF", "device.hub.model.wrong_hardware", says);
    let without = STREET.replacen("wrong_hardware_share = 0.1", "wrong_hardware_share = 0", 1);
    WorldSpec::parse(&without.replacen(put.0, put.1, 1)).expect("nothing is said of it");
}

#[test]
fn a_span_without_its_rate_is_refused() {
    let queue = "queue_bytes = 65536";
    let link = |keys: &str| format!("{keys}\n{queue}");
    let put = link("outage_s = 10");
    check_refused(
        STREET,
        (queue, &put),
        "outage_s",
        "link.outage_s",
        "`outage_every_s` beside `outage_s` (`outage_s`: seconds)",
    );
    let put = link("outage_every_s = 10");
    check_refused(
        STREET,
        (queue, &put),
        "outage_every_s",
        "link.outage_every_s",
        "`outage_s` of at least 1 second",
    );
    let put = link("burst_loss = 0.5");
    check_refused(STREET, (queue, &put), "burst_loss", "link.burst_loss", "`burst_enter` above 0");
    check_fault(
        "storms_per_day = 3\nstorm_s = 9\nstorm_length_factor = 9",
        "storms_per_day",
        "`storm_hubs_share` above 0",
    );
    check_fault(
        "undetected_per_corrupted = 0.5",
        "undetected_per_corrupted",
        "`corrupted_per_datagram` above 0",
    );
    check_fault(
        "half_open_s = 60",
        "half_open_s",
        "`half_open_per_day` above 0 beside `half_open_s` (`half_open_s`: seconds)",
    );
    check_fault("cell_congestion_s = 60", "cell_congestion_s", "`cell_congestion_per_day`");
    check_fault(
        "cell_congestion_rate_share = 0.5",
        "cell_congestion_rate_share",
        "`cell_congestion_per_day`",
    );
    check_fault("rate_collapse_s = 60", "rate_collapse_s", "`rate_collapse_per_day`");
    check_fault("rate_collapse_rate_share = 0.5", "rate_collapse_rate_share", "`rate_collapse_per_day`");
    check_fault("power_cut_most_s = 60", "power_cut_most_s", "`power_cuts_per_day`");
    check_fault("storm_s = 60", "storm_s", "`storms_per_day`");
    check_fault("storm_length_factor = 9", "storm_length_factor", "`storms_per_day`");
    check_fault("clock_jump_most_s = 60", "clock_jump_most_s", "`clock_jumps_per_day`");
    check_fault("reorder_most_ms = 60", "reorder_most_ms", "`reordered_per_datagram`");
}

#[test]
fn an_outage_is_refused_at_the_link_that_has_it() {
    let at = "outage_s = 7200";
    let says = "less than the 7200 seconds of `outage_every_s`, found 7200";
    check_refused(TOWN, ("outage_s = 900", at), at, "link.outage_s", says);
}

#[test]
fn a_battery_holds_its_reserve() {
    let table = "[device.gas.battery]\nreserve_mah = 20000\n\n[device.display";
    let says = "at most the 19000 mAh of `charge_mah`, found 20000 (`reserve_mah`: milliampere-hours)";
    check_refused(STREET, ("[device.display", table), "reserve_mah", "device.gas.battery.reserve_mah", says);
}

#[test]
fn blocks_are_of_a_size_that_is_sent() {
    for len in ["1", "15", "8193", "60000", "4000000000"] {
        let put = format!("block_bytes = {len} #");
        let says = format!(
            "16 to 8192, the block sizes that the head-end sends, found {len} (`block_bytes`: bytes)"
        );
        check_refused(STREET, ("block_bytes = 1024", &put), &put, "device.hub.block_bytes", &says);
    }
    let says = "1 to 64, what a frame of the HAN carries, found 65 (`block_bytes`: bytes)";
    for kind in ["electricity", "gas", "display"] {
        let (find, put) =
            (format!("[device.{kind}]\nblock_bytes = 40"), format!("[device.{kind}]\nblock_bytes = 65"));
        check_refused(STREET, (&find, &put), "block_bytes = 65", &format!("device.{kind}.block_bytes"), says);
    }
}

#[test]
fn a_page_holds_a_block_at_least() {
    for kind in ["electricity", "gas", "display"] {
        let find = format!("[device.{kind}]\nblock_bytes = 40");
        let put = format!("[device.{kind}]\npage_bytes = 39\nblock_bytes = 40");
        let says = "at least the 40 bytes of `block_bytes`, found 39 (`page_bytes`: bytes)";
        check_refused(STREET, (&find, &put), "page_bytes", &format!("device.{kind}.page_bytes"), says);
    }
}

#[test]
fn a_campaign_brings_a_newer_version() {
    for target in ["0x01020300", "0x01000000"] {
        let put = format!("target_version = {target}");
        let says = format!(
            "more than the 0x01020300 of `running_version`, found {target} (`target_version`: a file version"
        );
        check_refused(
            STREET,
            ("target_version = 0x01020304", &put),
            &put,
            "device.hub.model.target_version",
            &says,
        );
    }
}

#[test]
fn names_fit_what_they_name() {
    let long = format!("name = \"{}\"", "x".repeat(33));
    for name in ["name = \"\"", "name = \"straße\"", r#"name = "a\u0000b""#, r#"name = "a\nb""#, &long] {
        let says = "expected 1 to 32 letters, digits, '-', '_' or '.', found";
        check_refused(STREET, ("name = \"street\"", name), "name", "name", says);
    }
    let long = format!("name = \"{}\"", "x".repeat(31));
    for name in ["name = \"\"", r#"name = "a\u0000b""#, "name = \" a\"", &long] {
        let says = "expected a model's name of 1 to 30 characters on one line";
        check_refused(STREET, ("name = \"Lantern E1\"", name), name, "device.electricity.model.name", says);
        let says = "expected 1 to 30 characters on one line";
        check_refused(STREET, ("name = \"lossy\"", name), name, "link.name", says);
    }
    let text = TOWN.replacen("name = \"poor\"", "name = \"good\"", 1);
    let error = WorldSpec::parse(&text).expect_err("two links are good");
    let second =
        1 + text.lines().enumerate().filter(|(_, line)| *line == "name = \"good\"").nth(1).expect("two").0;
    assert_eq!((error.line, error.key.as_str()), (second, "link.name"), "{error}");
    assert!(error.expected.contains("that no other link has, found \"good\""), "{error}");
    check_fault("storm_model = \"\"", "storm_model", "a model's name of 1 to 30 characters");
}

#[test]
fn a_world_begins_at_a_moment_that_clocks_show() {
    for start in [
        "2016-12-31T23:59:60Z",
        "9999-12-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2020-10-05T00:00:00",
        "07:32:00",
    ] {
        let says =
            "UTC date-time such as 2020-10-05T00:00:00Z, not before 1970 nor after 9998, seconds 00 to 59";
        check_refused(STREET, ("2020-10-05T00:00:00Z", start), "start", "start", says);
    }
}

#[test]
fn a_campaign_of_a_simulation_ends() {
    let waves = format!("wave_shares = [{}0.8]", "0.0, ".repeat(64));
    let says = "at most 64 waves after the pilot, found 65 (`wave_shares`";
    check_refused(STREET, ("wave_shares = [0.8]", &waves), "wave_shares", "campaign.wave_shares", says);
    let put = ("poll_interval_s = 60", "poll_interval_s = 86401");
    check_refused(
        STREET,
        put,
        "poll_interval_s",
        "campaign.poll_interval_s",
        "at most 86400, a look a day, found 86401 (`poll_interval_s`: seconds)",
    );
    let put = ("han_deadline_s = 172800", "han_deadline_s = 2592001");
    check_refused(
        STREET,
        put,
        "han_deadline_s",
        "campaign.han_deadline_s",
        "at most 2592000, thirty days, found 2592001",
    );
    let put = ("[campaign]", "[campaign]\nsoak_s = 1296001");
    let says =
        "at most 1296000, so that 2 waves soak for thirty days together, found 1296001 (`soak_s`: seconds)";
    check_refused(STREET, put, "soak_s", "campaign.soak_s", says);
}
