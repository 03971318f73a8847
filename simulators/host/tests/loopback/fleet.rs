//! Many hubs behind one socket: each answers from its own address, and nobody else does.

use crate::talk::{Line, STREET, fast_clock, quiet_street, trust};
use fleet::{Fleet, WorldSpec, hub_address};
use host::{FleetHost, FleetHostOptions, HostError, Participant};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use tokio_util::sync::CancellationToken;
use transfer_engine::HubId;

fn address(host: &FleetHost, hub: u32) -> SocketAddr {
    SocketAddr::from((hub_address(HubId(hub)), host.port()))
}

#[test]
fn every_hub_answers_at_its_own_address_over_udp_and_tcp() {
    let stop = CancellationToken::new();
    let host = quiet_street(None, &stop);
    for hub in 0..10 {
        // A connected socket takes answers from that one address only.
        Line::udp(address(&host, hub)).associate();
        Line::tcp(address(&host, hub)).associate();
    }
    stop.cancel();
    let traffic = host.traffic();
    assert_eq!((traffic.received, traffic.sent, traffic.strangers), (20, 20, 0));
    let fleet = host.join().expect("the thread ends");
    assert_eq!(fleet.census().wan.up.delivered, 20);
}

#[test]
fn random_bytes_and_unknown_addresses_are_ignored_and_the_hubs_go_on() {
    let stop = CancellationToken::new();
    let host = quiet_street(None, &stop);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let nobody = SocketAddr::from((Ipv4Addr::new(127, 16, 0, 200), host.port()));
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, host.port()));
    for len in [0usize, 1, 7, 8, 9, 500, 9_000] {
        let junk: Vec<u8> = (0..len).map(|k| (k * 97 + len) as u8).collect();
        for to in [nobody, nowhere, address(&host, 0), address(&host, 4)] {
            socket.send_to(&junk, to).expect("loopback takes it");
        }
    }
    let mut junk_stream = Line::tcp(address(&host, 4));
    junk_stream.send(&[0xFF; 64]);
    Line::udp(address(&host, 4)).associate();
    Line::tcp(address(&host, 4)).associate();
    stop.cancel();
    assert_eq!(host.traffic().strangers, 14);
    host.join().expect("the thread ends");
}

#[test]
fn a_port_in_use_is_named() {
    let stop = CancellationToken::new();
    let first = quiet_street(None, &stop);
    let spec = WorldSpec::parse(STREET).expect("street.toml is sound");
    let fleet = Fleet::build(&spec, 1, &trust(), crate::talk::START);
    let options =
        FleetHostOptions { port: first.port(), tcp: false, clock: fast_clock(), participant: Participant(0) };
    let Err(error) = FleetHost::start(fleet, options, stop.clone()) else {
        panic!("two fleets share a port")
    };
    assert!(matches!(error, HostError::Listen { kind: "UDP", .. }), "{error}");
    assert!(error.to_string().contains(&first.port().to_string()));
    stop.cancel();
    first.join().expect("the thread ends");
}
