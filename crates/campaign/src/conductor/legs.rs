//! The WAN leg: staging, its faults and its retries; and the dispatch of the engine's events.

use std::time::Duration;

use eligibility::DeviceType;
use firmware_image::{Eui64, FileDigest};
use transfer_engine::{Answer, Event, Fault, HubId, LegReport, Moment, Task};

use super::shares::{Landing, Load};
use super::{Act, Conductor, Due, LinkDoubt};
use crate::record::{DeliveredRecord, Record, StagedRecord, StagingFailedRecord};
use crate::stage::{Outcome, Stage};

/// Bytes of an image that one HAN frame carries (wire page, section 6.2).
const HAN_BLOCK_LEN: usize = 40;

/// How often a gas meter, which mostly sleeps, asks for a block; and how often one on the mains does (assumptions
/// of the wire page, section 6.2).
const GAS_BLOCK: Duration = Duration::from_millis(7_500);
const MAINS_BLOCK: Duration = Duration::from_millis(100);

impl Conductor {
    pub(super) fn on_event(&mut self, now: Moment, event: Event) {
        let hub = event.hub;
        let name = self.hub_names.get(hub.0 as usize).map(tracing::field::display);
        let _span = tracing::info_span!("hub", eui = name).entered();
        self.note_heard(hub, &event.result);
        match (event.task, event.result) {
            (Task::Stage { channel, .. }, result) => {
                let Some(device) = self.device_on(hub, channel) else { return };
                self.land(device, Landing::of(&result));
                match result {
                    Ok(Answer::Staged(report)) => self.on_staged(now, hub, device, &report),
                    Ok(_) => {}
                    Err(fault) => self.on_staging_fault(now, device, &fault),
                }
            }
            (Task::Activate { channel, .. }, result) => {
                let Some(device) = self.device_on(hub, channel) else { return };
                match result {
                    Ok(_) => self.on_activation_accepted(now, hub, device),
                    Err(fault) => self.on_activation_fault(now, hub, device, &fault),
                }
            }
            (Task::ReadHanStatus, Ok(Answer::HanStatus(devices))) => self.on_han_status(now, hub, &devices),
            (Task::ReadHanStatus, Ok(_)) => self.watch(now, hub),
            (Task::ReadHanStatus, Err(fault)) => self.on_look_failed(now, hub, &fault),
            (Task::WritePapers { channel, .. }, result) => {
                self.on_papers(now, hub, channel, result.as_ref().map(|_| ()));
            }
            (Task::ReadVersion { channel }, result) => {
                let version = match result {
                    Ok(Answer::Version(version)) => Some(version),
                    _ => None,
                };
                self.on_version(now, hub, channel, version);
            }
        }
    }

    /// Has the engine bring the image to the device's hub, at once or when its campaign has its share. The instruction is
    /// durable.
    pub(super) fn stage(&mut self, now: Moment, device: Eui64) {
        self.stage_in_turn(now, device, false);
    }

    /// See [`Conductor::stage`]; `has_turn`: its campaign has its share now.
    pub(super) fn stage_in_turn(&mut self, now: Moment, device: Eui64, has_turn: bool) {
        let Some((campaign, Stage::Instructed)) = self.under_way(device) else { return };
        if self.awaits_record(device) || !self.may_send(now, &campaign) || self.is_in_flight(device) {
            return;
        }
        let Some((hub, channel)) = self.hub_of(now, device) else { return self.end_unlisted(now, device) };
        if !self.holds_papers(now, hub, device) {
            return;
        }
        // Between the instruction and this moment may lie tries, pauses, closed hours and other campaigns' turns.
        let verdict = self.judge_again(now, &campaign, device);
        if !verdict.allowed {
            return match self.given_up_for_want_of_wan(&campaign, device).filter(|_| !verdict.waits) {
                // It would have been tried as often, and in vain.
                Some(companion) => {
                    let reason = format!("nor was its hub reached for {companion}: {}", verdict.detail);
                    self.end(now, &campaign, device, Outcome::NoWan, reason, None);
                }
                None => self.turn_away(now, &campaign, device, verdict),
            };
        }
        let image = self.image_for(&campaign, device);
        let Some(release) = image.and_then(|image| self.images.get(&image)).map(|(_, release)| *release)
        else {
            return;
        };
        let priority =
            self.campaigns.get(&campaign).and_then(|state| state.row(device)).map_or(1, |row| row.priority);
        let tail = self.tail_behind(device, image);
        let bytes =
            image.and_then(|image| self.images.get(&image)).map_or(0, |(image, _)| image.bytes().len());
        let load = Load { priority, bytes: bytes as u64, tail };
        if !self.take_off(now, &campaign, device, hub, load, has_turn) {
            return;
        }
        let tail_s = u32::try_from(tail.as_secs()).unwrap_or(u32::MAX);
        if !self.assign(now, hub, Task::Stage { release, channel, tail_s }, priority) {
            self.land(device, Landing::Unused);
            // The hub's queue is full, which a hub with a handful of devices never brings about.
            self.after(now, Duration::from_secs(60), Due::Stage(device));
        }
    }

