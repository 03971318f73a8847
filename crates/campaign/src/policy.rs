//! The policy of a campaign: how it proceeds, as the order says and the ledger keeps. What follows from it is the
//! conductor's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::order::OrderError;
use crate::window::{NotBefore, Windows};

/// A share of a whole, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permille(pub u16);

impl Permille {
    /// Returns this share of a number, rounded up: a pilot of a few homes is never empty.
    pub fn of(self, whole: usize) -> usize {
        (whole * usize::from(self.0)).div_ceil(1_000)
    }
}

/// How a campaign proceeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CampaignPolicy {
    /// The pilot, then each wave, as shares of the eligible installations; the last wave takes the rest.
    pub waves: Vec<Permille>,
    /// The next wave opens when this share of the devices of the open one has ended, one way or another …
    pub open_next_at: Permille,
    /// … and at least this share of the attempts that ended was a success.
    pub success_threshold: Permille,
    /// The campaign halts as soon as more than this share of a wave's devices failed on the image.
    pub failure_threshold: Permille,
    /// How often a staging is tried before the device is given up (domain.md 1.5 names five attempts).
    pub attempts: u8,
    /// The first wait before another attempt, seconds; doubles each time.
    pub retry_after_s: u32,
    /// How many retries the whole campaign may make, as a mean for each device it set out to serve; 0 is as many as
    /// `attempts` allow. An outage of many hubs uses them up soon, and the rest are given up at their next fault.
    pub retries_per_device: u8,
    /// Between two looks at a hub whose HAN is at work, seconds.
    pub poll_interval_s: u32,
    /// How long the HAN leg may take, seconds; gas meters need days rather than hours.
    pub han_deadline_s: u32,
    /// How many different people must have signed the release before a device is activated: 0, 1 or 2.
    pub approvals: u8,
    /// How long an activation may stay unconfirmed, seconds.
    pub activation_deadline_s: u32,
    /// How long a device that runs the target is watched before that counts as a success, seconds; 0 is not at all. It is
    /// `unhealthy` if it leaves the target meanwhile, or is not heard of within `activation_deadline_s` after.
    pub soak_s: u32,
    /// The times of day, by the clocks of Great Britain, at which devices are instructed and blocks sent; none is always.
    /// Looks at hubs go on at all times.
    pub sending: Windows,
    /// The times of day at which activation orders are made and handed over; none is always.
    pub activating: Windows,
    /// Before this no activation is ordered. The order itself carries no time, because meters have no clock that they
    /// could trust: it is the conductor that holds it back.
    pub activate_not_before: NotBefore,
}

impl Default for CampaignPolicy {
    fn default() -> CampaignPolicy {
        CampaignPolicy {
            waves: vec![Permille(20), Permille(300)],
            open_next_at: Permille(500),
            success_threshold: Permille(900),
            failure_threshold: Permille(100),
            attempts: 5,
            retry_after_s: 30,
            retries_per_device: 0,
            poll_interval_s: 300,
            han_deadline_s: 7 * 86_400,
            approvals: 0,
            activation_deadline_s: 86_400,
            soak_s: 0,
            sending: Windows::default(),
            activating: Windows::default(),
            activate_not_before: NotBefore::default(),
        }
    }
}

impl CampaignPolicy {
    /// Returns the wait before attempt number `attempt` (from 1): doubling, capped at a day.
    pub(crate) fn retry_after(&self, attempt: u8) -> Duration {
        let doubled = u64::from(self.retry_after_s) << attempt.saturating_sub(1).min(20);
        Duration::from_secs(doubled.min(86_400))
    }

    pub(crate) fn check(&self) -> Result<(), OrderError> {
        let shares = [self.open_next_at, self.success_threshold, self.failure_threshold];
        if self.waves.iter().chain(&shares).any(|share| share.0 > 1_000) {
            return Err(OrderError::Policy("a share is above 1000 ‰"));
        }
        if self.waves.len() > 64 {
            return Err(OrderError::Policy("more than 64 waves"));
        }
        if self.approvals > 2 {
            return Err(OrderError::Policy("approvals must be 0, 1 or 2"));
        }
        if self.attempts == 0 || self.poll_interval_s == 0 {
            return Err(OrderError::Policy("attempts and poll_interval_s must be at least 1"));
        }
        Ok(())
    }
}
