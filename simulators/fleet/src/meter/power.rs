//! The meter's supply, its boots and its sleep.

use std::sync::Arc;
use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::Moment;

use super::spare::SpareImage;
use super::stage::Stage;
use super::{Meter, MeterConfig, MeterKind};
use crate::board::BootFault;
use crate::boot::ActivationOutcome;
use crate::flash::{FlashError, FlashFaults};
use crate::sector_pool::SectorPool;

/// How long a gas meter listens at each wake, for frames its hub holds (assumption).
pub(super) const LISTEN: Duration = Duration::from_millis(250);

/// The longest pause for which a gas meter with a download stays awake (ours).
const LONGEST_NAP: Duration = Duration::from_secs(5);

impl Meter {
    /// Starts the meter again, as a short interruption of its supply would.
    pub fn reboot(&mut self, now: Moment) {
        self.board.restart(now);
        self.forget();
    }

    /// Returns whether the meter lives on the mains of its home.
    pub fn is_on_mains(&self) -> bool {
        !matches!(self.config.kind, MeterKind::Gas { .. })
    }

    /// Takes the supply away for so long.
    pub fn cut_power(&mut self, now: Moment, lasts: Duration) {
        self.board.cut_power(now, lasts);
        self.counters.power_cuts = self.board.power_cuts();
        self.outbox.clear();
        self.forget();
    }

    /// Sets the clock by which the meter wakes and asks; what it waits for now does not hang on it. Whoever sets a clock
    /// sets its alarms anew (ours): what it has passed is due at once, and nothing lies further ahead than its own
    /// interval, however far the clock went back.
    pub fn jump_clock(&mut self, now: Moment, by: Duration, ahead: bool) {
        let moved = |alarm: Moment, interval: Duration| {
            let left = alarm.saturating_since(now);
            now + if ahead { left.saturating_sub(by) } else { left.saturating_add(by).min(interval) }
        };
        self.next_query = moved(self.next_query, self.config.query_interval);
        if let MeterKind::Gas { wake_interval, .. } = self.config.kind {
            self.next_wake = moved(self.next_wake, wake_interval);
        }
    }

    /// Flips one bit of the image in the spare bank, as an ageing cell would; `drawn` says which. Returns whether there is
    /// one that is not being tried.
    pub(crate) fn rot(&mut self, drawn: u64) -> bool {
        let Some(spare) = self.spare.filter(|_| self.board.is_up()) else { return false };
        let Some(offset) = (drawn >> 3).checked_rem(spare.size.into()) else { return false };
        self.decay_spare(offset as u32, drawn as u8 & 7);
        true
    }

    /// Makes a meter fresh from the factory that takes this one's place.
    pub(crate) fn successor(&self, eui: Eui64, now: Moment) -> Meter {
        let config = MeterConfig {
            eui,
            boot_fault: BootFault::None,
            falls_silent_after: None,
            silences_others_after: None,
            flash_faults: FlashFaults::NONE,
            ..self.config.clone()
        };
        Meter::new(config, Arc::clone(self.board.factory()), now)
    }

    /// Deals with what flash said: a power cut ends everything, anything else ends the download.
    pub(super) fn settle(&mut self, now: Moment, pool: &mut SectorPool, result: Result<(), FlashError>) {
        match result {
            Ok(()) => {}
            Err(FlashError::PowerLost) => self.lose_power(now),
            Err(FlashError::Worn { region, sector }) => {
                if self.bear_wear(now, pool, region, sector) == Err(FlashError::PowerLost) {
                    self.lose_power(now);
                }
            }
            Err(FlashError::NotErased | FlashError::OutOfRange) => {
                self.counters.downloads_abandoned += 1;
                if self.discard_spare(pool) == Err(FlashError::PowerLost) {
                    self.lose_power(now);
                }
            }
        }
    }

    /// Names a worn sector and gives the image up. It is fetched again where another bank can hold it; otherwise the
    /// hub is told that there is no room.
    fn bear_wear(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        region: u8,
        sector: u32,
    ) -> Result<(), FlashError> {
        let key = self.spare.map(|spare| spare.key);
        let retired = self.board.note_worn(now, pool, region, sector)?;
        let discarded = self.discard_spare(pool);
        if retired.is_some() && self.board.spare_bank(|_| false).is_some() {
            self.counters.downloads_abandoned += 1;
            self.start_query(now);
        } else if let Some(key) = key {
            self.refuse_for_want_of_room(key);
        }
        discarded
    }

