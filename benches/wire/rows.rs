//! The measurements: UDP in trains, TCP in windows, and many paced hubs.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use transfer_engine::{ByteRate, Task, Transport};

use crate::bare;
use crate::fleet_process::FleetProcess;
use crate::hubs::BLOCK;
use crate::report::{Row, median};
use crate::sender::{Lines, Sender, Spent};

/// Blocks of one train, the engine's own default.
pub const TRAIN: u32 = 16;

/// Confirmed blocks in flight on a stream.
const WINDOW: u8 = 15;

/// The thread that decides sends by itself.
pub const ALONE: NonZeroUsize = NonZeroUsize::MIN;

/// Lines so fast that their 50 ms hold a whole train.
pub const FAST_LINES: Lines = Lines { rate: ByteRate(1_000_000), burst: BLOCK_BY_BLOCK };

/// What a train may take of a line: of 40 kbit/s less than a block, so that each goes alone ...
pub const BLOCK_BY_BLOCK: Duration = Duration::from_millis(50);

/// ... and what is on its way within the round trip of 2G.
pub const ROUND_TRIP: Duration = Duration::from_millis(760);

/// Blocks a second of all hubs together where the cost of a block is measured. Faster, and the receiver's buffer overflows whenever it is off the
/// processor for some milliseconds; slower, and the sender's turns are short.
pub const STEADY: u64 = 200_000;

/// What a block takes on the line, headers included.
const ON_THE_LINE: u64 = wire::block_frame_len(BLOCK as usize) as u64 + 28;

/// Rounds of engine and bare loop, in turn.
pub const ROUNDS: u8 = 3;

/// The time over which hubs are given an image where the cost of a block is measured: a sixth of what the blocks take.
const ENTRY: Duration = Duration::from_secs(1);

/// The longest that one phase of a measurement may take; a machine that is too busy for it says so.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the bare loop runs beside paced hubs.
const BARE_SECONDS: u64 = 3;

/// Descriptors that are not streams: the standard three, epoll, pipes, libraries.
const OTHER_FILES: u64 = 100;

/// The budget that lets so many blocks a second pass, beside the share that is reserved for requests.
pub fn global(blocks_per_second: u64) -> ByteRate {
    ByteRate(blocks_per_second * ON_THE_LINE * 1_000 / 950)
}

/// Hubs that are given a task one after another: ten thousand surveys at once, and their forty thousand answers, are more than
/// socket buffers hold.
struct Entry {
    began: Instant,
    over: Duration,
    hubs: u32,
    entered: u32,
    task: Task,
}

impl Entry {
    fn new(hubs: u32, over: Duration, task: Task) -> Entry {
        Entry { began: Instant::now(), over, hubs, entered: 0, task }
    }

    /// Gives the task to those whose turn has come.
    fn advance(&mut self, sender: &mut Sender) {
        let share = (self.began.elapsed().as_secs_f64() / self.over.as_secs_f64()).min(1.0);
        let due = (f64::from(self.hubs) * share) as u32;
        sender.assign(self.entered..due, &self.task);
        self.entered = due;
    }
}

/// Gives all hubs a short read, so that they are connected and associated.
pub async fn introduce(sender: &mut Sender, hubs: u32) -> Result<(), String> {
    sender.begin(0);
    sender.assign(0..hubs, &Task::ReadVersion { channel: 1 });
    let all = |sender: &mut Sender| sender.done + sender.failed == hubs as usize;
    if !sender.run(PATIENCE, all).await || sender.failed > 0 {
        return Err(format!("{} of {hubs} hubs could be reached", sender.done));
    }
    Ok(())
}

/// One whole staging of all hubs: what was spent for the middle half of the blocks, and what was spent in all.
pub async fn stage_all(
    sender: &mut Sender,
    hubs: u32,
    name: u8,
    blocks: u32,
) -> Result<(Spent, Spent), String> {
    let release = sender.add_image(name, blocks);
    sender.begin(u64::from(hubs) * u64::from(blocks));
    let before = sender.reading();
    let mut entry = Entry::new(hubs, ENTRY, Task::Stage { release, channel: 1, tail_s: 0 });
    let all = |sender: &mut Sender| {
        entry.advance(sender);
        sender.done + sender.failed == hubs as usize
    };
    let in_time = sender.run(PATIENCE, all).await;
    let whole = before.until(&sender.reading()).ok_or("no block was sent")?;
    if !in_time || sender.failed > 0 {
        return Err(format!("{} of {hubs} hubs were staged, {} failed", sender.done, sender.failed));
    }
    let flowing = sender.spent_in_the_middle().ok_or("too few blocks were sent")?;
    Ok((flowing, whole))
}

/// Lines of 40 kbit/s of image, 5,000 B a second: what travels with them comes on top.
pub fn slow_lines(burst: Duration) -> Lines {
    Lines { rate: ByteRate(5_000 * ON_THE_LINE / u64::from(BLOCK)), burst }
}

