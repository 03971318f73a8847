//! What faults promise: a rate of none costs nothing, and the same seed gives the same faults however it is asked.

use super::*;
use crate::link::Direction;
use crate::random::Share;
use crate::world::{Cell, FaultSpec, PerDay};
use std::time::Duration;
use transfer_engine::{HubId, Moment};

const HOME: (HubId, Cell) = (HubId(7), Cell(2));

fn share(value: f64) -> Share {
    Share::new(value).expect("a share")
}

fn rate(times: f64) -> PerDay {
    PerDay::new(times).expect("a rate")
}

fn minute(count: u64) -> Moment {
    Moment::default() + Duration::from_secs(60 * count)
}

#[test]
fn a_world_without_faults_has_nothing_to_ask() {
    let none = FaultSpec::default();
    let start = Moment::default();
    assert!(LinkFaults::open(&none, 1, start, HOME, Direction::Down).is_none());
    assert!(ReplyFaults::open(&none, 1, start, HOME.0, true).is_none());
    assert!(DeviceFaults::open(&none, 1, start, HOME.0, [0, 1, 2].into_iter()).is_none());
}

#[test]
fn a_half_open_link_is_shut_in_one_direction_at_a_time() {
    let spec = FaultSpec { half_open_per_day: rate(12.0), half_open_s: 1_800, ..FaultSpec::default() };
    let open = |direction| LinkFaults::open(&spec, 5, Moment::default(), HOME, direction).expect("some");
    let (mut down, mut up) = (open(Direction::Down), open(Direction::Up));
    let (mut down_shut, mut up_shut) = (0, 0);
    for at in (0..30 * 1_440).map(minute) {
        let both = (down.is_shut(at), up.is_shut(at));
        assert_ne!(both, (true, true));
        down_shut += u64::from(both.0);
        up_shut += u64::from(both.1);
    }
    assert!(down_shut > 1_000 && up_shut > 1_000, "{down_shut} {up_shut}");
    assert_eq!(down.counts().of(FaultKind::HalfOpen), down_shut);
}

#[test]
fn the_homes_of_a_cell_are_slow_together_and_those_of_another_at_other_times() {
    let spec = FaultSpec {
        cell_congestion_per_day: rate(6.0),
        cell_congestion_s: 3_600,
        cell_congestion_rate_share: share(0.25),
        ..FaultSpec::default()
    };
    let slow_minutes = |hub, cell| {
        let home = (HubId(hub), Cell(cell));
        let mut faults = LinkFaults::open(&spec, 5, Moment::default(), home, Direction::Down).expect("some");
        let second = Duration::from_secs(1);
        (0..10 * 1_440).map(|at| faults.slowed(minute(at), second) == 4 * second).collect::<Vec<_>>()
    };
    assert_eq!(slow_minutes(1, 2), slow_minutes(9, 2));
    assert_ne!(slow_minutes(1, 2), slow_minutes(1, 3));
    assert!(slow_minutes(1, 2).contains(&true) && slow_minutes(1, 2).contains(&false));
}

#[test]
fn flipped_bits_that_the_checksum_misses_leave_the_ones_complement_sum_alone() {
    let sum = |bytes: &[u8]| {
        let words = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
        let total: u32 = words.sum();
        (total & 0xFFFF) + (total >> 16)
    };
    let spec = FaultSpec {
        corrupted_per_datagram: Share::ALL,
        undetected_per_corrupted: Share::ALL,
        ..FaultSpec::default()
    };
    let mut faults = LinkFaults::open(&spec, 5, Moment::default(), HOME, Direction::Up).expect("some");
    for round in 0..200u8 {
        let Some(Strike::Alter(flip)) = faults.strike(Moment::default()) else { panic!("all are altered") };
        let before: Vec<u8> = (0..61u8).map(|at| at.wrapping_mul(round | 1)).collect();
        let mut after = before.clone();
        assert!(flip.apply(&mut after));
        assert_ne!(before, after);
        assert_eq!(sum(&before), sum(&after));
        let flipped: u32 = before.iter().zip(&after).map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!(flipped, 2);
    }
    let Some(Strike::Alter(flip)) = faults.strike(Moment::default()) else { panic!("all are altered") };
    assert!(!flip.apply(&mut [0; 3]), "nothing fits in three bytes");
    assert!(!flip.apply(&mut [0; 40]), "no two bits differ");
}

#[test]
fn device_faults_come_in_order_and_at_their_rates() {
    let spec = FaultSpec {
        hub_reboots_per_day: rate(1.0),
        meter_reboots_per_day: rate(2.0),
        power_cuts_per_day: rate(0.5),
        power_cut_most_s: 600,
        clock_jumps_per_day: rate(1.0),
        clock_jump_most_s: 7_200,
        meter_swaps_per_day: rate(0.1),
        hub_swaps_per_day: rate(0.05),
        flash_bit_flips_per_day: rate(0.2),
        ..FaultSpec::default()
    };
    let mut faults =
        DeviceFaults::open(&spec, 3, Moment::default(), HOME.0, [0, 1, 2].into_iter()).expect("some");
    let end = minute(1_000 * 1_440);
    let mut last = Moment::default();
    while faults.next_at() < end {
        let now = faults.next_at();
        assert!(now >= last && faults.take(last).is_none_or(|_| now == last));
        let fault = faults.take(now).expect("it is due");
        faults.count(fault);
        match fault {
            DeviceFault::PowerCut { lasts } => assert!(lasts <= Duration::from_secs(600)),
            DeviceFault::ClockJump { by, .. } => assert!(by < Duration::from_secs(7_200)),
            DeviceFault::Reboot { channel }
            | DeviceFault::Swap { channel }
            | DeviceFault::BitRot { channel, .. } => assert!(channel <= 2),
        }
        last = now;
    }
    let count = |kind| faults.counts().of(kind);
    assert!((900..1_100).contains(&count(FaultKind::HubReboot)));
    assert!((3_800..4_200).contains(&count(FaultKind::MeterReboot)), "two a day on each of two devices");
    assert!((430..570).contains(&count(FaultKind::PowerCut)));
    assert!((2_800..3_200).contains(&count(FaultKind::ClockJump)));
    assert!((150..250).contains(&count(FaultKind::MeterSwap)));
    assert!((25..80).contains(&count(FaultKind::HubSwap)));
    assert!((500..700).contains(&count(FaultKind::BitRot)), "on each of three devices");
}

#[test]
fn a_storm_makes_answers_long_and_meaningless_and_keeps_their_framing() {
    let spec = FaultSpec {
        storms_per_day: rate(1_440.0),
        storm_s: 86_400,
        storm_length_factor: 100,
        ..FaultSpec::default()
    };
    let mut faults = ReplyFaults::open(&spec, 1, Moment::default(), HOME.0, true).expect("some");
    let mut reply = vec![0, 1, 0, 1, 0, 16, 0, 3, 0xD8, 1, 1];
    faults.tamper(minute(60), &[], &mut reply);
    assert_eq!(reply.len(), 1_100);
    let frame = wire::WanFrame::parse_datagram(&reply).expect("a frame");
    assert_eq!(frame.apdu.len(), 1_100 - 8);
    assert!(ReplyFaults::open(&spec, 1, Moment::default(), HOME.0, false).is_none(), "another model");
}
