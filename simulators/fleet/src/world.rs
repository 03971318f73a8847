//! Worlds: what a fleet is made of (`spec`), how a file that says it wrongly is answered (`error`), who lives in
//! which home (`draw`, `record`), and the paperwork that the homes would have on an SMSO's desk (`paperwork`).

mod draw;
mod error;
mod paperwork;
mod record;
mod spec;

pub(crate) use draw::HomePlan;
pub use draw::hub_ids;
pub use error::WorldError;
pub use paperwork::{Paperwork, paperwork};
pub use record::{
    Cell, DeviceKind, DeviceRecord, DeviceTrouble, Evidence, HomeRecord, Standing, hub_address, hub_at,
};
pub use spec::{
    CampaignSpec, DeviceSpec, Devices, ElectricitySpec, EvidenceSpec, GasSpec, HanSpec, HubSpec, LinkSpec,
    StandingSpec, TroubleSpec, WorldSpec,
};

pub(crate) use draw::draw_homes;

#[cfg(test)]
mod tests;