/// Blocks a second on such a line.
pub fn slow_rate() -> f64 {
    slow_lines(BLOCK_BY_BLOCK).rate.0 as f64 / ON_THE_LINE as f64
}

/// Has an image go to all hubs at once on slow lines. Homes are not in step: hubs begin spread over so many whole periods of
/// a block, and of a train.
pub async fn have_all_flow(sender: &mut Sender, hubs: u32, name: u8, periods: u32) -> Result<(), String> {
    let release = sender.add_image(name, 512);
    sender.begin(0);
    let spread = Duration::from_secs_f64(f64::from(periods) / slow_rate());
    let mut entry = Entry::new(hubs, spread, Task::Stage { release, channel: 1, tail_s: 0 });
    let flowing = |sender: &mut Sender| {
        entry.advance(sender);
        sender.flowing == hubs as usize
    };
    if !sender.run(PATIENCE, flowing).await {
        return Err(format!("{} of {hubs} hubs flowed in time", sender.flowing));
    }
    Ok(())
}

/// What engine and bare loop took in turn, round by round.
#[derive(Default)]
struct Rounds {
    bare: Vec<f64>,
    flowing: Vec<f64>,
    whole: Vec<f64>,
    per_send: Vec<f64>,
    pace: Vec<f64>,
    /// Hubs that flowed when the measuring began.
    begun: Vec<usize>,
}

impl Rounds {
    /// Has the engine's round, and notes what it took.
    async fn stage_all(
        &mut self,
        sender: &mut Sender,
        hubs: u32,
        name: u8,
        blocks: u32,
    ) -> Result<(), String> {
        let (spent, all) = stage_all(sender, hubs, name, blocks).await?;
        self.flowing.push(spent.ns_per_block);
        self.pace.push(spent.blocks_per_second);
        self.begun.push(sender.flowing_by_then);
        self.whole.push(all.ns_per_block);
        self.per_send.push(all.blocks as f64 / sender.trains as f64);
        Ok(())
    }

    /// Returns what a block takes the engine and the bare loop, ns.
    fn ns_per_block(&self) -> (f64, f64) {
        (median(self.flowing.clone()), median(self.bare.clone()))
    }

    /// Writes what stands below the costs of a block in either row.
    fn tell(self, row: &mut Row, whole: String, per_send: &str) {
        row.figure(whole, median(self.whole) / 1e3, "µs");
        row.figure(per_send, median(self.per_send), "");
        row.figure("rate while it was measured", median(self.pace), "blocks/s");
        let begun = self.begun.into_iter().min().unwrap_or(0);
        row.note(format!(
            "measured over the middle half of the blocks; {begun} hubs flowed by then in every round"
        ));
    }
}

/// UDP: bursts of 16 blocks of 1 KiB to 10,000 hubs.
pub async fn udp(full: bool) -> Result<Row, String> {
    let (hubs, blocks) = if full { (10_000, 512) } else { (10_000, 120) };
    let mut fleet = FleetProcess::start("udp", hubs).map_err(|error| format!("no fleet: {error}"))?;
    let mut sender = Sender::open((hubs, fleet.port), Transport::Datagram, FAST_LINES, global(STEADY), ALONE)
        .map_err(|error| format!("no wires: {error}"))?;
    introduce(&mut sender, hubs).await?;
    let mut rounds = Rounds::default();
    for round in 1..=ROUNDS {
        let count = u64::from(hubs) * u64::from(blocks) / 2;
        let without = bare::datagrams(hubs, fleet.port, TRAIN, count, STEADY);
        rounds.bare.push(without.map_err(|error| format!("bare loop: {error}"))?);
        rounds.stage_all(&mut sender, hubs, round, blocks).await?;
    }
    let arrived = fleet.report(1.0, TRAIN).map_err(|error| format!("the fleet is gone: {error}"))?;
    let mut row =
        Row::new(format!("UDP, 1 KiB blocks, trains of {TRAIN}, {hubs} hubs, sender's processor time"));
    let (engine, alone) = rounds.ns_per_block();
    row.bar("a block, engine on the head-end's wires", engine / 1e3, "µs", 1.0);
    row.figure("a block, bare GSO loop, same trains, addresses and rate", alone / 1e3, "µs");
    row.bar("engine ÷ bare loop", engine / alone, "", 1.5);
    let whole = format!("a block, whole legs of {blocks} blocks, requests and answers included");
    rounds.tell(&mut row, whole, "blocks of a train, in the mean");
    row.note(format!("the fleet counted {} blocks, {} of them news", arrived["blocks"], arrived["news"]));
    Ok(row)
}

