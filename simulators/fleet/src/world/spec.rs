//! The world file: a fleet and its campaign in TOML, with the unit in the name of every key.
//!
//! A [`WorldSpec`] has been checked as it was read: shares lie between 0 and 1, mixes add up, rates are positive.
//! Firmware images are no part of it; they come with the campaign. What each device runs now, and which version
//! the campaign aims at, is.

use super::battery::{BatterySpec, battery};
use super::checks::{
    all, burst, campaign, evidence, image_bytes, installations, links, one, standing, start, trouble,
};
use super::error::WorldError;
use super::faults::{FaultSpec, faults};
use super::record::DeviceKind;
use super::rules;
use super::terms::OrderTerms;
use crate::link::{BitRate, Burst, HanProfile, LinkProfile, Reach};
use crate::random::Share;
use campaign::Windows;
use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode,
};
use serde::Deserialize;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;
use transfer_engine::Moment;

/// A fleet to simulate and the campaign to run on it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSpec {
    /// What reports call the world.
    pub name: String,
    /// Homes, each with a hub and an electricity meter at least.
    #[serde(deserialize_with = "installations")]
    pub installations: NonZeroU32,
    /// When the simulation begins.
    #[serde(deserialize_with = "start")]
    pub start: Moment,
    /// WAN cells; homes are spread evenly, neighbours share a cell.
    pub cells: NonZeroU32,
    /// Parts into which the homes are cut by whole cells, as many in each; every one is a campaign of its own.
    #[serde(default = "one")]
    pub regions: NonZeroU32,
    /// Homes of the world before the first of this one, where it is a region of a larger one.
    #[serde(skip)]
    pub first_installation: u32,
    /// Homes with a gas meter.
    pub gas_share: Share,
    /// Homes with an in-home display.
    pub display_share: Share,
    /// The kinds of WAN link and how common each is; shares add up to 1.
    #[serde(rename = "link", deserialize_with = "links")]
    pub links: Vec<LinkSpec>,
    /// The radio in the homes.
    pub han: HanSpec,
    /// The device models.
    pub device: Devices,
    /// Which installations may be updated at all.
    #[serde(deserialize_with = "standing")]
    pub standing: StandingSpec,
    /// What testing evidence the device model combinations have; shares add up to 1.
    #[serde(deserialize_with = "evidence")]
    pub evidence: EvidenceSpec,
    /// What is wrong in the homes.
    #[serde(deserialize_with = "trouble")]
    pub trouble: TroubleSpec,
    /// What goes wrong while the campaign runs; nothing by default.
    #[serde(default, deserialize_with = "faults")]
    pub faults: FaultSpec,
    /// How the campaign is run.
    #[serde(deserialize_with = "campaign")]
    pub campaign: CampaignSpec,
}

/// The world that stands for homes of which nothing is known.
const TOWN: &str = include_str!("../../../fleets/town.toml");

impl WorldSpec {
    /// Returns the town of the committed worlds: every kind of link, standing and trouble. Its numbers are assumptions.
    pub fn town() -> WorldSpec {
        WorldSpec::parse(TOWN).expect("the committed world is sound, as a test says")
    }

    /// Reads and checks a world file as it came from a disk.
    pub fn read(bytes: &[u8]) -> Result<WorldSpec, WorldError> {
        let text = str::from_utf8(bytes).map_err(|error| WorldError::of_bytes(bytes, error.valid_up_to()))?;
        WorldSpec::parse(text)
    }

    /// Reads and checks the text of a world file.
    pub fn parse(text: &str) -> Result<WorldSpec, WorldError> {
        let spec: WorldSpec = toml::from_str(text).map_err(|error| WorldError::locate(text, &error))?;
        rules::check(&spec).map_err(|broken| WorldError::of_key(text, &broken.path, &broken.expected))?;
        Ok(spec)
    }

