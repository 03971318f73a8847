//! The chain of trust on its way: papers for hubs before the first image, roots for devices that lag, and what each
//! device wants to see in its next order.
//!
//! ```text
//! device to stage ──► which root does its hub hold? ──► next roots ──► … ──► status, releases ──► stage
//! row of a device that lags ──► next roots on its channel ──► … ──► its activation may be ordered
//! ```

use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::{Fault, HubId, Moment, Task};
use wire::{AccessResult, HanDeviceStatus, OrderChallenge};

use super::{Conductor, Due};
use crate::papers::ChainPapers;
use crate::stage::Stage;

/// How far a hub is with its papers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HubPapers {
    /// Nobody has asked what it holds.
    #[default]
    Unknown,
    /// It is being asked.
    Asked,
    /// Papers are being written; more follow if these are not all.
    Writing { all: bool },
    /// It holds them, or needs none.
    Held,
}

/// How far a device has been led.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    /// The root it held when it was last looked at.
    from: u32,
    /// The root that it was last written.
    to: u64,
    looks: u8,
}

/// Looks that find no progress before roots are written again: hubs forget them when they reboot, and gas meters
/// sleep for half an hour.
const LEAD_LOOKS: u8 = 12;

/// What a device that knows only the standard answers: it takes any order, or none.
const ANYTHING: OrderChallenge = OrderChallenge { nonce: [0; 8], last_counter: 0 };

impl Conductor {
    /// Replaces the papers, as every day brings a new status. Hubs get them before their next image.
    pub fn set_papers(&mut self, papers: ChainPapers) {
        self.settings.papers = papers;
        for hub in self.hubs.values_mut().filter(|hub| hub.papers == HubPapers::Held) {
            hub.papers = HubPapers::Unknown;
        }
    }

    /// Returns whether an image may be staged on a device's hub now; if not, the device waits for its papers.
    pub(super) fn holds_papers(&mut self, now: Moment, hub: HubId, device: Eui64) -> bool {
        if self.settings.papers.is_empty() {
            return true;
        }
        let Some(entry) = self.hub_entry(hub) else { return true };
        if entry.papers == HubPapers::Held {
            return true;
        }
        entry.waiting.insert(device);
        if entry.papers == HubPapers::Unknown {
            entry.papers = HubPapers::Asked;
            if !self.assign(now, hub, Task::ReadHanStatus, 0) {
                self.forget_papers(hub);
                self.after(now, Duration::from_secs(60), Due::Stage(device));
            }
        }
        false
    }

    /// Looks at the root that a hub holds, and has the papers written that it lacks.
    pub(super) fn on_hub_row(&mut self, now: Moment, hub: HubId, row: Option<&HanDeviceStatus>) {
        let held = row.map_or(0, |row| row.root_version);
        let lags = self.settings.papers.lags(held);
        let Some(papers) = self.hub_entry(hub).map(|entry| entry.papers) else { return };
        match papers {
            HubPapers::Asked => {}
            HubPapers::Held if lags => {}
            _ => return,
        }
        if held == 0 {
            return self.papers_are_held(now, hub);
        }
        let (documents, all) = self.settings.papers.for_hub(held);
        if documents.is_empty() {
            return self.papers_are_held(now, hub);
        }
        if let Some(entry) = self.hub_entry(hub) {
            entry.papers = HubPapers::Writing { all };
        }
        if !self.assign(now, hub, Task::WritePapers { channel: 0, documents }, 0) {
            self.papers_failed(now, hub, None);
        }
    }

    fn papers_are_held(&mut self, now: Moment, hub: HubId) {
        let Some(entry) = self.hub_entry(hub) else { return };
        entry.papers = HubPapers::Held;
        for device in std::mem::take(&mut entry.waiting) {
            self.stage(now, device);
        }
    }

    /// The devices that waited try again later, as after any fault of the line.
    pub(super) fn papers_failed(&mut self, now: Moment, hub: HubId, fault: Option<&Fault>) {
        for device in self.forget_papers(hub) {
            match fault {
                Some(fault) => self.on_staging_fault(now, device, fault),
                None => self.after(now, Duration::from_secs(60), Due::Stage(device)),
            }
        }
    }

