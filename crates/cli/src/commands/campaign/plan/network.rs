//! What an order is to bring to whom, as far as lists say: bytes for each home, and the rates of what they pass.
//!
//! Nothing is known of what happens behind a hub, so that tails are nothing but the hours of activation and the soak, and of losses, so
//! that every block is sent once: the bound that follows holds all the more in any real home. Budgets of carriers and shares
//! by the hour are not in it either. A device that goes over several images is one delivery of all their bytes, so that it
//! counts as one device of its wave; that each image has to be in force before the next is sent is not in the bound.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{Activation, CampaignState, Conductor, Delivery, DeviceRow, Network};
use eligibility::{DeviceType, DeviceView};
use firmware_image::FileDigest;
use fleet::wire_len;

use super::hops::LaterHops;

/// The block that hubs are taken to choose, bytes: it fits a datagram of 1,500 bytes with all headers. Hubs with smaller
/// ones take more bytes.
pub(super) const BLOCK: u32 = 1_024;

/// Lays out what the gate allows by cells and homes.
pub(super) fn of_lists(state: &CampaignState, conductor: &Conductor, later: &LaterHops) -> Network {
    let lengths: BTreeMap<FileDigest, u32> =
        conductor.images().map(|image| (image.file_digest(), image.bytes().len() as u32)).collect();
    let soak = Duration::from_secs(state.order.policy.soak_s.into());
    conductor.network(state, |row: &DeviceRow, device: &DeviceView<'_>| {
        let image = row.image?;
        let images = std::iter::once(&image).chain(later.get(&row.device).into_iter().flatten());
        Some(Delivery {
            bytes: images
                .clone()
                .filter_map(|image| lengths.get(image))
                .map(|len| wire_len(*len, BLOCK))
                .sum(),
            tail: Duration::ZERO,
            soak: soak * images.count() as u32,
            activation: Some(Activation::default()),
            air_time: Duration::ZERO,
            sleeps: device.device_type == DeviceType::Gsme,
            wave: row.wave?,
        })
    })
}
