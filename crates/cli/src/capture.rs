//! `--pcap`: the frames of simulated devices as packets in a pcapng file, for Wireshark.
//!
//! ```text
//!  WAN   IP, UDP or TCP 4059 │ wrapper frame                  head-end ◄──► hub's address
//!  HAN   IP, UDP 17754 │ ZEPv2 │ 802.15.4 │ NWK │ APS │ ZCL    hub's address, as a sniffer in the home would send it
//! ```
//!
//! A frame is written at the moment at which it was sent, by the clock of the devices. One that is lost is there too,
//! with a comment that says why: whoever looks for a mistake needs the frame that was not answered.

mod file; // bounded, and in order in the end
mod packet; // IP, UDP and TCP
mod pcapng; // the format
mod streams; // where the frames of a TCP connection stand

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use fleet::{Direction, FrameFate, FrameObserver, Leg, LossReason, SeenFrame, hub_address};
use host::{Door, FrameWatcher, SocketFrame, ntp_time};
use jiff::Timestamp;
use transfer_engine::HubId;
use wire::{HanFrame, MAX_HAN_PAYLOAD, OTA_CLUSTER, SE_PROFILE};

use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;
use file::CaptureFile;
use packet::SegmentPlace;
use pcapng::Interface;
use streams::Streams;

/// Where frames are written, if they are.
#[derive(Debug, Args)]
pub(crate) struct PcapArguments {
    /// Write every frame of WAN and HAN into this new file (pcapng), for Wireshark.
    ///
    /// The WAN is DLMS over UDP or TCP port 4059, the HAN is ZEPv2 (UDP port 17754), 802.15.4, Zigbee and ZCL OTA; times are
    /// those of the devices' clock. Frames that are lost are written too, with a comment that says why: the display
    /// filter `frame.comment` finds them. Filter a home by its hub's address (`ip.addr == 127.16.0.1`), a leg by its
    /// interface (`frame.interface_name == "han"`).
    ///
    /// A home with an electricity and a gas meter takes about 4 MB for one campaign, most of it on the HAN. A file that
    /// is left behind by an interrupted run is not in the order of time; `reordercap` of Wireshark mends that.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Stop the capture, but not the run, before the file passes this size.
    #[arg(long, value_name = "MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pcap_limit: u64,
}

impl PcapArguments {
    /// Says whether a capture was asked for.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.pcap.is_some()
    }

    /// Makes the file, if one was asked for.
    pub(crate) fn open(&self) -> Result<Option<Capture>, Failure> {
        self.pcap.as_deref().map(|path| Capture::create(path, self.pcap_limit << 20)).transpose()
    }
}

/// Closes a capture, if there is one, after a run: a run that failed says so first.
pub(crate) fn close<T>(
    capture: Option<Capture>,
    ran: Result<T, Failure>,
    output: &Output,
) -> Result<T, Failure> {
    let Some(capture) = capture else { return ran };
    if ran.is_err() && capture.inner().file.as_ref().is_some_and(CaptureFile::is_empty) {
        // What never began leaves nothing behind that would stand in the way of the next try.
        let _ = std::fs::remove_file(&capture.path);
        return ran;
    }
    let closed = capture.close(output);
    let ran = ran?;
    closed.map(|()| ran)
}

/// The port of a DLMS server (IEC 62056-4-7), by which Wireshark knows the protocol.
const DLMS_PORT: u16 = 4059;
/// The port of ZEP, likewise.
const ZEP_PORT: u16 = 17_754;
/// Where a fleet's captures say that the head-end is; the fleet itself does not know.
const HEAD_END: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 49_152);
/// The radio channel of simulated homes, any of 11 to 26.
const RADIO_CHANNEL: u8 = 11;
/// The endpoint of simulated devices.
const ENDPOINT: u8 = 1;

