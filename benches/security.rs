//! What ciphering costs per block of 1 KiB: sealed for each hub under its own key, against one ciphertext for all.
//!
//! `cargo bench --bench security`. Read the ratios within one run; absolute times belong to the machine.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use transfer_engine::seal_for_all;
use wire::{
    BroadcastSealer, Challenge, ClientHeard, Conformance, CounterLease, ImageBlock, InvokeId, LinkKeys, Obis,
    SecureClient, SecureServer, ServerOffer, SystemTitle, WPort, WRAPPER_LEN, emit_block_frame,
};

const BLOCK: usize = 1_024;
const BLOCKS: usize = 256;
const TRAIN: usize = 16;
/// Enough that keys at rest are not all in the nearest cache.
const HUBS: u32 = 1_000;

const HEAD_END: SystemTitle = SystemTitle(*b"LMPhead1");
const OFFER: ServerOffer = ServerOffer { conformance: Conformance::ACTION, max_pdu: u16::MAX };

fn lease(count: u32) -> CounterLease {
    let mut lease = CounterLease::after(0);
    let request = lease.request(count).expect("4 billion are enough");
    lease.grant(request);
    lease
}

fn broadcast_keys() -> LinkKeys {
    LinkKeys::new([0xBB; 16], [0xAA; 16])
}

/// An image's unconfirmed blocks, framed, in the clear.
fn plain_frames() -> Vec<u8> {
    let mut frames = Vec::new();
    let invoke = InvokeId { number: 1, confirmed: false, high_priority: true };
    for number in 0..BLOCKS as u32 {
        let block = ImageBlock { number, bytes: &[number as u8; BLOCK] };
        let slot = Obis::image_transfer(1);
        emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, slot, &block, &mut frames);
    }
    frames
}

/// A client and a hub that are associated under the hub's own key.
fn associated(hub: u32) -> (SecureClient, SecureServer) {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&hub.to_be_bytes());
    let (keys, title) = (LinkKeys::new(key, [0xAA; 16]), SystemTitle([0xFF; 8]));
    let mut client = SecureClient::new(keys.clone(), HEAD_END, lease(u32::MAX));
    let mut server = SecureServer::new(keys, Some(broadcast_keys()), title, lease(1_000), Vec::new());
    let (mut request, mut reply, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let challenge = Challenge::new(b"of a head-end").expect("13 bytes");
    client.associate(challenge, Conformance::ACTION, 0, &mut request).expect("counters");
    loop {
        let challenge = |_| Challenge::new(b"of a hub").expect("8 bytes");
        let (port, apdu) = (WPort::PUBLIC_CLIENT, std::mem::take(&mut request));
        server.hear(port, &apdu, OFFER, challenge, &mut plain, &mut reply).expect("both hold the key");
        let heard = client.hear(&std::mem::take(&mut reply), &mut plain).expect("both hold the key");
        if let ClientHeard::Associated(_) = heard {
            return (client, server);
        }
        let invoke = InvokeId { number: 0, confirmed: true, high_priority: true };
        client.prove(invoke, &mut request).expect("counters");
    }
}

fn sending(criterion: &mut Criterion) {
    let plain = plain_frames();
    let stride = wire::block_frame_len(BLOCK);
    let mut clients: Vec<SecureClient> = (0..HUBS).map(|hub| associated(hub).0).collect();
    let mut group = criterion.benchmark_group("a block of 1 KiB to a hub");
    for (name, blocks) in
        [("sealed under its key, alone", 1), ("sealed under its key, in trains of 16", TRAIN)]
    {
        let frames = &plain[..blocks * stride];
        let mut out = Vec::with_capacity(2 * frames.len());
        let mut hub = 0;
        group.throughput(Throughput::Elements(blocks as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                hub = (hub + 1) % clients.len();
                clients[hub].seal_frames(black_box(frames), &mut out).expect("counters");
                out.len()
            });
        });
    }
    let mut sealer = BroadcastSealer::new(broadcast_keys(), HEAD_END, lease(BLOCKS as u32));
    let shared = seal_for_all(&mut sealer, &plain, BLOCK as u32).expect("blocks");
    let mut at = 0;
    group.throughput(Throughput::Elements(1));
    group.bench_function("a slice of the ciphertext for all", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % BLOCKS;
            let slice: Bytes = shared.frames.slice(at * shared.stride..(at + 1) * shared.stride);
            black_box(slice)
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("an image of 256 KiB");
    group.throughput(Throughput::Elements(BLOCKS as u64));
    group.bench_function("sealed once for all hubs", |bencher| {
        bencher.iter_batched(
            || BroadcastSealer::new(broadcast_keys(), HEAD_END, lease(BLOCKS as u32)),
            |mut sealer| seal_for_all(&mut sealer, &plain, BLOCK as u32).expect("blocks"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn receiving(criterion: &mut Criterion) {
    let (_, mut server) = associated(1);
    let mut sealer = BroadcastSealer::new(broadcast_keys(), HEAD_END, lease(BLOCKS as u32));
    let shared = seal_for_all(&mut sealer, &plain_frames(), BLOCK as u32).expect("blocks");
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let mut at = 0;
    let mut group = criterion.benchmark_group("a block of 1 KiB at the hub");
    group.throughput(Throughput::Elements(1));
    group.bench_function("opened under the key of all hubs", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % BLOCKS;
            let apdu = &shared.frames[at * shared.stride + WRAPPER_LEN..(at + 1) * shared.stride];
            let challenge = |_| unreachable!("a block is no association request");
            let heard = server.hear(WPort::PUBLIC_CLIENT, apdu, OFFER, challenge, &mut plain, &mut reply);
            black_box(heard.expect("authentic"));
        });
    });
    group.finish();
}

criterion_group!(benches, sending, receiving);
criterion_main!(benches);
