//! `lamplighter hub`: one simulated communications hub for other people's software, or for `send`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use firmware_image::{Eui64, FileVersion};
use fleet::{HanDevice, HubConfig, HubSecurity};
use host::{HubOptions, Speed, SteadyClock, serve_hub};

use crate::capture::{self, Capture, PcapArguments};
use crate::development;
use crate::device::{TrustArguments, fresh_secret, parse_speed, present, run_device};
use crate::exit::{ExitCode, Failure};
use crate::keys::LinkKeyFile;
use crate::output::Output;

/// Options of `hub`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter hub --listen 127.0.0.1:4059 --store held
  lamplighter hub --listen 127.0.0.1:4059 --han 127.0.0.1:17755 --accept-unsigned")]
pub(crate) struct HubArguments {
    /// Where the DLMS server listens, over UDP and TCP (IEC 62056-4-7 wrapper).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4059")]
    listen: SocketAddr,
    /// Says that TCP is wanted; the hub answers over both, whether it is given or not.
    #[arg(long)]
    tcp: bool,
    /// Where the ZCL OTA server listens for ZEPv2 datagrams.
    #[arg(long, value_name = "ADDR")]
    han: Option<SocketAddr>,
    /// Keep each verified image as slot-CHANNEL.ota in this folder, and take it back at the next start.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The hub's own id, which activation orders for it name.
    #[arg(long, value_name = "EUI-64", default_value = development::HUB_EUI)]
    eui: Eui64,
    /// The id of a device behind the hub; the first is on channel 1, the next on 2, and so on.
    #[arg(long = "device", value_name = "EUI-64", num_args = 1.., default_value = development::METER_EUI)]
    devices: Vec<Eui64>,
    /// The version that the hub runs at first.
    #[arg(long, default_value = "0x00000001")]
    file_version: FileVersion,
    /// The size of the image blocks that it asks for.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=60_000))]
    block_size: u32,
    /// How many times faster than real time it lives: verification, boots and pauses take that much less.
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_speed)]
    speed: Speed,
    /// Speak ciphered, and nothing but ciphered, with the keys that this file has for --eui; serve reads the same file.
    #[arg(long, value_name = "FILE")]
    link_keys: Option<PathBuf>,
    #[command(flatten)]
    pcap: PcapArguments,
    #[command(flatten)]
    trust: TrustArguments,
}

pub(crate) fn run(arguments: &HubArguments, output: &Output) -> Result<(), Failure> {
    let devices = (1..=u8::MAX).zip(&arguments.devices).take(HubConfig::MAX_DEVICES);
    let devices = devices
        .map(|(channel, eui)| HanDevice { channel, eui: *eui, short_address: channel.into(), sleeps: false })
        .collect();
    let config = HubConfig {
        block_size: arguments.block_size,
        devices,
        nonce_secret: fresh_secret(),
        security: read_security(arguments)?,
        ..HubConfig::new(arguments.eui, arguments.file_version)
    };
    let capture = arguments.pcap.open()?;
    let options = HubOptions {
        listen: arguments.listen,
        tcp: true,
        han: arguments.han,
        config,
        trust: arguments.trust.resolve(output)?,
        clock: Arc::new(SteadyClock::new(present(), arguments.speed)),
        store: arguments.store.clone(),
        watcher: capture.as_ref().map(Capture::watcher),
    };
    let served = run_device(|tell, stop| serve_hub(options, tell, stop), output);
    capture::close(capture, served, output)
}

fn read_security(arguments: &HubArguments) -> Result<Option<HubSecurity>, Failure> {
    let Some(path) = &arguments.link_keys else { return Ok(None) };
    let found = LinkKeyFile::read(path)?.hub_security(arguments.eui)?;
    let missing =
        format_args!("{}: expected a line for hub {}, found none", path.display(), arguments.eui).to_string();
    found.map(Some).ok_or_else(|| Failure::message(ExitCode::BadInput, missing))
}
