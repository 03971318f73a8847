//! What the values of a world file must be to one another, and the bounds that follow from what a simulation can carry.
//!
//! A world that breaks one of these would be taken and then run as another one than the file says: values cut to what
//! fits, or faults that never strike. Each rule names the key that is at fault, so that it can be shown where it stands.

use super::faults::{FaultSpec, PerDay};
use super::record::DeviceKind;
use super::spec::{CampaignSpec, DeviceSpec, LinkSpec, WorldSpec};
use crate::hub::MAX_HAN_BLOCK_LEN;
use crate::random::Share;
use eligibility::ModelName;
use transfer_engine::BLOCK_SIZES;

/// A rule that a world breaks.
pub(super) struct BrokenRule {
    /// The key, with the number of its table where there are several: `link[2].outage_s`.
    pub(super) path: String,
    /// What was expected there.
    pub(super) expected: String,
}

type Checked = Result<(), BrokenRule>;

/// The longest name of a world. Campaigns are called by it, the number of the region (`-12345678`) and the seed (a hyphen
/// and twenty digits), and their names have 64 characters at most.
const LONGEST_NAME: usize = 32;

/// The most waves after the pilot: an order has no more.
const MOST_WAVES: usize = 64;

/// The longest that a campaign waits between two looks: a day. With less than sixty looks in the sixty days after which a
/// simulation gives up, nothing would be found out in time.
const LONGEST_POLL_S: u32 = 86_400;

/// The longest that all waves together watch what they brought, and that a device may take for its image: a month, half of
/// the sixty days after which a simulation gives up.
const LONGEST_WAIT_S: u64 = 30 * 86_400;

/// The longest name of a link, as of a model: what a column of a report holds.
const LONGEST_LINK_NAME: usize = 30;

/// Checks a world as a whole.
pub(super) fn check(spec: &WorldSpec) -> Checked {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name = &spec.name;
    demand((1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_good), "name", || {
        format!("expected 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.', {}", found(name))
    })?;
    check_parts(spec)?;
    for (number, link) in spec.links.iter().enumerate() {
        check_link(&format!("link[{number}]"), link, &spec.links[..number])?;
    }
    check_devices(spec)?;
    check_faults(&spec.faults)?;
    check_campaign(&spec.campaign)
}

fn demand(holds: bool, path: &str, expected: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(BrokenRule { path: path.to_owned(), expected: expected() }) }
}

/// Shows a text that was found, escaped and not at length.
fn found(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST_NAME).collect();
    let more = if shown.len() < text.len() { " and more" } else { "" };
    format!("found {shown:?}{more}")
}

/// Regions are whole cells and cells have homes, so that no part of a world is empty.
fn check_parts(spec: &WorldSpec) -> Checked {
    let (homes, cells, regions) = (spec.installations.get(), spec.cells.get(), spec.regions.get());
    demand(regions <= homes, "regions", || {
        format!("expected at most {homes}, a home in each of them, found {regions}")
    })?;
    demand(cells <= homes, "cells", || {
        format!("expected at most {homes}, a home in each of them, found {cells}")
    })?;
    demand(cells.is_multiple_of(regions), "regions", || {
        format!("expected a number that divides the {cells} cells into equal parts, found {regions}")
    })
}

