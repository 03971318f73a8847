//! A device on the bench: one step is one thing said to it or one timer that fires, so that a step can be cut.

use std::collections::VecDeque;
use std::time::Duration;

use fleet::{ActivationOutcome, CutMode, FlashFault, SectorPool, SecurityEntry, SecurityEvent};
use transfer_engine::Moment;

use crate::device::Device;
use crate::hub_talk::HubTalk;
use crate::images::{FACTORY, Image, OrderDesk, counter_of};
use crate::meter_talk;
use crate::scenes::Scene;

/// A device that has so many steps behind it and is not done never will be.
const MOST_STEPS: u32 = 20_000;

/// A timer that is further away than this is not waited for: something is said instead.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A device, and what is under way to it.
pub struct Bench<'a> {
    pub scene: &'a Scene,
    /// The image that it is to be updated to; `comes_up` of the scene says whether it will run.
    pub target: &'a Image,
    pub device: Device,
    pub now: Moment,
    /// Frames that the meter has not heard yet.
    pub frames: VecDeque<Vec<u8>>,
    pub hub_talk: HubTalk,
}

/// What has been seen of a device, against which the next look is held.
#[derive(Clone, Debug)]
pub struct Seen {
    pub counter: u64,
    pub log: Vec<SecurityEntry>,
}

impl<'a> Bench<'a> {
    pub fn new(scene: &'a Scene, device: Device, now: Moment) -> Bench<'a> {
        let (frames, hub_talk) = (VecDeque::new(), HubTalk::default());
        Bench { scene, target: &scene.new, device, now, frames, hub_talk }
    }

    /// Returns another bench in the same state.
    pub fn fork(&self) -> Bench<'a> {
        Bench {
            scene: self.scene,
            target: self.target,
            device: self.device.fork(),
            now: self.now,
            frames: self.frames.clone(),
            hub_talk: self.hub_talk.clone(),
        }
    }

    /// Says the next thing, or lets the next timer fire. Returns false when there is nothing left to do.
    pub fn step(&mut self, pool: &mut SectorPool, desk: &mut OrderDesk) -> bool {
        if !self.device.is_up(self.now) {
            self.frames.clear();
            self.hub_talk = HubTalk::default();
            let Some(due) = self.device.poll_timeout() else { return false };
            self.now = self.now.max(due);
            self.device.advance(self.now, pool);
            if let Some(tried) = self.device.image_on_trial(pool) {
                assert_eq!(tried, self.target.bytes, "only an image that was verified is tried");
            }
            return true;
        }
        match self.device {
            Device::Meter(_) => meter_talk::step(self, pool, desk),
            Device::Hub(_) => self.step_hub(pool, desk),
        }
    }

    /// Lets the next timer fire if it is near; returns whether it was.
    pub fn wait(&mut self, pool: &mut SectorPool) -> bool {
        let due = self.device.poll_timeout().filter(|due| *due <= self.now + PATIENCE);
        if let Some(due) = due {
            self.now = self.now.max(due);
            self.device.advance(self.now, pool);
        }
        due.is_some()
    }

    /// Returns whether the update is over as it should be.
    pub fn is_done(&self) -> bool {
        if !self.device.is_up(self.now) {
            return false;
        }
        if self.scene.comes_up {
            return self.device.running_version() == self.target.version;
        }
        self.device.last_outcome() == Some(ActivationOutcome::ActivationFailure)
    }

    /// Runs until nothing is left to do, and checks that the job got done.
    pub fn finish(&mut self, pool: &mut SectorPool, desk: &mut OrderDesk) {
        for _ in 0..MOST_STEPS {
            if !self.step(pool, desk) {
                assert!(self.is_done(), "the update never got done: {:?}", self.device.security_log());
                let log = self.device.security_log();
                let ended = log.iter().rev().find_map(|entry| match entry.event {
                    SecurityEvent::ActivationEnded(outcome) => Some(outcome),
                    _ => None,
                });
                assert_eq!(ended, self.device.last_outcome(), "the log says how it ended: {log:?}");
                self.check(None, pool);
                return;
            }
        }
        panic!("the device never comes to rest: {:?}", self.device.security_log());
    }

    /// Updates the device to an image, without a cut, and makes the scene's new one the next target.
    pub fn update_to(&mut self, image: &'a Image, pool: &mut SectorPool, desk: &mut OrderDesk) {
        self.target = image;
        self.finish(pool, desk);
        self.target = &self.scene.new;
    }

    /// Takes a step in which the power fails at this operation; returns whether it did.
    pub fn step_into_cut(
        &mut self,
        at_operation: u64,
        mode: CutMode,
        pool: &mut SectorPool,
        desk: &mut OrderDesk,
    ) -> bool {
        self.device.plan_cut(FlashFault { at_operation, mode });
        self.step(pool, desk);
        !self.device.is_up(self.now) && self.device.operations() == at_operation + 1
    }

    /// Looks at the device as it is.
    pub fn look(&self) -> Seen {
        Seen { counter: self.device.security_counter(), log: self.device.security_log() }
    }

    /// Checks what must hold at every moment at which a device is up, against what was seen before a cut.
    pub fn check(&self, before: Option<&Seen>, pool: &mut SectorPool) {
        assert!(!self.device.is_dead(), "a brick");
        if !self.device.is_up(self.now) {
            return;
        }
        let version = self.device.running_version();
        let running = self.device.running_image(pool);
        let known = [self.scene.old.as_ref(), Some(self.target)].into_iter().flatten();
        match known.into_iter().find(|image| image.version == version) {
            Some(image) => assert_eq!(running.as_ref(), Some(&image.bytes), "a mixture runs"),
            None => assert_eq!((version, running), (FACTORY, None), "neither the old nor the new version"),
        }
        assert_eq!(
            self.device.security_counter(),
            counter_of(version),
            "the counter goes with what is confirmed"
        );
        if let Some(before) = before {
            self.check_log(before);
            assert!(self.device.security_counter() >= before.counter, "the security counter fell");
        }
    }

    /// Checks that nothing that was acknowledged has gone from the log.
    pub fn check_log(&self, before: &Seen) {
        let log = self.device.security_log();
        assert!(log.starts_with(&before.log), "lost from the log: {:?} of {log:?}", before.log);
    }
}