    /// Returns a region as a world of its own; `number` counts from zero and is below `regions`. Its budgets are those of
    /// the file: every region has a head-end to itself.
    ///
    /// # Panics
    ///
    /// Panics when there are more regions than homes or cells, which no file that was read says.
    pub fn region(&self, number: u32) -> WorldSpec {
        let regions = u64::from(self.regions.get());
        let until = |number: u32| (u64::from(self.installations.get()) * u64::from(number) / regions) as u32;
        let (first, end) = (until(number), until(number + 1));
        WorldSpec {
            name: format!("{}-{:03}", self.name, number + 1),
            installations: NonZeroU32::new(end - first).expect("no region is empty"),
            cells: NonZeroU32::new(self.cells.get() / self.regions.get()).expect("a region is whole cells"),
            regions: NonZeroU32::MIN,
            first_installation: self.first_installation + first,
            ..self.clone()
        }
    }

    /// Makes the devices of `kind` the ones that `image` is meant for: same model, a hardware revision that it
    /// allows, and one version behind it.
    ///
    /// This is how any vendor's firmware file can be the image of a simulated campaign.
    pub fn adopt_model(&mut self, kind: DeviceKind, image: &ImageIdentity) {
        let device = self.device.of_mut(kind);
        device.manufacturer = image.manufacturer.0;
        device.image_type = image.image_type.0;
        device.target_version = image.file_version.0;
        if device.running_version >= image.file_version.0 {
            device.running_version = image.file_version.0.saturating_sub(1);
        }
        if let Some(range) = image.hardware {
            device.hardware = range.min.0;
            device.wrong_hardware = range.max.0.checked_add(1).unwrap_or_else(|| range.min.0.wrapping_sub(1));
        }
    }
}

/// A kind of WAN link.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// What reports call it.
    pub name: String,
    /// Homes that have it.
    pub share: Share,
    /// Rate from the head-end to the hub.
    pub down_rate_bits_per_s: NonZeroU32,
    /// Rate from the hub to the head-end.
    pub up_rate_bits_per_s: NonZeroU32,
    /// One-way delay.
    pub latency_ms: u32,
    /// Further one-way delay, evenly distributed from zero.
    #[serde(default)]
    pub jitter_ms: u32,
    /// Independent loss of each datagram.
    #[serde(default)]
    pub loss: Share,
    /// Probability per datagram of falling into a bad spell; with the two below, loss in bursts.
    #[serde(default)]
    pub burst_enter: Share,
    /// Probability per datagram of leaving a bad spell.
    #[serde(default = "all")]
    pub burst_leave: Share,
    /// Loss in a bad spell.
    #[serde(default)]
    pub burst_loss: Share,
    /// Datagrams that arrive twice.
    #[serde(default)]
    pub duplicates: Share,
    /// Bytes that may wait in each direction.
    pub queue_bytes: NonZeroU32,
    /// From one outage to the next; absent means no outages.
    pub outage_every_s: Option<NonZeroU32>,
    /// How long an outage lasts.
    #[serde(default)]
    pub outage_s: u32,
}

impl LinkSpec {
    /// Returns the profile that links of this kind follow.
    pub fn profile(&self) -> LinkProfile {
        let reach = match self.outage_every_s {
            Some(every) => Reach::Interrupted {
                period: Duration::from_secs(every.get().into()),
                outage: Duration::from_secs(self.outage_s.into()),
            },
            None => Reach::Always,
        };
        let burst = Burst { enter: self.burst_enter, leave: self.burst_leave, loss: self.burst_loss };
        LinkProfile {
            name: self.name.clone(),
            down: BitRate(self.down_rate_bits_per_s),
            up: BitRate(self.up_rate_bits_per_s),
            latency: Duration::from_millis(self.latency_ms.into()),
            jitter: Duration::from_millis(self.jitter_ms.into()),
            loss: self.loss,
            burst: (burst.enter > Share::NONE).then_some(burst),
            duplicates: self.duplicates,
            queue_len: self.queue_bytes.get(),
            reach,
        }
    }
}

/// The radio in the homes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HanSpec {
    /// From one device's decision to send until the other has the frame.
    pub latency_ms: NonZeroU32,
    /// Frames lost after the radio's own retries.
    pub loss: Share,
}

impl HanSpec {
    pub(crate) fn profile(self) -> HanProfile {
        HanProfile { latency: Duration::from_millis(self.latency_ms.get().into()), loss: self.loss }
    }
}

