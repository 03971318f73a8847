//! What a link promises, one sentence per test.

use super::*;
use crate::random::Purpose;
use crate::world::{Cell, FaultSpec, PerDay};
use std::num::NonZeroU32;
use transfer_engine::HubId;

fn rate(bits_per_s: u32) -> BitRate {
    BitRate(NonZeroU32::new(bits_per_s).expect("rates in tests are positive"))
}

fn plain() -> LinkProfile {
    LinkProfile {
        name: "plain".into(),
        down: rate(8_000),
        up: rate(4_000),
        latency: Duration::from_millis(500),
        jitter: Duration::ZERO,
        loss: Share::NONE,
        burst: None,
        duplicates: Share::NONE,
        queue_len: 100_000,
        reach: Reach::Always,
    }
}

fn link(profile: LinkProfile, seed: u64) -> Link {
    Link::new(Arc::new(profile), Direction::Down, Duration::ZERO, Stream::open(seed, 1, Purpose::WanDown))
}

fn ms(milliseconds: u64) -> Moment {
    Moment::from_micros(milliseconds * 1_000)
}

#[test]
fn a_datagram_takes_its_air_time_with_overhead_and_then_the_latency() {
    // 972 + 28 bytes at 8 kbit/s are one second on the air.
    assert_eq!(link(plain(), 1).judge(ms(0), 972), Fate::Deliver(ms(1_500)));
    let mut up =
        Link::new(Arc::new(plain()), Direction::Up, Duration::ZERO, Stream::open(1, 1, Purpose::WanUp));
    assert_eq!(up.judge(ms(0), 972), Fate::Deliver(ms(2_500)));
}

#[test]
fn datagrams_wait_for_one_another_and_keep_their_order_under_jitter() {
    let mut link = link(LinkProfile { jitter: Duration::from_secs(5), ..plain() }, 3);
    let mut previous = ms(0);
    for _ in 0..50 {
        let Fate::Deliver(at) = link.judge(ms(0), 100) else { panic!("this link loses nothing") };
        assert!(at >= previous);
        previous = at;
    }
    assert!(previous >= ms(50 * 128 + 500));
}

#[test]
fn a_full_queue_drops_and_drains_with_time() {
    let mut link = link(LinkProfile { queue_len: 2_000, ..plain() }, 1);
    assert!(matches!(link.judge(ms(0), 972), Fate::Deliver(_)));
    assert!(matches!(link.judge(ms(0), 972), Fate::Deliver(_)));
    assert_eq!(link.judge(ms(0), 972), Fate::Lost(LossReason::QueueFull));
    assert!(matches!(link.judge(ms(1_000), 972), Fate::Deliver(_)));
}

#[test]
fn independent_loss_and_duplicates_come_at_their_rates() {
    let profile = LinkProfile {
        loss: Share::new(0.05).expect("a share"),
        duplicates: Share::new(0.02).expect("a share"),
        ..plain()
    };
    let mut link = link(profile, 9);
    let fates: Vec<Fate> = (0..20_000u64).map(|k| link.judge(ms(k * 1_000), 100)).collect();
    let lost = fates.iter().filter(|fate| **fate == Fate::Lost(LossReason::Noise)).count();
    let doubled = fates.iter().filter(|fate| matches!(fate, Fate::DeliverTwice(_))).count();
    assert!((900..1_100).contains(&lost), "{lost}");
    assert!((320..440).contains(&doubled), "{doubled}");
}

#[test]
fn bursts_lose_runs_of_datagrams() {
    let burst = Burst {
        enter: Share::new(0.01).expect("a share"),
        leave: Share::new(0.1).expect("a share"),
        loss: Share::ALL,
    };
    let mut link = link(LinkProfile { burst: Some(burst), ..plain() }, 5);
    let lost: Vec<bool> =
        (0..50_000u64).map(|k| link.judge(ms(k * 1_000), 100) == Fate::Lost(LossReason::Burst)).collect();
    let total = lost.iter().filter(|lost| **lost).count();
    let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    // Stationary share of bad time 0.01 / 0.11 = 9.1 %, mean run 10.
    assert!((3_600..5_600).contains(&total), "{total}");
    assert!((7..14).contains(&(total / runs)), "{total} in {runs} runs");
}

