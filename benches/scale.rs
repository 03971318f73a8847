//! The engine at scale: what a decision, a block and a hub cost, and how close its order comes to the best.
//!
//! `cargo bench --bench scale`. Virtual time, no sockets: what is measured is the engine alone, with pacing, budgets,
//! timers and bookkeeping. Costs are processor time of the measuring thread, as machines are shared; memory is that of
//! a process of its own. Read the ratios within one run: absolute figures belong to the machine, which is described.
//! Without `--bench` (as `cargo test --benches` runs it) everything is done once and small.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use transfer_engine::{
    AirTime, Answer, BudgetRules, Budgets, ByteRate, CarrierId, CellId, Engine, EngineConfig, HubId, HubLink,
    LineRate, Moment, Pacer, Priority, Release, ReleaseId, Task, Transmit, Transport, Use,
};
use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, Conformance, Data, GetResponse, ImageToActivate,
    WPort, WanFrame, block_frame_len, emit_wan,
};

mod measure;

use measure::{cost, machine, thread_time};

const BLOCK: usize = 1_024;
const BLOCKS: u32 = 512;
const IMAGE: usize = BLOCK * BLOCKS as usize;
const NAME: &[u8] = b"bench";

/// A block with IP and UDP headers, bytes.
const CHARGE: u64 = 1_084;

/// Decisions between two readings of the clock: as many hubs as the engine looks at together.
const BATCH: usize = 64;

/// Hubs of one cell.
const PER_CELL: u32 = 1_000;

/// A measurement is the median of so many.
const ROUNDS: usize = 5;

/// The argument under which this program measures its own memory; what follows is how lines are paced.
const MEMORY: &str = "--memory-of";

/// The words for lines whose rate is agreed, and whose rate is found out while blocks flow.
const AGREED: &str = "agreed";
const FOUND: &str = "found";

/// The rows that can be asked for by name; without a name all are measured.
const ROWS: [&str; 4] = ["decision", "memory", "block", "order"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let (few, many) = if whole { (10_000, 1_000_000) } else { (100, 2_000) };
    if let [_, flag, pacing, hubs] = &arguments[..]
        && flag == MEMORY
    {
        return print_memory(pacing, hubs.parse().expect("we are our own caller"));
    }
    let rows: Vec<&str> =
        arguments.iter().skip(1).map(String::as_str).filter(|word| ROWS.contains(word)).collect();
    let wanted = |row: &str| rows.is_empty() || rows.contains(&row);
    println!("machine: {}", machine());
    println!("time: {}", if thread_time().is_some() { "processor time of the thread" } else { "wall clock" });
    if wanted("decision") {
        for links in [1_000, 100_000, 1_000_000] {
            decisions(links, if whole { 8_000_000 } else { 20_000 });
        }
    }
    if wanted("memory") {
        for pacing in [AGREED, FOUND] {
            memory(pacing, many);
        }
    }
    if wanted("block") {
        blocks(few, many);
    }
    if wanted("order") {
        order();
    }
    println!("machine at the end: {}", machine());
}

/// What a block costs with few hubs and with many, sent singly and in trains.
fn blocks(few: u32, many: u32) {
    for (name, rate) in [("one a turn, 40 kbit/s", ByteRate(5_000)), ("trains of 16", ByteRate(1_000_000))] {
        let [few_ns, many_ns] = [(few, 400), (many, 16)].map(|(hubs, each)| block_cost(hubs, rate, each));
        println!(
            "block, {name}: {few_ns:.0} ns at {few} hubs, {many_ns:.0} ns at {many}, ratio {:.2} (bar 2)",
            many_ns / few_ns
        );
    }
    let [few_ns, many_ns] = [few, many].map(bare_lines);
    println!(
        "block, a bare loop over as many lines: {few_ns:.0} ns at {few} hubs, {many_ns:.0} ns at {many}"
    );
}

/// Returns the nanoseconds that each of so many acts takes.
fn cost_once(acts: u64, round: impl FnOnce(u64)) -> f64 {
    cost(|| round(acts)) * 1e9 / acts as f64
}

/// Returns the median of some rounds.
fn cost_of(acts: u64, mut round: impl FnMut(u64)) -> f64 {
    let mut costs: Vec<f64> = (0..ROUNDS).map(|_| cost_once(acts, &mut round)).collect();
    costs.sort_by(f64::total_cmp);
    costs[ROUNDS / 2]
}

/// Numbers without pattern (xorshift), below a bound.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }
}

