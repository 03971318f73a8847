//! Ten thousand hubs behind one socket: each answers at its own address, over UDP and, all at once, over TCP.
//!
//! Both ends of every connection are in this process, so that a limit of 20,000 open files is some 9,900 connections; with a
//! lower one there are fewer, and the test says how many.

use crate::talk::{association, quiet_street};
use fleet::hub_address;
use host::most_connections;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use transfer_engine::HubId;
use wire::{WPort, emit_wan};

const HUBS: u32 = 10_000;
/// Requests that are under way at a time: what a socket's usual buffer and a listener's queue hold.
const LOT: usize = 100;
/// The longest that the whole of it may take on a slow machine.
const LONGEST: Duration = Duration::from_secs(120);
/// Open files of this process that are no connections.
const OTHERS: usize = 100;

/// An association request as it goes over the wire.
fn greeting() -> Vec<u8> {
    let mut frame = Vec::new();
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &association(), &mut frame);
    frame
}

/// Asks hubs over one socket until each has answered; lost datagrams are sent again.
fn ask_all_over_udp(port: u16, began: Instant) -> BTreeSet<IpAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let (greeting, mut answered, mut buffer) = (greeting(), BTreeSet::new(), [0; 2_048]);
    let hubs: Vec<IpAddr> = (0..HUBS).map(|hub| hub_address(HubId(hub)).into()).collect();
    for lot in hubs.chunks(LOT) {
        loop {
            let silent: Vec<_> = lot.iter().filter(|hub| !answered.contains(*hub)).collect();
            if silent.is_empty() {
                break;
            }
            assert!(began.elapsed() < LONGEST, "{} hubs answered in {LONGEST:?}", answered.len());
            for hub in &silent {
                socket.send_to(&greeting, (**hub, port)).expect("loopback takes it");
            }
            let mut left = silent.len();
            while left > 0
                && let Ok((_, from)) = socket.recv_from(&mut buffer)
            {
                left -= usize::from(answered.insert(from.ip()));
            }
        }
    }
    answered
}

/// Returns how many files this process may have open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1_024)
}

fn connect(hub: u32, port: u16) -> TcpStream {
    let address = SocketAddr::from((hub_address(HubId(hub)), port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).expect("the hub listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(&greeting()).expect("loopback takes it");
    stream
}

#[test]
fn ten_thousand_hubs_answer_each_at_its_own_address() {
    let began = Instant::now();
    let stop = CancellationToken::new();
    let host = quiet_street(NonZeroU32::new(HUBS), &stop);
    let answered = ask_all_over_udp(host.port(), began);
    assert_eq!(answered.len(), HUBS as usize);

    let connections = (open_files().saturating_sub(OTHERS) / 2).min(HUBS as usize);
    let mut streams = Vec::new();
    for lot in (0..connections as u32).collect::<Vec<_>>().chunks(LOT) {
        let mut opened: Vec<TcpStream> = lot.iter().map(|hub| connect(*hub, host.port())).collect();
        for stream in &mut opened {
            let len = stream.read(&mut [0; 2_048]).expect("an answer in time");
            assert!(len > 0, "connection {} was closed", streams.len());
        }
        streams.append(&mut opened);
        assert!(began.elapsed() < LONGEST, "{} connections in {LONGEST:?}", streams.len());
    }
    // All of them at a time: none was closed to make room for another.
    for stream in &mut streams {
        stream.set_nonblocking(true).expect("it can be asked");
        let silent = stream.read(&mut [0]).expect_err("a closed connection reads as its end");
        assert_eq!(silent.kind(), ErrorKind::WouldBlock);
    }
    println!("{HUBS} hubs over UDP, {connections} of them over TCP at a time, in {:.1?}", began.elapsed());
    drop(streams);
    stop.cancel();
    host.join().expect("the thread ends");
}

#[test]
fn as_many_connections_are_taken_as_there_are_hubs_and_some_to_spare() {
    assert_eq!(
        [1, 4_096, 10_000, 50_000, 10_000_000].map(most_connections),
        [4_096, 4_608, 11_250, 56_250, 65_536]
    );
}
