//! What benches measure with: processor time of one thread, and a description of the machine that it belongs to.

use std::fs::read_to_string;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Describes what we run on, and how busy it is.
pub(crate) fn machine() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let read = |path| read_to_string(path).unwrap_or_default();
    let models = read("/proc/cpuinfo");
    let model = models.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!("{cores} cores, {}, load {}", model.trim_start_matches([' ', '\t', ':']), load.join(" "))
}

/// Returns the processor time that this thread has taken, where the system says so.
pub(crate) fn thread_time() -> Option<Duration> {
    let text = read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Returns the seconds of this thread that a piece of work takes; by the wall clock where nothing better is known.
pub(crate) fn cost(work: impl FnOnce()) -> f64 {
    let (thread, wall) = (thread_time(), Instant::now());
    work();
    let spent = thread.and_then(|began| Some(thread_time()? - began)).unwrap_or(wall.elapsed());
    spent.as_secs_f64()
}