/// TCP: windows of 15 confirmed blocks on 10,000 streams, answers read.
pub async fn tcp(full: bool, file_limit: u64) -> Result<Row, String> {
    let room = u32::try_from(file_limit.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX);
    let (hubs, blocks) = (10_000.min(room), if full { 512 } else { 120 });
    let fleet = FleetProcess::start("tcp", hubs).map_err(|error| format!("no fleet: {error}"))?;
    let transport = Transport::Stream { window: WINDOW };
    let mut sender = Sender::open((hubs, fleet.port), transport, FAST_LINES, global(STEADY), ALONE)
        .map_err(|error| format!("no wires: {error}"))?;
    introduce(&mut sender, hubs).await?;
    // Beside those of the engine, in the same two processes: fewer, if no more may be open.
    let beside = hubs.min(room - hubs);
    let failed = |error| format!("bare loop: {error}");
    let mut streams = bare::Streams::connect(beside, fleet.port, WINDOW.into()).map_err(failed)?;
    let mut rounds = Rounds::default();
    for round in 1..=ROUNDS {
        let count = u64::from(hubs) * u64::from(blocks) / 2;
        rounds.bare.push(streams.send(count, STEADY).map_err(failed)?);
        rounds.stage_all(&mut sender, hubs, round, blocks).await?;
    }
    let mut row = Row::new(format!("TCP, window of {WINDOW}, {hubs} sessions, sender's processor time"));
    let (engine, alone) = rounds.ns_per_block();
    row.bar("a confirmed block, answers read", engine / 1e3, "µs", 0.8);
    row.figure(
        format!("a confirmed block, bare loop of write and read, {beside} streams"),
        alone / 1e3,
        "µs",
    );
    row.figure("engine ÷ bare loop", engine / alone, "");
    let whole = format!("a confirmed block, whole legs of {blocks} blocks, requests included");
    rounds.tell(&mut row, whole, "blocks of a write, in the mean");
    if hubs < 10_000 {
        row.note(format!("scaled down: {file_limit} files may be open in a process"));
    }
    Ok(row)
}

/// Many hubs, each with its own address, each at 40 kbit/s of image.
pub async fn pacing(full: bool, burst: Duration) -> Result<Row, String> {
    let (hubs, seconds, spread) = if full { (40_000, 60, 42) } else { (4_000, 5, 12) };
    let (lines, rate) = (slow_lines(burst), slow_rate());
    let train = (rate * burst.as_secs_f64()).max(1.0) as u32;
    let mut fleet = FleetProcess::start("udp", hubs).map_err(|error| format!("no fleet: {error}"))?;
    let gone = |error: std::io::Error| format!("the fleet is gone: {error}");
    let ample = ByteRate(lines.rate.0 * u64::from(hubs) * 2);
    let mut sender = Sender::open((hubs, fleet.port), Transport::Datagram, lines, ample, ALONE)
        .map_err(|error| format!("no wires: {error}"))?;
    have_all_flow(&mut sender, hubs, 1, spread).await?;
    fleet.mark().map_err(gone)?;
    let before = sender.reading();
    sender.run(Duration::from_secs(seconds) + Duration::from_millis(50), |_| false).await;
    let spent = before.until(&sender.reading()).ok_or("no block was sent")?;
    let seen = fleet.report(rate, train).map_err(gone)?;
    sender.abandon_all();
    let wanted = rate * f64::from(hubs);
    let failed = |error: std::io::Error| format!("bare loop: {error}");
    let (blocks, pace) = (wanted as u64 * BARE_SECONDS, wanted as u64);
    let bare = match train {
        1 => bare::singles(hubs, fleet.port, blocks, pace).map_err(failed)?,
        _ => bare::datagrams(hubs, fleet.port, train, blocks, pace).map_err(failed)?,
    };
    let counts = |what: &str| -> Vec<f64> {
        let values = seen[what].as_array().into_iter().flatten();
        values.filter_map(serde_json::Value::as_f64).take(seconds as usize).collect()
    };
    let ideal = counts("ideal_seconds");
    let pairs = counts("seconds").into_iter().zip(ideal);
    let errors: Vec<f64> = pairs.map(|(count, ideal)| (count / ideal - 1.0).abs() * 100.0).collect();
    let percent = |what: &str| seen[what].as_f64().unwrap_or(f64::NAN) * 100.0;
    let mut row = Row::new(format!(
        "{hubs} hubs, an address each, 40 kbit/s each over sockets from one core for {seconds} s, trains of {train}"
    ));
    row.bar("pacing error of a hub, median", percent("median_error"), "%", 1.0);
    row.figure("pacing error of a hub, 99th of 100", percent("p99_error"), "%");
    row.bar("error of all together, worst second", errors.iter().copied().fold(0.0, f64::max), "%", 0.1);
    let within = errors.iter().filter(|error| **error <= 0.1).count();
    row.figure(format!("seconds of {} in which it is 0.1 % or less", errors.len()), within as f64, "");
    row.figure("error of all together, median second", median(errors), "%");
    row.figure("sent", spent.blocks_per_second, "blocks/s");
    row.figure("wanted", wanted, "blocks/s");
    row.figure("a block, sender's processor time", spent.ns_per_block / 1e3, "µs");
    let loop_of = if train == 1 { "64 a call" } else { "a train a call" };
    row.figure(format!("a block, bare loop of {loop_of}, same addresses and rate"), bare / 1e3, "µs");
    row.note(format!("{} hubs watched at the receiver, by the kernel's time stamps", seen["watched"]));
    Ok(row)
}
