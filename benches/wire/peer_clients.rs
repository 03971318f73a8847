//! Clients of other people's servers: TFTP (RFC 1350, 2348), HTTP ranges (RFC 9110, 14), CoAP blocks (RFC 7959).
//!
//! Each asks for one block, checks it, and asks for the next, as those protocols are made. Our own and not a library's, so that all
//! three are asked by the same few lines and the asking costs about the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::hubs::BLOCK;

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tftp,
    Http,
    Coap,
}

/// So long a datagram's answer may take before it is asked for again, and how often.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);
const ATTEMPTS: u32 = 8;

/// All clients together.
const ALL_WITHIN: Duration = Duration::from_secs(60);

const BLOCK_LEN: usize = BLOCK as usize;

/// CoAP: blocks of 1,024 B, RFC 7959, 2.2.
const SZX: u32 = 6;

/// Has so many clients fetch the image at the same time; returns how many requests were repeated.
pub async fn fetch(
    protocol: Protocol,
    server: SocketAddr,
    clients: u32,
    image: &[u8],
) -> Result<u64, String> {
    let image: Arc<[u8]> = image.into();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let image = Arc::clone(&image);
        tasks.spawn(async move {
            match protocol {
                Protocol::Tftp => fetch_tftp(server, &image).await,
                Protocol::Http => fetch_http(server, &image).await,
                Protocol::Coap => fetch_coap(server, &image).await,
            }
        });
    }
    let all = async {
        let mut repeats = 0;
        while let Some(ended) = tasks.join_next().await {
            repeats += ended.map_err(|error| error.to_string())??;
        }
        Ok(repeats)
    };
    timeout(ALL_WITHIN, all).await.map_err(|_| "did not finish in time".to_owned())?
}

/// A socket of one client.
struct Asker {
    socket: UdpSocket,
    buffer: Vec<u8>,
    repeats: u64,
}

impl Asker {
    async fn open() -> Result<Asker, String> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
        Ok(Asker { socket, buffer: vec![0; 2 * BLOCK_LEN], repeats: 0 })
    }

    /// Sends a request until an answer comes that `fits`; returns its length and sender.
    async fn ask(
        &mut self,
        to: SocketAddr,
        request: &[u8],
        fits: impl Fn(&[u8]) -> bool,
    ) -> Result<(usize, SocketAddr), String> {
        for attempt in 0..ATTEMPTS {
            self.repeats += u64::from(attempt > 0);
            self.socket.send_to(request, to).await.map_err(|error| error.to_string())?;
            while let Ok(received) = timeout(ANSWER_WITHIN, self.socket.recv_from(&mut self.buffer)).await {
                let (len, from) = received.map_err(|error| error.to_string())?;
                if fits(&self.buffer[..len]) {
                    return Ok((len, from));
                }
            }
        }
        Err("no answer".to_owned())
    }
}

async fn fetch_tftp(server: SocketAddr, image: &[u8]) -> Result<u64, String> {
    let mut asker = Asker::open().await?;
    let request = format!("\0\u{1}image\0octet\0blksize\0{BLOCK}\0");
    // 6 = OACK, from the port of this transfer.
    let (_, server) = asker.ask(server, request.as_bytes(), |answer| answer.starts_with(&[0, 6])).await?;
    for (index, block) in image.chunks(BLOCK_LEN).enumerate() {
        let ([high, low], [next_high, next_low]) =
            ((index as u16).to_be_bytes(), (index as u16 + 1).to_be_bytes());
        let data = [0, 3, next_high, next_low];
        let (len, _) = asker.ask(server, &[0, 4, high, low], |answer| answer.starts_with(&data)).await?;
        check(&asker.buffer[4..len], block)?;
    }
    // An image of whole blocks ends with an empty one, which nobody waits for; this says that we are done.
    let [high, low] = ((image.len() / BLOCK_LEN) as u16).to_be_bytes();
    let _ = asker.ask(server, &[0, 4, high, low], |answer| answer.starts_with(&[0, 3])).await?;
    let [high, low] = ((image.len() / BLOCK_LEN) as u16 + 1).to_be_bytes();
    asker.socket.send_to(&[0, 4, high, low], server).await.map_err(|error| error.to_string())?;
    Ok(asker.repeats)
}

