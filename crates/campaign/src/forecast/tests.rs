//! The bound beside a maximum flow in time steps, beside sums done by hand, and what must hold of any bound.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use transfer_engine::{ByteRate, Moment};

use super::{
    Activation, Bound, CellDemand, Constraint, Delivery, HomeDemand, Network, lower_bound,
    lower_bound_of_mains,
};
use crate::policy::Permille;
use crate::window::{NotBefore, Windows};

const ALL: Permille = Permille(1_000);

fn delivery(bytes: u64, tail_s: u64) -> Delivery {
    let tail = Duration::from_secs(tail_s);
    let (soak, air_time) = (Duration::ZERO, Duration::ZERO);
    Delivery { bytes, tail, soak, activation: None, air_time, sleeps: false, wave: 0 }
}

fn home(rate: u64, deliveries: &[(u64, u64)]) -> HomeDemand {
    let deliveries = deliveries.iter().map(|(bytes, tail_s)| delivery(*bytes, *tail_s)).collect();
    HomeDemand { name: "home".to_owned(), rate: ByteRate(rate), deliveries }
}

/// A network of cells, each with its rate and homes, the homes named in their order.
fn network(head_end: u64, cells: Vec<(u64, Vec<HomeDemand>)>) -> Network {
    let named = |(cell, (rate, homes)): (usize, (u64, Vec<HomeDemand>))| CellDemand {
        name: format!("C{cell}"),
        rate: ByteRate(rate),
        homes: homes
            .into_iter()
            .enumerate()
            .map(|(number, home)| HomeDemand { name: format!("C{cell}-H{number}"), ..home })
            .collect(),
    };
    let cells = cells.into_iter().enumerate().map(named).collect();
    let (sending, activating) = (Windows::default(), Windows::default());
    let (activate_not_before, ordered_at) = (NotBefore::default(), Moment::default());
    Network { head_end: ByteRate(head_end), cells, sending, activating, activate_not_before, ordered_at }
}

fn bound(network: &Network) -> Bound {
    lower_bound(network, ALL).expect("something is to be delivered")
}

#[track_caller]
fn check(network: &Network, seconds: f64, constraint: &Constraint) {
    let found = bound(network);
    assert!((found.time.as_secs_f64() - seconds).abs() < 1e-3 * seconds.max(1.0), "{found:?}");
    assert_eq!(found.constraint, *constraint, "{found:?}");
    let spans = found.spans;
    assert_eq!(spans.earlier_waves + spans.head_end + spans.cell + spans.line + spans.home, found.time);
}

#[test]
fn nothing_to_deliver_has_no_bound() {
    assert_eq!(lower_bound(&network(10, vec![(10, vec![home(10, &[])])]), ALL), None);
}

#[test]
fn one_home_takes_its_line_and_then_its_tail() {
    let line = network(1_000, vec![(1_000, vec![home(10, &[(600, 5)])])]);
    check(&line, 65.0, &Constraint::Line("C0-H0".to_owned()));
    let tail = network(1_000, vec![(1_000, vec![home(10, &[(600, 100)])])]);
    check(&tail, 160.0, &Constraint::Home("C0-H0".to_owned()));
}

#[test]
fn the_image_with_the_longer_tail_goes_first_over_a_line() {
    // 60 s and 300 s of tail overlap 60 s for the other image and its 200 s: 360 s in this order, 420 s in the other.
    let two = network(1_000, vec![(1_000, vec![home(10, &[(600, 200), (600, 300)])])]);
    check(&two, 360.0, &Constraint::Home("C0-H0".to_owned()));
}

#[test]
fn what_many_homes_share_is_named() {
    let homes = |count: usize| vec![home(100, &[(1_000, 2)]); count];
    // 20 images of 1,000 bytes over 200 bytes a second, and the last one's tail.
    check(&network(10_000, vec![(200, homes(20))]), 102.0, &Constraint::Cell("C0".to_owned()));
    check(
        &network(10_000, vec![(10_000, homes(2)), (100, homes(20))]),
        202.0,
        &Constraint::Cell("C1".to_owned()),
    );
    check(&network(100, vec![(1_000, homes(20)), (1_000, homes(20))]), 402.0, &Constraint::HeadEnd);
}

