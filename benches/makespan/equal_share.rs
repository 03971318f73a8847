//! What equal shares would give: every line that has something to send gets as much as every other, at each moment.
//!
//! A fluid on the same network as the bound's: shares are max-min fair within a cell and among cells by their lines, and
//! each line sends its images one after another. Between two ends of images nothing changes, so that time jumps there.

use campaign::{HomeDemand, Network};

/// What a line still has to send: bytes and tail of each image, the present one last.
struct Line {
    rate: f64,
    left: Vec<(f64, f64)>,
}

/// Returns when the last device would have its outcome, seconds.
pub(crate) fn makespan(network: &Network) -> f64 {
    let line = |home: &HomeDemand| Line {
        rate: home.rate.0 as f64,
        left: home.deliveries.iter().rev().map(|one| (one.bytes as f64, one.tail.as_secs_f64())).collect(),
    };
    let mut cells: Vec<(f64, Vec<Line>)> = network
        .cells
        .iter()
        .map(|cell| (cell.rate.0 as f64, cell.homes.iter().map(line).collect()))
        .collect();
    let (mut now, mut end) = (0.0, 0.0f64);
    loop {
        let level = fair_level(&cells, network.head_end.0 as f64);
        let mut next = f64::INFINITY;
        for (rate, lines) in &cells {
            let level = level.min(cell_level(*rate, lines));
            for line in lines {
                if let Some((bytes, _)) = line.left.last() {
                    next = next.min(bytes / line.rate.min(level));
                }
            }
        }
        if next.is_infinite() {
            return end;
        }
        now += next;
        for (rate, lines) in &mut cells {
            let level = level.min(cell_level(*rate, lines));
            for line in lines {
                let Some((bytes, tail)) = line.left.last_mut() else { continue };
                *bytes -= line.rate.min(level) * next;
                // A millionth of a byte is rounding.
                if *bytes <= 1e-6 {
                    end = end.max(now + *tail);
                    line.left.pop();
                }
            }
        }
    }
}

/// The share at which the busy lines of a cell use it up, or no limit.
fn cell_level(rate: f64, lines: &[Line]) -> f64 {
    level(rate, lines.iter().filter(|line| !line.left.is_empty()).map(|line| line.rate).collect())
}

/// The share at which all busy lines use the head-end up, each held to its cell's.
fn fair_level(cells: &[(f64, Vec<Line>)], head_end: f64) -> f64 {
    let mut most = Vec::new();
    for (rate, lines) in cells {
        let level = cell_level(*rate, lines);
        most.extend(lines.iter().filter(|line| !line.left.is_empty()).map(|line| line.rate.min(level)));
    }
    level(head_end, most)
}

/// Fills up from the smallest: what it does not take is for the others.
fn level(capacity: f64, mut most: Vec<f64>) -> f64 {
    most.sort_by(f64::total_cmp);
    let (mut left, mut others) = (capacity, most.len() as f64);
    for one in most {
        if one * others >= left {
            return left / others;
        }
        left -= one;
        others -= 1.0;
    }
    f64::INFINITY
}
