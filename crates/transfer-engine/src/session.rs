//! One hub: its association, the task at hand and those that wait, its link's pace.
//!
//! ```text
//!   session 248 B   address 8 · transport, model, protection, association, rest 11 · line 48 · waiting tasks 8 (boxed)
//!                   └ task at hand 168   task 16 · started, asked, asked first, turn 26 · survey 6 · counts 10
//!                      └ staging 104   blocks 8 (shared) · agenda 16 · probe 16 · next probe 6 · account 16
//!                                      floor 16 · missing 4 · verification 4 · flags 6 · unheard 8 (boxed)
//! ```
//!
//! Boxed are what some sessions have some of the time: tasks that wait (or an image, for a word that goes first), a bit per
//! block once holes are known, confirmed blocks that are in the air, a probe that is late. Moments take 6 B.
//!
//! A session never sends by itself. It says *when* it wants to send and *how much*; the engine asks
//! the budgets and then has it emit. What it makes of answers is in `answers`, how blocks flow in `blocks`,
//! who is next in `waiting`.

mod agenda;
mod answers;
mod blocks;
mod errand;
mod patience;
mod protection;
mod requests;
mod step;
mod survey;
mod transfer;
mod turn;
mod waiting;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::HubId;
use crate::armour::ModelId;
use crate::budget::{AirTime, ByteRate, CellId, Pacer};
use crate::engine::Address;
use crate::engine::SessionState;
use crate::line::{Line, LineRate};
use crate::moment::{Moment, Stamp};
use crate::queue::{Bucket, bucket};
use crate::release::Releases;
use crate::task::{Answer, Fault, Priority, Task};
pub(crate) use answers::Heard;
use errand::Errand;
pub use patience::Patience;
pub use protection::Protection;
pub(crate) use requests::CONTROL_ALLOWANCE;
use requests::{channel_of, emit_step, first_step, request_allowance};
use step::Step;
use survey::Survey;
use transfer::Transfer;
use turn::Turn;
use waiting::Others;
pub use waiting::TASKS_PER_HUB;

/// How frames reach a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP: unconfirmed blocks, repaired from the bitmap.
    Datagram,
    /// TCP: confirmed blocks, this many in flight (1 to 15).
    Stream {
        /// Confirmed ACTIONs in flight.
        window: u8,
    },
}

/// What the engine must know of a hub to talk to it.
#[derive(Clone, Copy, Debug)]
pub struct HubLink {
    /// Where it listens.
    pub address: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The radio cell whose budget it shares.
    pub cell: CellId,
    /// The rate at which its own line is filled, headers included.
    pub rate: LineRate,
}

/// How often the hub may lose its association within one task, or leave it unsaid what became of an activation.
const RESTARTS: u8 = 16;

/// How many answers that make no sense are put down to chance: an answer to a request from before a restart may
/// come late, under an invoke-id that has been given again.
const MISFITS: u8 = 3;

/// One hub.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) address: Address,
    pub(crate) transport: Transport,
    pub(crate) model: ModelId,
    pub(crate) protection: Protection,
    associated: bool,
    invoke: u8,
    /// How long all the rest takes once the hub has the image at hand, seconds.
    rest_s: u32,
    line: Line,
    active: Option<Active>,
    others: Option<Box<Others>>,
}

/// The task at hand.
#[derive(Debug)]
struct Active {
    task: Errand,
    priority: Priority,
    step: Step,
    started: Stamp,
    /// How often the present request was sent.
    attempts: u8,
    /// When the present request was sent last, and how much the line had carried by then.
    asked: Stamp,
    asked_sent: u32,
    /// When it was sent first.
    asked_first: Stamp,
    turn: Turn,
    restarts: u8,
    /// Answers that made no sense where they came.
    misfits: u8,
    /// The slot that holds our image had failed to verify it when we came.
    refused_before: bool,
    survey: Survey,
    transfer: Option<Transfer>,
}

