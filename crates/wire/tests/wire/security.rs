//! Two ends of a secured link with the keys and titles of the standard's examples, for the tests around this one.

use wire::{
    ActionRequest, Apdu, BroadcastSealer, Challenge, ClassId, ClientHeard, Conformance, CounterLease,
    GetRequest, ImageBlock, InvokeId, LinkError, LinkKeys, MethodRef, Obis, SealError, SecureClient,
    SecureServer, ServerHeard, ServerOffer, SystemTitle, WPort, emit_block_frame,
};

pub const CLIENT: SystemTitle = SystemTitle([0x4D, 0x4D, 0x4D, 0, 0, 0, 0, 1]);
pub const SERVER: SystemTitle = SystemTitle([0x4D, 0x4D, 0x4D, 0, 0, 0xBC, 0x61, 0x4E]);
pub const PORT: WPort = WPort(1);
pub const SERVICES: Conformance =
    Conformance(Conformance::GET.0 | Conformance::SET.0 | Conformance::ACTION.0);
pub const OFFER: ServerOffer = ServerOffer { conformance: SERVICES, max_pdu: 1400 };
pub const INVOKE: InvokeId = InvokeId { number: 1, confirmed: true, high_priority: true };
pub const SLOT: Obis = Obis::image_transfer(0);

/// EK 000102...0f, AK d0d1...df.
pub fn keys() -> LinkKeys {
    let count_from = |first: u8| std::array::from_fn(|at| first + at as u8);
    LinkKeys::new(count_from(0), count_from(0xD0))
}

/// EK 0f0e...00, the same AK.
pub fn broadcast_keys() -> LinkKeys {
    LinkKeys::new(std::array::from_fn(|at| 15 - at as u8), std::array::from_fn(|at| 0xD0 + at as u8))
}

pub fn lease(first: u32, count: u32) -> CounterLease {
    let mut lease = CounterLease::after(first);
    let request = lease.request(count).expect("room for counters");
    lease.grant(request);
    lease
}

pub fn client_with(keys: LinkKeys, title: SystemTitle, first: u32) -> SecureClient {
    SecureClient::new(keys, title, lease(first, 1_000))
}

pub fn client() -> SecureClient {
    client_with(keys(), CLIENT, 1)
}

pub fn server() -> SecureServer {
    SecureServer::new(keys(), Some(broadcast_keys()), SERVER, lease(0x0123_4567, 1_000), Vec::new())
}

pub fn sealer(first: u32) -> BroadcastSealer {
    BroadcastSealer::new(broadcast_keys(), CLIENT, lease(first, 1_000))
}

/// What a server made of an APDU: what it heard, without its bytes, and its reply.
pub fn ask(server: &mut SecureServer, apdu: &[u8]) -> (Result<Kind, LinkError>, Vec<u8>) {
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let challenge = |_| Challenge::new(b"P6wRJ21F").expect("eight bytes");
    let heard = server.hear(PORT, apdu, OFFER, challenge, &mut plain, &mut reply);
    let kind = heard.map(|heard| match heard {
        ServerHeard::Answered => Kind::Answered,
        ServerHeard::Request(_) => Kind::Request,
        ServerHeard::Block { is_new_sealing, .. } => Kind::Block { is_new_sealing },
    });
    (kind, reply)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Answered,
    Request,
    Block { is_new_sealing: bool },
}

pub fn aarq(client: &mut SecureClient) -> Vec<u8> {
    let mut out = Vec::new();
    let challenge = Challenge::new(b"K56iVagY").expect("eight bytes");
    client.associate(challenge, SERVICES, u16::MAX, &mut out).expect("counters are leased");
    out
}

pub fn proof(client: &mut SecureClient) -> Vec<u8> {
    let mut out = Vec::new();
    client.prove(INVOKE, &mut out).expect("counters are leased");
    out
}

/// Opens an association.
pub fn associate(client: &mut SecureClient, server: &mut SecureServer) {
    let mut plain = Vec::new();
    let request = aarq(client);
    let (heard, reply) = ask(server, &request);
    assert_eq!(heard, Ok(Kind::Answered));
    assert_eq!(client.hear(&reply, &mut plain), Ok(ClientHeard::Challenged));
    let request = proof(client);
    let (heard, reply) = ask(server, &request);
    assert_eq!(heard, Ok(Kind::Answered));
    let heard = client.hear(&reply, &mut plain).expect("the server knows the keys");
    let ClientHeard::Associated(granted) = heard else { panic!("not associated: {heard:?}") };
    assert_eq!((granted.accepted, granted.conformance, granted.max_pdu), (true, SERVICES, 1400));
}

pub fn associated() -> (SecureClient, SecureServer) {
    let (mut client, mut server) = (client(), server());
    associate(&mut client, &mut server);
    (client, server)
}

pub fn get(index: u8) -> Apdu<'static> {
    let attribute = wire::AttributeRef { class: ClassId::IMAGE_TRANSFER, instance: SLOT, index };
    Apdu::GetRequest(GetRequest { invoke: INVOKE, attribute })
}

pub fn act(index: u8, confirmed: bool, parameter: &[u8]) -> Apdu<'_> {
    let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance: SLOT, index };
    let invoke = InvokeId { confirmed, ..INVOKE };
    Apdu::ActionRequest(ActionRequest { invoke, method, parameter: Some(parameter) })
}

pub fn seal(client: &mut SecureClient, apdu: &Apdu<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    client.seal(apdu, &mut out).expect("associated, with counters");
    out
}

/// An image in unconfirmed blocks of 32 bytes, framed, for a channel.
pub fn frames(channel: u8, image: &[u8], confirmed: bool) -> Vec<u8> {
    let mut frames = Vec::new();
    for (number, bytes) in (0..).zip(image.chunks(32)) {
        let invoke = InvokeId { confirmed, ..INVOKE };
        let block = ImageBlock { number, bytes };
        let instance = Obis::image_transfer(channel);
        emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, instance, &block, &mut frames);
    }
    frames
}

/// The ciphered APDUs of an image that was sealed for all hubs.
pub fn sealed_blocks(sealer: &mut BroadcastSealer, channel: u8, image: &[u8]) -> Vec<Vec<u8>> {
    let mut sealed = Vec::new();
    sealer.seal_image(&frames(channel, image, false), &mut sealed).expect("a train of blocks");
    let mut rest = &sealed[..];
    let mut apdus = Vec::new();
    while let Some((frame, taken)) = wire::WanFrame::parse_stream(rest).expect("framing") {
        apdus.push(frame.apdu.to_vec());
        rest = &rest[taken..];
    }
    apdus
}

/// Why a train is not sealed.
pub fn refused_train(frames: &[u8]) -> SealError {
    let mut out = b"before".to_vec();
    let error = sealer(0).seal_image(frames, &mut out).expect_err("refused");
    assert_eq!(out, b"before");
    error
}