#[test]
fn lines_that_cannot_fill_the_cell_at_the_end_cost_more_than_any_resource_alone() {
    // In the last 20 s only the second home's line is of use, 30 a second: 50 (T - 20) + 30 * 20 >= 2,600 gives T = 60. The
    // cell alone would be over at 52 s, that line at 47 s.
    let cell = network(1_000, vec![(50, vec![home(60, &[(1_200, 20)]), home(30, &[(1_400, 0)])])]);
    check(&cell, 60.0, &Constraint::Cell("C0".to_owned()));
    // The same one level up: each cell carries what the line did.
    let cells = vec![(60, vec![home(500, &[(1_200, 20)])]), (30, vec![home(500, &[(1_400, 0)])])];
    check(&network(50, cells), 60.0, &Constraint::HeadEnd);
}

/// A campaign that is ordered on 2020-10-05 at 21:59:30 by the clocks of Great Britain and sends from 22 to 23 o'clock.
fn at_night(network: Network) -> Network {
    let sending = Windows::try_from(vec!["22:00-23:00".to_owned()]).expect("a window");
    Network { sending, ordered_at: Moment::from_micros(1_601_931_570_000_000), ..network }
}

#[test]
fn what_is_sent_in_windows_waits_for_them_and_tails_do_not() {
    let one = |bytes| at_night(network(1_000, vec![(1_000, vec![home(10, &[(bytes, 7_200)])])]));
    // Half a minute until the window opens, a minute for the image, and the tail.
    check(&one(600), 30.0 + 60.0 + 7_200.0, &Constraint::Home("C0-H0".to_owned()));
    assert_eq!(bound(&one(600)).closed, Duration::from_secs(30));
    // Two hours of sending are two windows, a day apart.
    check(&one(72_000), 30.0 + 25.0 * 3_600.0 + 7_200.0, &Constraint::Line("C0-H0".to_owned()));
    assert_eq!(bound(&one(72_000)).closed, Duration::from_secs(30 + 23 * 3_600));
    // 3,000 images of 10 seconds each over a cell are eight windows and a third of one.
    let many = at_night(network(10_000, vec![(10, vec![home(100, &[(100, 5)]); 3_000])]));
    check(&many, 30.0 + 8.0 * 86_400.0 + 1_200.0 + 5.0, &Constraint::Cell("C0".to_owned()));
}

#[test]
fn a_wave_waits_for_the_window_in_which_the_one_before_can_be_sent() {
    let mut two = at_night(network(1_000, vec![(1_000, vec![home(10, &[(35_000, 600), (600, 5)])])]));
    two.cells[0].homes[0].deliveries[1].wave = 1;
    // The first takes the rest of its window, and its tail goes beyond: the second is sent on the next day.
    check(&two, 30.0 + 86_400.0 + 60.0 + 5.0, &Constraint::Line("C0-H0".to_owned()));
}

/// Gives every device an order of its own in its tail, and the campaign hours for it.
fn activated(network: Network, ready_s: u64, rest_s: u64, window: &str) -> Network {
    let (ready, rest) = (Duration::from_secs(ready_s), Duration::from_secs(rest_s));
    let mut network = Network {
        activating: Windows::try_from(vec![window.to_owned()]).expect("a window"),
        ordered_at: Moment::from_micros(1_601_931_570_000_000),
        ..network
    };
    for delivery in
        network.cells.iter_mut().flat_map(|cell| &mut cell.homes).flat_map(|home| &mut home.deliveries)
    {
        (delivery.tail, delivery.activation) = (ready + rest, Some(Activation { ready, rest }));
    }
    network
}

#[test]
fn an_order_to_activate_waits_for_its_hours_and_nothing_else_does() {
    let one = || network(1_000, vec![(1_000, vec![home(10, &[(600, 0)])])]);
    let morning = activated(one(), 600, 60, "10:00-12:00");
    // Ordered at 21:59:30, ready eleven minutes later, told at ten o'clock.
    let opens = 12.0 * 3_600.0 + 30.0;
    check(&morning, opens + 60.0, &Constraint::Hours);
    let held = bound(&morning).held.as_secs_f64();
    assert!((held - (opens - 660.0)).abs() < 0.01, "{held}");
    // Whoever is ready within the hours, or takes longer than until then, does not wait.
    check(&activated(one(), 600, 60, "22:00-23:00"), 720.0, &Constraint::Home("C0-H0".to_owned()));
    let late = activated(one(), 50_000, 60, "10:00-12:00");
    check(&late, 50_120.0, &Constraint::Home("C0-H0".to_owned()));
    assert_eq!(bound(&late).held, Duration::ZERO);
    // A window that closes before the device is ready is that of the next day.
    let closes = activated(one(), 600, 60, "21:00-22:00");
    check(&closes, 23.0 * 3_600.0 + 30.0 + 60.0, &Constraint::Hours);
    let day = NotBefore::from(closes.ordered_at + Duration::from_secs(100_000));
    // That day comes after the window, and so the next one's is meant.
    check(&Network { activate_not_before: day, ..closes }, 47.0 * 3_600.0 + 30.0 + 60.0, &Constraint::Hours);
}