    /// Forgets what is known of a hub's papers; returns which devices waited for them.
    pub(super) fn forget_papers(&mut self, hub: HubId) -> Vec<Eui64> {
        let Some(entry) = self.hub_entry(hub) else { return Vec::new() };
        entry.papers = HubPapers::Unknown;
        entry.leading.clear();
        std::mem::take(&mut entry.waiting).into_iter().collect()
    }

    /// Has a hub's papers written again before its next image.
    pub(super) fn restart_papers(&mut self, hub: HubId) {
        if let Some(entry) = self.hub_entry(hub).filter(|entry| entry.papers == HubPapers::Held) {
            entry.papers = HubPapers::Unknown;
        }
    }

    pub(super) fn on_papers(&mut self, now: Moment, hub: HubId, channel: u8, result: Result<(), &Fault>) {
        if channel != 0 {
            if let Some(entry) = self.hub_entry(hub) {
                entry.leading.remove(&channel);
            }
            if let Err(fault) = result {
                tracing::debug!(hub = hub.0, channel, %fault, "trust roots were not taken");
            }
            return;
        }
        let papers = self.hub_entry(hub).map(|entry| entry.papers);
        match (result, papers) {
            (Ok(()), Some(HubPapers::Writing { all: true })) => self.papers_are_held(now, hub),
            (Ok(()), Some(HubPapers::Writing { all: false })) => {
                if let Some(entry) = self.hub_entry(hub) {
                    entry.papers = HubPapers::Asked;
                }
                if !self.assign(now, hub, Task::ReadHanStatus, 0) {
                    self.papers_failed(now, hub, None);
                }
            }
            (Err(fault), Some(HubPapers::Writing { .. })) => self.papers_failed(now, hub, Some(fault)),
            _ => {}
        }
    }

    /// Deals with a hub that does not say how its devices are: it failed, or it knows only the standard.
    pub(super) fn on_look_failed(&mut self, now: Moment, hub: HubId, fault: &Fault) {
        let unknown = matches!(
            fault,
            Fault::Refused { result: AccessResult::ObjectUndefined | AccessResult::ObjectUnavailable, .. }
        );
        if unknown {
            self.on_hub_row(now, hub, None);
            self.hear_of(now, hub, &[]);
            for (channel, device) in self.devices_of(hub) {
                self.note_challenge(device, Some(ANYTHING));
                if channel == 0 {
                    self.on_delivered(now, device);
                }
                self.order_activation(now, device);
                // It cannot say how the device is, but what it runs.
                self.on_soaking_row(now, hub, device, channel, Some(true));
            }
        } else if self.hub_entry(hub).is_some_and(|entry| entry.papers == HubPapers::Asked) {
            self.papers_failed(now, hub, Some(fault));
        }
        self.watch(now, hub);
    }

    /// Notes what a device's next order must carry.
    pub(super) fn note_challenge(&mut self, device: Eui64, challenge: Option<OrderChallenge>) {
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.challenge = challenge;
        }
    }

    /// Leads a device forward that holds an older root than the newest; returns whether it still lags.
    pub(super) fn lead_forward(
        &mut self,
        now: Moment,
        hub: HubId,
        device: Eui64,
        row: &HanDeviceStatus,
    ) -> bool {
        let held = row.root_version;
        if row.channel == 0 || !self.settings.papers.lags(held) {
            return false;
        }
        let under_way = !matches!(self.under_way(device), Some((_, Stage::Instructed)) | None);
        let served = self.under_way(device).is_some_and(|(campaign, _)| self.goes_on(&campaign));
        let Some(errand) = self.errands.get_mut(&device).filter(|_| under_way && served) else { return true };
        let lead = &mut errand.lead;
        if lead.from != held {
            lead.looks = 0;
        }
        let expected = u64::from(held) < lead.to && lead.looks < LEAD_LOOKS;
        *lead = Lead { from: held, looks: lead.looks.saturating_add(1), ..*lead };
        let is_led = self.hub_entry(hub).is_none_or(|entry| entry.leading.contains(&row.channel));
        if expected || is_led {
            return true;
        }
        let (roots, to) = self.settings.papers.after(held);
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.lead = Lead { from: held, to, looks: 0 };
        }
        let task = Task::WritePapers { channel: row.channel, documents: roots.into() };
        if self.assign(now, hub, task, 0)
            && let Some(entry) = self.hub_entry(hub)
        {
            entry.leading.insert(row.channel);
        }
        true
    }
}
