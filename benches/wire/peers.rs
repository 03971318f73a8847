//! Other people's servers beside ours: each is started on loopback, asked for the same image block by block by many
//! clients at a time, and its own processor time is read from the kernel. What is not installed is skipped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::hubs::BLOCK;
use crate::peer_clients::{self, Protocol};
use crate::report::Row;

/// Clients at a time.
const CLIENTS: u32 = 100;

/// Blocks of the image: 512 KiB.
const BLOCKS: u32 = 512;

/// TFTP is asked for at this port, and dnsmasq knows no other. The address keeps it apart from a server that may run.
const TFTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 31, 0, 69)), 69);

/// So long a server may take to listen: on a busy machine, 700 ms were too short for nginx.
const START: Duration = Duration::from_secs(2);

/// A server of somebody else's; it ends with this value.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command) -> Result<Peer, String> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().map_err(|error| format!("not there: {error}"))?;
        let mut peer = Peer(child);
        std::thread::sleep(START);
        match peer.0.try_wait() {
            Ok(None) => Ok(peer),
            ended => Err(format!("did not start: {ended:?}")),
        }
    }

    /// Returns the processor time of its one thread, nanoseconds.
    fn cpu_ns(&self) -> Result<u64, String> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0.id()));
        let text = text.map_err(|error| format!("no account of its time: {error}"))?;
        let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
        first.ok_or_else(|| "no account of its time".to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that is gone already needs no ending.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures every peer that is there.
pub async fn all() -> Row {
    let mut row = Row::new(format!(
        "Peers, {CLIENTS} clients, an image of {BLOCKS} blocks of 1 KiB each, the server's own processor time"
    ));
    let peers = [
        ("dnsmasq, TFTP, blksize 1024: a block", Protocol::Tftp),
        ("nginx, ranged GET, kept alive: a block", Protocol::Http),
        ("libcoap coap-server, Block2: a block", Protocol::Coap),
    ];
    for (name, protocol) in peers {
        match measure(protocol).await {
            Ok((ns, repeats)) => {
                row.figure(name, ns / 1e3, "µs");
                if repeats > 0 {
                    row.note(format!("{name}: {repeats} requests were repeated"));
                }
            }
            Err(why) => row.note(format!("{name}: skipped, {why}")),
        }
    }
    row
}

async fn measure(protocol: Protocol) -> Result<(f64, u64), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let image: Vec<u8> = (0..BLOCK * BLOCKS).map(|index| (index % 251) as u8).collect();
    fs::write(folder.path().join("image"), &image).map_err(|error| format!("no image: {error}"))?;
    let (peer, address) = match protocol {
        Protocol::Tftp => (dnsmasq(folder.path())?, TFTP),
        Protocol::Http => nginx(folder.path())?,
        Protocol::Coap => coap_server()?,
    };
    if protocol == Protocol::Coap {
        peer_clients::put_coap(address, &image).await?;
    }
    let before = peer.cpu_ns()?;
    let repeats = peer_clients::fetch(protocol, address, CLIENTS, &image).await?;
    let spent = peer.cpu_ns()? - before;
    Ok((spent as f64 / f64::from(CLIENTS * BLOCKS), repeats))
}

fn dnsmasq(folder: &Path) -> Result<Peer, String> {
    let (listen, root) =
        (format!("--listen-address={}", TFTP.ip()), format!("--tftp-root={}", folder.display()));
    let most = format!("--tftp-max={}", CLIENTS * 2);
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--enable-tftp",
        "--bind-interfaces",
    ]);
    command.args(["--user=root", "--pid-file", &listen, &root, &most]);
    Peer::start(&mut command)
}

/// One process without a master, so that its time is the time of one thread.
fn nginx(folder: &Path) -> Result<(Peer, SocketAddr), String> {
    let (root, address) = (folder.display(), free_port()?);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/{kind};\n"))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/errors crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000; open_file_cache max=10;\n{temporary}\
         server {{ listen {address}; root {root}; }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration).map_err(|error| format!("no configuration: {error}"))?;
    let peer = Peer::start(Command::new("nginx").arg("-p").arg(folder).arg("-c").arg(&file))?;
    Ok((peer, address))
}

fn coap_server() -> Result<(Peer, SocketAddr), String> {
    let address = free_port()?;
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let command = ["coap-server-notls", "coap-server"].map(Command::new);
    let mut why = String::new();
    for mut command in command {
        match Peer::start(command.args(["-A", &ip, "-p", &port, "-d", "1"])) {
            Ok(peer) => return Ok((peer, address)),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// A port of loopback that was free a moment ago, for UDP and very likely for TCP.
fn free_port() -> Result<SocketAddr, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    socket.and_then(|socket| socket.local_addr()).map_err(|error| format!("no port: {error}"))
}
