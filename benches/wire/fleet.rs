//! The child process: many hubs behind one UDP socket or one TCP listener; and the parent's handle on it.
//!
//! The parent writes `mark` or `report RATE TRAIN` to its input and reads JSON, one line each. When the input ends, or after
//! its longest life, the child is gone.

use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fleet::hub_at;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use transfer_engine::HubId;
use wire::WanFrame;

use crate::hubs::Hubs;

/// The first word of the child's command line.
pub const ROLE: &str = "--be-the-fleet";

/// Twice the long form: whatever happens to the parent, the child does not stay.
const LONGEST_LIFE: Duration = Duration::from_secs(600);

/// Pause between two looks at the socket. A receiver that sleeps in the kernel is woken by the sender, at the sender's
/// expense; real hubs are not on the sender's processor.
const LOOK_EVERY: Duration = Duration::from_micros(500);

const BUFFER_LEN: usize = 65_535;
const BATCH: usize = 32;

/// Streams that one look brings up.
const STREAMS_AT_A_TIME: usize = 1_024;

/// What we ask the kernel to hold for us while we are off the processor.
const RECEIVE_BUFFER: usize = 64 << 20;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// The parent's handle.
pub struct FleetProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where every hub listens.
    pub port: u16,
}

impl FleetProcess {
    /// Starts the child and waits until its hubs answer.
    pub fn start(transport: &str, hubs: u32) -> io::Result<FleetProcess> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ROLE, transport, &hubs.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut fleet = FleetProcess { child, input, output, port: 0 };
        let hello = fleet.line()?;
        fleet.port = hello["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        Ok(fleet)
    }

    /// Has the child watch arrivals from now on.
    pub fn mark(&mut self) -> io::Result<()> {
        self.say("mark")?;
        self.line().map(|_| ())
    }

    /// Asks what came, against a rate in blocks per second and hub, in trains of so many.
    pub fn report(&mut self, rate: f64, train: u32) -> io::Result<Value> {
        self.say(&format!("report {rate} {train}"))?;
        self.line()
    }

    fn say(&mut self, words: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{words}")?;
        input.flush()
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for FleetProcess {
    fn drop(&mut self) {
        // The end of its input is the end of the child; this is for one that hangs.
        drop(self.input.take());
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Nothing can be done about a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the child.
pub fn run(transport: &str, hubs: u32) {
    let (to_orders, orders) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if to_orders.send(line).is_err() {
                return;
            }
        }
    });
    let hubs = Hubs::new(hubs);
    match transport {
        "udp" => serve_datagrams(hubs, &orders).expect("sockets on loopback"),
        "tcp" => serve_streams(hubs, &orders).expect("sockets on loopback"),
        other => panic!("no such transport: {other}"),
    }
}

/// Obeys what the parent said; `false` when it is time to go.
fn obey(hubs: &mut Hubs, orders: &Receiver<String>, born: Instant) -> bool {
    match orders.try_recv() {
        Ok(order) => {
            let wanted = order.strip_prefix("report ").and_then(|wanted| wanted.split_once(' '));
            let answer = match wanted {
                Some((rate, train)) => hubs.report(rate.parse().unwrap_or(1.0), train.parse().unwrap_or(1)),
                None => {
                    hubs.mark(wall());
                    json!({})
                }
            };
            println!("{answer}");
            true
        }
        Err(TryRecvError::Empty) => born.elapsed() < LONGEST_LIFE,
        Err(TryRecvError::Disconnected) => false,
    }
}

/// The clock that the kernel stamps datagrams with.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn hub_for(address: IpAddr) -> Option<HubId> {
    match address {
        IpAddr::V4(address) => hub_at(address),
        IpAddr::V6(_) => None,
    }
}

