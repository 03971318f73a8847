//! What a fleet promises to whoever drives it.

use super::*;
use crate::device_trust::DeviceTrust;
use crate::faults::FaultKind;
use crate::random::Share;
use crate::world::{FaultSpec, PerDay};
use firmware_image::TrustStore;
use proptest::prelude::*;
use std::time::Duration;
use wire::{Apdu, ApplicationContext, AssociationRequest, Conformance, WPort, WanFrame, emit_wan};

const STREET: &str = include_str!("../../../fleets/street.toml");

fn spec() -> WorldSpec {
    let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
    for link in &mut spec.links {
        link.loss = Share::NONE;
        link.burst_enter = Share::NONE;
        link.duplicates = Share::NONE;
        link.jitter_ms = 0;
    }
    spec
}

fn fleet(spec: &WorldSpec) -> Fleet {
    let nobody = TrustStore::new(Vec::new());
    let trust = DeviceTrust::pinned(nobody, Vec::new());
    Fleet::build(spec, 1, &Arc::new(trust), spec.start)
}

/// Steps from event to event until nothing is on its way, and returns what arrives at the head-end, and when.
fn until_idle(fleet: &mut Fleet) -> Vec<(Moment, HubId, Vec<u8>)> {
    let mut arrived = Vec::new();
    while let Some(now) = fleet.poll_timeout() {
        fleet.advance(now);
        while let Some((hub, datagram)) = fleet.poll_transmit(now) {
            arrived.push((now, hub, datagram));
        }
    }
    arrived
}

fn association_request() -> Vec<u8> {
    let mut datagram = Vec::new();
    let request = AssociationRequest {
        context: ApplicationContext::LnNoCiphering,
        conformance: Conformance::GET,
        max_pdu: 1_200,
        wants_authentication: false,
    };
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &Apdu::AssociationRequest(request), &mut datagram);
    datagram
}

#[test]
fn a_hub_answers_after_both_ways_of_its_link_and_only_it() {
    let spec = spec();
    let mut fleet = fleet(&spec);
    let request = association_request();
    fleet.receive(spec.start, HubId(3), &request);
    let arrived = until_idle(&mut fleet);
    let [(at, HubId(3), answer)] = arrived.as_slice() else { panic!("{arrived:?}") };
    let frame = WanFrame::parse_datagram(answer).expect("a wrapper frame");
    assert!(matches!(Apdu::parse(frame.apdu), Ok(Apdu::AssociationResponse(response)) if response.accepted));
    let profile = fleet.members[3].down.profile();
    let expected = profile.down.air_time(request.len() + 28)
        + profile.latency
        + profile.up.air_time(answer.len() + 28)
        + profile.latency;
    assert_eq!(at.saturating_since(spec.start), expected);
}

#[test]
fn an_unreachable_hub_and_one_that_does_not_exist_stay_silent() {
    let mut spec = spec();
    spec.trouble.already_current_share = Share::NONE;
    spec.trouble.wrong_hardware_share = Share::NONE;
    spec.trouble.does_not_come_up_share = Share::NONE;
    spec.trouble.unreachable_share = Share::ALL;
    let mut fleet = fleet(&spec);
    for hub in [HubId(0), HubId(9), HubId(10), HubId(u32::MAX)] {
        fleet.receive(spec.start, hub, &association_request());
    }
    assert_eq!(until_idle(&mut fleet), []);
    let census = fleet.census();
    assert_eq!((census.wan.down.offered, census.wan.down.lost_in_outage), (2, 2));
}

#[test]
fn the_census_has_every_device_of_every_home() {
    let spec = spec();
    let fleet = fleet(&spec);
    let census = fleet.census();
    let on_file: Vec<_> = fleet.homes().flat_map(|home| &home.devices).collect();
    assert_eq!(census.devices.len(), on_file.len());
    for (counted, filed) in census.devices.iter().zip(on_file) {
        assert_eq!((counted.eui, counted.kind), (filed.eui, filed.kind));
        assert_eq!(counted.running_version, filed.firmware_version);
    }
    assert_eq!(census.total(|device| device.activations), 0);
}

#[test]
fn settling_homes_early_changes_nothing_that_a_head_end_sees() {
    let spec = spec();
    let run = |settled: bool| {
        let mut fleet = fleet(&spec);
        let mut arrived = Vec::new();
        for minute in 0..180 {
            let now = spec.start + Duration::from_secs(60 * minute);
            fleet.receive(now, HubId((minute % 10) as u32), &association_request());
            if settled {
                fleet.settle(now, 3);
            }
            arrived.extend(until_idle(&mut fleet));
        }
        (arrived, fleet.census().wan)
    };
    assert_eq!(run(false), run(true));
}

