//! What a hub is made of and what it counts.

use std::fmt;
use std::time::Duration;

use firmware_image::{DeviceModel, Eui64, FileVersion};
use wire::{LinkKeys, SystemTitle};

use crate::attacks::AttackCounts;
use crate::board::BootFault;
use crate::edges::Edges;
use crate::flash::{FlashFaults, FlashLayout};
use crate::said::Said;

/// Everything that makes one hub different from another.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Its address for life.
    pub eui: Eui64,
    /// Which images fit the hub itself; `None` for one that adopts any, for runs against other people's software.
    pub model: Option<DeviceModel>,
    /// What the factory put on it.
    pub running_version: FileVersion,
    /// The security counter it left the factory with; older images are refused.
    pub factory_sequence: u64,
    /// What makes its nonces its own; a device of the real world asks its hardware instead.
    pub nonce_secret: u64,
    /// image_block_size, attribute 2 of class 18.
    pub block_size: u32,
    /// The devices that were commissioned behind it, at most [`HubConfig::MAX_DEVICES`].
    pub devices: Vec<HanDevice>,
    /// The pace it asks of its HAN devices.
    pub minimum_block_period: Duration,
    /// How many devices may fetch at once; the others are told to wait.
    pub max_bulk_transfers: usize,
    /// How long it is silent while it boots.
    pub boot_time: Duration,
    /// What goes wrong when a new image boots.
    pub boot_fault: BootFault,
    /// How its flash is laid out.
    pub flash: FlashLayout,
    /// What its flash will suffer.
    pub flash_faults: FlashFaults,
    /// What it needs to speak ciphered, and then nothing but ciphered; `None` for a hub that speaks in the clear.
    pub security: Option<HubSecurity>,
}

/// What a hub needs for security suite 0 on its WAN.
#[derive(Clone)]
pub struct HubSecurity {
    /// Its name in every nonce.
    pub title: SystemTitle,
    /// Its own keys.
    pub keys: LinkKeys,
    /// The keys of all hubs, for blocks that are sealed once; `None` for a hub that takes none of those.
    pub broadcast: Option<LinkKeys>,
    /// What its challenges are drawn from, so that nobody foresees them: as secret as a key, and its own.
    pub challenge_seed: [u8; 32],
    /// Where its invocation counters begin; what it has used since is in its flash. Simulated flash goes with its
    /// process: who gives the same keys to another one begins elsewhere.
    pub first_counter: u32,
}

impl fmt::Debug for HubSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSecurity").field("title", &self.title).finish_non_exhaustive()
    }
}

/// A device that was commissioned behind a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HanDevice {
    /// Value group B of its objects; 1 to 255, each once.
    pub channel: u8,
    /// Its address for life.
    pub eui: Eui64,
    /// Its address on the HAN.
    pub short_address: u16,
    /// Whether its receiver is off while it has nothing to do (IEEE 802.15.4, "receiver on when idle").
    pub sleeps: bool,
}

impl HubConfig {
    /// The most commissioned devices; a home has two to five.
    pub const MAX_DEVICES: usize = 64;

    /// Returns a hub with the usual habits, nobody behind it, and no model of its own.
    pub fn new(eui: Eui64, running_version: FileVersion) -> HubConfig {
        HubConfig {
            eui,
            model: None,
            running_version,
            factory_sequence: 0,
            nonce_secret: 0,
            // Fits one datagram of 1,400 bytes, even ciphered (fact: notes on the wire, 2.5).
            block_size: 1024,
            devices: Vec::new(),
            minimum_block_period: Duration::ZERO,
            max_bulk_transfers: 1,
            boot_time: Duration::from_secs(20),
            boot_fault: BootFault::None,
            flash: FlashLayout::SERIAL_NOR,
            flash_faults: FlashFaults::NONE,
            security: None,
        }
    }
}

/// What happened on a hub since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounters {
    /// Blocks stored from the WAN.
    pub blocks_received: u64,
    /// Blocks that were stored already.
    pub duplicate_blocks: u64,
    /// Blocks that had arrived and were wrong, and were asked for again.
    pub blocks_cleared: u64,
    /// Blocks past the end, of wrong length, or before initiate.
    pub refused_blocks: u64,
    /// Frames from either side that made no sense.
    pub malformed_frames: u64,
    /// Requests of clients without an association.
    pub unassociated_requests: u64,
    /// APDUs that a secured hub did not believe: forged, repeated, not or badly protected.
    pub unbelieved_apdus: u64,
    /// Images that verified.
    pub images_verified: u64,
    /// Images that did not.
    pub images_rejected: u64,
    /// Activations refused for want of a valid order, of the hub and of its devices.
    pub orders_refused: u64,
    /// New images of the hub itself that confirmed themselves.
    pub activations: u64,
    /// Activations of the hub itself that ended with the old image running.
    pub rollbacks: u64,
    /// Frames sent on the HAN.
    pub han_frames: u64,
    /// Bytes of those frames, from the ZCL header on.
    pub han_bytes: u64,
    /// Blocks among those frames.
    pub blocks_served: u64,
    /// Times the supply failed.
    pub power_cuts: u64,
    /// What was refused, by the attack it would have been.
    pub attacks: AttackCounts,
    /// Which steps of a transfer's life cycle its slots have taken, by the numbers of `ImageTransferStatus`.
    pub edges: Edges,
    /// Which codes it has sent: ZCL statuses to its devices, DLMS results and rows to the head-end.
    pub said: Said,
}