/// One decision at four levels (global, carrier, cell, link) for random links, by the very calls the engine makes,
/// beside a bare loop over as many numbers of one level. Leases are renewed as often as at such rates in earnest.
fn decisions(links: u32, acts: u64) {
    let start = Moment::from_micros(1);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut paid_until = vec![1u64; links as usize];
    let mut clock = 0;
    let bare = cost_of(acts, |acts| {
        for _ in 0..acts {
            clock += 50;
            let paid = &mut paid_until[random.below(links) as usize];
            if *paid <= clock + 50_000_000 {
                *paid = (*paid).max(clock) + 1_000;
            }
        }
        black_box(&paid_until);
    });
    // 16 decisions a microsecond are 17 GB/s; each level may carry a fifth more.
    let global = 21_000_000_000;
    let rules = BudgetRules {
        global: ByteRate(global).into(),
        burst: Duration::from_millis(50),
        reserve_permille: 50,
        shards: 1,
    };
    let mut budgets = Budgets::new(rules, start);
    let cells = links.div_ceil(PER_CELL);
    for _ in 0..cells {
        budgets.add_cell(start, CarrierId(0), ByteRate(global / u64::from(cells)).into());
    }
    let mut pacer = Pacer::new(start);
    let burst = AirTime::lasting(Duration::from_millis(50));
    (0..links).for_each(|link| {
        pacer.add(CellId(link / PER_CELL));
    });
    // Random links are asked unevenly: a rate at which few of them must wait.
    let rate = ByteRate(global.div_ceil(u64::from(links)) * 16);
    let (mut now, mut granted, mut asked) = (start, 0, 0);
    let mut batch = ([0; BATCH], [(burst, start); BATCH]);
    let cost = cost_of(acts, |acts| {
        let (links_of, ready) = &mut batch;
        for _ in 0..acts / BATCH as u64 {
            now = now + Duration::from_micros(BATCH as u64 / 16);
            budgets.advance(now);
            links_of.iter_mut().for_each(|link| *link = random.below(links));
            pacer.fetch(links_of);
            for (link, ready) in links_of.iter().zip(ready.iter_mut()) {
                let charge = AirTime::of(CHARGE, black_box(rate));
                *ready = (charge, pacer.ready_at(*link, charge, burst));
            }
            for (link, (charge, ready)) in links_of.iter().zip(ready.iter()) {
                let cell = pacer.beside(*link);
                if *ready <= now && budgets.admit(now, cell, CHARGE, Use::Blocks).is_ok() {
                    pacer.charge(*link, now, *charge);
                    granted += 1;
                }
            }
            asked += BATCH;
        }
    });
    println!(
        "decision (global, carrier, cell, link), {links} links: {:.1} M/s, {:.1} % granted (bar 40 at a million); \
         a bare loop over one level: {:.0} M/s",
        1e3 / cost,
        100.0 * f64::from(granted) / asked as f64,
        1e3 / bare
    );
}

/// Hubs without losses that answer at once: each is the number of blocks it holds.
struct Hubs(Vec<u32>);

impl Hubs {
    /// Takes what was sent, and has the engine hear the answers.
    fn hear(&mut self, engine: &mut Engine, now: Moment, transmit: &Transmit) {
        let held = &mut self.0[transmit.hub.0 as usize];
        if transmit.blocks > 0 {
            *held += transmit.blocks;
            return;
        }
        for frame in transmit.contents.chunks(transmit.segment) {
            let frame = WanFrame::parse_datagram(frame).expect("our own frames parse");
            let request = Apdu::parse(frame.apdu).expect("our own requests parse");
            // A block that is a probe.
            *held += u32::from(matches!(&request, Apdu::ActionRequest(action) if action.method.index == 2));
            if let Some(reply) = answer(&request, *held) {
                engine.handle_frame(now, transmit.hub, &reply);
            }
        }
    }
}

