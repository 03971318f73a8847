//! What the faults of a home's devices do to them. When they strike is drawn in [`crate::faults`].

use super::{Commons, Home, due};
use crate::faults::{DeviceFault, DeviceFaults};
use crate::hub::Hub;
use crate::meter::Meter;
use firmware_image::Eui64;
use transfer_engine::Moment;

/// How often devices of a home are replaced at most; more is no world that we know, and what is kept has a bound.
const MOST_SWAPS: usize = 64;

/// A device that was taken out of the home, and how it was then.
pub(crate) enum Retired {
    Hub(Box<Hub>),
    Meter(Box<Meter>),
}

/// What goes wrong in a home and what came of it, kept apart so that a home in which nothing does pays a pointer.
pub(super) struct Troubles {
    schedule: DeviceFaults,
    /// When the mains are back.
    dark_until: Moment,
    retired: Vec<Retired>,
}

impl Troubles {
    pub(super) fn next_at(&self) -> Moment {
        self.schedule.next_at()
    }
}

impl Home {
    /// Gives the home faults of its own.
    pub(crate) fn set_faults(&mut self, schedule: Option<DeviceFaults>) {
        let (dark_until, retired) = (Moment::default(), Vec::new());
        self.troubles = schedule.map(|schedule| Box::new(Troubles { schedule, dark_until, retired }));
    }

    /// Returns the faults of the home, if the world has any.
    pub(crate) fn faults(&self) -> Option<&DeviceFaults> {
        self.troubles.as_ref().map(|troubles| &troubles.schedule)
    }

    /// Returns the devices that were taken out.
    pub(crate) fn retired(&self) -> &[Retired] {
        self.troubles.as_ref().map_or(&[], |troubles| &troubles.retired)
    }

    /// Ends losses on the radio and all faults.
    pub(crate) fn calm(&mut self) {
        self.han.calm();
        if let Some(troubles) = &mut self.troubles {
            troubles.schedule.calm();
        }
    }

    /// Lets the fault happen that is due.
    pub(super) fn strike(&mut self, now: Moment, commons: &mut Commons) {
        // Taken out meanwhile, so that what is struck can be changed.
        let Some(mut troubles) = self.troubles.take() else { return };
        if let Some(fault) = troubles.schedule.take(now)
            && self.suffer(now, fault, &mut troubles, commons)
        {
            troubles.schedule.count(fault);
        }
        self.troubles = Some(troubles);
        self.collect_from_hub(now, commons);
        for index in 0..self.meters.len() {
            self.collect_from_meter(index, now, commons);
        }
    }

    /// Does what a fault does; returns whether it happened at all.
    fn suffer(
        &mut self,
        now: Moment,
        fault: DeviceFault,
        troubles: &mut Troubles,
        commons: &mut Commons,
    ) -> bool {
        let place = troubles.retired.len();
        match fault {
            // What has no power does not start.
            DeviceFault::Reboot { channel } if now < troubles.dark_until && self.is_on_mains(channel) => {
                return false;
            }
            DeviceFault::Reboot { channel: 0 } => self.hub.reboot(now),
            DeviceFault::Reboot { channel } => self.each_meter(channel, |meter| meter.reboot(now)),
            DeviceFault::PowerCut { lasts } => {
                troubles.dark_until = troubles.dark_until.max(now + lasts);
                let lasts = troubles.dark_until.saturating_since(now);
                self.hub.cut_power(now, lasts);
                for member in self.meters.iter_mut().filter(|member| member.meter.is_on_mains()) {
                    member.meter.cut_power(now, lasts);
                }
            }
            DeviceFault::ClockJump { channel: 0, by, ahead } => self.hub.jump_clock(by, ahead),
            DeviceFault::ClockJump { channel, by, ahead } => {
                self.each_meter(channel, |meter| meter.jump_clock(now, by, ahead));
            }
            DeviceFault::BitRot { channel: 0, drawn } => return self.hub.rot(drawn),
            DeviceFault::BitRot { channel, drawn } => {
                let mut rotted = false;
                self.each_meter(channel, |meter| rotted = meter.rot(drawn));
                return rotted;
            }
            // Nobody replaces devices in the dark.
            DeviceFault::Swap { .. } if place >= MOST_SWAPS || now < troubles.dark_until => return false,
            DeviceFault::Swap { channel: 0 } => troubles.retired.push(self.swap_hub(now, place)),
            DeviceFault::Swap { channel } => {
                let retired = self.swap_meter(now, channel, place, commons);
                troubles.retired.extend(retired);
                return troubles.retired.len() > place;
            }
        }
        true
    }

    /// Has the other devices fall silent because of what the firmware of one does.
    pub(super) fn silence_others(&mut self, cause: usize, from: Moment, now: Moment) {
        let others = self.meters.iter_mut().enumerate().filter(|(index, _)| *index != cause);
        for (_, member) in others {
            member.meter.be_silent_from(from);
            member.due = due(member.meter.poll_timeout()).max(now);
        }
    }

    fn is_on_mains(&self, channel: u8) -> bool {
        let mut others = self.meters.iter().filter(|member| member.address == u16::from(channel));
        others.all(|member| member.meter.is_on_mains())
    }

    fn each_meter(&mut self, channel: u8, mut act: impl FnMut(&mut Meter)) {
        for member in self.meters.iter_mut().filter(|member| member.address == u16::from(channel)) {
            act(&mut member.meter);
        }
    }

    /// Puts another hub of the same model in the place of the one that is there, with the same devices joined to it.
    fn swap_hub(&mut self, now: Moment, place: usize) -> Retired {
        let successor = self.hub.successor(stranger(self.hub.eui(), place), now);
        self.in_flight.clear();
        Retired::Hub(Box::new(std::mem::replace(&mut self.hub, successor)))
    }

    /// Puts another meter of the same model in the place of one, and joins it to the hub. Nobody joins a meter to a hub
    /// that is off: then it stays.
    fn swap_meter(
        &mut self,
        now: Moment,
        channel: u8,
        place: usize,
        commons: &mut Commons,
    ) -> Option<Retired> {
        let member = self.meters.iter_mut().find(|member| member.address == u16::from(channel))?;
        let eui = stranger(member.meter.eui(), place);
        let joined = self.hub.is_up(now) && self.hub.recommission(now, &mut commons.pool, channel, eui);
        if !joined {
            return None;
        }
        let successor = member.meter.successor(eui, now);
        let meter = std::mem::replace(&mut member.meter, successor);
        member.due = due(member.meter.poll_timeout());
        Some(Retired::Meter(Box::new(meter)))
    }
}

/// Makes an identifier that no device of the world has: that of the device before, with a locally administered prefix that
/// counts the replacements of its home.
fn stranger(before: Eui64, place: usize) -> Eui64 {
    let mut bytes = before.to_bytes();
    bytes[1] = 0x53;
    bytes[2] = (place + 1) as u8;
    Eui64::from_bytes(bytes)
}