fn check_link(path: &str, link: &LinkSpec, others: &[LinkSpec]) -> Checked {
    let at = |key: &str| format!("{path}.{key}");
    let is_line = !link.name.chars().any(char::is_control) && link.name.trim() == link.name;
    let len = link.name.chars().count();
    demand(is_line && (1..=LONGEST_LINK_NAME).contains(&len), &at("name"), || {
        format!("expected 1 to {LONGEST_LINK_NAME} characters on one line, {}", found(&link.name))
    })?;
    demand(others.iter().all(|other| other.name != link.name), &at("name"), || {
        format!("expected a name that no other link has, {}", found(&link.name))
    })?;
    demand(link.burst_enter > Share::NONE || link.burst_loss == Share::NONE, &at("burst_loss"), || {
        "expected `burst_enter` above 0 beside `burst_loss`".to_owned()
    })?;
    let Some(every) = link.outage_every_s else {
        return demand(link.outage_s == 0, &at("outage_s"), || {
            "expected `outage_every_s` beside `outage_s`".to_owned()
        });
    };
    demand(link.outage_s > 0, &at("outage_every_s"), || {
        "expected `outage_s` of at least 1 second beside `outage_every_s`".to_owned()
    })?;
    demand(link.outage_s < every.get(), &at("outage_s"), || {
        format!("expected less than the {every} seconds of `outage_every_s`, found {}", link.outage_s)
    })
}

fn check_devices(spec: &WorldSpec) -> Checked {
    for kind in DeviceKind::ALL {
        check_model(&format!("device.{}.model", table_of(kind)), spec.device.of(kind), spec)?;
    }
    let hub = spec.device.hub.block_bytes.get();
    demand(BLOCK_SIZES.contains(&hub), "device.hub.block_bytes", || {
        let (least, most) = (BLOCK_SIZES.start(), BLOCK_SIZES.end());
        format!("expected {least} to {most}, the block sizes that the head-end sends, found {hub}")
    })?;
    let device = &spec.device;
    for (kind, len) in [
        (DeviceKind::Electricity, device.electricity.block_bytes),
        (DeviceKind::Gas, device.gas.block_bytes),
        (DeviceKind::Display, device.display.block_bytes),
    ] {
        let path = format!("device.{}.block_bytes", table_of(kind));
        demand(usize::from(len.get()) <= MAX_HAN_BLOCK_LEN, &path, || {
            format!("expected 1 to {MAX_HAN_BLOCK_LEN}, what a frame of the HAN carries, found {len}")
        })?;
    }
    for (kind, page, len) in [
        (DeviceKind::Electricity, device.electricity.page_bytes, device.electricity.block_bytes),
        (DeviceKind::Gas, device.gas.page_bytes, device.gas.block_bytes),
        (DeviceKind::Display, device.display.page_bytes, device.display.block_bytes),
    ] {
        let Some(page) = page else { continue };
        let path = format!("device.{}.page_bytes", table_of(kind));
        demand(page.get() >= len.get().into(), &path, || {
            format!("expected at least the {len} bytes of `block_bytes`, found {page}")
        })?;
    }
    let battery = &device.gas.battery;
    demand(battery.reserve_mah <= battery.charge_mah, "device.gas.battery.reserve_mah", || {
        format!(
            "expected at most the {} mAh of `charge_mah`, found {}",
            battery.charge_mah, battery.reserve_mah
        )
    })
}

fn table_of(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Hub => "hub",
        DeviceKind::Electricity => "electricity",
        DeviceKind::Gas => "gas",
        DeviceKind::Display => "display",
    }
}

fn check_model(path: &str, model: &DeviceSpec, spec: &WorldSpec) -> Checked {
    let at = |key: &str| format!("{path}.{key}");
    is_model_name(&model.name, &at("name"))?;
    demand(model.target_version > model.running_version, &at("target_version"), || {
        format!(
            "expected more than the 0x{:08X} of `running_version`, found 0x{:08X}",
            model.running_version, model.target_version
        )
    })?;
    let target = model.target();
    let allowed = target.hardware.filter(|range| (range.min.0..=range.max.0).contains(&model.wrong_hardware));
    let is_used = spec.trouble.wrong_hardware_share > Share::NONE;
    demand(allowed.is_none() || !is_used, &at("wrong_hardware"), || {
        let range = allowed
            .map_or_else(String::new, |range| format!("0x{:04X} to 0x{:04X}", range.min.0, range.max.0));
        format!(
            "expected a version outside {range}, which the image allows, as `wrong_hardware_share` is above 0, \
             found 0x{:04X}",
            model.wrong_hardware
        )
    })
}

