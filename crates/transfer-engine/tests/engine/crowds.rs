//! Many hubs under shared budgets: what may be sent, in which order, and who gets through meanwhile.

use std::time::Duration;

use transfer_engine::{
    Answer, ByteRate, CarrierPlan, DayCap, DayCount, EngineConfig, HubId, LineRate, Moment, Patience,
    Priority, Task, Transport,
};

use crate::net::Profile;
use crate::rig::{Rig, START, ample};

const UNKNOWN: LineRate = LineRate::AtMost(ByteRate(1_000_000));

/// A line that is never the bottleneck here.
fn fast() -> Profile {
    Profile { bits_per_s: 2_000_000, latency: Duration::from_millis(100), ..Profile::gprs(0.0) }
}

/// What 50 ms of a rate are, or a largest block at hand and one with the engine.
fn burst(rate: u64) -> u64 {
    (rate / 20).max(2 * 8_284 + 668) + 2
}

fn assert_within(log: &[(u64, u64)], rate: u64, what: &str) {
    for first in 0..log.len() {
        let mut total = 0;
        for &(at, bytes) in &log[first..] {
            total += bytes;
            let most = (u128::from(at - log[first].0) * u128::from(rate) / 1_000_000) as u64 + burst(rate);
            assert!(total <= most, "{what}: {total} B in {} us at {rate} B/s", at - log[first].0);
        }
    }
}

#[test]
fn no_window_at_any_level_carries_more_than_was_agreed() {
    for seed in 0..12 {
        let config = EngineConfig { global_rate: ByteRate(60_000), ..ample() };
        let mut rig = Rig::new(config, 20_000, seed);
        let cap = DayCap::default();
        let plan =
            CarrierPlan { budget: ByteRate(25_000 + seed * 3_000).into(), cap, before: DayCount::default() };
        let carriers = [rig.engine.add_carrier(START, plan), rig.engine.add_carrier(START, plan)];
        let cells: Vec<_> =
            (0..4).map(|cell| rig.engine.add_cell_of(START, carriers[cell % 2], ByteRate(15_000))).collect();
        for hub in 0..24 {
            let profile = Profile { loss: 0.03, ..fast() };
            let hub = rig.add(cells[hub % 4], Transport::Datagram, UNKNOWN, profile, 512);
            rig.stage(hub);
        }
        rig.run_to_events(24);
        assert!(rig.events.iter().all(|(_, event)| event.result.is_ok()));
        let of = |keep: &dyn Fn(usize, bool) -> bool| -> Vec<(u64, u64)> {
            let log = rig.sent_log.iter().filter(|(_, _, hub, blocks)| keep(hub.0 as usize, *blocks));
            log.map(|(at, bytes, _, _)| (*at, *bytes)).collect()
        };
        assert_within(&of(&|_, _| true), 60_000, "global");
        assert_within(&of(&|_, blocks| blocks), 57_000, "global, less the reserve");
        for cell in 0..4 {
            assert_within(&of(&|hub, _| hub % 4 == cell), 15_000, "cell");
        }
        for carrier in 0..2 {
            let log = of(&|hub, _| hub % 2 == carrier);
            assert_within(&log, 25_000 + seed * 3_000, "carrier");
        }
    }
}