/// A socket of this machine only, on all its addresses.
fn bind(kind: Type, protocol: Protocol) -> io::Result<(Socket, u16)> {
    let socket = Socket::new(Domain::IPV4, kind, Some(protocol))?;
    socket.bind_device(Some(b"lo"))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    let address = socket.local_addr()?.as_socket();
    Ok((socket, address.map_or(0, |address| address.port())))
}

fn serve_datagrams(mut hubs: Hubs, orders: &Receiver<String>) -> io::Result<()> {
    let (socket, port) = bind(Type::DGRAM, Protocol::UDP)?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // What the system's limit refuses without privilege, a privileged bench may have; either way the kernel decides.
    let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BUFFER);
    println!("{}", json!({ "port": port }));
    let mut memory = vec![0; BATCH * BUFFER_LEN];
    let mut chunks = memory.chunks_exact_mut(BUFFER_LEN);
    let mut slices: [IoSliceMut<'_>; BATCH] =
        std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("there are BATCH buffers")));
    let mut meta = [RecvMeta::default(); BATCH];
    let (mut answer, born) = (Vec::new(), Instant::now());
    while obey(&mut hubs, orders, born) {
        loop {
            let received = state.recv(UdpSockRef::from(&socket), &mut slices, &mut meta);
            let Ok(filled) = received else { break };
            for (meta, buffer) in meta.iter().zip(&slices).take(filled) {
                let Some((local, hub)) = meta.dst_ip.and_then(|local| Some((local, hub_for(local)?))) else {
                    continue;
                };
                let at = meta.timestamp.unwrap_or_default();
                for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    answer.clear();
                    hubs.hear(hub.0, at, datagram, &mut answer);
                    if !answer.is_empty() {
                        let transmit = Transmit {
                            destination: meta.addr,
                            ecn: None,
                            contents: &answer,
                            segment_size: None,
                            src_ip: Some(local),
                        };
                        // What is lost is asked for again, as on any line.
                        let _ = state.try_send(UdpSockRef::from(&socket), &transmit);
                    }
                }
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// A hub's end of a stream.
struct Peer {
    socket: mio::net::TcpStream,
    hub: HubId,
    waiting: Vec<u8>,
}

fn serve_streams(mut hubs: Hubs, orders: &Receiver<String>) -> io::Result<()> {
    let (socket, port) = bind(Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = std::net::TcpListener::from(socket);
    println!("{}", json!({ "port": port }));
    let (mut poll, mut events) = (mio::Poll::new()?, mio::Events::with_capacity(STREAMS_AT_A_TIME));
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let (mut buffer, mut answers, born) = (vec![0; BUFFER_LEN], Vec::new(), Instant::now());
    while obey(&mut hubs, orders, born) {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let Some(hub) = hub_for(stream.local_addr()?.ip()) else { continue };
            let mut socket = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut socket, mio::Token(peers.len()), mio::Interest::READABLE)?;
            peers.push(Some(Peer { socket, hub, waiting: Vec::new() }));
        }
        loop {
            poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                let peer = &mut peers[event.token().0];
                let alive =
                    peer.as_mut().is_some_and(|peer| peer.answer(&mut hubs, &mut buffer, &mut answers));
                if !alive {
                    *peer = None;
                }
            }
            if events.is_empty() {
                break;
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

impl Peer {
    /// Reads what is there and answers it in one write; `false` when the stream is over.
    fn answer(&mut self, hubs: &mut Hubs, buffer: &mut [u8], answers: &mut Vec<u8>) -> bool {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return false,
                Ok(read) => self.waiting.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        break;
                    }
                    return false;
                }
            }
        }
        let mut taken = 0;
        answers.clear();
        while let Ok(Some((_, len))) = WanFrame::parse_stream(&self.waiting[taken..]) {
            hubs.hear(self.hub.0, Duration::ZERO, &self.waiting[taken..taken + len], answers);
            taken += len;
        }
        self.waiting.drain(..taken);
        // Answers are some hundred bytes at a time, and the other end reads: there is always room for them.
        answers.is_empty() || self.socket.write_all(answers).is_ok()
    }
}