/// A capture and those who add to it.
#[derive(Clone)]
pub(crate) struct Capture {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    file: Option<CaptureFile>,
    zep_sequence: u32,
    streams: Streams,
    /// Buffers that are used again and again.
    datagram: Vec<u8>,
    packet: Vec<u8>,
    block: Vec<u8>,
}

impl Capture {
    fn create(path: &Path, limit: u64) -> Result<Capture, Failure> {
        let mut preamble = Vec::new();
        pcapng::emit_preamble(concat!("lamplighter ", env!("CARGO_PKG_VERSION")), &mut preamble);
        let file = CaptureFile::create(path, &preamble, limit)
            .or_bad_input(format_args!("{}: cannot be made", path.display()))?;
        let inner = Inner {
            file: Some(file),
            zep_sequence: 0,
            streams: Streams::default(),
            datagram: Vec::new(),
            packet: Vec::new(),
            block: Vec::new(),
        };
        Ok(Capture { path: path.to_owned(), inner: Arc::new(Mutex::new(inner)) })
    }

    /// Returns an onlooker that captures what a fleet shows.
    pub(crate) fn observer(&self) -> Box<dyn FrameObserver> {
        Box::new(self.clone())
    }

    /// Returns a watcher that captures what passes the sockets of a single device.
    pub(crate) fn watcher(&self) -> FrameWatcher {
        let capture = self.clone();
        Box::new(move |frame| capture.inner().add_socket_frame(frame))
    }

