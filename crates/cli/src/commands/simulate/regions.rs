//! A world of several regions: each is a campaign of its own, simulated on as many threads as there are cores, and let
//! go when it has been counted.
//!
//! ```text
//!  next region ──► Rehearsal ─► Simulation ─► Region (counts, times) ──┐
//!  next region ──► ...                                one per thread   ├──► Regions ─► report
//! ```
//!
//! Which thread takes which region changes nothing: regions share the world's file and its seed, and no more.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet::{Fidelity, Rehearsal, Simulation, WorldSpec, region_seed};

use super::{Actors, HUB_PORT, SimulateArguments, judge_success};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::progress::Teller;
use crate::report::{self, Region, Regions, ReportInput, Summary};

/// How often somebody looks how far the regions are.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the threads share.
struct Work<'a> {
    arguments: &'a SimulateArguments,
    spec: &'a WorldSpec,
    actors: &'a Actors,
    next: AtomicU32,
    /// Devices of regions that are over, by outcome or without.
    ended: AtomicUsize,
    over: AtomicU32,
    done: Mutex<Vec<(u32, Result<Region, Failure>)>>,
}

/// Simulates all regions and reports them together.
pub(super) fn run(
    arguments: &SimulateArguments,
    spec: &WorldSpec,
    actors: &Actors,
    output: &Output,
) -> Result<(), Failure> {
    let count = spec.regions.get();
    let work = Work {
        arguments,
        spec,
        actors,
        next: AtomicU32::new(0),
        ended: AtomicUsize::new(0),
        over: AtomicU32::new(0),
        done: Mutex::new(Vec::new()),
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count as usize);
    output.talk(format_args!("{count} regions, {threads} at a time"));
    let began = Instant::now();
    let mut teller = Teller::new(count as usize, output);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.go())).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(LOOK_EVERY);
            let over = work.over.load(Ordering::Relaxed);
            let ended = work.ended.load(Ordering::Relaxed);
            teller.tell(over as usize, &format!("regions · {ended} devices"), output);
        }
    });
    teller.finish();
    let memory =
        peak_memory().map_or(String::new(), |bytes| format!(", {} MB of memory at most", bytes / 1_000_000));
    output.talk(format_args!("took {:.1} s{memory}", began.elapsed().as_secs_f64()));
    let mut done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    let regions = done.into_iter().map(|(_, region)| region).collect::<Result<Vec<Region>, Failure>>()?;
    let name = format!("{}-{}", spec.name, arguments.seed);
    let regions = Regions::of(format!("Simulated campaigns on {}", spec.name), &name, regions);
    output.report(&regions.summary)?;
    if let Some(folder) = &arguments.report {
        let page = report::write_regions(folder, &regions)?;
        output.talk(format_args!("report  {}", page.display()));
    }
    let whole = &regions.summary.whole;
    let threshold = (spec.campaign.success_threshold.value() * 1_000.0).round() as u16;
    judge_success(whole.halted_because.as_deref(), whole.success_permille, threshold)
}

/// Returns the most memory that this process has held, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

impl Work<'_> {
    fn go(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.spec.regions.get() {
                return;
            }
            let region = self.simulate(number);
            let failed = region.is_err();
            self.over.fetch_add(1, Ordering::Relaxed);
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push((number, region));
            if failed {
                // Nobody begins another one.
                self.next.store(self.spec.regions.get(), Ordering::Relaxed);
            }
        }
    }

    fn simulate(&self, number: u32) -> Result<Region, Failure> {
        let spec = self.spec.region(number);
        let seed = region_seed(self.arguments.seed, number);
        let mut rehearsal =
            Rehearsal::new(self.actors.cast(&spec, seed)).or_bad_input(self.arguments.world.display())?;
        if self.arguments.exact {
            rehearsal.fleet.set_fidelity(Fidelity::Exact);
        }
        let mut simulation = Simulation::new(rehearsal, spec.start, HUB_PORT)
            .or_fail(ExitCode::BadInput, self.arguments.world.display())?;
        simulation.run(self.arguments.limit(), |_, _| {}).or_fail(ExitCode::Failed, &spec.name)?;
        let state = simulation.state();
        self.ended.fetch_add(state.progress().ended, Ordering::Relaxed);
        let input = ReportInput {
            title: String::new(),
            seed: Some(self.arguments.seed),
            state,
            bound: super::bound_of(&spec, &simulation),
            facts: Vec::new(),
            head: simulation.head(),
        };
        Ok(Region::of(Summary::of(&input), state))
    }
}
