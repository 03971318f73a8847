//! The policy of a campaign: how it proceeds, as the order says and the ledger keeps. What follows from it is the
//! conductor's.

use std::fmt;
use std::time::Duration;

use eligibility::DeviceType;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

    /// Says whether a part of a number is more than this share of it; of nothing, no part is.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part * 1_000 > whole * usize::from(self.0)
    }
}

/// Kinds of devices in the order in which those of a home are served, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct OrderOfKinds(Vec<DeviceType>);

/// Why words are no order of kinds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KindsError {
    /// A word.
    #[error("expected kinds of devices such as \"CHF\", \"ESME\" or \"GSME\", found {found:?}")]
    Word {
        /// What was found, shortened.
        found: String,
    },
    /// A kind is there twice.
    #[error("expected each kind of device at most once, found {0} twice")]
    Twice(DeviceType),
}

impl OrderOfKinds {
    /// Says whether nobody waits for anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether devices of one kind wait for those of another.
    pub fn is_before(&self, first: DeviceType, then: DeviceType) -> bool {
        let place = |kind| self.0.iter().position(|named| *named == kind);
        place(first).zip(place(then)).is_some_and(|(first, then)| first < then)
    }
}

impl TryFrom<Vec<String>> for OrderOfKinds {
    type Error = KindsError;

    fn try_from(words: Vec<String>) -> Result<OrderOfKinds, KindsError> {
        let mut kinds: Vec<DeviceType> = Vec::new();
        for word in words {
            let known = DeviceType::ALL.iter().copied().find(|kind| kind.as_str() == word);
            let kind = known.ok_or_else(|| KindsError::Word { found: word.chars().take(80).collect() })?;
            if kinds.contains(&kind) {
                return Err(KindsError::Twice(kind));
            }
            kinds.push(kind);
        }
        Ok(OrderOfKinds(kinds))
    }
}

impl From<OrderOfKinds> for Vec<String> {
    fn from(order: OrderOfKinds) -> Vec<String> {
        order.0.into_iter().map(|kind| kind.as_str().to_owned()).collect()
    }
}

/// How a campaign proceeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CampaignPolicy {
    /// The pilot, then each wave, as shares of the eligible installations; the last wave takes the rest.
    pub waves: Vec<Permille>,
    /// How many homes of each supplier every wave takes before any more of one: a flat floor, as the Migration Scaling
    /// Methodology has one for installations a day, so that a supplier with few homes does not wait behind one with many.
    /// Homes with a Dormant Meter come first all the same. 0 is none.
    pub floor_per_supplier: u32,
    /// How many homes of each supplier are started on every day by the legal time of Great Britain, as long as it has homes
    /// that wait for their wave: what is missing is brought forward into the wave that is open. It holds from the second
    /// wave on, because before nothing is known of the firmware; limits, windows and the gate come before it. 0 is none.
    pub floor_per_supplier_per_day: u32,
    /// What the campaign gets of a head-end, a carrier or a cell that is short while other campaigns have something to send
    /// there, too: of 300 and 100 the one has three times as much. Dormant Meters come first whatever it says. 1 to 1000.
    pub weight: u16,
    /// The next wave opens when this share of the devices of the open one has ended, one way or another …
    pub open_next_at: Permille,
    /// … and at least this share of its attempts that ended was a success, whatever the others failed for but that their
    /// hubs were not reached, and somebody has
    /// come to the target by then. Where that is not so when all of them have ended, the campaign halts. 0 asks for nothing.
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
    /// Between two looks at a hub whose HAN is at work, seconds, when there may be news. While all its devices at work are
    /// gas meters that are known to fetch for longer, it is looked at more rarely, but at least once an hour.
    pub poll_interval_s: u32,
    /// How long the HAN leg may take, seconds; gas meters need days rather than hours.
    pub han_deadline_s: u32,
    /// How many days after the order a device may wait for what the gate has it wait for, such as the notice to its supplier,
    /// before it is refused.
    pub hold_limit_days: u16,
    /// How many different people must have signed the release before a device is activated: 0, 1 or 2.
    pub approvals: u8,
    /// How long an activation may stay unconfirmed, seconds.
    pub activation_deadline_s: u32,
    /// How long a device that runs the target is watched before that counts as a success, seconds; 0 is not at all. It is
    /// `unhealthy` if it leaves the target meanwhile, or if it, or another device of its home that was well before, is not
    /// heard of within `activation_deadline_s` after.
    pub soak_s: u32,
    /// How long ago the hub of a device may last have heard it, and the others of its home, when its soak is over, seconds, but
    /// never less than two looks and the half hour that a gas meter sleeps; the others are asked. A soak that is shorter finds
    /// nobody silent.
    pub silent_after_s: u32,
    /// Which kinds of devices wait for which in a home: one of a kind named later is instructed when all those of kinds named
    /// earlier have come to run the target, and ends as `held_back` if one of them failed. Kinds that are not named, and
    /// devices that are not served, hold nobody up; an empty list is no order.
    pub order_of_kinds: OrderOfKinds,
    /// How many devices of one supplier may be at risk at a time: under way, or failed on the image. The others wait for
    /// their turn, and end as `held_back` when failures alone have used it up. 0 is no limit.
    pub at_risk_most_per_supplier: u32,
    /// The same for devices of one model.
    pub at_risk_most_per_model: u32,
    /// The same for devices in one radio cell.
    pub at_risk_most_per_cell: u32,
    /// The same for devices in one postcode district. A home whose district the inventory does not name is in none, and this
    /// limit does not hold it back.
    pub at_risk_most_per_district: u32,
    /// The times of day, by the clocks of Great Britain, at which devices are instructed and blocks sent; none is always.
    /// Each lasts an hour at least. Looks at hubs go on at all times.
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
            floor_per_supplier: 0,
            floor_per_supplier_per_day: 0,
            weight: 100,
            open_next_at: Permille(500),
            success_threshold: Permille(900),
            failure_threshold: Permille(100),
            attempts: 5,
            retry_after_s: 30,
            retries_per_device: 0,
            poll_interval_s: 300,
            han_deadline_s: 7 * 86_400,
            hold_limit_days: 60,
            approvals: 0,
            activation_deadline_s: 86_400,
            soak_s: 0,
            silent_after_s: 7_200,
            order_of_kinds: OrderOfKinds::default(),
            at_risk_most_per_supplier: 0,
            at_risk_most_per_model: 0,
            at_risk_most_per_cell: 0,
            at_risk_most_per_district: 0,
            sending: Windows::default(),
            activating: Windows::default(),
            activate_not_before: NotBefore::default(),
        }
    }
}