async fn fetch_http(server: SocketAddr, image: &[u8]) -> Result<u64, String> {
    let mut stream = TcpStream::connect(server).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut heard = Vec::with_capacity(4 * BLOCK_LEN);
    for (index, block) in image.chunks(BLOCK_LEN).enumerate() {
        let (first, last) = (index * BLOCK_LEN, index * BLOCK_LEN + block.len() - 1);
        let request = format!("GET /image HTTP/1.1\r\nHost: peer\r\nRange: bytes={first}-{last}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        heard.clear();
        // The body is all there when as much has come as was asked for, behind the empty line.
        let body = loop {
            let end = heard.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            if let Some(end) = end.filter(|end| heard.len() >= end + block.len()) {
                break end;
            }
            if stream.read_buf(&mut heard).await.map_err(|error| error.to_string())? == 0 {
                return Err("the stream ended".to_owned());
            }
        };
        check(&heard[body..], block)?;
    }
    Ok(0)
}

/// Puts the image onto a CoAP server, block by block.
pub async fn put_coap(server: SocketAddr, image: &[u8]) -> Result<(), String> {
    let mut asker = Asker::open().await?;
    let count = image.len() / BLOCK_LEN;
    for (index, block) in image.chunks(BLOCK_LEN).enumerate() {
        let more = u32::from(index + 1 < count) << 3;
        // PUT, option 27 = Block1: 16 behind Uri-Path.
        let mut request = coap_request(3, index as u16, &[0xD0, 3], (index as u32) << 4 | more | SZX);
        request.push(0xFF);
        request.extend_from_slice(block);
        let id = (index as u16).to_be_bytes();
        let (_, _) = asker.ask(server, &request, |answer| answer.get(2..4) == Some(&id)).await?;
        // Class 2 is success.
        if asker.buffer[1] >> 5 != 2 {
            return Err(format!("block {index} was refused with {:#04x}", asker.buffer[1]));
        }
    }
    Ok(())
}

async fn fetch_coap(server: SocketAddr, image: &[u8]) -> Result<u64, String> {
    let mut asker = Asker::open().await?;
    for (index, block) in image.chunks(BLOCK_LEN).enumerate() {
        // GET, option 23 = Block2: 12 behind Uri-Path.
        let request = coap_request(1, index as u16, &[0xC0], (index as u32) << 4 | SZX);
        let id = (index as u16).to_be_bytes();
        let (len, _) = asker.ask(server, &request, |answer| answer.get(2..4) == Some(&id)).await?;
        let answer = &asker.buffer[..len];
        // 0x45 = 2.05 Content; the payload is at the end.
        if answer[1] != 0x45 || len < block.len() {
            return Err(format!("block {index} was answered with {:#04x}", answer[1]));
        }
        check(&answer[len - block.len()..], block)?;
    }
    Ok(asker.repeats)
}

/// A confirmable request for `image` with one block option (RFC 7252, 3; RFC 7959, 2.2). `head`: the option's head without its length.
fn coap_request(code: u8, id: u16, head: &[u8], block: u32) -> Vec<u8> {
    let mut request = vec![0x44, code];
    request.extend_from_slice(&id.to_be_bytes());
    request.extend_from_slice(b"bloc");
    // Option 11 = Uri-Path, 5 bytes.
    request.push(0xB5);
    request.extend_from_slice(b"image");
    let value = block.to_be_bytes();
    let value = &value[value.iter().take_while(|byte| **byte == 0).count()..];
    request.push(head[0] | value.len() as u8);
    request.extend_from_slice(&head[1..]);
    request.extend_from_slice(value);
    request
}

fn check(found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err("a block is not what it should be".to_owned()) }
}