/// Reads that come every second while a campaign fills every budget.
#[test]
fn reads_are_answered_in_time_while_a_campaign_fills_the_budgets() {
    let config = EngineConfig { global_rate: ByteRate(40_000), reserve_permille: 100, ..ample() };
    let mut rig = Rig::new(config, 100_000, 3);
    let cell = rig.engine.add_cell(ByteRate(20_000));
    let hubs: Vec<HubId> =
        (0..30).map(|_| rig.add(cell, Transport::Datagram, UNKNOWN, Profile::gprs(0.0), 1_024)).collect();
    for hub in &hubs[..20] {
        rig.stage(*hub);
    }
    let mut asked: Vec<(HubId, Moment)> = Vec::new();
    for second in 10..110 {
        rig.run_until(START + Duration::from_secs(second));
        // Half of them idle hubs, half of them hubs to which blocks flow.
        let idle = hubs[20 + second as usize % 10];
        let busy = hubs[second as usize % 20];
        for hub in [idle, busy] {
            let task = Task::ReadVersion { channel: 0 };
            assert!(rig.engine.assign(rig.now, hub, task, Priority(0)));
            asked.push((hub, rig.now));
        }
    }
    rig.run_until(START + Duration::from_secs(130));
    let mut waits: Vec<f64> = asked
        .iter()
        .map(|(hub, since)| {
            let answer = rig.events.iter().find(|(at, event)| {
                event.hub == *hub && at > since && matches!(event.result, Ok(Answer::Version(_)))
            });
            answer.expect("it was answered").0.saturating_since(*since).as_secs_f64()
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    let (median, p99) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    println!("reads during a campaign: median {median:.2} s, 99 % within {p99:.2} s (round trip 0.76 s)");
    assert!(p99 <= 3.0, "99 % within {p99:.2} s");
    // The campaign went on at the same time: the budget less the reserve was used.
    let blocks: u64 = rig.sent_log.iter().filter(|entry| entry.3).map(|entry| entry.1).sum();
    assert!(blocks as f64 >= 0.85 * 18_000.0 * 100.0, "{blocks} B of blocks in 130 s");
}

/// One cell binds, tails differ: the end of it all against the bound that no order can beat.
#[test]
fn the_longest_path_first_comes_close_to_the_bound() {
    const HUBS: u32 = 30;
    const IMAGE: usize = 60_000;
    let mut rig = Rig::new(EngineConfig { reserve_permille: 0, ..ample() }, IMAGE, 5);
    let cell = rig.engine.add_cell(ByteRate(20_000));
    let tails: Vec<u32> = (0..HUBS).map(|hub| (hub * 37 % HUBS) * 20).collect();
    for tail in &tails {
        let hub = rig.add(cell, Transport::Datagram, UNKNOWN, fast(), 1_024);
        rig.stage_before(hub, *tail);
    }
    rig.run_to_events(HUBS as usize);
    let ends = rig
        .events
        .iter()
        .map(|(at, event)| at.saturating_since(START).as_secs_f64() + f64::from(tails[event.hub.0 as usize]));
    let makespan = ends.fold(0.0, f64::max);
    let demand = IMAGE as f64 * (1_024.0 + 60.0) / 1_024.0 / 20_000.0;
    let mut sorted = tails.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let bound = (1..=HUBS as usize)
        .map(|first| first as f64 * demand + f64::from(sorted[first - 1]))
        .fold(0.0, f64::max);
    println!("makespan {makespan:.1} s, bound {bound:.1} s, ratio {:.3}", makespan / bound);
    assert!(makespan <= 1.05 * bound, "{makespan:.1} s against {bound:.1} s");
}

#[test]
fn dormant_meters_go_first_and_nobody_starves() {
    let mut rig = Rig::new(ample(), 150_000, 5);
    let cell = rig.engine.add_cell(ByteRate(10_000));
    for _ in 0..12 {
        let hub = rig.add(cell, Transport::Datagram, UNKNOWN, fast(), 1_024);
        let task = Task::Stage { release: rig.release, channel: 0, tail_s: 0 };
        let priority = Priority(u8::from(hub.0 % 2 == 1));
        assert!(rig.engine.assign(rig.now, hub, task, priority));
    }
    rig.run_until(START + Duration::from_secs(70));
    let held = |rig: &Rig, odd: u32| -> u32 {
        let members = rig.members.iter().enumerate().filter(|(hub, _)| *hub as u32 % 2 == odd);
        members.map(|(_, member)| member.device.bitmap.as_ref().map_or(0, |map| map.count_set())).sum()
    };
    let (dormant, active) = (held(&rig, 0), held(&rig, 1));
    assert!(dormant > 5 * active, "{dormant} blocks against {active}");
    for member in &rig.members {
        let held = member.device.bitmap.as_ref().map_or(0, |map| map.count_set());
        assert!(held > 0, "a hub was left without a block for a minute");
    }
    rig.run_to_events(12);
    let last_dormant = rig.events.iter().filter(|(_, event)| event.hub.0 % 2 == 0).map(|(at, _)| *at).max();
    let last = rig.events.iter().map(|(at, _)| *at).max();
    assert!(last_dormant < last, "an Active home ended last");
}

#[test]
fn a_budget_that_is_shut_for_an_hour_holds_blocks_and_patience_alike() {
    let config = EngineConfig { patience: Patience::default(), ..ample() };
    let mut rig = Rig::new(config, 20_000, 1);
    let cap = DayCap { bytes: Some(15_000), ..DayCap::default() };
    let plan = CarrierPlan { budget: ByteRate(100_000).into(), cap, before: DayCount::default() };
    let carrier = rig.engine.add_carrier(START, plan);
    let cell = rig.engine.add_cell_of(START, carrier, ByteRate(100_000));
    let hub = rig.add(cell, Transport::Datagram, UNKNOWN, fast(), 1_024);
    rig.stage(hub);
    rig.run_to_events(1);
    assert!(rig.events[0].1.result.is_ok(), "{:?}", rig.events[0].1.result);
    let day = 86_400_000_000;
    assert!(rig.now.as_micros() / day > START.as_micros() / day, "it took until the next day");
    let first_day = rig.sent_log.iter().filter(|(at, ..)| at / day == START.as_micros() / day);
    assert!(first_day.map(|entry| entry.1).sum::<u64>() <= 15_000);
}