/// The shortest window in minutes. A window that closes takes back what was begun, the count of attempts at it too: in an
/// hour a hub that is out of reach, or too slow, is found out, so that no device is tried for ever.
const WINDOW_MIN: u16 = 60;

/// The shortest time after which a device may count as silent, seconds: a gas meter sleeps for as long.
const LATELY_S: u32 = 1_800;

/// The largest weight: a thousandth is the least share that anybody would name.
const WEIGHT_MAX: u16 = 1_000;

impl CampaignPolicy {
    /// Returns the wait before attempt number `attempt` (from 1): doubling, capped at a day.
    pub(crate) fn retry_after(&self, attempt: u8) -> Duration {
        let doubled = u64::from(self.retry_after_s) << attempt.saturating_sub(1).min(20);
        Duration::from_secs(doubled.min(86_400))
    }

    pub(crate) fn check(&self) -> Result<(), OrderError> {
        self.fault().map_or(Ok(()), |fault| Err(OrderError::Policy(fault)))
    }

    /// Returns the first value that no campaign could have.
    pub fn fault(&self) -> Option<PolicyFault> {
        let fault = |key, place, what, expected, found: &dyn fmt::Display| {
            Some(PolicyFault { key, place, what, expected, found: found.to_string() })
        };
        let waves = self.waves.iter().enumerate().map(|(place, share)| ("waves", Some(place), *share));
        let mut shares = waves.chain([
            ("open_next_at", None, self.open_next_at),
            ("success_threshold", None, self.success_threshold),
            ("failure_threshold", None, self.failure_threshold),
        ]);
        if let Some((key, place, share)) = shares.find(|(_, _, share)| share.0 > 1_000) {
            return fault(key, place, "a share is above 1000 ‰", "0 to 1000", &share.0);
        }
        if self.waves.len() > WAVES_MAX {
            return fault("waves", None, "too many waves", "at most 64", &self.waves.len());
        }
        if self.approvals > 2 {
            return fault("approvals", None, "too many approvals", "0, 1 or 2", &self.approvals);
        }
        if self.attempts == 0 {
            return fault("attempts", None, "nothing would be tried", "at least 1", &self.attempts);
        }
        if self.poll_interval_s == 0 {
            let what = "nobody would look";
            return fault("poll_interval_s", None, what, "at least 1", &self.poll_interval_s);
        }
        if self.silent_after_s < LATELY_S {
            let what = "a gas meter is not heard of so often";
            return fault("silent_after_s", None, what, "at least 1800", &self.silent_after_s);
        }
        if !(1..=WEIGHT_MAX).contains(&self.weight) {
            return fault("weight", None, "no weight", "1 to 1000", &self.weight);
        }
        for (key, windows) in [("sending", &self.sending), ("activating", &self.activating)] {
            let mut lengths = windows.lengths_min().enumerate();
            if let Some((place, minutes)) = lengths.find(|(_, minutes)| *minutes < WINDOW_MIN) {
                let what = "a window is shorter than an hour";
                return fault(key, Some(place), what, "at least 60 minutes", &minutes);
            }
        }
        None
    }
}

