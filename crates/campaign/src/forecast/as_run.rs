//! A delivery as it went, read from the row of its device: the bytes that were really sent, and what came after them.
//!
//! What lies between the end of a campaign and the bound of this is what the order of sending has lost, and what outages
//! and pauses cost.

use std::time::Duration;

use super::{Activation, Delivery};
use crate::policy::CampaignPolicy;
use crate::stage::{Outcome, Stage};
use crate::state::DeviceRow;
use crate::window::Windows;

impl Delivery {
    /// Reads what a campaign brought to a device that has its outcome; `None` for one that the gate did not let have
    /// anything, that has no outcome yet, or whose campaign was halted before it.
    ///
    /// A device whose image never came to its hub has no bytes; what it took until it was given up is its tail. With hours
    /// of activation, what lies between its being ready and the order is no part of it: sent at another time, it waits
    /// otherwise.
    pub fn as_run(row: &DeviceRow, policy: &CampaignPolicy, sleeps: bool) -> Option<Delivery> {
        let wave = row.wave?;
        if matches!(row.outcome, Some((Outcome::Halted, _))) {
            return None;
        }
        let concluded = row.reached(Stage::Ended)?;
        let from = row.reached(Stage::Staged).or(row.reached(Stage::Instructed)).unwrap_or(concluded);
        // What was reached before belongs to another step.
        let on_this = |stage: Stage| row.reached(stage).filter(|at| *at >= from);
        let ended = on_this(Stage::Soaking).unwrap_or(concluded);
        let ready = on_this(Stage::Delivered).map_or(Duration::ZERO, |at| at.saturating_since(from));
        let rest = on_this(Stage::Ordered).map(|at| ended.saturating_since(at));
        let has_hours =
            policy.activating != Windows::default() || policy.activate_not_before.moment().is_some();
        let activation = rest.filter(|_| has_hours).map(|rest| Activation { ready, rest });
        Some(Delivery {
            bytes: row.wan_bytes,
            tail: activation.map_or(ended.saturating_since(from), |parts| parts.ready + parts.rest),
            soak: concluded.saturating_since(ended),
            activation,
            air_time: Duration::ZERO,
            sleeps,
            wave,
        })
    }
}
