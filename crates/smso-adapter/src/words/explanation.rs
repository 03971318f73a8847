//! One device as the engine sees it: its home, its campaigns, and what the gate says of it now.

use campaign::{CampaignId, Conductor, Ruling};
use eligibility::{Date, DeviceView as Listed, Exclusion, Inventory};
use firmware_image::Eui64;
use serde::{Deserialize, Serialize};

use super::device::{DeviceView, VerdictView};

/// All that the engine has on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplanationView {
    /// The device.
    pub device: Eui64,
    /// The day by which it was judged, as YYYY-MM-DD: the legal day of Great Britain.
    pub on: String,
    /// Its home, when the inventory has it.
    pub home: Option<HomeView>,
    /// The campaigns that name it, by name.
    pub campaigns: Vec<ErrandView>,
    /// What the gate says now: by the order of the campaign that has the device under way; if none has, for each image at
    /// the desk that is registered for its model.
    pub rulings: Vec<RulingView>,
}

/// What the inventory says of a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeView {
    /// The installation.
    pub installation: String,
    /// Who operates it.
    pub smso: String,
    /// Its postcode district, where it is known.
    pub postcode_district: Option<String>,
    /// Its devices, the hub first.
    pub devices: Vec<MemberView>,
}

/// What the inventory says of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The device.
    pub device: Eui64,
    /// What kind of device.
    pub kind: String,
    /// `Dormant` or `Active` for a meter, else `NotApplicable`.
    pub status: String,
    /// The product list entry of what it runs.
    pub runs: String,
    /// Whether it is enrolled in the DCC.
    pub enrolled: bool,
    /// Why it is excluded on the day that is asked about.
    pub exclusion: Option<String>,
    /// The exclusion that begins after that day.
    pub later_exclusion: Option<LaterExclusion>,
}

/// An exclusion that is not in force yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterExclusion {
    /// Why.
    pub reason: String,
    /// Its first day, as YYYY-MM-DD.
    pub from: String,
}

/// How far a campaign has come with the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandView {
    /// The campaign.
    pub campaign: CampaignId,
    /// `running`, `paused`, `halted`, `aborted` or `finished`.
    pub phase: String,
    /// The device in it, as its page shows it: the verdict is that of the order.
    pub row: DeviceView,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulingView {
    /// The campaign by whose order it was asked.
    pub campaign: Option<CampaignId>,
    /// The product list entry that the device would be brought to.
    pub target: Option<String>,
    /// The verdict.
    pub verdict: VerdictView,
    /// The verdict as a whole sentence.
    pub sentence: String,
}

impl ExplanationView {
    /// Explains a device; none when neither the inventory nor a campaign names it.
    pub(crate) fn of(conductor: &Conductor, device: Eui64) -> Option<ExplanationView> {
        let today = conductor.today();
        let home = HomeView::of(&conductor.desk().inventory, device, today);
        let errand = |state: &campaign::CampaignState| {
            let row = DeviceView::from(state.row(device)?);
            Some(ErrandView { campaign: state.id.clone(), phase: state.phase.as_str().to_owned(), row })
        };
        let campaigns: Vec<ErrandView> = conductor.campaigns().filter_map(errand).collect();
        if home.is_none() && campaigns.is_empty() {
            return None;
        }
        let rulings = conductor.explain(device).into_iter().map(RulingView::from).collect();
        Some(ExplanationView { device, on: today.to_string(), home, campaigns, rulings })
    }
}

impl HomeView {
    /// Describes the home of a device as it is on a day; none when the inventory does not have the device.
    pub fn of(inventory: &Inventory, device: Eui64, on: Date) -> Option<HomeView> {
        let found = inventory.device(device)?;
        Some(HomeView {
            installation: found.installation.to_string(),
            smso: found.smso.to_string(),
            postcode_district: found.postcode_district.map(ToString::to_string),
            devices: inventory
                .members(found.installation)
                .map(|member| MemberView::of(&member, on))
                .collect(),
        })
    }
}

impl MemberView {
    fn of(listed: &Listed<'_>, on: Date) -> MemberView {
        let later = |(reason, from): (&Exclusion, Date)| LaterExclusion {
            reason: reason.as_str().to_owned(),
            from: from.to_string(),
        };
        MemberView {
            device: listed.id,
            kind: listed.device_type.to_string(),
            status: listed.status.to_string(),
            runs: listed.entry.to_string(),
            enrolled: listed.enrolled,
            exclusion: listed.exclusion_on(on).map(|reason| reason.as_str().to_owned()),
            later_exclusion: listed.exclusion_after(on).map(later),
        }
    }
}

impl From<Ruling> for RulingView {
    fn from(ruling: Ruling) -> RulingView {
        RulingView {
            campaign: ruling.campaign,
            target: ruling.target.map(|entry| entry.to_string()),
            verdict: VerdictView::from(&ruling.judgement),
            sentence: ruling.sentence,
        }
    }
}