/// The most waves: one share each, and more say nothing.
const WAVES_MAX: usize = 64;

/// A value of a policy that no campaign could have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {what}, expected {expected}, found {found}")]
pub struct PolicyFault {
    /// The key.
    pub key: &'static str,
    /// Which value of a list, counted from zero.
    pub place: Option<usize>,
    /// What is wrong with it.
    pub what: &'static str,
    /// What should stand there.
    pub expected: &'static str,
    /// What does.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit was rounded up, so that in a pilot of four a whole quarter failed under a threshold of a tenth, and the
    /// next wave opened.
    #[test]
    fn a_share_is_exceeded_by_the_first_part_that_is_larger_however_small_the_whole() {
        let tenth = Permille(100);
        assert!(!tenth.is_exceeded_by(0, 4) && tenth.is_exceeded_by(1, 4));
        assert!(!tenth.is_exceeded_by(1, 10) && tenth.is_exceeded_by(2, 11));
        assert!(!tenth.is_exceeded_by(0, 0) && !Permille(1_000).is_exceeded_by(4, 4));
    }

    #[test]
    fn each_fault_names_its_key_and_which_value_of_a_list() {
        let fault = |key: &str, value: serde_json::Value| {
            let policy: CampaignPolicy =
                serde_json::from_value(serde_json::json!({ key: value })).expect("a policy");
            let fault = policy.fault().expect("a fault");
            (fault.key, fault.place, fault.found)
        };
        assert_eq!(fault("waves", [20, 1_300].into()), ("waves", Some(1), "1300".to_owned()));
        assert_eq!(fault("waves", vec![1; 65].into()), ("waves", None, "65".to_owned()));
        let windows = ["22:00-06:00", "12:00-12:30"];
        assert_eq!(fault("activating", windows.as_slice().into()), ("activating", Some(1), "30".to_owned()));
        for key in ["open_next_at", "success_threshold", "failure_threshold", "weight"] {
            assert_eq!(fault(key, 1_001.into()), (key, None, "1001".to_owned()));
        }
        assert_eq!(fault("silent_after_s", 1_799.into()), ("silent_after_s", None, "1799".to_owned()));
        for key in ["attempts", "poll_interval_s", "weight"] {
            assert_eq!(fault(key, 0.into()), (key, None, "0".to_owned()));
        }
        assert_eq!(fault("approvals", 3.into()), ("approvals", None, "3".to_owned()));
        assert_eq!(CampaignPolicy::default().fault(), None);
    }

    #[test]
    fn a_wait_doubles_with_every_try_and_is_never_longer_than_a_day() {
        let policy = CampaignPolicy { retry_after_s: 30, ..CampaignPolicy::default() };
        let waits_s: Vec<u64> = (1..=14).map(|attempt| policy.retry_after(attempt).as_secs()).collect();
        let doubled =
            [30, 60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360, 30_720, 61_440, 86_400, 86_400];
        assert_eq!(waits_s, doubled);
        let longest = CampaignPolicy { retry_after_s: u32::MAX, ..CampaignPolicy::default() };
        for policy in [&policy, &longest] {
            assert_eq!(policy.retry_after(u8::MAX), Duration::from_secs(86_400));
        }
    }

    #[test]
    fn an_order_of_kinds_says_who_waits_for_whom_and_names_a_word_that_is_no_kind() {
        let order = |words: &[&str]| {
            OrderOfKinds::try_from(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        let (hub, electricity, display) = (DeviceType::Chf, DeviceType::Esme, DeviceType::Ihd);
        let kinds = order(&["CHF", "ESME", "GSME"]).expect("kinds");
        assert!(kinds.is_before(hub, electricity) && !kinds.is_before(electricity, hub));
        assert!(
            !kinds.is_before(hub, display) && !kinds.is_before(display, hub) && !kinds.is_before(hub, hub)
        );
        assert_eq!(Vec::from(kinds), ["CHF", "ESME", "GSME"]);
        assert_eq!(order(&["CHF", "chf"]), Err(KindsError::Word { found: "chf".to_owned() }));
        assert_eq!(order(&["CHF", "CHF"]), Err(KindsError::Twice(hub)));
    }
}
