//! One hub: its association, the task at hand and those that wait, its link's pace.
//!
//! A session never sends by itself. It says *when* it wants to send and *how much*; the engine asks
//! the budgets and then has it emit. What it makes of answers is in `answers`, how blocks flow in `blocks`.

mod agenda;
mod answers;
mod blocks;
mod patience;
mod requests;
mod step;
mod survey;
mod transfer;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::budget::DATAGRAM_OVERHEAD;
use crate::engine::CellId;
use crate::line::{Line, LineRate};
use crate::release::Releases;
use crate::task::{Answer, Fault, LegReport, Priority, Task};
use crate::{BlockService, Moment};
pub(crate) use answers::Heard;
pub use patience::Patience;
pub(crate) use requests::CONTROL_ALLOWANCE;
use requests::{channel_of, emit_step, first_step};
use step::Step;
use survey::Survey;
use transfer::Transfer;

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

/// Tasks that may wait for one hub. A hub has a handful of HAN devices and one thing at a time happens
/// to each; more than this is a fault of the caller.
pub const TASKS_PER_HUB: usize = 32;

/// How often the hub may lose its association within one task.
const RESTARTS: u8 = 16;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: HubLink,
    pub(crate) line: Line,
    associated: bool,
    queue: VecDeque<(Priority, Task)>,
    active: Option<Active>,
    /// The link is occupied until then.
    next_send: Moment,
    invoke: u8,
}

/// The task at hand.
#[derive(Debug)]
struct Active {
    task: Task,
    priority: Priority,
    step: Step,
    started: Moment,
    /// How often the present request was sent.
    attempts: u8,
    /// When the present request was sent last, and how much the line had carried by then.
    asked: Moment,
    asked_sent: u32,
    /// When it was sent first.
    asked_first: Moment,
    /// When the answer is overdue; `None` while the request has not been sent.
    deadline: Option<Moment>,
    /// Not before this moment: a deliberate pause.
    not_before: Moment,
    restarts: u8,
    /// The slot that holds our image had failed to verify it when we came.
    refused_before: bool,
    /// What an association that was lost had done for this task.
    before: Option<LegReport>,
    survey: Survey,
    transfer: Option<Transfer>,
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
        blocks: bool,
        priority: Priority,
    },
}

/// What the session needs of the engine.
pub(crate) struct Surroundings<'a> {
    pub(crate) releases: &'a mut Releases,
    pub(crate) patience: &'a Patience,
    /// The longest train of blocks in one transmit.
    pub(crate) train: u32,
    /// How much lateness of a line is made up for at once.
    pub(crate) burst: std::time::Duration,
}

/// What a session hands over to be sent.
#[derive(Debug)]
pub(crate) struct Emission {
    pub(crate) contents: Bytes,
    pub(crate) segment: usize,
    /// With headers: what budgets and the line are charged.
    pub(crate) bytes: usize,
    pub(crate) blocks: u32,
}

/// The end of a task, before the engine adds which hub it was.
pub(crate) type Ending = (Task, Result<Answer, Fault>);

impl Session {
    pub(crate) fn new(link: HubLink, now: Moment) -> Session {
        let line = Line::new(link.rate);
        Session {
            link,
            line,
            associated: false,
            queue: VecDeque::new(),
            active: None,
            next_send: now,
            invoke: 0,
        }
    }

    /// Queues a task; `false` when the queue is full.
    pub(crate) fn assign(&mut self, now: Moment, task: Task, priority: Priority) -> bool {
        if self.queue.len() >= TASKS_PER_HUB {
            return false;
        }
        if self.active.is_none() && self.queue.is_empty() {
            self.start(now, task, priority);
        } else {
            self.queue.push_back((priority, task));
        }
        true
    }

    /// Drops what waits and what is under way; says nothing to the hub, whose slot keeps its blocks.
    pub(crate) fn abandon(&mut self) -> Vec<Task> {
        let active = self.active.take().map(|active| active.task);
        active.into_iter().chain(self.queue.drain(..).map(|(_, task)| task)).collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_none()
    }

    fn start(&mut self, now: Moment, task: Task, priority: Priority) {
        let step = if self.associated { first_step(&task) } else { Step::Associate };
        self.active = Some(Active {
            task,
            priority,
            step,
            started: now,
            attempts: 0,
            asked: now,
            asked_sent: 0,
            asked_first: now,
            deadline: None,
            not_before: now,
            restarts: 0,
            refused_before: false,
            before: None,
            survey: Survey::default(),
            transfer: None,
        });
    }

