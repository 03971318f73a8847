//! `lamplighter meter`: one simulated meter, a ZCL OTA client over ZEPv2, for any hub that speaks it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageType, ManufacturerCode};
use fleet::{DeviceModel, MeterConfig, MeterKind};
use host::{MeterOptions, Speed, SteadyClock, serve_meter};

use crate::capture::{self, Capture, PcapArguments};
use crate::development;
use crate::device::{TrustArguments, fresh_secret, parse_speed, present, run_device};
use crate::exit::Failure;
use crate::output::Output;

/// Options of `meter`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter meter --listen 127.0.0.1:17756 --han-server 127.0.0.1:17755 --store meter.ota
  lamplighter meter --han-server 127.0.0.1:17755 --image-type 0x0012 --gas-wake 1800 --speed 60")]
pub(crate) struct MeterArguments {
    /// Where the meter listens for ZEPv2 datagrams.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17756")]
    listen: SocketAddr,
    /// Where its hub listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17755")]
    han_server: SocketAddr,
    /// The manufacturer code that images must name.
    #[arg(long, default_value = "0x10E5")]
    manufacturer: ManufacturerCode,
    /// The image type that images must name.
    #[arg(long, default_value = "0x0011")]
    image_type: ImageType,
    /// The hardware version, which an image's range must include.
    #[arg(long, default_value = "0x0102")]
    hardware: HardwareVersion,
    /// The version that the meter runs at first.
    #[arg(long, default_value = "0x00000001")]
    file_version: FileVersion,
    /// Write each verified image to this file, byte for byte.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The meter's id, which activation orders for it name.
    #[arg(long, value_name = "EUI-64", default_value = development::METER_EUI)]
    eui: Eui64,
    /// Its address on the HAN.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..0xFFF8))]
    short_address: u16,
    /// Bytes that it asks for at a time.
    #[arg(long, value_name = "BYTES", default_value_t = 40, value_parser = clap::value_parser!(u8).range(1..=64))]
    block_len: u8,
    /// Ask for whole pages of this many bytes instead of single blocks.
    #[arg(long, value_name = "BYTES")]
    page_len: Option<u16>,
    /// Its own pause between two requests.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    block_period_ms: u64,
    /// How often it asks for a new image on its own.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    query_interval: u64,
    /// Sleep like a gas meter, and wake this often.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    gas_wake: Option<u64>,
    /// Blocks that a gas meter asks for before it sleeps again.
    #[arg(long, value_name = "BLOCKS", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    gas_blocks: u32,
    /// How many times faster than real time it lives.
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_speed)]
    speed: Speed,
    #[command(flatten)]
    pcap: PcapArguments,
    #[command(flatten)]
    trust: TrustArguments,
}

pub(crate) fn run(arguments: &MeterArguments, output: &Output) -> Result<(), Failure> {
    let kind = match arguments.gas_wake {
        Some(seconds) => MeterKind::Gas {
            wake_interval: Duration::from_secs(seconds),
            blocks_per_wake: arguments.gas_blocks,
        },
        None => MeterKind::Electricity,
    };
    let model = DeviceModel {
        manufacturer: arguments.manufacturer,
        image_type: arguments.image_type,
        hardware: arguments.hardware,
    };
    let config = MeterConfig {
        kind,
        block_len: arguments.block_len,
        page_len: arguments.page_len,
        block_period: Duration::from_millis(arguments.block_period_ms),
        query_interval: Duration::from_secs(arguments.query_interval),
        // It asks as soon as it is there, so that whoever started it need not wait.
        first_query: Duration::ZERO,
        nonce_secret: fresh_secret(),
        ..MeterConfig::new(arguments.eui, model, arguments.file_version, arguments.short_address)
    };
    let capture = arguments.pcap.open()?;
    let options = MeterOptions {
        listen: arguments.listen,
        han_server: arguments.han_server,
        config,
        trust: arguments.trust.resolve(output)?,
        clock: Arc::new(SteadyClock::new(present(), arguments.speed)),
        store: arguments.store.clone(),
        watcher: capture.as_ref().map(Capture::watcher),
    };
    let served = run_device(|tell, stop| serve_meter(options, tell, stop), output);
    capture::close(capture, served, output)
}
