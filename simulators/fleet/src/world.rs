//! Worlds: what a fleet is made of (`spec`, `checks`, `rules`) and what goes wrong in it (`faults`), how a file that says
//! it wrongly is answered (`error`, `places`, `words`), what only an order says (`terms`), who lives in which home (`draw`,
//! `record`), and the paperwork that the homes would have on an SMSO's desk (`paperwork`).

mod battery;
mod checks;
mod draw;
mod error;
mod faults;
mod paperwork;
mod places;
mod record;
mod rules;
mod spec;
mod terms;
mod words;

pub use battery::BatterySpec;
pub(crate) use draw::HomePlan;
pub use draw::hub_ids;
pub use error::WorldError;
pub use faults::{FaultSpec, NotARate, PerDay};
pub use paperwork::{Paperwork, paperwork};
pub use record::{
    Cell, DeviceKind, DeviceRecord, DeviceTrouble, Evidence, HomeRecord, Standing, hub_address, hub_at,
};
pub use spec::{
    CampaignSpec, DeviceSpec, Devices, ElectricitySpec, EvidenceSpec, GasSpec, HanSpec, HubSpec, LinkSpec,
    StandingSpec, TroubleSpec, WorldSpec,
};
pub use terms::OrderTerms;

pub(crate) use draw::draw_homes;
pub(crate) use paperwork::device_type;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod mark_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;
