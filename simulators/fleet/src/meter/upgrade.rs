//! What follows a download: verifying, reporting, waiting, activating.

use std::time::Duration;

use firmware_image::FileVersion;
use transfer_engine::Moment;
use wire::{ImageKey, UPGRADE_WHEN_TOLD, UpgradeEndResponse, ZclFrame, ZclStatus};

use super::Meter;
use super::outgoing::Message;
use super::spare::SpareImage;
use super::stage::Stage;
use crate::board::ArmError;
use crate::boot::ActivationOutcome;
use crate::device_trust::{AcceptedImage, Permit, RefusedImage};
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;
use crate::security_log::SecurityEvent;
use crate::utc::zcl_delay;

/// How often a waiting meter asks again (ZCL OTA: at most every 60 minutes). A sleeping meter asks at each wake,
/// because that is the only time at which an order can reach it (ours).
const ASK_AGAIN: Duration = Duration::from_secs(3600);

/// From the decision to activate to the restart: the answer must leave the radio first (ours).
const FAREWELL: Duration = Duration::from_millis(200);

const UPGRADE_END_RESPONSE: u8 = 0x07;

impl Meter {
    /// Reads the image back from flash and decides whether it is one for this meter.
    pub(super) fn finish_verifying(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.download = None;
        let Some(spare) = self.spare else {
            self.stage = Stage::Normal;
            return Ok(());
        };
        let bank = self.board.bank(spare.bank);
        bank.seal(&mut self.board.flash, pool, spare.size);
        let examined = self.board.examine(pool, spare.bank, spare.size);
        let judged = examined.and_then(|image| {
            self.board.admit(&image)?;
            names_the_offer(&image, &spare.key)?;
            Ok(image)
        });
        let (version, place) = (FileVersion(spare.key.file_version), (spare.bank, spare.size));
        self.board.note_verdict(now, pool, version, place, judged.as_ref())?;
        match judged {
            Ok(_) => {
                self.counters.images_verified += 1;
                if !self.board.trust().accepts_unsigned() {
                    self.board.draw_nonce(pool)?;
                }
                self.store_spare(pool, Some(SpareImage { verified: true, ..spare }))?;
                self.report_end(now, ZclStatus::Success, spare.key);
            }
            Err(error) => {
                let attack = error.attack();
                tracing::debug!(meter = %self.config.eui, %error, %attack, "image discarded");
                self.counters.attacks.count(attack);
                self.counters.rejections += 1;
                self.store_spare(pool, None)?;
                self.report_end(now, ZclStatus::InvalidImage, spare.key);
            }
        }
        Ok(())
    }

    pub(super) fn report_end(&mut self, now: Moment, status: ZclStatus, key: ImageKey) {
        self.become_stage(Stage::Reporting);
        self.report = Some((status, key));
        self.ask_end(now);
    }

    /// Sends the Upgrade End Request; while waiting it is also the question whether it is time.
    pub(super) fn ask_end(&mut self, now: Moment) {
        let waiting = self.spare.map(|spare| (ZclStatus::Success, spare.key));
        let report = if self.stage == Stage::Reporting { self.report } else { waiting };
        match report {
            Some((status, key)) => {
                if status == ZclStatus::Success {
                    // Before the report, so that whoever hears that the image is here knows how to order it.
                    self.tell_challenge();
                }
                self.ask(now, Message::End { status, key });
            }
            None => self.rest(),
        }
    }

    /// Returns whether the Upgrade End Request that is out says that all is well.
    pub(super) fn reports_success(&self) -> bool {
        self.report.is_some_and(|(status, _)| status == ZclStatus::Success)
    }

    pub(super) fn wait_before_asking(&mut self, now: Moment) {
        if self.stage == Stage::Waiting {
            self.timer = Some(now + ASK_AGAIN);
        }
    }

