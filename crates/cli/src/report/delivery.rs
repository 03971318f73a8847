//! How long devices waited from the instruction until they held the image: percentiles and a histogram, by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{CampaignState, Stage};
use serde::Serialize;

use super::table::{Kind, Table};
use super::units;

/// Collects the waiting times by kind of device, milliseconds, ascending.
pub(crate) fn by_kind(state: &CampaignState) -> BTreeMap<String, Vec<u64>> {
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for row in state.rows() {
        let (Some(from), Some(to)) = (row.reached(Stage::Instructed), row.reached(Stage::Delivered)) else {
            continue;
        };
        let kind = if row.kind.is_empty() { "unknown" } else { &row.kind };
        let millis = to.saturating_since(from).as_millis();
        kinds.entry(kind.to_owned()).or_default().push(u64::try_from(millis).unwrap_or(u64::MAX));
    }
    kinds.values_mut().for_each(|times| times.sort_unstable());
    kinds
}

/// A sample in a few numbers, milliseconds. A percentile is a time that occurred (nearest rank), never a mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Percentiles {
    /// Devices in the sample.
    pub(crate) devices: usize,
    /// Half of them were no slower.
    pub(crate) p50: u64,
    /// 95 of 100.
    pub(crate) p95: u64,
    /// 99 of 100.
    pub(crate) p99: u64,
    /// The slowest.
    pub(crate) max: u64,
}

impl Percentiles {
    /// Reads them off an ascending sample; all zero where it is empty.
    pub(crate) fn of(ascending: &[u64]) -> Percentiles {
        let devices = ascending.len();
        let rank = |percent: usize| {
            let place = (devices * percent).div_ceil(100).max(1) - 1;
            ascending.get(place).copied().unwrap_or(0)
        };
        Percentiles { devices, p50: rank(50), p95: rank(95), p99: rank(99), max: rank(100) }
    }
}

/// Devices by waiting time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// Where each bin begins, milliseconds; it ends where the next begins.
    pub(crate) edges: Vec<u64>,
    /// Devices in each bin, by kind.
    pub(crate) counts: BTreeMap<String, Vec<usize>>,
    /// True when all bins are equally wide.
    pub(crate) even: bool,
}

/// With more, the labels beneath the bars no longer fit.
const MOST_BINS: u32 = 14;

/// Hubs take minutes and gas meters days: from this ratio of the slowest to the fastest on, even bins would put
/// nearly all devices into one.
const UNEVEN_FROM_RATIO: u64 = 20;

/// Edges of uneven bins, seconds; each about twice the one before.
const UNEVEN_EDGES_S: [u64; 22] = [
    0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400,
    172_800, 345_600, 604_800,
];

impl Histogram {
    /// Counts a sample; `None` where it is empty.
    pub(crate) fn of(kinds: &BTreeMap<String, Vec<u64>>) -> Option<Histogram> {
        let fastest = *kinds.values().filter_map(|times| times.first()).min()?;
        let slowest = *kinds.values().filter_map(|times| times.last()).max()?;
        let even = slowest <= fastest.saturating_mul(UNEVEN_FROM_RATIO);
        let edges = if even { even_edges(fastest, slowest) } else { uneven_edges(fastest, slowest) };
        let bin = |time: u64| edges.partition_point(|edge| *edge <= time).saturating_sub(1);
        let count = |times: &Vec<u64>| {
            let mut counts = vec![0; edges.len()];
            times.iter().for_each(|time| counts[bin(*time)] += 1);
            counts
        };
        let counts = kinds.iter().map(|(kind, times)| (kind.clone(), count(times))).collect();
        Some(Histogram { edges, counts, even })
    }
}

fn even_edges(fastest: u64, slowest: u64) -> Vec<u64> {
    let step = units::round_step(Duration::from_millis(slowest - fastest), MOST_BINS - 1).as_millis();
    let step = u64::try_from(step).unwrap_or(u64::MAX);
    let first = fastest - fastest % step;
    (0..u64::from(MOST_BINS))
        .map(|bin| first.saturating_add(bin * step))
        .take_while(|edge| *edge <= slowest)
        .collect()
}

fn uneven_edges(fastest: u64, slowest: u64) -> Vec<u64> {
    let edges = UNEVEN_EDGES_S.map(|edge_s| edge_s * 1_000);
    let first = edges.partition_point(|edge| *edge <= fastest).saturating_sub(1);
    let last = edges.partition_point(|edge| *edge <= slowest);
    edges[first..last].to_vec()
}

/// Writes the percentiles as a table.
pub(crate) fn table(kinds: &BTreeMap<String, Vec<u64>>) -> Table {
    let columns = [
        ("Kind", Kind::Text),
        ("Devices", Kind::Number),
        ("p50", Kind::Number),
        ("p95", Kind::Number),
        ("p99", Kind::Number),
        ("Slowest", Kind::Number),
    ];
    let mut table = Table::new("From instruction to delivery, by kind of device", &columns);
    let cells = |kind: &str, times: &[u64]| {
        let found = Percentiles::of(times);
        let span = |millis| units::span(Duration::from_millis(millis));
        let [p50, p95, p99, max] = [found.p50, found.p95, found.p99, found.max].map(span);
        [kind.to_owned(), units::count(found.devices), p50, p95, p99, max]
    };
    for (kind, times) in kinds {
        table.push(cells(kind, times));
    }
    if kinds.len() > 1 {
        let mut all: Vec<u64> = kinds.values().flatten().copied().collect();
        all.sort_unstable();
        table.set_sum(cells("All", &all));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        let expected = Percentiles { devices: 100, p50: 50, p95: 95, p99: 99, max: 100 };
        assert_eq!(Percentiles::of(&hundred), expected);
        assert_eq!(Percentiles::of(&[7]), Percentiles { devices: 1, p50: 7, p95: 7, p99: 7, max: 7 });
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }

    #[test]
    fn every_device_is_in_one_bin() {
        let samples: [&[u64]; 7] = [
            &[0],
            &[0, 1],
            &[60_000, 61_000, 299_999],
            &[1, 60_000, 86_400_000],
            &[u64::MAX],
            &[1, u64::MAX],
            &[u64::MAX / 2, u64::MAX],
        ];
        for sample in samples {
            let kinds = BTreeMap::from([("ESME".to_owned(), sample.to_vec())]);
            let histogram = Histogram::of(&kinds).expect("the sample is not empty");
            assert!(histogram.edges.len() <= UNEVEN_EDGES_S.len(), "{sample:?}");
            assert_eq!(histogram.counts["ESME"].iter().sum::<usize>(), sample.len(), "{sample:?}");
            assert!(histogram.edges[0] <= sample[0], "{sample:?}");
        }
        assert_eq!(Histogram::of(&BTreeMap::new()), None);
    }
}
