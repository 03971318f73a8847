//! Budgets are never exceeded, in any window and any seed; they are used to the full; reads find their reserve.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    BudgetPlan, BudgetRules, Budgets, ByteRate, CarrierPlan, DayCap, DayCount, DayProfile, LARGEST_CHARGE,
    Level, Use,
};
use crate::Moment;

const BURST: Duration = Duration::from_millis(50);

fn rules(global: u64, reserve_permille: u16, shards: u32) -> BudgetRules {
    BudgetRules { global: ByteRate(global).into(), burst: BURST, reserve_permille, shards }
}

/// The stated burst of a rate: 50 ms of it, or a largest block at hand and one with each engine.
fn stated_burst(rate: u64, shards: u32) -> u64 {
    let small = LARGEST_CHARGE + u64::from(shards) * (LARGEST_CHARGE + 668);
    (rate / 20).max(small) + 2 * rate.div_ceil(1_000_000)
}

/// Checks every window of a record of (micros, bytes).
fn within(record: &[(u64, u64)], rate: u64, shards: u32) -> Result<(), TestCaseError> {
    for first in 0..record.len() {
        let mut total = 0;
        for &(at, bytes) in &record[first..] {
            total += bytes;
            let window = u128::from(at - record[first].0);
            let most = (u128::from(rate) * window / 1_000_000) as u64 + stated_burst(rate, shards);
            prop_assert!(total <= most, "{total} B in {window} us of {rate} B/s");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Several engines, several cells, blocks and requests in any order: no level is ever exceeded.
    #[test]
    fn no_level_ever_carries_more_than_its_rate_and_burst(
        global in 5_000u64..50_000_000,
        carrier in 5_000u64..50_000_000,
        cell in 5_000u64..5_000_000,
        shards in 1u32..4,
        steps in proptest::collection::vec((0u64..30_000, 40u64..4_000, 0u32..2, 0usize..4, any::<bool>()), 1..300),
    ) {
        let start = Moment::from_micros(5);
        let mut first = Budgets::new(rules(global, 200, shards), start);
        let cap = DayCap::default();
        let pool = first.add_carrier(start, CarrierPlan { budget: ByteRate(carrier).into(), cap, before: DayCount::default() });
        for _ in 0..2 {
            first.add_cell(start, pool, ByteRate(cell).into());
        }
        let mut engines = vec![first];
        for _ in 1..shards {
            engines.push(engines[0].share());
        }
        let (mut now, mut all, mut blocks, mut cells) = (start, Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        for (wait, bytes, in_cell, engine, for_blocks) in steps {
            now = now + Duration::from_micros(wait);
            let budgets = &mut engines[engine % shards as usize];
            budgets.advance(now);
            let purpose = if for_blocks { Use::Blocks } else { Use::Requests };
            if budgets.admit(now, super::CellId(in_cell), bytes, purpose).is_ok() {
                let entry = (now.as_micros(), bytes);
                all.push(entry);
                cells[in_cell as usize].push(entry);
                if for_blocks {
                    blocks.push(entry);
                }
            }
        }
        within(&all, global.min(carrier), shards)?;
        within(&blocks, global.min(carrier) * 800 / 1_000, shards)?;
        within(&cells[0], cell, shards)?;
        within(&cells[1], cell, shards)?;
    }
}

/// Sends as much as it may for a while; returns the bytes.
fn fill(budgets: &mut Budgets, from: Moment, span: Duration, bytes: u64, purpose: Use) -> u64 {
    let mut now = from;
    let mut sent = 0;
    while now.saturating_since(from) < span {
        budgets.advance(now);
        match budgets.admit(now, super::CellId(0), bytes, purpose) {
            Ok(()) => sent += bytes,
            Err(refusal) => {
                assert!(refusal.until > now);
                now = refusal.until;
            }
        }
    }
    sent
}

#[test]
fn a_budget_is_used_to_the_full_and_blocks_leave_the_reserve() {
    let start = Moment::from_micros(1);
    for (purpose, expected) in [(Use::Requests, 10_000_000.0), (Use::Blocks, 7_500_000.0)] {
        let mut budgets = Budgets::new(rules(1_000_000, 250, 1), start);
        budgets.add_cell(start, super::CarrierId(0), ByteRate(1 << 30).into());
        let sent = fill(&mut budgets, start, Duration::from_secs(10), 1_086, purpose) as f64;
        assert!((sent / expected - 1.0).abs() < 0.01, "{sent} of {expected}");
    }
}

#[test]
fn the_rate_follows_the_hours_of_the_day() {
    let hour = Duration::from_secs(3_600);
    let mut shares = [1_000; 24];
    (shares[1], shares[2]) = (100, 0);
    let profile = DayProfile(shares);
    let start = Moment::from_micros(0);
    let mut budgets = Budgets::new(rules(1 << 30, 0, 1), start);
    let plan = BudgetPlan { rate: ByteRate(10_000), profile };
    budgets.add_cell(start, super::CarrierId(0), plan);
    let by_hour: Vec<u64> = (0..4)
        .map(|index| fill(&mut budgets, start + hour * index, hour, 1_000, Use::Blocks) / 36_000)
        .collect();
    assert!((990..=1_001).contains(&by_hour[0]) && (99..=100).contains(&by_hour[1]), "{by_hour:?}");
    assert!(by_hour[2] == 0 && (990..=1_001).contains(&by_hour[3]), "{by_hour:?}");
}

#[test]
fn a_pool_stops_at_its_cap_in_bytes_or_money_and_goes_on_at_midnight() {
    let start = Moment::from_micros(0);
    let day = Duration::from_secs(86_400);
    let caps = [
        DayCap { bytes: Some(500_000), ..DayCap::default() },
        // Two pounds a megabyte, one pound a day.
        DayCap { bytes: None, money_micropounds: Some(1_000_000), price_micropounds_per_megabyte: 2_000_000 },
    ];
    for cap in caps {
        assert_eq!(cap.in_bytes(), 500_000);
        let mut budgets = Budgets::new(rules(1 << 30, 100, 1), start);
        let pool = budgets.add_carrier(
            start,
            CarrierPlan { budget: ByteRate(10_000).into(), cap, before: DayCount::default() },
        );
        budgets.add_cell(start, pool, ByteRate(1 << 30).into());
        assert_eq!(
            fill(&mut budgets, start, day / 2, 1_000, Use::Blocks),
            450_000,
            "a tenth is left to reads"
        );
        assert_eq!(budgets.rate_of(pool, start + day / 2), ByteRate(0));
        assert_eq!(budgets.rate_of(pool, start + day), ByteRate(10_000), "it is another day");
        budgets.received(start + day / 2, super::CellId(0), 20_000);
        let refusal =
            budgets.admit(start + day / 2, super::CellId(0), 40_000, Use::Requests).expect_err("too much");
        assert_eq!((refusal.level, refusal.until), (Level::Carrier, start + day));
        assert_eq!(fill(&mut budgets, start + day, day / 2, 1_000, Use::Blocks), 450_000);
    }
}