#[test]
fn a_soak_comes_after_the_tail_and_before_the_next_wave() {
    let mut network = network(1_000, vec![(1_000, vec![home(10, &[(600, 0)]), home(10, &[(600, 30)])])]);
    for (wave, home) in network.cells[0].homes.iter_mut().enumerate() {
        (home.deliveries[0].wave, home.deliveries[0].soak) = (wave as u16, Duration::from_secs(86_400));
    }
    check(&network, 60.0 + 86_400.0 + 60.0 + 30.0 + 86_400.0, &Constraint::Soak);
    // The order waits for its hours before the soak, not after it.
    network.cells[0].homes.pop();
    let told = activated(network, 600, 60, "21:00-23:00");
    check(&told, 60.0 + 660.0 + 86_400.0, &Constraint::Soak);
    assert_eq!(bound(&told).held, Duration::ZERO);
}

#[test]
fn what_does_not_fit_before_the_hours_end_is_activated_on_the_next_day() {
    // Sixty images of a minute each over the cell, and an hour less ten minutes to be told in.
    let homes = vec![home(100, &[(600, 0)]); 60];
    let many = activated(network(1_000, vec![(10, homes)]), 600, 60, "21:00-23:00");
    check(&many, 23.0 * 3_600.0 + 30.0 + 60.0, &Constraint::Hours);
}

#[test]
fn a_wave_waits_for_the_hours_in_which_the_one_before_can_be_activated() {
    let mut two = network(1_000, vec![(1_000, vec![home(10, &[(600, 0), (600, 0)])])]);
    two.cells[0].homes[0].deliveries[1].wave = 1;
    let two = activated(two, 600, 60, "10:00-12:00");
    let opens = 12.0 * 3_600.0 + 30.0;
    check(&two, opens + 60.0 + 720.0, &Constraint::Home("C0-H0".to_owned()));
    assert_eq!(bound(&two).spans.earlier_waves, Duration::from_secs(12 * 3_600 + 90), "it is no bisection");
}

#[test]
fn a_radio_carries_the_images_of_a_home_one_after_another() {
    let mut one = network(1_000, vec![(1_000, vec![home(10, &[(100, 50), (200, 50)])])]);
    for delivery in &mut one.cells[0].homes[0].deliveries {
        delivery.air_time = Duration::from_secs(45);
    }
    check(&one, 100.0, &Constraint::Home("C0-H0".to_owned()));
}

#[test]
fn sleep_is_named_and_what_lives_on_the_mains_is_bounded_apart() {
    let mut town = network(1_000, vec![(1_000, vec![home(10, &[(100, 5)]), home(10, &[(100, 36_000)])])]);
    town.cells[0].homes[1].deliveries[0].sleeps = true;
    check(&town, 36_010.0, &Constraint::Sleep("C0-H1".to_owned()));
    let mains = lower_bound_of_mains(&town, ALL).expect("one device is on the mains");
    assert_eq!(mains.time, Duration::from_secs(15));
    assert_eq!(mains.constraint, Constraint::Line("C0-H0".to_owned()));
}

#[test]
fn a_wave_waits_for_enough_of_the_one_before() {
    let mut waves = network(1_000, vec![(1_000, vec![home(10, &[(100, 5)]); 4])]);
    for (number, home) in waves.cells[0].homes.iter_mut().enumerate() {
        home.deliveries[0].wave = number as u16 / 2;
    }
    // Both of the pilot, 15 s, then the others; half of it is over as early.
    assert_eq!(bound(&waves).time, Duration::from_secs(30));
    assert_eq!(bound(&waves).spans.earlier_waves, Duration::from_secs(15));
    waves.cells[0].homes[1].deliveries[0].tail = Duration::from_secs(1_000);
    let half = lower_bound(&waves, Permille(500)).expect("there are devices");
    assert_eq!(half.time, Duration::from_secs(1_010), "the slow one of the pilot holds nobody up");
    assert_eq!(bound(&waves).time, Duration::from_secs(1_025));
}