/// Answers a request as a hub that holds so many blocks.
fn answer(request: &Apdu<'_>, held: u32) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let reply = match request {
        Apdu::AssociationRequest(_) => Apdu::AssociationResponse(AssociationResponse {
            accepted: true,
            diagnostic: 0,
            conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
            max_pdu: u16::MAX,
        }),
        Apdu::GetRequest(get) => {
            match get.attribute.index {
                2 => Data::Unsigned32(BLOCK as u32).emit(&mut data),
                4 => Data::Unsigned32(held).emit(&mut data),
                5 => Data::Boolean(true).emit(&mut data),
                6 => Data::Enum(0).emit(&mut data),
                _ if held < BLOCKS => Data::Array(Vec::new()).emit(&mut data),
                _ => {
                    let identification = NAME.to_vec();
                    let image = ImageToActivate { size: IMAGE as u32, identification, signature: Vec::new() };
                    ImageToActivate::emit_list(&[image], &mut data);
                }
            }
            Apdu::GetResponse(GetResponse { invoke: get.invoke, result: Ok(&data) })
        }
        Apdu::ActionRequest(action) if action.invoke.confirmed => Apdu::ActionResponse(ActionResponse {
            invoke: action.invoke,
            result: AccessResult::Success,
            data: None,
        }),
        _ => return None,
    };
    let mut frame = Vec::new();
    emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, &reply, &mut frame);
    Some(frame)
}

/// An engine with so many hubs and an image for them; cells carry at most `cell_rate`.
fn engine_of(
    hubs: u32,
    per_cell: u32,
    rate: LineRate,
    cell_rate: ByteRate,
    now: Moment,
) -> (Engine, ReleaseId) {
    let global_rate = ByteRate(1 << 36);
    let config = EngineConfig { global_rate, reserve_permille: 0, ..EngineConfig::default() };
    let mut engine = Engine::new(config, now);
    let cells: Vec<CellId> = (0..hubs.div_ceil(per_cell)).map(|_| engine.add_cell(cell_rate)).collect();
    let release: ReleaseId = engine
        .add_release(Release { identification: Bytes::from_static(NAME), bytes: vec![0x5A; IMAGE].into() });
    for hub in 0..hubs {
        let [_, a, b, c] = hub.to_be_bytes();
        let address = SocketAddr::from((Ipv4Addr::new(127, a, b, c), 4_059));
        let cell = cells[(hub / per_cell) as usize];
        engine.add_hub(now, HubLink { address, transport: Transport::Datagram, cell, rate });
    }
    (engine, release)
}

/// The next moment at which the engine has something to do.
fn next(engine: &Engine, now: Moment) -> Moment {
    engine.poll_timeout().expect("something is to be done").max(now + Duration::from_micros(1))
}

/// An engine whose hubs are all in the middle of an image; and the present moment. They begin one after another
/// within a turn and in no order, as otherwise they would wake by their index and memory be read from end to end.
fn flowing(hubs: &mut Hubs, rate: LineRate) -> (Engine, Moment) {
    let mut now = Moment::from_micros(1_000_000);
    let count = hubs.0.len() as u32;
    let (mut engine, release) = engine_of(count, PER_CELL, rate, ByteRate(1 << 36), now);
    // A turn sends 50 ms of the line: one block of a slow one, sixteen of a fast one.
    let train = (rate.ceiling().0 / 20 / CHARGE).clamp(1, 16);
    let turn = rate.ceiling().time_for((train * CHARGE) as usize);
    let (mut begun, mut flowing) = (0, 0);
    while flowing < count {
        // In steps of a thousandth of a turn.
        for _ in 0..count.div_ceil(1_000).min(count - begun) {
            // A prime, so that every hub comes up once.
            let hub = (u64::from(begun) * 2_654_435_761 % u64::from(count)) as u32;
            let image = Task::Stage { release, channel: 1, tail_s: 0 };
            assert!(engine.assign(now, HubId(hub), image, Priority(0)));
            begun += 1;
        }
        while let Some(transmit) = engine.poll_transmit(now) {
            flowing += u32::from(transmit.blocks > 0 && hubs.0[transmit.hub.0 as usize] == 0);
            hubs.hear(&mut engine, now, &transmit);
        }
        now = if begun < count { now + turn / 1_000 } else { next(&engine, now) };
    }
    (engine, now)
}

/// What a block costs the engine when so many hubs are in the middle of an image and each is sent so many more.
fn block_cost(count: u32, rate: ByteRate, each: u32) -> f64 {
    let mut hubs = Hubs(vec![0; count as usize]);
    let (mut engine, mut now) = flowing(&mut hubs, LineRate::Fixed(rate));
    let mut send = |blocks: u64| {
        let mut sent = 0;
        while sent < blocks {
            while let Some(transmit) = engine.poll_transmit(now) {
                sent += u64::from(transmit.blocks);
                black_box(&transmit.contents);
            }
            now = next(&engine, now);
        }
    };
    send(u64::from(count) * 16);
    cost_once(u64::from(count) * u64::from(each), send)
}

