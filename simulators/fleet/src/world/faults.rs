//! What goes wrong in a world beside losses and outages: the `[faults]` table, one key for each rate.
//!
//! Every fault is none by default, so that a world without the table, or without a key, has none of it and pays
//! nothing for it. The unit is in the key's name: `_per_day` counts in a home (or a cell, or a device, as the key's
//! first word says), `_per_datagram`, `_per_corrupted` and `_per_reply` are probabilities.

use crate::random::Share;
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

/// The most often that anything happens: once a minute. More would be no fault but a state, and the number of events of
/// a simulated day needs a bound.
const MOST_PER_DAY: f64 = 1_440.0;

/// The lowest share to which a rate falls; below it the line is an outage, and air times would have no bound.
const LEAST_RATE_SHARE: f64 = 0.001;

/// The most that a storming hub's answers grow; a frame of 20 bytes then still fits a datagram of 65,507.
const MOST_STORM_FACTOR: u16 = 1_000;

/// How often something happens in a day, on average; the gaps are exponentially distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct PerDay(f64);

/// A number that is no rate per day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate between 0 and {MOST_PER_DAY} times a day")]
pub struct NotARate;

impl PerDay {
    /// Never.
    pub const NEVER: PerDay = PerDay(0.0);

    /// Makes a rate, or `None` below 0 and above once a minute.
    pub fn new(times: f64) -> Option<PerDay> {
        (0.0..=MOST_PER_DAY).contains(&times).then_some(PerDay(times))
    }

    /// Returns the mean time from one event to the next; `None` for never.
    pub fn mean_gap(self) -> Option<Duration> {
        // Multiplication and division are the same on every machine (IEEE 754), and a cast saturates.
        (self.0 > 0.0).then(|| Duration::from_micros((86_400_000_000.0 / self.0) as u64))
    }
}

impl TryFrom<f64> for PerDay {
    type Error = NotARate;

    fn try_from(times: f64) -> Result<PerDay, NotARate> {
        PerDay::new(times).ok_or(NotARate)
    }
}

/// The faults of a world.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSpec {
    /// Datagrams that others overtake.
    pub reordered_per_datagram: Share,
    /// How long such a one is held back at most.
    pub reorder_most_ms: u32,
    /// Datagrams in which bits flip on the way.
    pub corrupted_per_datagram: Share,
    /// Those of them that the UDP checksum does not notice; they are delivered wrong, all others vanish.
    pub undetected_per_corrupted: Share,
    /// How often a home's link carries in one direction only.
    pub half_open_per_day: PerDay,
    /// How long that lasts.
    pub half_open_s: u32,
    /// How often a cell has too much to carry; all its homes have it together.
    pub cell_congestion_per_day: PerDay,
    /// How long that lasts.
    pub cell_congestion_s: u32,
    /// What is left of the rate of each of the cell's links meanwhile.
    pub cell_congestion_rate_share: Share,
    /// How often the rate of one home's link collapses.
    pub rate_collapse_per_day: PerDay,
    /// How long that lasts.
    pub rate_collapse_s: u32,
    /// What is left of the rate meanwhile.
    pub rate_collapse_rate_share: Share,
    /// How often a hub starts again by itself.
    pub hub_reboots_per_day: PerDay,
    /// How often a device behind a hub does.
    pub meter_reboots_per_day: PerDay,
    /// How often the mains of a home fail: the hub and all devices but the gas meter, which has a battery.
    pub power_cuts_per_day: PerDay,
    /// How long they fail at most.
    pub power_cut_most_s: u32,
    /// Answers to an activation that are lost whatever else happens on the link (heard of in clear links only).
    pub activation_answers_lost_per_answer: Share,
    /// How often the supplier of a home changes; the new one takes smart service, so its meters become Active. Only
    /// the first change of a home is played.
    pub supplier_changes_per_day: PerDay,
    /// Homes whose hubs are of the model that storms.
    pub storm_hubs_share: Share,
    /// The name of that model on the product list.
    pub storm_model: Option<String>,
    /// How often its hubs storm, all together.
    pub storms_per_day: PerDay,
    /// How long a storm lasts.
    pub storm_s: u32,
    /// How many times longer than they should be their answers are then.
    pub storm_length_factor: u16,
    /// How far the clocks of hubs are off when the world begins, at most, ahead or behind.
    pub clock_off_most_s: u32,
    /// How often the clock of a hub or a device behind it jumps.
    pub clock_jumps_per_day: PerDay,
    /// How far at most, ahead or behind.
    pub clock_jump_most_s: u32,
    /// How often a device behind a hub is replaced by a new one of the same model.
    pub meter_swaps_per_day: PerDay,
    /// How often a hub is replaced by a new one of the same model.
    pub hub_swaps_per_day: PerDay,
    /// How often a bit flips in the flash of a device, within an image that it holds and does not run.
    pub flash_bit_flips_per_day: PerDay,
    /// Homes in which a sector of one device's flash is worn out, or soon will be. It stays worn when all else calms down.
    pub worn_flash_share: Share,
}

/// Reads the table and checks that keys which need one another came together.
pub(super) fn faults<'de, D: Deserializer<'de>>(source: D) -> Result<FaultSpec, D::Error> {
    let spec = FaultSpec::deserialize(source)?;
    let rates = [
        (spec.half_open_per_day, "half_open_per_day", spec.half_open_s, "half_open_s"),
        (
            spec.cell_congestion_per_day,
            "cell_congestion_per_day",
            spec.cell_congestion_s,
            "cell_congestion_s",
        ),
        (spec.rate_collapse_per_day, "rate_collapse_per_day", spec.rate_collapse_s, "rate_collapse_s"),
        (spec.power_cuts_per_day, "power_cuts_per_day", spec.power_cut_most_s, "power_cut_most_s"),
        (spec.storms_per_day, "storms_per_day", spec.storm_s, "storm_s"),
        (spec.clock_jumps_per_day, "clock_jumps_per_day", spec.clock_jump_most_s, "clock_jump_most_s"),
    ];
    for (rate, rate_key, span, span_key) in rates {
        if rate > PerDay::NEVER && span == 0 {
            return Err(D::Error::custom(format_args!(
                "expected `{span_key}` of at least 1 second beside `{rate_key}`"
            )));
        }
    }
    if spec.reordered_per_datagram > Share::NONE && spec.reorder_most_ms == 0 {
        return Err(D::Error::custom(
            "expected `reorder_most_ms` of at least 1 millisecond beside `reordered_per_datagram`",
        ));
    }
    let slow = [
        (spec.cell_congestion_per_day, spec.cell_congestion_rate_share, "cell_congestion_rate_share"),
        (spec.rate_collapse_per_day, spec.rate_collapse_rate_share, "rate_collapse_rate_share"),
    ];
    for (rate, left, key) in slow {
        if rate > PerDay::NEVER && left.value() < LEAST_RATE_SHARE {
            return Err(D::Error::custom(format_args!(
                "expected `{key}` between {LEAST_RATE_SHARE} and 1; a line with less is an outage"
            )));
        }
    }
    if spec.storm_hubs_share > Share::NONE && spec.storm_model.is_none() {
        return Err(D::Error::custom("expected `storm_model`, a model's name, beside `storm_hubs_share`"));
    }
    if spec.storms_per_day > PerDay::NEVER && !(2..=MOST_STORM_FACTOR).contains(&spec.storm_length_factor) {
        return Err(D::Error::custom(format_args!(
            "expected `storm_length_factor` between 2 and {MOST_STORM_FACTOR} beside `storms_per_day`"
        )));
    }
    Ok(spec)
}