    /// Puts the file into order and says what is in it.
    fn close(&self, output: &Output) -> Result<(), Failure> {
        let path = self.path.display();
        let Some(file) = self.inner().file.take() else { return Ok(()) };
        let closed =
            file.close().or_fail(ExitCode::Failed, format_args!("{path}: cannot be written to its end"))?;
        let (packets, mebibytes) = (closed.packets, closed.len as f64 / f64::from(1 << 20));
        match closed.cut_at {
            None => output.talk(format_args!("pcap    {path}: {packets} frames, {mebibytes:.1} MiB")),
            Some(unix_micros) => output.talk(format_args!(
                "pcap    {path}: {packets} frames, {mebibytes:.1} MiB; full at {}, nothing later is in it",
                text_of(unix_micros)
            )),
        }
        Ok(())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A frame is appended whole or not at all, so a panic elsewhere leaves a sound file.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text_of(unix_micros: u64) -> String {
    let micros = i64::try_from(unix_micros).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).map_or_else(|_| "the end of time".to_owned(), |time| time.to_string())
}

impl FrameObserver for Capture {
    fn see(&mut self, frame: &SeenFrame<'_>) -> ControlFlow<()> {
        match self.inner().add_fleet_frame(frame) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

impl Inner {
    /// Adds a frame of a simulated fleet; says whether more is wanted.
    fn add_fleet_frame(&mut self, frame: &SeenFrame<'_>) -> bool {
        let micros = frame.sent_at.as_micros();
        let hub = |port| SocketAddr::from((hub_address(frame.hub), port));
        let comment = comment_on(frame.fate);
        match frame.leg {
            Leg::Wan(direction) => {
                let (from, to) = match direction {
                    Direction::Down => (HEAD_END, hub(DLMS_PORT)),
                    Direction::Up => (hub(DLMS_PORT), HEAD_END),
                };
                self.add_datagram(Interface::Wan, micros, (from, to), frame.bytes, comment)
            }
            Leg::Han { from, to } => {
                self.zep_sequence = self.zep_sequence.wrapping_add(1);
                let mut datagram = std::mem::take(&mut self.datagram);
                datagram.clear();
                let on_air = HanFrame {
                    radio_channel: RADIO_CHANNEL,
                    pan: pan_of(frame.hub),
                    source: from,
                    destination: to,
                    sequence: self.zep_sequence,
                    source_endpoint: ENDPOINT,
                    destination_endpoint: ENDPOINT,
                    cluster: OTA_CLUSTER,
                    profile: SE_PROFILE,
                    ack_request: false,
                    // Devices of ours send nothing that a radio could not carry.
                    payload: &frame.bytes[..frame.bytes.len().min(MAX_HAN_PAYLOAD)],
                };
                on_air.emit_zep(ntp_time(micros), &mut datagram);
                let ends = (hub(ZEP_PORT), hub(ZEP_PORT));
                let wanted = self.add_datagram(Interface::Han, micros, ends, &datagram, comment);
                self.datagram = datagram;
                wanted
            }
        }
    }

    /// Adds what passed a socket. The device's own port is written as the one by which the protocol is known.
    fn add_socket_frame(&mut self, frame: &SocketFrame<'_>) {
        let (interface, port) = match frame.door {
            Door::WanDatagram | Door::WanStream => (Interface::Wan, DLMS_PORT),
            Door::Han => (Interface::Han, ZEP_PORT),
        };
        let own = SocketAddr::new(frame.own.ip(), port);
        let ends = if frame.is_inbound { (frame.peer, own) } else { (own, frame.peer) };
        let micros = frame.moment.as_micros();
        match frame.door {
            Door::WanStream => self.add_to_stream(micros, ends, frame.bytes),
            Door::WanDatagram | Door::Han => {
                self.add_datagram(interface, micros, ends, frame.bytes, None);
            }
        }
        if let Some(file) = &mut self.file {
            // A single device is slow, and somebody may be looking on.
            file.flush();
        }
    }

    fn add_datagram(
        &mut self,
        interface: Interface,
        unix_micros: u64,
        (from, to): (SocketAddr, SocketAddr),
        payload: &[u8],
        comment: Option<&str>,
    ) -> bool {
        self.packet.clear();
        packet::emit_udp(from, to, payload, &mut self.packet);
        self.append(interface, unix_micros, comment)
    }

    /// Adds a frame of a stream: one segment, or two for the longest that there are.
    fn add_to_stream(&mut self, unix_micros: u64, (from, to): (SocketAddr, SocketAddr), frame: &[u8]) {
        for piece in frame.chunks(packet::MAX_SEGMENT) {
            let place: SegmentPlace = self.streams.pass(from, to, piece.len());
            self.packet.clear();
            packet::emit_tcp(from, to, place, piece, &mut self.packet);
            self.append(Interface::Wan, unix_micros, None);
        }
    }

    /// Appends the packet that has been put together; says whether more is wanted.
    fn append(&mut self, interface: Interface, unix_micros: u64, comment: Option<&str>) -> bool {
        let Some(file) = &mut self.file else { return false };
        self.block.clear();
        pcapng::emit_packet(interface, unix_micros, &self.packet, comment, &mut self.block);
        file.append(unix_micros, &self.block)
    }
}

/// Gives each home a network of its own; 0xffff would be all of them.
fn pan_of(hub: HubId) -> u16 {
    (hub.0 % 0xFFFE + 1) as u16
}

fn comment_on(fate: FrameFate) -> Option<&'static str> {
    match fate {
        FrameFate::Delivered => None,
        FrameFate::DeliveredTwice => Some("arrives twice"),
        FrameFate::Lost(LossReason::Outage) => Some("lost: no coverage"),
        FrameFate::Lost(LossReason::QueueFull) => Some("lost: the link's queue is full"),
        FrameFate::Lost(LossReason::Noise) => Some("lost: noise"),
        FrameFate::Lost(LossReason::Burst) => Some("lost: burst of noise"),
        FrameFate::Lost(LossReason::Corrupted) => Some("lost: corrupted, the checksum shows it"),
        FrameFate::Lost(LossReason::HalfOpen) => Some("lost: the link is open in one direction only"),
        FrameFate::DeliveredWrong => Some("arrives with other bits, and the checksum does not show it"),
        FrameFate::Unheard => Some("lost: no receiver is on"),
    }
}