#[test]
fn an_outage_comes_every_period_and_a_dead_link_never_carries() {
    let reach = Reach::Interrupted { period: Duration::from_secs(100), outage: Duration::from_secs(10) };
    let mut interrupted = link(LinkProfile { reach, ..plain() }, 1);
    assert_eq!(interrupted.judge(ms(5_000), 1), Fate::Lost(LossReason::Outage));
    assert!(matches!(interrupted.judge(ms(10_000), 1), Fate::Deliver(_)));
    assert_eq!(interrupted.judge(ms(205_000), 1), Fate::Lost(LossReason::Outage));
    let mut dead = link(LinkProfile { reach: Reach::Never, ..plain() }, 1);
    assert_eq!(dead.judge(ms(5), 1), Fate::Lost(LossReason::Outage));
}

#[test]
fn the_same_seed_gives_the_same_fates() {
    let profile = || LinkProfile {
        loss: Share::new(0.3).expect("a share"),
        jitter: Duration::from_millis(80),
        ..plain()
    };
    let fates = |seed| {
        let mut link = link(profile(), seed);
        (0..200u64).map(|k| link.judge(ms(k * 300), 64)).collect::<Vec<_>>()
    };
    assert_eq!(fates(4), fates(4));
    assert_ne!(fates(4), fates(5));
}

#[test]
fn a_radio_frame_arrives_after_its_latency_or_not_at_all() {
    let profile = HanProfile { latency: Duration::from_millis(25), loss: Share::new(0.5).expect("a share") };
    let mut han = HanLink::new(profile, Stream::open(1, 1, Purpose::Han));
    let arrivals: Vec<_> = (0..100).filter_map(|_| han.judge(ms(10))).collect();
    assert!(arrivals.iter().all(|at| *at == ms(35)));
    assert!((25..75).contains(&arrivals.len()));
}

fn faulty(spec: FaultSpec) -> Link {
    let mut link = link(plain(), 1);
    let home = (HubId(1), Cell(0));
    link.set_faults(LinkFaults::open(&spec, 1, ms(0), home, Direction::Down));
    link
}

#[test]
fn a_datagram_that_is_held_back_is_overtaken_and_holds_nobody_back() {
    let spec = FaultSpec {
        reordered_per_datagram: Share::new(0.2).expect("a share"),
        reorder_most_ms: 60_000,
        ..FaultSpec::default()
    };
    let mut link = faulty(spec);
    let (mut late, mut overtaken) = (0, 0);
    let mut latest = ms(0);
    for count in 0..500u64 {
        match link.judge(ms(count * 1_000), 100) {
            // On its own, each takes 128 ms of air and 500 ms.
            Fate::Deliver(at) => {
                assert_eq!(at, ms(count * 1_000 + 628));
                overtaken += u64::from(latest > at);
            }
            Fate::DeliverLate(at) => {
                late += 1;
                latest = latest.max(at);
            }
            other => panic!("nothing else goes wrong here: {other:?}"),
        }
    }
    assert!((70..130).contains(&late) && overtaken > 100, "{late} late, {overtaken} before them");
}

#[test]
fn corrupted_datagrams_vanish_but_for_those_whose_checksum_holds() {
    let spec = FaultSpec {
        corrupted_per_datagram: Share::new(0.1).expect("a share"),
        undetected_per_corrupted: Share::new(0.25).expect("a share"),
        ..FaultSpec::default()
    };
    let mut link = faulty(spec);
    let fates: Vec<Fate> = (0..10_000u64).map(|k| link.judge(ms(k * 1_000), 100)).collect();
    let count = |test: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| test(fate)).count();
    let dropped = count(&|fate| *fate == Fate::Lost(LossReason::Corrupted));
    let wrong = count(&|fate| matches!(fate, Fate::DeliverWrong(..)));
    assert!((680..820).contains(&dropped), "{dropped}");
    assert!((200..300).contains(&wrong), "{wrong}");
}

#[test]
fn a_collapsed_rate_stretches_the_air_time_and_nothing_else() {
    let spec = FaultSpec {
        rate_collapse_per_day: PerDay::new(1_440.0).expect("a rate"),
        rate_collapse_s: 86_400,
        rate_collapse_rate_share: Share::new(0.1).expect("a share"),
        ..FaultSpec::default()
    };
    let mut link = faulty(spec);
    // By now the first window is open: it came within a minute or two, and lasts for a day.
    assert_eq!(link.judge(ms(3_600_000), 972), Fate::Deliver(ms(3_600_000 + 10_500)));
    link.calm();
    assert_eq!(link.judge(ms(7_200_000), 972), Fate::Deliver(ms(7_200_000 + 1_500)));
}