/// The device models of the world, one of each kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// The communications hub.
    pub hub: HubSpec,
    /// The electricity meter.
    pub electricity: ElectricitySpec,
    /// The gas meter.
    pub gas: GasSpec,
    /// The in-home display.
    pub display: ElectricitySpec,
}

impl Devices {
    /// Returns the model of one kind.
    pub fn of(&self, kind: DeviceKind) -> &DeviceSpec {
        match kind {
            DeviceKind::Hub => &self.hub.model,
            DeviceKind::Electricity => &self.electricity.model,
            DeviceKind::Gas => &self.gas.model,
            DeviceKind::Display => &self.display.model,
        }
    }

    /// Returns the model of one kind, to be changed.
    pub fn of_mut(&mut self, kind: DeviceKind) -> &mut DeviceSpec {
        match kind {
            DeviceKind::Hub => &mut self.hub.model,
            DeviceKind::Electricity => &mut self.electricity.model,
            DeviceKind::Gas => &mut self.gas.model,
            DeviceKind::Display => &mut self.display.model,
        }
    }
}

/// A device model and where its firmware stands.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// The model's name on the product list.
    pub name: String,
    /// Zigbee manufacturer code.
    pub manufacturer: u16,
    /// Zigbee OTA image type.
    pub image_type: u16,
    /// Hardware version, as in the inventory and in reality.
    pub hardware: u16,
    /// Hardware version of the devices about which the inventory is wrong; no image of the campaign allows it.
    pub wrong_hardware: u16,
    /// File version that the devices run when the world begins.
    pub running_version: u32,
    /// File version that the campaign brings; devices that are already current run it.
    pub target_version: u32,
    /// Payload of the campaign's image. Absent: a meter's is as long as the sample image, and for hubs and displays
    /// there is none.
    #[serde(default, deserialize_with = "image_bytes")]
    pub image_bytes: Option<NonZeroU32>,
}

impl DeviceSpec {
    /// Returns the identity that an image for this model carries; it allows every revision of the model's hardware
    /// version (the high byte, as ZCL OTA defines hardware versions).
    pub fn target(&self) -> ImageIdentity {
        let hardware = HardwareRange {
            min: HardwareVersion(self.hardware & 0xFF00),
            max: HardwareVersion(self.hardware | 0x00FF),
        };
        ImageIdentity {
            manufacturer: ManufacturerCode(self.manufacturer),
            image_type: ImageType(self.image_type),
            file_version: FileVersion(self.target_version),
            hardware: Some(hardware),
        }
    }
}

/// The communications hub.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSpec {
    /// Its model.
    pub model: DeviceSpec,
    /// Block size it offers in DLMS image transfer.
    pub block_bytes: NonZeroU32,
    /// Pause it asks of meters between two block requests, and leaves between two blocks of a page.
    pub minimum_block_period_ms: u32,
}

/// A device of the home that is always awake.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElectricitySpec {
    /// Its model.
    pub model: DeviceSpec,
    /// Bytes that it asks for at a time.
    pub block_bytes: std::num::NonZeroU8,
    /// Bytes that it asks for with one page request, which the hub answers with one block after another; absent for a
    /// device that asks for each block.
    pub page_bytes: Option<NonZeroU16>,
    /// Its own pause between two block requests, or between two blocks of a page.
    pub block_period_ms: u32,
    /// How often it asks the hub for a new image on its own.
    pub query_interval_s: NonZeroU32,
}

/// The gas meter, which sleeps on its battery.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasSpec {
    /// Its model.
    pub model: DeviceSpec,
    /// Bytes that it asks for at a time.
    pub block_bytes: std::num::NonZeroU8,
    /// Bytes that it asks for with one page request; absent for a device that asks for each block.
    pub page_bytes: Option<NonZeroU16>,
    /// Its own pause between two block requests, or between two blocks of a page.
    pub block_period_ms: u32,
    /// From one waking to the next.
    pub wake_interval_s: NonZeroU32,
    /// Blocks that it asks for before it sleeps again; a page counts as one, so that it brings more in each wake.
    pub blocks_per_wake: NonZeroU32,
    /// Its battery.
    #[serde(default, deserialize_with = "battery")]
    pub battery: BatterySpec,
}