    /// Acts on time that has passed: repeats or gives up what was not answered.
    pub(crate) fn expire(&mut self, now: Moment, patience: &Patience) -> Option<Ending> {
        let active = self.active.as_mut()?;
        if active.deadline.is_none_or(|deadline| deadline > now) {
            return None;
        }
        active.deadline = None;
        if let Some(fault) = self.overdue(now, patience) {
            return self.finish(now, Err(fault));
        }
        let active = self.active.as_mut()?;
        if active.step == Step::SendBlocks {
            // Confirmed blocks that were never answered: the stream is dead, begin anew on another.
            return self.restart(now);
        }
        let silent = now.saturating_since(active.asked_first);
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

    /// Says what the session wants next.
    pub(crate) fn want(&self, now: Moment, train: u32) -> Want {
        let Some(active) = &self.active else { return Want::Nothing };
        if active.step == Step::SendBlocks {
            return self.want_blocks(now, active, train);
        }
        if let Some(deadline) = active.deadline {
            return Want::Wait(deadline);
        }
        let ready = active.not_before.max(self.next_send);
        if ready > now {
            return Want::Wait(ready);
        }
        Want::Send { bytes: CONTROL_ALLOWANCE, blocks: false, priority: active.priority }
    }

    /// Emits what [`Session::want`] announced.
    pub(crate) fn emit(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let step = self.active.as_ref().expect("an idle session wants nothing").step;
        // The pace of this emission, not the one that its being sent may bring about.
        let pace = self.line.pace();
        let emission = if step == Step::SendBlocks {
            self.emit_blocks(now, around)
        } else {
            self.emit_request(now, around)
        };
        self.line.sent(emission.bytes, emission.blocks > 0);
        // A little lateness is caught up; more would turn a stall into a burst.
        let burst = u64::try_from(around.burst.as_micros()).unwrap_or(u64::MAX);
        let earliest = Moment::from_micros(now.as_micros().saturating_sub(burst));
        self.next_send = self.next_send.max(earliest) + pace.time_for(emission.bytes);
        emission
    }

    fn emit_request(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let active = self.active.as_mut().expect("a request belongs to a task");
        let first_time = active.attempts == 0;
        let mut frame = Vec::with_capacity(CONTROL_ALLOWANCE);
        let mut frames = 1;
        if active.step == Step::Survey {
            self.invoke = active.survey.emit(first_time, self.invoke, channel_of(&active.task), &mut frame);
            frames = active.survey.open_questions();
        } else {
            self.invoke = (self.invoke + u8::from(first_time)) % 16;
            emit_step(&active.task, active.step, self.invoke, around.releases, &mut frame);
        }
        let wait = around.patience.wait_for(active.attempts, self.line.answer_due());
        active.attempts = active.attempts.saturating_add(1);
        if first_time {
            active.asked_first = now;
        }
        active.asked = now;
        active.asked_sent = self.line.sent_so_far();
        active.deadline = Some(now + wait);
        requests(frame, frames)
    }

    fn window(&self) -> Option<u8> {
        match self.link.transport {
            Transport::Datagram => None,
            Transport::Stream { window } => Some(window.clamp(1, 15)),
        }
    }

    fn service(&self) -> BlockService {
        match self.link.transport {
            Transport::Datagram => BlockService::Unconfirmed,
            Transport::Stream { .. } => BlockService::Confirmed,
        }
    }

    /// The hub listens elsewhere now. What was in the air is lost; the slot remembers its blocks, and a hub that
    /// still knows us goes on as if nothing had happened.
    pub(crate) fn readdress(
        &mut self,
        now: Moment,
        address: SocketAddr,
        patience: &Patience,
    ) -> Option<Ending> {
        self.link.address = address;
        match self.link.transport {
            Transport::Stream { .. } => self.disconnected(now, patience),
            Transport::Datagram => {
                if let Some(active) = self.active.as_mut() {
                    active.deadline = active.deadline.map(|_| now);
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
            active.not_before = now + patience.first_timeout;
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
        if let Some(transfer) = active.transfer.take() {
            active.before = Some(transfer.report);
        }
        self.go(now, Step::Associate);
        None
    }

    fn go(&mut self, now: Moment, step: Step) {
        let active = self.active.as_mut().expect("a step belongs to a task");
        debug_assert!(active.step.may_become(step), "{:?} must not become {step:?}", active.step);
        active.step = step;
        active.attempts = 0;
        active.deadline = None;
        active.not_before = now;
        if step == Step::SendBlocks {
            self.line.begin_stream(now);
        }
    }

    /// Says whether the leg has taken too long.
    fn overdue(&self, now: Moment, patience: &Patience) -> Option<Fault> {
        let active = self.active.as_ref()?;
        let staging = matches!(active.task, Task::Stage { .. });
        let late = now.saturating_since(active.started) > patience.leg_deadline;
        let missing = active.transfer.as_ref().map_or(0, Transfer::missing);
        (staging && late).then_some(Fault::Overdue { deadline: patience.leg_deadline, missing })
    }

    fn finish(&mut self, now: Moment, result: Result<Answer, Fault>) -> Option<Ending> {
        let active = self.active.take()?;
        if let Some((priority, task)) = self.queue.pop_front() {
            self.start(now, task, priority);
        }
        Some((active.task, result))
    }
}

/// Makes an emission of so many requests of equal length.
fn requests(frames: Vec<u8>, count: usize) -> Emission {
    let (segment, bytes) = (frames.len() / count, frames.len() + count * DATAGRAM_OVERHEAD);
    Emission { contents: Bytes::from(frames), segment, bytes, blocks: 0 }
}

/// Trains hold so many bytes of the line, at least one block.
fn train_limit(bytes: u64, stride: usize, train: u32) -> u32 {
    let blocks = bytes / (stride + DATAGRAM_OVERHEAD) as u64;
    u32::try_from(blocks).unwrap_or(u32::MAX).clamp(1, train)
}
