//! The loops without an engine: the same trains to the same addresses at the same rate, and nothing else.

use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use fleet::hub_address;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use transfer_engine::HubId;
use wire::{ImageBlock, InvokeId, Obis, WPort, block_frame_len, emit_block_frame};

use crate::hubs::BLOCK;
use crate::machine::cpu_time;

/// Between two bursts of trains: the engine's timers have slots of that size.
const TICK: Duration = Duration::from_millis(1);

/// Single datagrams of one call, as in the head-end's wires.
const TOGETHER: usize = 64;

/// So long a stream may keep its answers before the loop gives up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Sends `blocks` single blocks at `rate` blocks a second, as many together as the head-end's wires send; returns nanoseconds
/// of processor time for each.
pub fn singles(hubs: u32, port: u16, blocks: u64, rate: u64) -> std::io::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let frame = frames(1, false);
    let contents = [IoSlice::new(&frame)];
    let addresses: Vec<SocketAddrAny> =
        (0..hubs).map(|hub| SocketAddr::from((hub_address(HubId(hub)), port)).into()).collect();
    let mut turn = addresses.iter().cycle();
    let (cpu, began, mut sent) = (cpu_time(), Instant::now(), 0);
    while sent < blocks {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due.min(blocks) {
            let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
                (0..TOGETHER).map(|_| SendAncillaryBuffer::default()).collect();
            let mut messages: Vec<MMsgHdr<'_>> = turn
                .by_ref()
                .zip(&mut controls)
                .map(|(address, control)| MMsgHdr::new_with_addr(address, &contents, control))
                .collect();
            sent += sendmmsg(&socket, &mut messages, SendFlags::empty())? as u64;
        }
        std::thread::sleep(TICK);
    }
    Ok((cpu_time() - cpu).as_nanos() as f64 / sent as f64)
}

/// Sends `blocks` blocks in trains at `rate` blocks a second; returns nanoseconds of processor time for each.
pub fn datagrams(hubs: u32, port: u16, train: u32, blocks: u64, rate: u64) -> std::io::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let frames = frames(train, false);
    let stride = block_frame_len(BLOCK as usize);
    let addresses: Vec<SocketAddr> =
        (0..hubs).map(|hub| SocketAddr::from((hub_address(HubId(hub)), port))).collect();
    let mut turn = addresses.iter().cycle();
    let (cpu, began, mut sent) = (cpu_time(), Instant::now(), 0);
    while sent < blocks {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due.min(blocks) {
            let transmit = Transmit {
                destination: *turn.next().expect("there are hubs"),
                ecn: None,
                contents: &frames,
                segment_size: Some(stride),
                src_ip: None,
            };
            match state.try_send(UdpSockRef::from(&socket), &transmit) {
                Ok(()) => sent += u64::from(train),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        std::thread::sleep(TICK);
    }
    Ok((cpu_time() - cpu).as_nanos() as f64 / sent as f64)
}

/// Streams without an engine.
pub struct Streams {
    streams: Vec<(TcpStream, bool)>,
    frames: Vec<u8>,
    window: u32,
    turn: usize,
}

impl Streams {
    /// Connects to so many hubs.
    pub fn connect(hubs: u32, port: u16, window: u32) -> std::io::Result<Streams> {
        let connect = |hub| {
            let stream = TcpStream::connect((hub_address(HubId(hub)), port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
            Ok((stream, false))
        };
        let streams = (0..hubs).map(connect).collect::<std::io::Result<_>>()?;
        Ok(Streams { streams, frames: frames(window, true), window, turn: 0 })
    }

    /// Sends `blocks` confirmed blocks at `rate` blocks a second, a window in one write when the answers to the last one
    /// were read in one call; returns nanoseconds of processor time for each block.
    pub fn send(&mut self, blocks: u64, rate: u64) -> std::io::Result<f64> {
        let mut answers = vec![0; self.window as usize * crate::hubs::block_answer_len()];
        let (cpu, began, mut sent) = (cpu_time(), Instant::now(), 0);
        while sent < blocks {
            let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
            while sent < due.min(blocks) {
                let (stream, asked) = &mut self.streams[self.turn];
                if std::mem::replace(asked, true) {
                    // Long there: every other stream has had its turn meanwhile.
                    stream.read_exact(&mut answers)?;
                }
                stream.write_all(&self.frames)?;
                sent += u64::from(self.window);
                self.turn = (self.turn + 1) % self.streams.len();
            }
            std::thread::sleep(TICK);
        }
        Ok((cpu_time() - cpu).as_nanos() as f64 / sent as f64)
    }
}

/// A train as the engine would send it.
fn frames(train: u32, confirmed: bool) -> Vec<u8> {
    let bytes = vec![0x5A; BLOCK as usize];
    let mut frames = Vec::new();
    for number in 0..train {
        let invoke = InvokeId { number: number as u8 % 16, confirmed, high_priority: true };
        let block = ImageBlock { number, bytes: &bytes };
        let slot = Obis::image_transfer(1);
        emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, slot, &block, &mut frames);
    }
    frames
}