/// Everything that can go wrong by itself, often.
fn everything() -> FaultSpec {
    let rate = |times| PerDay::new(times).expect("a rate");
    let share = |share| Share::new(share).expect("a share");
    FaultSpec {
        reordered_per_datagram: share(0.1),
        reorder_most_ms: 90_000,
        corrupted_per_datagram: share(0.1),
        undetected_per_corrupted: share(0.5),
        half_open_per_day: rate(24.0),
        half_open_s: 300,
        cell_congestion_per_day: rate(24.0),
        cell_congestion_s: 600,
        cell_congestion_rate_share: share(0.05),
        rate_collapse_per_day: rate(24.0),
        rate_collapse_s: 600,
        rate_collapse_rate_share: share(0.05),
        hub_reboots_per_day: rate(48.0),
        meter_reboots_per_day: rate(48.0),
        power_cuts_per_day: rate(24.0),
        power_cut_most_s: 600,
        clock_jumps_per_day: rate(24.0),
        clock_jump_most_s: 7_200,
        meter_swaps_per_day: rate(12.0),
        hub_swaps_per_day: rate(6.0),
        ..FaultSpec::default()
    }
}

#[test]
fn faults_strike_alike_whoever_runs_the_homes_and_in_whatever_steps() {
    let spec = WorldSpec { faults: everything(), ..spec() };
    let run = |homes_settled: usize| {
        let mut fleet = fleet(&spec);
        let mut arrived = Vec::new();
        for minute in 0..600 {
            let now = spec.start + Duration::from_secs(60 * minute);
            fleet.receive(now, HubId((minute % 10) as u32), &association_request());
            fleet.settle(now, homes_settled);
            while fleet.poll_timeout().is_some_and(|due| due <= now) {
                let due = fleet.poll_timeout().expect("something is due");
                fleet.advance(due);
                while let Some((hub, datagram)) = fleet.poll_transmit(due) {
                    arrived.push((due, hub, datagram));
                }
            }
        }
        arrived.extend(until_idle(&mut fleet));
        fleet.settle(spec.start + Duration::from_secs(60 * 700), 10);
        (arrived, fleet.census())
    };
    let (arrived, census) = run(0);
    let often = run(10);
    assert!(arrived == often.0, "what the head-end hears differs");
    assert_eq!(census, often.1);
    for kind in [FaultKind::Reordering, FaultKind::HubSwap, FaultKind::PowerCut, FaultKind::ClockJump] {
        assert!(census.faults.of(kind) > 0, "{}", kind.word());
    }
}

#[test]
fn a_calm_fleet_loses_and_delays_nothing_more() {
    let mut spec = WorldSpec { faults: everything(), ..spec() };
    for link in &mut spec.links {
        link.loss = Share::new(0.5).expect("a share");
    }
    let mut fleet = fleet(&spec);
    fleet.calm();
    for minute in 0..600 {
        let now = spec.start + Duration::from_secs(60 * minute);
        fleet.receive(now, HubId((minute % 10) as u32), &association_request());
    }
    assert_eq!(until_idle(&mut fleet).len(), 600);
    fleet.settle(spec.start + Duration::from_secs(60 * 700), 10);
    assert_eq!(fleet.census().faults.total(), 0);
}

#[test]
fn a_watched_fleet_names_the_invariant_that_does_not_hold() {
    let spec = spec();
    let mut fleet = fleet(&spec);
    fleet.watch(WatchRules::new([], 100, 50));
    fleet.receive(spec.start, HubId(3), &[0; 10]);
    assert_eq!(fleet.broken().next(), None, "38 bytes with headers are within the allowance");
    fleet.receive(spec.start, HubId(3), &[0; 10]);
    let broken = fleet.broken().next().expect("76 bytes are not");
    assert_eq!(broken.invariant, "a link is sent no more than its rate in any window");
    assert!(fleet.offered().any(|(_, bytes)| bytes == 76));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn random_datagrams_are_survived_and_counted(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20)) {
        let spec = spec();
        let mut fleet = fleet(&spec);
        for datagram in &datagrams {
            fleet.receive(spec.start, HubId(2), datagram);
        }
        until_idle(&mut fleet);
        prop_assert_eq!(fleet.census().wan.down.delivered, datagrams.len() as u64);
    }
}