/// Which installations may be updated at all; the rest are Dormant.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingSpec {
    /// All meters still Active: a supplier gets smart service.
    pub active_share: Share,
    /// The electricity meter Active, the gas meter Dormant.
    pub mixed_share: Share,
    /// Already enrolled in the DCC.
    pub enrolled_share: Share,
    /// In an exclusion category.
    pub excluded_share: Share,
}

/// What is known of the device model combinations that the campaign would create.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSpec {
    /// On the EPCL already.
    pub epcl_share: Share,
    /// Migration testing and system integration testing complete.
    pub mt_sit_share: Share,
    /// A DMCT EPCL Report issued.
    pub dmct_report_share: Share,
    /// Substantive equivalence claimed, the report still a draft.
    pub equivalence_draft_share: Share,
    /// Nothing but confidence.
    pub none_share: Share,
}

impl EvidenceSpec {
    /// Returns the shares in the order of [`super::record::Evidence::ALL`].
    pub(super) fn weights(&self) -> [f64; 5] {
        [
            self.epcl_share,
            self.mt_sit_share,
            self.dmct_report_share,
            self.equivalence_draft_share,
            self.none_share,
        ]
        .map(Share::value)
    }
}

/// What is wrong in the homes; at most one of these in each, and by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TroubleSpec {
    /// A meter already runs the target version.
    pub already_current_share: Share,
    /// A meter's hardware is not what the inventory says, and it will reject the image.
    pub wrong_hardware_share: Share,
    /// The new firmware does not come up on a meter, which rolls back.
    pub does_not_come_up_share: Share,
    /// An operation of a meter's flash is torn, because the supply fails while it stores an image.
    pub flash_defect_share: Share,
    /// The hub has no WAN although nobody knows.
    pub unreachable_share: Share,
    /// The new firmware comes up on a meter, and falls silent some hours later: what a soak is there to find.
    #[serde(default)]
    pub fails_later_share: Share,
    /// The new firmware works on an electricity meter, and some hours later the other devices of its home are not heard any
    /// more until they are started again, as gas readings once stopped arriving after an update (domain.md 3).
    #[serde(default)]
    pub silences_others_share: Share,
    /// The gas meter's battery holds no more than its `battery_low_mah`; a home without gas is spared.
    #[serde(default)]
    pub low_battery_share: Share,
}

/// How the campaign is run on this world.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignSpec {
    /// Part of the installations that go first.
    pub pilot_share: Share,
    /// Parts of the installations in each wave after the pilot; with it they add up to 1.
    pub wave_shares: Vec<Share>,
    /// Part of a wave that must succeed before the next one starts.
    pub success_threshold: Share,
    /// Part of a wave whose failure pauses the campaign.
    pub failure_threshold: Share,
    /// Bytes per second for the whole campaign.
    pub global_rate_bytes_per_s: NonZeroU64,
    /// Bytes per second for one cell.
    pub cell_rate_bytes_per_s: NonZeroU64,
    /// Bytes per second that the head-end offers to one hub.
    pub link_rate_bytes_per_s: NonZeroU64,
    /// Whether that rate is agreed with the carrier, and lines are filled at exactly it; otherwise it is only the most,
    /// and the rate of each line is found out.
    #[serde(default)]
    pub link_rate_agreed: bool,
    /// Time of each rate that the head-end may make up for at once: blocks go out in trains of at most this long. Less
    /// paces more evenly, more costs less of the processor.
    #[serde(default = "burst")]
    pub burst_ms: NonZeroU32,
    /// Round trip that the head-end assumes of a hub's link.
    pub link_round_trip_ms: NonZeroU32,
    /// How often the head-end asks a hub how far its HAN is.
    pub poll_interval_s: NonZeroU32,
    /// How long the HAN leg of one device may take before it is given up.
    pub han_deadline_s: NonZeroU32,
    /// Times of day, by the clocks of Great Britain, at which blocks are sent; none is always.
    #[serde(default)]
    pub sending: Windows,
    /// Times of day at which activations are ordered; none is always.
    #[serde(default)]
    pub activating: Windows,
    /// How long a device that runs the target is watched before that counts.
    #[serde(default)]
    pub soak_s: u32,
    /// The terms of an order that is rehearsed on the world, in place of the world's own.
    #[serde(skip)]
    pub terms: Option<OrderTerms>,
}
