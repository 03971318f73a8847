//! A small DLMS client over real sockets: enough to associate, send an image and ask for its verification.

use firmware_image::{FileDigest, OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore};
use fleet::{DeviceModel, DeviceTrust, Fleet, Share, WorldSpec};
use host::{FleetHost, FleetHostOptions, Participant, Speed, SteadyClock};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, Apdu, ApplicationContext, AssociationRequest, ClassId, Conformance,
    ImageBlock, ImageInitiate, InvokeId, MethodRef, Obis, WPort, WanFrame, emit_wan,
};

pub(crate) const STREET: &str = include_str!("../../../fleets/street.toml");

/// The longest that a test waits for anything; far more than a slow machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// 2020-10-05T00:00:00Z.
pub(crate) const START: Moment = Moment::from_micros(1_601_856_000_000_000);

pub(crate) fn fast_clock() -> Arc<SteadyClock> {
    Arc::new(SteadyClock::new(START, Speed::new(500.0).expect("a speed")))
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate_from_seed([9; 32])
}

pub(crate) fn trust() -> Arc<DeviceTrust> {
    let keys = TrustStore::new(vec![key().public()]);
    Arc::new(DeviceTrust::pinned(keys.clone(), keys.keys()))
}

/// A signed image for `model`.
pub(crate) fn image(model: &DeviceModel, payload_len: usize) -> Vec<u8> {
    let identity = firmware_image::ImageIdentity {
        manufacturer: model.manufacturer,
        image_type: model.image_type,
        file_version: firmware_image::FileVersion(0x0102_0304),
        hardware: None,
    };
    let payload: Vec<u8> = (0..payload_len).map(|k| (k % 251) as u8).collect();
    let file = OtaFile::build(&identity, "loopback", &payload).expect("it builds");
    let signed = SignedImage::sign(&file, SequenceNumber(2), &key()).expect("it signs");
    signed.file().bytes().to_vec()
}

/// Starts a street on whose lines nothing is lost, with so many homes or as many as its file says.
pub(crate) fn quiet_street(homes: Option<NonZeroU32>, stop: &CancellationToken) -> FleetHost {
    let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
    spec.installations = homes.unwrap_or(spec.installations);
    spec.trouble.unreachable_share = Share::NONE;
    for link in &mut spec.links {
        link.loss = Share::NONE;
        link.burst_enter = Share::NONE;
        link.duplicates = Share::NONE;
    }
    let fleet = Fleet::build(&spec, 1, &trust(), START);
    let options = FleetHostOptions { port: 0, tcp: true, clock: fast_clock(), participant: Participant(0) };
    FleetHost::start(fleet, options, stop.clone()).expect("loopback has a free port")
}

/// Asks again until there is an answer, within the patience of a test.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "nothing came in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a client asks for first.
pub(crate) fn association() -> Apdu<'static> {
    Apdu::AssociationRequest(AssociationRequest {
        context: ApplicationContext::LnNoCiphering,
        conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
        max_pdu: 60_000,
        wants_authentication: false,
    })
}

/// The two ways to a hub.
pub(crate) enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Line {
    pub(crate) fn udp(to: SocketAddr) -> Line {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(to).expect("loopback is reachable");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Line::Udp(socket)
    }

    pub(crate) fn tcp(to: SocketAddr) -> Line {
        let stream = TcpStream::connect(to).expect("the hub listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Line::Tcp(stream, Vec::new())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self {
            Line::Udp(socket) => {
                socket.send(bytes).expect("loopback takes it");
            }
            Line::Tcp(stream, _) => stream.write_all(bytes).expect("loopback takes it"),
        }
    }

    fn receive(&mut self) -> Vec<u8> {
        match self {
            Line::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let len = socket.recv(&mut buffer).expect("an answer in time");
                buffer.truncate(len);
                buffer
            }
            Line::Tcp(stream, waiting) => loop {
                if let Some((_, len)) = WanFrame::parse_stream(waiting).expect("wrapper frames") {
                    return waiting.drain(..len).collect();
                }
                let mut buffer = [0; 4_096];
                let len = stream.read(&mut buffer).expect("an answer in time");
                assert!(len > 0, "the hub closed the connection");
                waiting.extend_from_slice(&buffer[..len]);
            },
        }
    }

    /// Sends a request and calls `read` with the answer.
    pub(crate) fn ask<T>(&mut self, request: &Apdu<'_>, read: impl FnOnce(Apdu<'_>) -> T) -> T {
        let mut frame = Vec::new();
        emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, request, &mut frame);
        self.send(&frame);
        let answer = self.receive();
        let frame = WanFrame::parse_datagram(&answer).expect("a wrapper frame");
        read(Apdu::parse(frame.apdu).expect("an APDU"))
    }

    pub(crate) fn associate(&mut self) {
        self.ask(&association(), |answer| {
            assert!(matches!(answer, Apdu::AssociationResponse(response) if response.accepted));
        });
    }

    fn act(&mut self, channel: u8, index: u8, parameter: &[u8]) -> AccessResult {
        let method =
            MethodRef { class: ClassId::IMAGE_TRANSFER, instance: Obis::image_transfer(channel), index };
        let invoke = InvokeId { number: 1, confirmed: true, high_priority: false };
        let request = ActionRequest { invoke, method, parameter: Some(parameter) };
        self.ask(&Apdu::ActionRequest(request), |answer| match answer {
            Apdu::ActionResponse(response) => response.result,
            other => panic!("expected an ACTION response, found {other:?}"),
        })
    }

    /// Sends an image in confirmed blocks of 1,024 bytes and asks for its verification.
    pub(crate) fn send_image(&mut self, channel: u8, image: &[u8]) {
        self.associate();
        let digest = FileDigest::of(image);
        let mut parameter = Vec::new();
        ImageInitiate { identification: digest.as_bytes(), size: image.len() as u32 }
            .emit_parameter(&mut parameter);
        assert_eq!(self.act(channel, 1, &parameter), AccessResult::Success);
        for (number, bytes) in (0..).zip(image.chunks(1_024)) {
            parameter.clear();
            ImageBlock { number, bytes }.emit_parameter(&mut parameter);
            assert_eq!(self.act(channel, 2, &parameter), AccessResult::Success);
        }
        let begun = self.act(channel, 3, &[0x0F, 0x00]);
        assert!(matches!(begun, AccessResult::Success | AccessResult::TemporaryFailure), "{begun:?}");
    }
}
