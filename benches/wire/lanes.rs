//! How many threads that send one driver feeds: what a block costs the thread that decides when others send beside it.

use std::num::NonZeroUsize;
use std::time::Duration;

use transfer_engine::{ByteRate, Transport};

use crate::fleet_process::FleetProcess;
use crate::report::{Row, median};
use crate::rows::{
    ALONE, BLOCK_BY_BLOCK, FAST_LINES, ROUNDS, STEADY, TRAIN, global, have_all_flow, introduce, slow_lines,
    stage_all,
};
use crate::sender::{Sender, Spent};

/// Threads that send: the least that divide the work.
const LANES: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

/// Hubs that are sent trains, and blocks of their image: enough that nothing but blocks flows in the middle of it.
const TRAIN_HUBS: u32 = 10_000;
const TRAIN_BLOCKS: u32 = 120;

/// How long hubs flow for one figure.
const FLOW: Duration = Duration::from_secs(2);

/// What a block took without threads that send, and with them.
#[derive(Default)]
struct Pair {
    alone: Vec<Spent>,
    beside: Vec<Spent>,
}

impl Pair {
    fn tell(&self, row: &mut Row, what: &str) {
        let middle = |all: &[Spent], figure: fn(&Spent) -> f64| median(all.iter().map(figure).collect());
        let driver = |all| middle(all, |spent| spent.driver_ns_per_block / 1e3);
        row.figure(format!("{what}, driver that sends"), driver(&self.alone), "µs");
        row.figure(format!("{what}, driver beside {LANES} threads that send"), driver(&self.beside), "µs");
        let all = middle(&self.beside, |spent| spent.ns_per_block / 1e3);
        row.figure(format!("{what}, driver and threads together"), all, "µs");
        let fed = middle(&self.beside, |spent| spent.ns_per_block / spent.driver_ns_per_block - 1.0);
        row.figure(format!("{what}, threads that one driver feeds"), fed, "");
        row.figure(
            format!("{what}, rate while it was measured"),
            middle(&self.beside, |spent| spent.blocks_per_second),
            "blocks/s",
        );
    }
}

/// Trains of 16, and single blocks to slow lines.
pub async fn lanes(full: bool) -> Result<Row, String> {
    let paced_hubs = if full { 40_000 } else { 20_000 };
    let mut row = Row::new(format!(
        "Processor time of the thread that decides, {LANES} threads sending beside it; UDP, 1 KiB blocks"
    ));
    trains().await?.tell(&mut row, &format!("a block of a train of {TRAIN}"));
    singles(paced_hubs).await?.tell(&mut row, "a block alone");
    row.note(format!("trains to {TRAIN_HUBS} hubs; single blocks to {paced_hubs} hubs at 40 kbit/s each"));
    Ok(row)
}

async fn trains() -> Result<Pair, String> {
    let fleet = FleetProcess::start("udp", TRAIN_HUBS).map_err(|error| format!("no fleet: {error}"))?;
    let open = |threads| {
        let hubs = (TRAIN_HUBS, fleet.port);
        Sender::open(hubs, Transport::Datagram, FAST_LINES, global(STEADY), threads)
            .map_err(|error| format!("no wires: {error}"))
    };
    let (mut alone, mut beside, mut pair) = (open(ALONE)?, open(LANES)?, Pair::default());
    for sender in [&mut alone, &mut beside] {
        introduce(sender, TRAIN_HUBS).await?;
    }
    for round in 0..ROUNDS {
        // Each staging has an image of its own: a hub is not given again what it has.
        pair.alone.push(stage_all(&mut alone, TRAIN_HUBS, 2 * round, TRAIN_BLOCKS).await?.0);
        pair.beside.push(stage_all(&mut beside, TRAIN_HUBS, 2 * round + 1, TRAIN_BLOCKS).await?.0);
    }
    Ok(pair)
}

async fn singles(hubs: u32) -> Result<Pair, String> {
    let fleet = FleetProcess::start("udp", hubs).map_err(|error| format!("no fleet: {error}"))?;
    let ample = ByteRate(slow_lines(BLOCK_BY_BLOCK).rate.0 * u64::from(hubs) * 2);
    let mut pair = Pair::default();
    for (name, threads) in [(1, ALONE), (2, LANES)] {
        let mut sender =
            Sender::open((hubs, fleet.port), Transport::Datagram, slow_lines(BLOCK_BY_BLOCK), ample, threads)
                .map_err(|error| format!("no wires: {error}"))?;
        have_all_flow(&mut sender, hubs, name, hubs / 1_000).await?;
        for _ in 0..ROUNDS {
            let before = sender.reading();
            sender.run(FLOW, |_| false).await;
            let spent = before.until(&sender.reading()).ok_or("no block was sent")?;
            if threads == ALONE { pair.alone.push(spent) } else { pair.beside.push(spent) }
        }
        sender.abandon_all();
    }
    Ok(pair)
}
