//! What a block costs: the engine against the bare cost of building the same frame for each hub.
//!
//! `cargo bench --bench transfer`. Read the ratios within one run; absolute times belong to the machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use transfer_engine::{
    ByteRate, Engine, EngineConfig, HubLink, LineRate, Moment, Priority, Release, ReleaseId, Task, Transport,
};
use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, Conformance, Data, GetResponse, ImageBlock,
    InvokeId, Obis, WPort, WanFrame, emit_block_frame, emit_wan,
};

const BLOCK: usize = 1_024;
const IMAGE: usize = 512 * 1_024;

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

/// An engine with `hubs` hubs, all of them about to be sent blocks, at a rate that never makes them wait.
fn ready_engine(hubs: u32) -> (Engine, Moment) {
    let now = Moment::from_micros(1);
    let ample = ByteRate(1 << 40);
    let mut engine = Engine::new(EngineConfig { global_rate: ample, ..EngineConfig::default() }, now);
    let cells: Vec<_> = (0..hubs.div_ceil(1_000)).map(|_| engine.add_cell(ample)).collect();
    let release: ReleaseId = engine.add_release(Release {
        identification: Bytes::from_static(b"bench"),
        bytes: vec![0x5A; IMAGE].into(),
    });
    for hub in 0..hubs {
        let [_, a, b, c] = hub.to_be_bytes();
        let address = SocketAddr::from((Ipv4Addr::new(127, a, b, c), 4_059));
        let cell = cells[(hub / 1_000) as usize];
        let link = HubLink { address, transport: Transport::Datagram, cell, rate: LineRate::Fixed(ample) };
        let id = engine.add_hub(now, link);
        assert!(engine.assign(now, id, Task::Stage { release, channel: 1, tail_s: 0 }, Priority(0)));
    }
    // Answer requests until only blocks are left to send.
    loop {
        let mut replies = Vec::new();
        let mut blocks = false;
        for _ in 0..hubs {
            let Some(transmit) = engine.poll_transmit(now) else { break };
            blocks |= transmit.blocks > 0;
            let frame =
                WanFrame::parse_datagram(&transmit.contents[..transmit.segment.min(transmit.contents.len())]);
            let request = frame.and_then(|frame| Apdu::parse(frame.apdu)).expect("our own frames parse");
            replies.extend(answer(&request).map(|reply| (transmit.hub, reply)));
        }
        for (hub, reply) in replies {
            engine.handle_frame(now, hub, &reply);
        }
        if blocks {
            return (engine, now);
        }
    }
}

fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block");
    group.throughput(Throughput::Elements(1));
    for hubs in [100u32, 1_000, 10_000] {
        group.bench_with_input(BenchmarkId::new("engine, per block", hubs), &hubs, |bencher, hubs| {
            let mut sent = 0u64;
            bencher.iter_custom(|wanted| {
                let mut spent = Duration::ZERO;
                let mut left = wanted;
                while left > 0 {
                    let (mut engine, now) = ready_engine(*hubs);
                    let began = std::time::Instant::now();
                    while left > 0 {
                        let Some(transmit) = engine.poll_transmit(now) else { break };
                        left = left.saturating_sub(u64::from(transmit.blocks));
                        sent += u64::from(transmit.blocks);
                    }
                    spent += began.elapsed();
                }
                spent
            });
            assert!(sent > 0);
        });
    }
    group.bench_function("frame built for each hub", |bencher| {
        let image = vec![0x5A; BLOCK];
        let mut frame = Vec::with_capacity(2 * BLOCK);
        bencher.iter(|| {
            frame.clear();
            let invoke = InvokeId { number: 1, confirmed: false, high_priority: true };
            let block = ImageBlock { number: 7, bytes: &image };
            emit_block_frame(
                WPort::PUBLIC_CLIENT,
                WPort::MANAGEMENT,
                invoke,
                Obis::image_transfer(1),
                &block,
                &mut frame,
            );
            std::hint::black_box(frame.len())
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(2));
    targets = blocks
}
criterion_main!(benches);
