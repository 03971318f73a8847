//! What a block costs when there are many hubs, and what a hub costs: 10,000 against 1,000,000 paced sessions.
//!
//! `cargo bench --bench scale`. Virtual time, no sockets: what is measured is the engine alone, with pacing,
//! budgets, timers and bookkeeping. Read the ratios within one run; absolute times belong to the machine.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use transfer_engine::{
    BudgetRules, Budgets, ByteRate, CarrierId, CellId, Engine, EngineConfig, HubLink, LineRate, Moment,
    Pacer, Priority, Release, Task, Transport, Use,
};
use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, Conformance, Data, GetResponse, WPort, WanFrame,
    emit_wan,
};

const BLOCK: usize = 1_024;
const IMAGE: usize = 512 * 1_024;
const MANY: u32 = 1_000_000;
const FEW: u32 = 10_000;

/// Decisions between two readings of the clock.
const BATCH: usize = 64;

/// Hubs of one cell.
const PER_CELL: u32 = 1_000;

/// Answers a request as a hub with an empty slot would.
fn answer(request: &Apdu<'_>) -> Option<Vec<u8>> {
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
                2 => Data::Unsigned32(BLOCK as u32),
                4 => Data::Unsigned32(0),
                5 => Data::Boolean(true),
                6 => Data::Enum(0),
                _ => Data::Array(Vec::new()),
            }
            .emit(&mut data);
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

/// An engine whose hubs are all in the middle of an image, each paced at `rate`; and the present moment.
fn flowing(hubs: u32, rate: ByteRate) -> (Engine, Moment) {
    let mut now = Moment::from_micros(1_000_000);
    let ample = ByteRate(1 << 36);
    let mut engine = Engine::new(EngineConfig { global_rate: ample, ..EngineConfig::default() }, now);
    let cells: Vec<_> = (0..hubs.div_ceil(PER_CELL)).map(|_| engine.add_cell(ample)).collect();
    let release = engine.add_release(Release {
        identification: Bytes::from_static(b"bench"),
        bytes: vec![0x5A; IMAGE].into(),
    });
    for hub in 0..hubs {
        let [_, a, b, c] = hub.to_be_bytes();
        let address = SocketAddr::from((Ipv4Addr::new(127, a, b, c), 4_059));
        let cell = cells[(hub / PER_CELL) as usize];
        let link = HubLink { address, transport: Transport::Datagram, cell, rate: LineRate::Fixed(rate) };
        let id = engine.add_hub(now, link);
        assert!(engine.assign(now, id, Task::Stage { release, channel: 1 }, Priority(0)));
    }
    let mut flowing = 0;
    while flowing < hubs {
        while let Some(transmit) = engine.poll_transmit(now) {
            if transmit.blocks > 0 {
                flowing += 1;
            }
            for frame in transmit.contents.chunks(transmit.segment) {
                let frame = WanFrame::parse_datagram(frame).expect("our own frames parse");
                if let Some(reply) = answer(&Apdu::parse(frame.apdu).expect("our own APDUs parse")) {
                    engine.handle_frame(now, transmit.hub, &reply);
                }
            }
        }
        now = engine.poll_timeout().expect("blocks are to be sent").max(now + Duration::from_micros(1));
    }
    (engine, now)
}

/// Sends so many blocks under virtual time; returns what it took.
fn send(engine: &mut Engine, now: &mut Moment, blocks: u64) -> Duration {
    let mut sent = 0;
    let began = Instant::now();
    while sent < blocks {
        while let Some(transmit) = engine.poll_transmit(*now) {
            sent += u64::from(transmit.blocks);
            black_box(&transmit.contents);
        }
        let Some(next) = engine.poll_timeout() else { break };
        *now = next.max(*now + Duration::from_micros(1));
    }
    assert!(sent >= blocks, "the images are at their end");
    began.elapsed()
}

/// What this process has in memory, bytes; `None` where there is no /proc.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}

fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("paced block");
    group.throughput(Throughput::Elements(1));
    for (name, rate) in [("one a turn, 40 kbit/s", ByteRate(5_000)), ("trains of 16", ByteRate(1_000_000))] {
        let mut costs = Vec::new();
        for hubs in [FEW, MANY] {
            let before = resident();
            let (mut engine, mut now) = flowing(hubs, rate);
            if let (MANY, Some(before), Some(after)) = (hubs, before, resident()) {
                println!(
                    "{hubs} paced sessions: {} MB in this process",
                    (after.saturating_sub(before)) / 1_000_000
                );
            }
            // Every image has 512 blocks; what is measured stays well below.
            let most = u64::from(hubs) * 300;
            let mut left = most;
            let mut cost = (0u64, Duration::ZERO);
            group.bench_with_input(BenchmarkId::new(name, hubs), &hubs, |bencher, _| {
                bencher.iter_custom(|wanted| {
                    if left < wanted.max(20_000) {
                        (engine, now) = flowing(hubs, rate);
                        left = most;
                    }
                    let spent = send(&mut engine, &mut now, wanted);
                    left = left.saturating_sub(wanted + 20_000);
                    cost = (cost.0 + wanted, cost.1 + spent);
                    spent
                });
            });
            costs.push(cost.1.as_secs_f64() * 1e9 / cost.0.max(1) as f64);
        }
        if let [few, many] = costs[..] {
            println!("{name}: {few:.0} ns a block at {FEW}, {many:.0} ns at {MANY}, ratio {:.2}", many / few);
        }
    }
    group.finish();
}

/// One decision at three shared levels and the link's own pace, for random links of a million.
fn decisions(criterion: &mut Criterion) {
    let start = Moment::from_micros(1);
    let global = ByteRate(1 << 40);
    let rules = BudgetRules {
        global: global.into(),
        burst: Duration::from_millis(50),
        reserve_permille: 0,
        shards: 1,
    };
    let mut budgets = Budgets::new(rules, start);
    for _ in 0..MANY / PER_CELL {
        budgets.add_cell(start, CarrierId(0), ByteRate(1 << 36).into());
    }
    let mut pacer = Pacer::new(start, Duration::from_millis(50));
    (0..MANY).for_each(|_| {
        pacer.add();
    });
    let mut group = criterion.benchmark_group("decision");
    group.throughput(Throughput::Elements(1));
    let (mut now, mut state) = (start, 0x9E37_79B9_7F4A_7C15u64);
    let (mut links, mut ready) = ([0u32; BATCH], [Moment::MAX; BATCH]);
    group.bench_function("global, carrier, cell and link, a million links", |bencher| {
        bencher.iter_custom(|wanted| {
            let began = Instant::now();
            let mut granted = 0u64;
            // In batches, as the engine's wheel wakes them: time is read once, and the loads of a batch overlap.
            for _ in 0..wanted.div_ceil(BATCH as u64) {
                now = now + Duration::from_micros(4);
                budgets.advance(now);
                for (link, ready) in links.iter_mut().zip(&mut ready) {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *link = (state >> 40) as u32 % MANY;
                    *ready = pacer.ready_at(*link, 1_084, ByteRate(1 << 30));
                }
                for (link, ready) in links.iter().zip(&ready) {
                    let cell = CellId(link / PER_CELL);
                    if *ready <= now && budgets.admit(now, cell, 1_084, Use::Blocks).is_ok() {
                        pacer.charge(*link, now, 1_084, ByteRate(1 << 30));
                        granted += 1;
                    }
                }
            }
            black_box(granted);
            began.elapsed()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = decisions, blocks
}
criterion_main!(benches);