/// What a turn costs that does nothing but touch memory: the four lines of a hub's session, one of its place in the
/// queues and one of its pace, hub after hub in no order. No engine that keeps so much of each hub can be faster.
fn bare_lines(hubs: u32) -> f64 {
    let mut sessions = vec![[[1u64; 8]; 4]; hubs as usize];
    let (mut places, mut paces) = (vec![[1u32; 3]; hubs as usize], vec![1u32; hubs as usize]);
    let mut turn = 0;
    cost_of(u64::from(hubs.max(100_000)) * 4, |turns| {
        for _ in 0..turns {
            turn += 1;
            let hub = (turn * 2_654_435_761 % u64::from(hubs)) as usize;
            sessions[hub].iter_mut().for_each(|line| line[0] += turn);
            places[hub][0] = places[hub][0].wrapping_add(turn as u32);
            paces[hub] = paces[hub].wrapping_add(turn as u32);
        }
        black_box((&sessions, &places, &paces));
    })
}

/// Has a process of its own say what so many sessions in the middle of an image take.
fn memory(pacing: &str, hubs: u32) {
    let program = std::env::current_exe().expect("we were started from somewhere");
    let output = Command::new(program).args([MEMORY, pacing, &hubs.to_string()]).output();
    let output = output.expect("we can be started again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

fn print_memory(pacing: &str, count: u32) {
    let mut hubs = Hubs(vec![1; count as usize]);
    // Written to, so that their own memory counts to what was there before.
    hubs.0.fill(0);
    black_box(&mut hubs.0);
    let before = resident("VmRSS:");
    let rate = ByteRate(5_000);
    let rate = if pacing == FOUND { LineRate::AtMost(rate) } else { LineRate::Fixed(rate) };
    let (engine, _) = flowing(&mut hubs, rate);
    let (after, most) = (resident("VmRSS:"), resident("VmHWM:"));
    assert_eq!(engine.busy_hubs(), count as usize, "all of them are in the middle of an image");
    let (Some(before), Some(after), Some(most)) = (before, after, most) else {
        return println!("memory: this system does not say");
    };
    println!(
        "memory, {count} paced sessions, rate {pacing}: {:.0} MB resident, {:.0} MB at most on the way (bar 300), \
         {:.0} B a session",
        (after - before) as f64 / 1e6,
        (most - before) as f64 / 1e6,
        (after - before) as f64 / f64::from(count)
    );
}

/// Returns a line of this process's status, bytes.
fn resident(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Cells bind and tails differ: the end of it all against the bound that no order can beat.
fn order() {
    const HUBS: u32 = 1_000;
    const CELL: u32 = 50;
    const CELL_RATE: u64 = 100_000;
    let start = Moment::from_micros(1_000_000);
    let line = LineRate::Fixed(ByteRate(1_000_000));
    let (mut engine, release) = engine_of(HUBS, CELL, line, ByteRate(CELL_RATE), start);
    // Up to five minutes, as sending to all hubs of a cell takes.
    let tails: Vec<u32> = (0..HUBS).map(|hub| hub * 37 % CELL * 6).collect();
    for (hub, tail) in tails.iter().enumerate() {
        let hub = HubId(hub as u32);
        let task = Task::Stage { release, channel: 1, tail_s: *tail };
        assert!(engine.assign(start, hub, task, Priority(0)));
    }
    let mut hubs = Hubs(vec![0; HUBS as usize]);
    let (mut now, mut staged, mut makespan) = (start, 0, 0.0f64);
    while staged < HUBS {
        while let Some(transmit) = engine.poll_transmit(now) {
            hubs.hear(&mut engine, now, &transmit);
        }
        while let Some(event) = engine.poll_event() {
            assert!(matches!(event.result, Ok(Answer::Staged(_))), "{:?}", event.result);
            let tail = f64::from(tails[event.hub.0 as usize]);
            makespan = makespan.max(now.saturating_since(start).as_secs_f64() + tail);
            staged += 1;
        }
        if staged < HUBS {
            now = next(&engine, now);
        }
    }
    let demand = f64::from(BLOCKS) * (block_frame_len(BLOCK) + 28) as f64 / CELL_RATE as f64;
    // Every cell has the same tails, in another order.
    let mut sorted = tails[..CELL as usize].to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let bound = sorted.iter().zip(1..).map(|(tail, first)| f64::from(first) * demand + f64::from(*tail));
    let bound = bound.fold(0.0, f64::max);
    println!(
        "order, {HUBS} hubs in cells of {CELL}: makespan {makespan:.1} s, bound {bound:.1} s, ratio {:.3} (bar 1.05)",
        makespan / bound
    );
}
