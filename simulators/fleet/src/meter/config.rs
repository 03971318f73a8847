//! What a meter is made of and what it counts.

use std::time::Duration;

use firmware_image::{DeviceModel, Eui64, FileVersion};

use super::Battery;
use crate::attacks::AttackCounts;
use crate::board::BootFault;
use crate::edges::Edges;
use crate::flash::{FlashFaults, FlashLayout};
use crate::said::Said;

/// How a device on the HAN behaves towards its radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterKind {
    /// Mains-fed, always listening.
    Electricity,
    /// Battery-fed: hears and says something only when it wakes.
    Gas {
        /// From one wake to the next; 30 minutes is typical (fact: domain notes on generic gas meters).
        wake_interval: Duration,
        /// How many block requests it makes in one wake at the most.
        blocks_per_wake: u32,
    },
    /// An in-home display: mains-fed.
    Display,
}

/// Everything that makes one meter different from another.
#[derive(Clone, Debug)]
pub struct MeterConfig {
    /// Its address for life.
    pub eui: Eui64,
    /// How it treats its radio.
    pub kind: MeterKind,
    /// Which images fit.
    pub model: DeviceModel,
    /// What the factory put on it.
    pub running_version: FileVersion,
    /// The security counter it left the factory with; older images are refused.
    pub factory_sequence: u64,
    /// What makes its nonces its own; a device of the real world asks its hardware instead.
    pub nonce_secret: u64,
    /// Its address on the HAN.
    pub short_address: u16,
    /// How many bytes it asks for at once, 1 to 64.
    pub block_len: u8,
    /// How many bytes it asks for with one page request; `None` for a meter that only knows blocks.
    pub page_len: Option<u16>,
    /// The time from an answer to its next block request.
    pub block_period: Duration,
    /// How often it asks for a new image on its own.
    pub query_interval: Duration,
    /// When it first asks, counted from its making; spread over a fleet by the caller.
    pub first_query: Duration,
    /// How long it waits for an answer before it repeats a request.
    pub retry_timeout: Duration,
    /// How long it is silent while it boots.
    pub boot_time: Duration,
    /// What goes wrong when a new image boots.
    pub boot_fault: BootFault,
    /// How long after its start new firmware falls silent: it is up, and neither hears nor says anything until it is
    /// started again. `None` for firmware that works.
    pub falls_silent_after: Option<Duration>,
    /// How long after its start new firmware silences the other devices of its home.
    pub silences_others_after: Option<Duration>,
    /// Its battery; `None` for a meter on the mains, and for one whose battery is no concern.
    pub battery: Option<Battery>,
    /// How its flash is laid out.
    pub flash: FlashLayout,
    /// What its flash will suffer.
    pub flash_faults: FlashFaults,
}

impl MeterConfig {
    /// Returns an electricity meter with the usual habits.
    pub fn new(
        eui: Eui64,
        model: DeviceModel,
        running_version: FileVersion,
        short_address: u16,
    ) -> MeterConfig {
        MeterConfig {
            eui,
            kind: MeterKind::Electricity,
            model,
            running_version,
            factory_sequence: 0,
            nonce_secret: 0,
            short_address,
            // What is safe with the APS security of Smart Energy (fact: notes on the cluster).
            block_len: 40,
            page_len: None,
            block_period: Duration::from_millis(100),
            query_interval: Duration::from_secs(24 * 3600),
            first_query: Duration::from_secs(60),
            // Ten repeats outlast the reboot of a hub.
            retry_timeout: Duration::from_secs(5),
            boot_time: Duration::from_secs(30),
            boot_fault: BootFault::None,
            falls_silent_after: None,
            silences_others_after: None,
            battery: None,
            flash: FlashLayout::SERIAL_NOR,
            flash_faults: FlashFaults::NONE,
        }
    }
}

/// What happened on a meter since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterCounters {
    /// New images that came up and confirmed themselves.
    pub activations: u64,
    /// Activations that ended with the old image running.
    pub rollbacks: u64,
    /// Images discarded by verification.
    pub rejections: u64,
    /// Orders not obeyed: unsigned, for another device or image, replayed, or missing.
    pub orders_refused: u64,
    /// Images received in full.
    pub downloads: u64,
    /// Images that it found good when it had them whole.
    pub images_verified: u64,
    /// Downloads given up because nobody answered or the server stopped them.
    pub downloads_abandoned: u64,
    /// Times it woke: a gas meter.
    pub wakes: u64,
    /// Images and orders declined because the battery was low.
    pub battery_refusals: u64,
    /// Blocks stored.
    pub blocks_received: u64,
    /// Answers ignored because they were late, repeated, or about another image.
    pub stale_answers: u64,
    /// Frames that made no sense.
    pub malformed_frames: u64,
    /// Requests repeated for want of an answer.
    pub repeats: u64,
    /// Times the supply failed.
    pub power_cuts: u64,
    /// What was refused, by the attack it would have been.
    pub attacks: AttackCounts,
    /// Which steps of its life cycle it has taken, by the numbers of its stages.
    pub edges: Edges,
    /// Which ZCL statuses it has sent.
    pub said: Said,
}
