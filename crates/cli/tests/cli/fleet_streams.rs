//! `fleet --tcp` and the limit of open files: raised where that helps, and told where it does not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use wire::{Apdu, ApplicationContext, AssociationRequest, Conformance, WPort, emit_wan};

use crate::desk::Desk;
use crate::running::Running;

/// Hubs, more than the lowest limit here has room for.
const HUBS: u32 = 300;

/// Starts a fleet of 300 homes under a limit of open files as `ulimit` takes it.
fn fleet(desk: &Desk, limit: &str) -> Running {
    desk.copy_from_repository(&["simulators/fleets/street.toml"]);
    let line =
        format!("fleet simulators/fleets/street.toml --installations {HUBS} --port 0 --tcp --speed 100");
    desk.start_under(limit, &line)
}

/// Returns the port in `ready   300 homes at 127.16.0.1 to 127.16.1.46, port 40123, …`.
fn port(running: &Running) -> u16 {
    let (_, rest) = running.ready.split_once("port ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// Connects to a hub and asks it for an association.
fn connect(hub: u32, port: u16) -> TcpStream {
    let address = (fleet::hub_address(transfer_engine::HubId(hub)), port);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = AssociationRequest {
        context: ApplicationContext::LnNoCiphering,
        conformance: Conformance::GET | Conformance::ACTION,
        max_pdu: 1_024,
        wants_authentication: false,
    };
    let mut frame = Vec::new();
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &Apdu::AssociationRequest(request), &mut frame);
    stream.write_all(&frame).unwrap();
    stream
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_what_the_hubs_need() {
    let desk = Desk::empty();
    let running = fleet(&desk, "-Sn 128");
    let port = port(&running);
    // Some hubs of the street lose what is asked of them, so an open end tells more than an answer would: all stay.
    let mut streams: Vec<TcpStream> = (0..HUBS).map(|hub| connect(hub, port)).collect();
    let answered =
        streams.iter_mut().filter_map(|stream| stream.read(&mut [0; 2_048]).ok().filter(|len| *len > 0));
    let answered = answered.count();
    assert!(answered > 200, "only {answered} of {HUBS} connections were taken");
    let ended = running.stop().succeeded();
    assert!(!ended.stderr.contains("streams"), "{ended:?}");
}

#[test]
fn a_hard_limit_of_open_files_that_is_too_low_is_told() {
    let desk = Desk::empty();
    let running = fleet(&desk, "-n 128");
    assert!(
        running.said.contains(
            "streams 64 at a time, to 300 hubs: the hard limit of open files (ulimit -Hn) allows no more\n"
        ),
        "{}",
        running.said
    );
}