#[test]
fn more_tails_than_cuts_leave_the_bound_as_good_as_it_is() {
    // A thousand images over one cell, tails of 0 to 999 s: the one with the longest takes 1 s over its line first.
    let homes: Vec<HomeDemand> = (0..1_000).map(|tail| home(1_000, &[(1_000, tail)])).collect();
    let found = bound(&network(1_000_000, vec![(1_100, homes)])).time;
    assert!((1_000..=1_001).contains(&found.as_secs()), "{found:?}");
}

/// A maximum flow in a network of a few hundred arcs, by shortest augmenting paths (Edmonds and Karp).
struct Flow {
    arcs: Vec<(usize, u64)>,
    from: Vec<Vec<usize>>,
}

impl Flow {
    fn new(nodes: usize) -> Flow {
        Flow { arcs: Vec::new(), from: vec![Vec::new(); nodes] }
    }

    fn arc(&mut self, from: usize, to: usize, most: u64) {
        for (from, to, most) in [(from, to, most), (to, from, 0)] {
            self.from[from].push(self.arcs.len());
            self.arcs.push((to, most));
        }
    }

    fn augment(&mut self, source: usize, sink: usize) -> u64 {
        let mut reached: Vec<Option<usize>> = vec![None; self.from.len()];
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for &arc in &self.from[node] {
                let (to, most) = self.arcs[arc];
                if most > 0 && to != source && reached[to].is_none() {
                    reached[to] = Some(arc);
                    queue.push_back(to);
                }
            }
        }
        let mut path = Vec::new();
        let mut node = sink;
        while let Some(arc) = reached[node] {
            path.push(arc);
            node = self.arcs[arc ^ 1].0;
        }
        let Some(most) = path.iter().map(|arc| self.arcs[*arc].1).min() else { return 0 };
        for arc in path {
            self.arcs[arc].1 -= most;
            self.arcs[arc ^ 1].1 += most;
        }
        most
    }

    fn greatest(&mut self, source: usize, sink: usize) -> u64 {
        let mut sum = 0;
        loop {
            let more = self.augment(source, sink);
            if more == 0 {
                return sum;
            }
            sum += more;
        }
    }
}

/// Says for how many of the first seconds an image may be sent to be in force after `seconds`; `opens`: when orders to
/// activate may be given.
fn due(delivery: &Delivery, opens: u64, seconds: u64) -> u64 {
    let ends = |staged: u64| {
        let order = delivery
            .activation
            .map_or(0, |parts| (staged + parts.ready.as_secs()).max(opens) + parts.rest.as_secs());
        order.max(staged + delivery.tail.as_secs())
    };
    (1..=seconds).rev().find(|staged| ends(*staged) <= seconds).unwrap_or(0)
}

/// Says whether everything can be over after so many seconds: the network unrolled second by second. As all tails are
/// whole seconds, nothing changes within one, and steps lose nothing.
fn fits(network: &Network, opens: u64, seconds: u64) -> bool {
    let steps = seconds as usize;
    let homes: usize = network.cells.iter().map(|cell| cell.homes.len()).sum();
    let (source, sink) = (0, 1);
    let mut next = 2 + steps * (1 + network.cells.len() + homes);
    let mut flow = Flow::new(next + network.deliveries().count());
    let at = |resource: usize, step: usize| 2 + resource * steps + step;
    let (mut resource, mut needed) = (1, 0);
    for step in 0..steps {
        flow.arc(at(0, step), sink, network.head_end.0);
    }
    for cell in &network.cells {
        let of_cell = resource;
        resource += 1;
        for step in 0..steps {
            flow.arc(at(of_cell, step), at(0, step), cell.rate.0);
        }
        for home in &cell.homes {
            let line = resource;
            resource += 1;
            for step in 0..steps {
                flow.arc(at(line, step), at(of_cell, step), home.rate.0);
            }
            for delivery in &home.deliveries {
                let image = next;
                next += 1;
                needed += delivery.bytes;
                flow.arc(source, image, delivery.bytes);
                for step in 0..due(delivery, opens, seconds) as usize {
                    flow.arc(image, at(line, step), u64::MAX / 4);
                }
            }
        }
    }
    flow.greatest(source, sink) == needed
}