    fn lose_power(&mut self, now: Moment) {
        self.board.lose_power(now);
        self.counters.power_cuts = self.board.power_cuts();
        self.outbox.clear();
        self.forget();
    }

    /// Forgets everything that is not in flash.
    fn forget(&mut self) {
        self.stage = Stage::Normal;
        self.download = None;
        self.order.clear();
        self.root.clear();
        self.permit = None;
        self.timer = None;
        self.awaiting = false;
        self.repeats = 0;
        self.minimum_block_period = Duration::ZERO;
        self.silent_from = Moment::MAX;
        self.is_silent = false;
    }

    /// Returns from when on the others of its home are silent because of it, once after each start.
    pub(crate) fn take_silencing(&mut self) -> Option<Moment> {
        self.silences_from.take()
    }

    /// Has it fall silent then, if it has not before.
    pub(crate) fn be_silent_from(&mut self, moment: Moment) {
        self.silent_from = self.silent_from.min(moment);
    }

    /// Stops hearing and saying anything, as firmware does whose radio stack has died.
    pub(super) fn fall_silent(&mut self) {
        self.forget();
        self.outbox.clear();
        self.is_silent = true;
    }

    /// Reads the record after a boot and asks the hub, which learns the running version from the question.
    pub(super) fn come_up(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.forget();
        self.counters.power_cuts = self.board.power_cuts();
        let (record, bytes) = self.board.open_record(0);
        self.record = record;
        self.spare = bytes.as_deref().and_then(SpareImage::from_bytes);
        let concluded = self.board.take_concluded();
        match self.board.take_counted() {
            Some(ActivationOutcome::Success) => self.counters.activations += 1,
            Some(_) => self.counters.rollbacks += 1,
            None => {}
        }
        if self.running_version() != self.config.running_version {
            self.silent_from = self.config.falls_silent_after.map_or(Moment::MAX, |after| now + after);
            self.silences_from = self.config.silences_others_after.map(|after| now + after);
        }
        let runs = self.spare.is_some_and(|spare| spare.bank == self.board.boot().running().bank);
        if runs || (concluded.is_some() && self.spare.is_some()) {
            self.discard_spare(pool)?;
        }
        if let MeterKind::Gas { wake_interval, .. } = self.config.kind {
            self.next_wake = now + wake_interval;
        }
        self.wake(now);
        self.stage =
            if self.spare.is_some_and(|spare| spare.verified) { Stage::Waiting } else { Stage::Normal };
        self.start_query(now);
        Ok(())
    }

    pub(super) fn wake_if_due(&mut self, now: Moment, pool: &mut SectorPool) {
        let MeterKind::Gas { wake_interval, .. } = self.config.kind else {
            return;
        };
        if self.next_wake > now {
            return;
        }
        while self.next_wake <= now {
            self.next_wake = self.next_wake + wake_interval.max(LISTEN);
        }
        self.wake(now);
        let spared = self.spare_battery(now, pool);
        self.settle(now, pool, spared);
        self.tell_root_on_waking();
        // A reply that did not come while it was awake does not come now; ask anew.
        if matches!(self.stage, Stage::Downloading | Stage::Waiting) {
            self.awaiting = false;
            self.timer = Some(now);
        }
    }

    fn wake(&mut self, now: Moment) {
        if let MeterKind::Gas { blocks_per_wake, .. } = self.config.kind {
            self.listen_until = now + LISTEN;
            self.counters.wakes += 1;
            let most = u64::from(blocks_per_wake.max(1)).min(self.blocks_affordable());
            self.requests_left = u32::try_from(most).expect("at most a number of 32 bits");
        }
    }

    /// Returns whether a gas meter stays awake for what it is doing.
    pub(super) fn is_busy(&self) -> bool {
        let nap_ends = |timer: Moment| timer <= self.listen_until + LONGEST_NAP;
        match self.stage {
            Stage::Downloading => {
                self.awaiting || (self.requests_left > 0 && self.timer.is_some_and(nap_ends))
            }
            Stage::Normal | Stage::Querying | Stage::Reporting | Stage::Waiting => self.awaiting,
            Stage::Verifying | Stage::CountDown => false,
        }
    }
}