    pub(super) fn take_end_response(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        frame: &ZclFrame<'_>,
        response: &UpgradeEndResponse,
    ) -> Result<(), FlashError> {
        let waits = match self.stage {
            Stage::Reporting => self.reports_success(),
            Stage::Querying | Stage::Waiting | Stage::CountDown => true,
            Stage::Normal | Stage::Downloading | Stage::Verifying => false,
        };
        let spare = self.spare.filter(|spare| spare.verified && names(&response.key, &spare.key));
        let (Some(spare), true) = (spare, waits) else {
            self.counters.stale_answers += 1;
            if !self.spare.is_some_and(|spare| spare.verified) {
                self.obey_without_image(now, pool)?;
            }
            let status = ZclStatus::InvalidImage;
            self.send_as(frame.transaction, Message::Default { command: UPGRADE_END_RESPONSE, status });
            return Ok(());
        };
        if response.upgrade_time == UPGRADE_WHEN_TOLD {
            self.permit = None;
            self.become_stage(Stage::Waiting);
            self.wait_before_asking(now);
            return Ok(());
        }
        if self.is_low() && self.stage != Stage::CountDown {
            // A boot that fails for want of charge would leave a home without a meter.
            self.counters.orders_refused += 1;
            self.answer(frame.transaction, ZclStatus::NotAuthorized);
            self.become_stage(Stage::Waiting);
            self.wait_before_asking(now);
            return self.note_low_battery(now, pool, spare.key.file_version);
        }
        let Some(digest) = self.board.image_digest(pool, spare.bank, spare.size) else {
            return self.refuse_altered(now, pool, ArmError::HashMismatch, Some(frame.transaction));
        };
        match self.board.permit(pool, self.order.complete(), digest) {
            Ok(permit) => {
                let delay = zcl_delay(response.current_time, response.upgrade_time);
                self.become_stage(Stage::CountDown);
                self.timer = Some(now + delay);
                self.permit = Some(permit);
                if delay.is_zero() {
                    return self.activate(now, pool, Some(frame.transaction));
                }
                self.answer(frame.transaction, ZclStatus::Success);
            }
            Err(error) => {
                let attack = error.attack();
                tracing::debug!(meter = %self.config.eui, %error, ?attack, "order refused");
                self.counters.orders_refused += 1;
                if let Some(attack) = attack {
                    self.counters.attacks.count(attack);
                }
                // Missing pieces are not a refusal: the hub sends the order again.
                let partial = self.order.is_partial();
                self.answer(
                    frame.transaction,
                    if partial { ZclStatus::Timeout } else { ZclStatus::NotAuthorized },
                );
                if self.stage != Stage::CountDown {
                    self.become_stage(Stage::Waiting);
                    self.wait_before_asking(now);
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, transaction: u8, status: ZclStatus) {
        self.send_as(transaction, Message::Default { command: UPGRADE_END_RESPONSE, status });
    }

    /// Hears an order for which there is no image. Only one that is believed leaves a trace.
    fn obey_without_image(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        if let Ok(permit) = self.board.permit_absent(self.order.complete()) {
            self.order.clear();
            self.board.end_unarmed(now, pool, ActivationOutcome::NoImageHeld, Some(&permit))?;
        }
        Ok(())
    }

    /// Arms the image and restarts. The image is hashed again from flash, for flash may have changed since.
    pub(super) fn activate(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        transaction: Option<u8>,
    ) -> Result<(), FlashError> {
        let (Some(spare), Some(permit)) = (self.spare, self.permit.take()) else {
            self.rest();
            return self.board.end_unarmed(now, pool, ActivationOutcome::NoImageHeld, None);
        };
        let armed = self.arm(pool, &spare, &permit);
        if transaction.is_none() && !matches!(armed, Err(ArmError::Flash(_))) {
            let event = match armed {
                Ok(()) => SecurityEvent::DatedOrderObeyed,
                Err(_) => SecurityEvent::DatedOrderNotObeyed,
            };
            self.board.note(now, pool, event, FileVersion(spare.key.file_version), 0)?;
        }
        match armed {
            Ok(()) => {
                if let Some(transaction) = transaction {
                    self.answer(transaction, ZclStatus::Success);
                }
                self.board.restart(now + FAREWELL);
                Ok(())
            }
            Err(ArmError::Flash(error)) => Err(error),
            Err(error) => self.refuse_altered(now, pool, error, transaction),
        }
    }

    fn arm(&mut self, pool: &mut SectorPool, spare: &SpareImage, permit: &Permit) -> Result<(), ArmError> {
        self.board.arm(pool, spare.bank, spare.size, permit)
    }

    /// Discards an image that is no longer what was verified.
    fn refuse_altered(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        error: ArmError,
        transaction: Option<u8>,
    ) -> Result<(), FlashError> {
        if let Some(outcome) = error.outcome() {
            self.board.end_unarmed(now, pool, outcome, None)?;
        }
        self.counters.rejections += 1;
        if let Some(transaction) = transaction {
            self.answer(transaction, ZclStatus::InvalidImage);
        }
        self.discard_spare(pool)
    }
}

/// Checks that the file is the one that was offered; a raw file names nothing and cannot differ.
fn names_the_offer(image: &AcceptedImage, key: &ImageKey) -> Result<(), RefusedImage> {
    let Some(identity) = image.identity() else {
        return Ok(());
    };
    let own = ImageKey {
        manufacturer: identity.manufacturer.0,
        image_type: identity.image_type.0,
        file_version: identity.file_version.0,
    };
    if own == *key { Ok(()) } else { Err(RefusedImage::NotOffered) }
}

/// Returns whether a key, which may hold wildcards, names an image (ZCL OTA, Upgrade End Response).
fn names(pattern: &ImageKey, key: &ImageKey) -> bool {
    (pattern.manufacturer == 0xFFFF || pattern.manufacturer == key.manufacturer)
        && (pattern.image_type == 0xFFFF || pattern.image_type == key.image_type)
        && (pattern.file_version == 0xFFFF_FFFF || pattern.file_version == key.file_version)
}
