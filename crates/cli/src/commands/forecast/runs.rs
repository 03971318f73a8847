//! The simulations of a forecast: one for each region and seed, on as many threads as there are cores.
//!
//! Which thread takes which changes nothing: they share the world's file, and no more.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use campaign::Phase;
use fleet::DATAGRAM_OVERHEAD_LEN;

use super::Stage;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use crate::progress::Teller;

/// How often somebody looks how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is kept of a simulation.
pub(super) struct Run {
    pub(super) region: u32,
    /// Its number among the seeds.
    pub(super) number: u32,
    /// From the order to the last outcome.
    pub(super) took: Duration,
    /// The same of the devices on the mains.
    pub(super) mains_took: Duration,
    /// Over the WAN, both ways, with headers.
    pub(super) bytes: u64,
    pub(super) is_halted: bool,
}

/// What the threads share.
struct Work<'a> {
    stage: &'a Stage<'a>,
    count: u32,
    next: AtomicU32,
    over: AtomicU32,
    done: Mutex<Vec<Result<Run, Failure>>>,
}

/// Runs all of them; they come back in the order of seeds, and for each of regions.
pub(super) fn run(stage: &Stage<'_>, output: &Output) -> Result<Vec<Run>, Failure> {
    let count = stage.spec.regions.get().saturating_mul(stage.arguments.seeds);
    let next = AtomicU32::new(0);
    let work = Work { stage, count, next, over: AtomicU32::new(0), done: Mutex::new(Vec::new()) };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count as usize);
    output.talk(format_args!("{count} simulations, {threads} at a time"));
    let began = Instant::now();
    let mut teller = Teller::new(count as usize, output);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.go())).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(LOOK_EVERY);
            teller.tell(work.over.load(Ordering::Relaxed) as usize, "simulations", output);
        }
    });
    teller.finish();
    output.talk(format_args!("took {:.1} s", began.elapsed().as_secs_f64()));
    let done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut runs = done.into_iter().collect::<Result<Vec<Run>, Failure>>()?;
    runs.sort_by_key(|run| (run.number, run.region));
    Ok(runs)
}

impl Work<'_> {
    fn go(&self) {
        loop {
            let job = self.next.fetch_add(1, Ordering::Relaxed);
            if job >= self.count {
                return;
            }
            let regions = self.stage.spec.regions.get();
            let run = self.stage.play(job % regions, job / regions);
            if run.is_err() {
                // Nobody begins another one.
                self.next.store(self.count, Ordering::Relaxed);
            }
            self.over.fetch_add(1, Ordering::Relaxed);
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        }
    }
}

impl Stage<'_> {
    fn play(&self, region: u32, number: u32) -> Result<Run, Failure> {
        let seed = self.arguments.seed.wrapping_add(1).wrapping_add(number.into());
        let (spec, mut simulation) = self.simulation(region, seed)?;
        let ended = simulation.run(self.limit(), |_, _| {});
        ended.or_fail(ExitCode::Failed, format_args!("{}, seed {seed}", spec.name))?;
        let up = simulation.census().wan.up;
        let answers = up.offered_bytes + up.offered * DATAGRAM_OVERHEAD_LEN as u64;
        let state = simulation.state();
        Ok(Run {
            region,
            number,
            took: state.updated_at.saturating_since(state.ordered_at),
            mains_took: simulation.mains_makespan(),
            bytes: simulation.conductor().counters().bytes_sent + answers,
            is_halted: state.phase == Phase::Halted,
        })
    }
}