/// How long trains of blocks may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trains {
    /// Blocks.
    pub(crate) blocks: u32,
    /// How far a line may run ahead.
    pub(crate) burst: AirTime,
    /// The same for a line whose rate is agreed.
    pub(crate) agreed: AirTime,
}

/// What a session wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Nothing,
    /// Look again at this moment.
    Wait(Moment),
    /// Send this many bytes, headers included.
    Send {
        bytes: usize,
        /// What they cost on the line.
        charge: AirTime,
        blocks: bool,
        bucket: Bucket,
    },
}

/// What the session needs of the engine.
pub(crate) struct Surroundings<'a> {
    pub(crate) releases: &'a mut Releases,
    pub(crate) patience: &'a Patience,
}

/// What a session hands over to be sent.
#[derive(Debug)]
pub(crate) struct Emission {
    pub(crate) contents: Bytes,
    pub(crate) segment: usize,
    /// With headers: what budgets and the line are charged.
    pub(crate) bytes: usize,
    pub(crate) blocks: u32,
    /// How many of the frames will be answered.
    pub(crate) answers: u32,
}

/// The end of a task, before the engine adds which hub it was.
pub(crate) type Ending = (Task, Result<Answer, Fault>);

impl Session {
    /// Makes a session; `first_invoke` differs from run to run, so that late answers to an earlier run rarely fit.
    pub(crate) fn new(link: HubLink, address: Address, first_invoke: u8) -> Session {
        Session {
            address,
            transport: link.transport,
            model: ModelId::default(),
            protection: Protection::Clear,
            associated: false,
            invoke: first_invoke % 16,
            rest_s: 0,
            line: Line::new(link.rate),
            active: None,
            others: None,
        }
    }