fn is_model_name(name: &str, path: &str) -> Checked {
    let checked = ModelName::new(name);
    demand(checked.is_ok(), path, || {
        let why = checked.err().map_or_else(String::new, |error| error.to_string());
        format!("expected a model's name of 1 to 30 characters on one line: {why}, {}", found(name))
    })
}

/// What says how long or how much something is says nothing where it never happens.
fn check_faults(faults: &FaultSpec) -> Checked {
    let never = |rate: PerDay| rate == PerDay::NEVER;
    let congested = never(faults.cell_congestion_per_day);
    let collapsed = never(faults.rate_collapse_per_day);
    let storms = never(faults.storms_per_day);
    let idle = [
        (faults.half_open_s > 0, "half_open_s", never(faults.half_open_per_day), "half_open_per_day"),
        (faults.cell_congestion_s > 0, "cell_congestion_s", congested, "cell_congestion_per_day"),
        (
            faults.cell_congestion_rate_share > Share::NONE,
            "cell_congestion_rate_share",
            congested,
            "cell_congestion_per_day",
        ),
        (faults.rate_collapse_s > 0, "rate_collapse_s", collapsed, "rate_collapse_per_day"),
        (
            faults.rate_collapse_rate_share > Share::NONE,
            "rate_collapse_rate_share",
            collapsed,
            "rate_collapse_per_day",
        ),
        (
            faults.power_cut_most_s > 0,
            "power_cut_most_s",
            never(faults.power_cuts_per_day),
            "power_cuts_per_day",
        ),
        (faults.storm_s > 0, "storm_s", storms, "storms_per_day"),
        (faults.storm_length_factor > 0, "storm_length_factor", storms, "storms_per_day"),
        (
            faults.clock_jump_most_s > 0,
            "clock_jump_most_s",
            never(faults.clock_jumps_per_day),
            "clock_jumps_per_day",
        ),
        (!storms, "storms_per_day", faults.storm_hubs_share == Share::NONE, "storm_hubs_share"),
        (
            faults.reorder_most_ms > 0,
            "reorder_most_ms",
            faults.reordered_per_datagram == Share::NONE,
            "reordered_per_datagram",
        ),
        (
            faults.undetected_per_corrupted > Share::NONE,
            "undetected_per_corrupted",
            faults.corrupted_per_datagram == Share::NONE,
            "corrupted_per_datagram",
        ),
    ];
    for (is_said, key, is_missing, other) in idle {
        demand(!(is_said && is_missing), &format!("faults.{key}"), || {
            format!("expected `{other}` above 0 beside `{key}`")
        })?;
    }
    match &faults.storm_model {
        Some(name) => is_model_name(name, "faults.storm_model"),
        None => Ok(()),
    }
}

fn check_campaign(campaign: &CampaignSpec) -> Checked {
    let count = campaign.wave_shares.len();
    demand(count <= MOST_WAVES, "campaign.wave_shares", || {
        format!("expected at most {MOST_WAVES} waves after the pilot, found {count}")
    })?;
    let poll = campaign.poll_interval_s.get();
    demand(poll <= LONGEST_POLL_S, "campaign.poll_interval_s", || {
        format!("expected at most {LONGEST_POLL_S}, a look a day, found {poll}")
    })?;
    let deadline = campaign.han_deadline_s.get();
    demand(u64::from(deadline) <= LONGEST_WAIT_S, "campaign.han_deadline_s", || {
        format!("expected at most {LONGEST_WAIT_S}, thirty days, found {deadline}")
    })?;
    let longest = LONGEST_WAIT_S / (1 + count as u64);
    demand(u64::from(campaign.soak_s) <= longest, "campaign.soak_s", || {
        format!(
            "expected at most {longest}, so that {} waves soak for thirty days together, found {}",
            1 + count,
            campaign.soak_s
        )
    })
}