    /// Estimates how long the HAN leg takes once the hub has the image. It only orders: hubs with sleepy devices
    /// behind them are served first.
    pub(super) fn tail_behind(&self, device: Eui64, image: Option<FileDigest>) -> Duration {
        let kind = self.desk.inventory.device(device).map(|found| found.device_type);
        let per_block = match kind {
            Some(DeviceType::Gsme) => GAS_BLOCK,
            Some(DeviceType::Chf) | None => return Duration::ZERO,
            Some(_) => MAINS_BLOCK,
        };
        let len = image.and_then(|image| self.images.get(&image)).map_or(0, |(image, _)| image.bytes().len());
        per_block * u32::try_from(len / HAN_BLOCK_LEN).unwrap_or(u32::MAX)
    }

    fn on_staged(&mut self, now: Moment, hub: HubId, device: Eui64, report: &LegReport) {
        let Some((campaign, Stage::Instructed)) = self.under_way(device) else { return };
        tracing::debug!(%campaign, %device, hub = hub.0, blocks = report.blocks_sent, "staged");
        self.record(now, &campaign, &Record::Staged(StagedRecord::new(device, report)), None);
        if self.is_hub(device) {
            // The hub itself verified the image: there is no HAN leg. Verifying, it drew what its order must carry, and its
            // row says so, and that it is the one we mean.
            self.note_challenge(device, None);
            if !self.assign(now, hub, Task::ReadHanStatus, 0) {
                self.watch(now, hub);
            }
        } else {
            self.watch(now, hub);
        }
    }

    /// The device holds and has verified the image: order its activation, if the gate still allows and the device has
    /// said what the order must carry.
    pub(super) fn on_delivered(&mut self, now: Moment, device: Eui64) {
        let Some((campaign, Stage::Staged)) = self.under_way(device) else { return };
        self.record(now, &campaign, &Record::Delivered(DeliveredRecord { device }), None);
        self.order_activation(now, device);
    }

    pub(super) fn on_staging_fault(&mut self, now: Moment, device: Eui64, fault: &Fault) {
        let Some((campaign, Stage::Instructed)) = self.under_way(device) else { return };
        let Some(state) = self.campaigns.get(&campaign) else { return };
        let policy = state.order.policy.clone();
        let attempt = state.row(device).map_or(0, |row| row.failed_attempts).saturating_add(1);
        if let (Fault::Refused { .. }, Some((hub, _))) = (fault, self.hub_of(now, device)) {
            // Its papers may have expired since they were written.
            self.restart_papers(hub);
        }
        let doubt = self.doubt_of(now, device, fault);
        // An image that the hub found wrong is wrong the next time, too: one try, then a person.
        let hopeless = matches!(fault, Fault::VerificationFailed | Fault::ForeignImage);
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.lacks_keys = doubt == Some(LinkDoubt::NoKeys);
        }
        let is_tried_again = !hopeless && attempt < policy.attempts && self.may_retry(&campaign);
        let wait = is_tried_again
            .then(|| policy.retry_after(attempt) + spread(device, attempt, policy.retry_after_s));
        let reason = doubt.map_or_else(|| fault.to_string(), |doubt| format!("{fault}: {doubt}"));
        let retry_after_ms = wait.map(|wait| wait.as_millis() as u64);
        let record = StagingFailedRecord { device, attempt, fault: reason.clone(), retry_after_ms };
        // A try that the ledger does not know of would be forgotten if we died, so the next one waits for it.
        let retry = wait.map(|wait| Act::Retry(device, now + wait));
        self.record(now, &campaign, &Record::StagingFailed(record), retry);
        if let Some(wait) = wait {
            tracing::debug!(%campaign, %device, attempt, %fault, wait_s = wait.as_secs(), "staging will be retried");
            return;
        }
        let outcome = match fault {
            Fault::VerificationFailed | Fault::ForeignImage => Outcome::HubRejectedImage,
            Fault::Unreachable { .. } if doubt.is_none() => Outcome::NoWan,
            _ => Outcome::TransferFailed,
        };
        self.end(now, &campaign, device, outcome, reason, None);
    }
}

/// Spreads retries of many devices over one retry wait, so that a cell that comes back is not met by all of
/// them at once. The spread is a hash of the device and the attempt: the same in every run.
fn spread(device: Eui64, attempt: u8, over_s: u32) -> Duration {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in device.to_bytes().into_iter().chain([attempt]) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    Duration::from_millis((hash >> 16) % (u64::from(over_s.max(1)) * 1_000))
}