    /// Reads a little of everything that a look at a flowing session needs, so that it is at hand soon after.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        let staging = self.active.as_ref().and_then(|active| active.transfer.as_ref());
        let left = staging.map_or(0, |transfer| transfer.left().wrapping_add(transfer.missing()));
        self.line.sent_so_far().wrapping_add(left)
    }

    /// Returns the rate at which the line is filled now. A stream is not probed: its window bounds what is on the way, and
    /// TCP itself finds out what the line carries.
    pub(crate) fn pace(&self) -> ByteRate {
        if self.window().is_some() { self.line.ceiling() } else { self.line.pace() }
    }

    /// Says whether somebody has told us the line's rate.
    pub(crate) fn has_known_rate(&self) -> bool {
        !self.line.is_probed()
    }

    /// Returns how far the line may run ahead.
    fn burst(&self, trains: Trains) -> AirTime {
        if self.has_known_rate() { trains.agreed } else { trains.burst }
    }

    /// Says what the session is at.
    pub(crate) fn state(&self) -> SessionState {
        self.active.as_ref().map_or(SessionState::Idle, |active| active.step.state())
    }

    /// Says whether its hub has answered any request.
    pub(crate) fn was_heard(&self) -> bool {
        self.line.answer_due().is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_none()
    }

    /// Acts on time that has passed: repeats or gives up what was not answered.
    pub(crate) fn expire(&mut self, now: Moment, patience: &Patience) -> Option<Ending> {
        let active = self.active.as_mut()?;
        if active.turn.deadline(now).is_none_or(|deadline| deadline > now) {
            return None;
        }
        active.turn = Turn::ours(now);
        if let Some(fault) = self.overdue(now, patience) {
            return self.finish(now, Err(fault));
        }
        let active = self.active.as_mut()?;
        if active.step == Step::SendBlocks {
            // Confirmed blocks that were never answered: the stream is dead, begin anew on another.
            return self.restart(now);
        }
        let silent = now.saturating_since(active.asked_first.moment(now));
        if active.attempts >= patience.attempts && silent >= patience.silence() {
            self.associated = false;
            let attempts = active.attempts;
            return self.finish(now, Err(Fault::Unreachable { attempts }));
        }
        if active.step == Step::Activate {
            // The hub may have rebooted into the new image before it answered: ask, do not repeat.
            active.step = Step::ReconcileActivation;
        }
        None
    }

    /// Says what the session wants next. `most`: what the budgets above can ever grant at once.
    pub(crate) fn want(
        &self,
        now: Moment,
        hub: HubId,
        pacer: &Pacer<CellId>,
        trains: Trains,
        most: u64,
        patience: &Patience,
    ) -> Want {
        let Some(active) = &self.active else { return Want::Nothing };
        if active.step == Step::SendBlocks {
            let limit = (self.train_limit(active, trains, most), self.burst(trains));
            return self.want_blocks(now, hub, pacer, limit, patience);
        }
        if let Some(deadline) = active.turn.deadline(now) {
            return Want::Wait(deadline);
        }
        let bytes = request_allowance(&active.task, active.step);
        let charge = AirTime::of(bytes as u64, self.pace());
        let ready = active.turn.not_before(now).max(pacer.ready_at(hub.0, charge, self.burst(trains)));
        if ready > now {
            return Want::Wait(ready);
        }
        Want::Send { bytes, charge, blocks: false, bucket: 0 }
    }

    /// Emits what [`Session::want`] announced.
    pub(crate) fn emit(
        &mut self,
        now: Moment,
        trains: Trains,
        most: u64,
        around: &mut Surroundings<'_>,
    ) -> Emission {
        let active = self.active.as_ref().expect("an idle session wants nothing");
        let emission = if active.step == Step::SendBlocks {
            let limit = self.train_limit(active, trains, most);
            self.emit_blocks(now, limit, around)
        } else {
            self.emit_request(now, around)
        };
        self.line.sent(emission.bytes, emission.blocks > 0);
        emission
    }

    /// Trains hold what the line may burst and what the budgets can grant at once; at least one block.
    fn train_limit(&self, active: &Active, trains: Trains, most: u64) -> u32 {
        let stride = active.transfer.as_ref().map_or(1, |transfer| transfer.encoded.stride());
        let blocks =
            self.line.train_bytes(self.burst(trains)).min(most) / (stride + self.block_overhead()) as u64;
        u32::try_from(blocks).unwrap_or(u32::MAX).clamp(1, trains.blocks)
    }

    fn emit_request(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let active = self.active.as_mut().expect("a request belongs to a task");
        let first_time = active.attempts == 0;
        let mut frame = Vec::with_capacity(request_allowance(&active.task, active.step));
        let mut frames = 1;
        if active.step == Step::Survey {
            self.invoke = active.survey.emit(first_time, self.invoke, channel_of(&active.task), &mut frame);
            frames = active.survey.open_questions();
        } else {
            self.invoke = (self.invoke + u8::from(first_time)) % 16;
            emit_step(&active.task, active.step, self.invoke, around.releases, &mut frame);
        }
        let associates = active.step == Step::Associate;
        let round_trips = if associates { self.protection.association_round_trips() } else { 1 };
        let wait = around.patience.wait_for(active.attempts, self.line.answer_due()) * round_trips;
        active.attempts = active.attempts.saturating_add(1);
        if first_time {
            active.asked_first = Stamp::of(now);
        }
        active.asked = Stamp::of(now);
        active.asked_sent = self.line.sent_so_far();
        active.turn = Turn::theirs(now, wait);
        requests(frame, frames, self.protection.request_overhead(associates))
    }

    fn window(&self) -> Option<u8> {
        match self.transport {
            Transport::Datagram => None,
            Transport::Stream { window } => Some(window.clamp(1, 15)),
        }
    }

    /// The hub listens elsewhere now. What was in the air is lost; the slot remembers its blocks, and a hub that
    /// still knows us goes on as if nothing had happened.
    pub(crate) fn readdress(&mut self, now: Moment, address: Address, patience: &Patience) -> Option<Ending> {
        self.address = address;
        match self.transport {
            Transport::Stream { .. } => self.disconnected(now, patience),
            Transport::Datagram => {
                if let Some(active) = self.active.as_mut().filter(|active| active.turn.is_awaited()) {
                    active.turn = Turn::theirs(now, Duration::ZERO);
                }
                None
            }
        }
    }

    /// The transport below broke: what was in the air is lost, the association with it.
    pub(crate) fn disconnected(&mut self, now: Moment, patience: &Patience) -> Option<Ending> {
        self.associated = false;
        self.active.as_ref()?;
        let ending = self.restart(now);
        if let Some(active) = self.active.as_mut() {
            active.turn = Turn::ours_after(now, patience.first_timeout);
        }
        ending
    }

    /// Goes back to the association; the slot remembers its blocks, so nothing is sent twice.
    fn restart(&mut self, now: Moment) -> Option<Ending> {
        self.associated = false;
        let active = self.active.as_mut()?;
        active.restarts += 1;
        if active.restarts > RESTARTS {
            let restarts = active.restarts;
            return self.finish(now, Err(Fault::AssociationLost(restarts)));
        }
        active.begin_anew(now);
        None
    }

    fn go(&mut self, now: Moment, step: Step) {
        let active = self.active.as_mut().expect("a step belongs to a task");
        debug_assert!(active.step.may_become(step), "{:?} must not become {step:?}", active.step);
        active.step = step;
        active.attempts = 0;
        active.turn = Turn::ours(now);
        if step == Step::SendBlocks {
            self.line.begin_stream(now);
            self.let_words_in(now);
        }
    }

    /// Returns the HAN device that the task at hand asks about. What is asked while an image is staged, the hub answers
    /// for itself.
    pub(crate) fn asks_about(&self) -> Option<u8> {
        let task = &self.active.as_ref()?.task;
        let channel = channel_of(task);
        (channel != 0 && !matches!(task, Errand::Stage { .. })).then_some(channel)
    }

    /// Ends the task at hand.
    pub(crate) fn give_up(&mut self, now: Moment, fault: Fault) -> Option<Ending> {
        self.finish(now, Err(fault))
    }

    /// Says whether the leg has taken too long.
    fn overdue(&self, now: Moment, patience: &Patience) -> Option<Fault> {
        let active = self.active.as_ref()?;
        let staging = matches!(active.task, Errand::Stage { .. });
        let late = now.saturating_since(active.started.moment(now)) > patience.leg_deadline;
        let missing = active.transfer.as_ref().map_or(0, Transfer::missing);
        (staging && late).then_some(Fault::Overdue { deadline: patience.leg_deadline, missing })
    }

    /// Ends the task at hand; an answer that makes no sense ends it only when it comes again and again.
    fn finish(&mut self, now: Moment, result: Result<Answer, Fault>) -> Option<Ending> {
        if let (Err(Fault::Protocol { .. }), Some(active)) = (&result, self.active.as_mut())
            && active.misfits < MISFITS
        {
            active.misfits += 1;
            return None;
        }
        let active = self.active.take()?;
        self.go_on(now);
        Some((active.task.into(), result))
    }
}

/// Makes an emission of so many requests of equal length.
fn requests(frames: Vec<u8>, count: usize, overhead: usize) -> Emission {
    let (segment, bytes) = (frames.len() / count, frames.len() + count * overhead);
    Emission { contents: Bytes::from(frames), segment, bytes, blocks: 0, answers: count as u32 }
}

/// What a million sessions cost is decided here: whoever adds a field sees it at once. See the sketch above.
const _: () = assert!(size_of::<Session>() <= 248);
const _: () = assert!(size_of::<Active>() <= 168 && size_of::<Transfer>() <= 104 && size_of::<Line>() <= 48);