fn tiny() -> impl Strategy<Value = Network> {
    let images = prop::collection::vec((1u64..40, 0u64..9), 1..3);
    let homes = (1u64..9, images).prop_map(|(rate, images)| home(rate, &images));
    let cells = (1u64..13, prop::collection::vec(homes, 1..4));
    (1u64..16, prop::collection::vec(cells, 1..3)).prop_map(|(head_end, cells)| network(head_end, cells))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_bound_is_where_a_maximum_flow_in_time_steps_begins_to_fit(network in tiny()) {
        let time = bound(&network).time.as_secs_f64();
        // What the bisection leaves open.
        let least = (time - 1e-4).ceil() as u64;
        prop_assert!(fits(&network, 0, least), "{} s do not fit, bound {}", least, time);
        prop_assert!(!fits(&network, 0, least - 1), "{} s fit, bound {}", least - 1, time);
    }

    #[test]
    fn so_it_is_with_hours_of_activation(
        network in tiny(), opens in 0u64..60, parts in prop::collection::vec((0u64..9, 0u64..9, 0u64..9), 12),
    ) {
        let mut network = activated(network, 0, 0, "22:00-23:00");
        network.ordered_at = network.ordered_at + Duration::from_secs(30);
        network.activate_not_before = NotBefore::from(network.ordered_at + Duration::from_secs(opens));
        let deliveries = network.cells.iter_mut().flat_map(|cell| &mut cell.homes).flat_map(|home| &mut home.deliveries);
        for (delivery, (ready, rest, sleep)) in deliveries.zip(parts) {
            let (ready, rest) = (Duration::from_secs(ready), Duration::from_secs(rest));
            delivery.tail = ready + rest + Duration::from_secs(sleep);
            delivery.activation = (sleep != 8).then_some(Activation { ready, rest });
        }
        let time = bound(&network).time.as_secs_f64();
        let least = (time - 1e-4).ceil() as u64;
        prop_assert!(fits(&network, opens, least), "{} s do not fit, bound {}", least, time);
        prop_assert!(!fits(&network, opens, least - 1), "{} s fit, bound {}", least - 1, time);
    }

    #[test]
    fn more_to_do_or_less_to_do_it_with_never_ends_earlier(
        network in tiny(), pick in any::<prop::sample::Index>(), what in 0..5,
    ) {
        let before = bound(&network).time;
        let mut harder = network;
        let cell = pick.index(harder.cells.len());
        let one = &mut harder.cells[cell];
        let at = pick.index(one.homes.len());
        match what {
            0 => one.homes[at].deliveries[0].bytes += 7,
            1 => one.homes[at].deliveries[0].tail += Duration::from_secs(3),
            2 => one.rate = ByteRate(one.rate.0.div_ceil(2)),
            3 => one.homes[at].rate = ByteRate(one.homes[at].rate.0.div_ceil(2)),
            _ => harder.head_end = ByteRate(harder.head_end.0.div_ceil(2)),
        }
        let after = bound(&harder).time;
        prop_assert!(after.as_secs_f64() >= before.as_secs_f64() * (1.0 - 1e-6), "{:?} after {:?}", after, before);
    }

    #[test]
    fn a_part_of_the_devices_is_over_no_later_than_all(network in tiny(), picks in any::<u16>()) {
        let mut mixed = network;
        let deliveries = mixed.cells.iter_mut().flat_map(|cell| &mut cell.homes).flat_map(|home| &mut home.deliveries);
        for (number, delivery) in deliveries.enumerate() {
            delivery.sleeps = picks >> (number % 16) & 1 == 1;
        }
        let all = bound(&mixed).time.as_secs_f64();
        if let Some(mains) = lower_bound_of_mains(&mixed, ALL) {
            prop_assert!(mains.time.as_secs_f64() <= all * (1.0 + 1e-6));
        }
    }

    #[test]
    fn all_spans_add_up_and_twice_the_scale_is_twice_the_time(network in tiny()) {
        let found = bound(&network);
        let spans = found.spans;
        prop_assert_eq!(spans.earlier_waves + spans.head_end + spans.cell + spans.line + spans.home, found.time);
        let mut twice = network;
        for delivery in
            twice.cells.iter_mut().flat_map(|cell| &mut cell.homes).flat_map(|home| &mut home.deliveries)
        {
            delivery.bytes *= 2;
            delivery.tail *= 2;
        }
        let ratio = bound(&twice).time.as_secs_f64() / found.time.as_secs_f64();
        prop_assert!((ratio - 2.0).abs() < 1e-5, "{}", ratio);
    }
}
