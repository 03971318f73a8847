//! What an order is to bring to whom, as far as lists say: bytes for each home, and the rates of what they pass.
//!
//! Nothing is known of what happens behind a hub, so that tails are nothing but the hours of activation and the soak, and of losses, so
//! that every block is sent once: the bound that follows holds all the more in any real home. Budgets of carriers and shares
//! by the hour are not in it either. A device that goes over several images is one delivery of all their bytes, so that it
//! counts as one device of its wave; that each image has to be in force before the next is sent is not in the bound.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{Activation, BudgetBook, CampaignState, CellDemand, Conductor, Delivery, HomeDemand, Network};
use eligibility::DeviceType;
use firmware_image::FileDigest;
use fleet::wire_len;

use super::super::super::serve::Terms;
use super::hops::LaterHops;

/// The block that hubs are taken to choose, bytes: it fits a datagram of 1,500 bytes with all headers. Hubs with smaller
/// ones take more bytes.
pub(super) const BLOCK: u32 = 1_024;

/// A cell is one carrier's: its name and the communication services provider.
type CellName<'a> = (&'a str, &'a str);

/// Lays out what the gate allows by cells and homes.
pub(super) fn of_lists(
    state: &CampaignState,
    conductor: &Conductor,
    terms: &Terms,
    book: &BudgetBook,
    later: &LaterHops,
) -> Network {
    let lengths: BTreeMap<FileDigest, u32> =
        conductor.images().map(|image| (image.file_digest(), image.bytes().len() as u32)).collect();
    let mut cells: BTreeMap<CellName<'_>, BTreeMap<&str, Vec<Delivery>>> = BTreeMap::new();
    for row in state.rows() {
        let (Some(wave), Some(image)) = (row.wave, row.image) else { continue };
        let Some(device) = conductor.desk().inventory.device(row.device) else { continue };
        let images = std::iter::once(&image).chain(later.get(&row.device).into_iter().flatten());
        let soak = Duration::from_secs(state.order.policy.soak_s.into()) * images.clone().count() as u32;
        let lengths = images.filter_map(|image| lengths.get(image));
        let delivery = Delivery {
            bytes: lengths.map(|len| wire_len(*len, BLOCK)).sum(),
            tail: Duration::ZERO,
            soak,
            activation: Some(Activation::default()),
            air_time: Duration::ZERO,
            sleeps: device.device_type == DeviceType::Gsme,
            wave,
        };
        let cell = (device.cell.as_str(), device.comms_provider.as_str());
        let homes = cells.entry(cell).or_default();
        homes.entry(device.installation.as_str()).or_default().push(delivery);
    }
    let cells = cells.into_iter().map(|((name, _), homes)| {
        let rate = book.cells.get(name).map_or(terms.cell_rate(), |plan| terms.for_blocks(plan.rate.0));
        let home = |(name, deliveries): (&str, Vec<Delivery>)| HomeDemand {
            name: name.to_owned(),
            rate: terms.link_rate().ceiling(),
            deliveries,
        };
        CellDemand { name: name.to_owned(), rate, homes: homes.into_iter().map(home).collect() }
    });
    let policy = &state.order.policy;
    Network {
        head_end: terms.head_end_rate(),
        cells: cells.collect(),
        sending: policy.sending.clone(),
        activating: policy.activating.clone(),
        activate_not_before: policy.activate_not_before,
        ordered_at: state.ordered_at,
    }
}
