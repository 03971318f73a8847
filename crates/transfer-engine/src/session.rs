//! One hub: its association, the task at hand and those that wait, its link's pace.
//!
//! A session never sends by itself. It says *when* it wants to send and *how much*; the engine asks
//! the budgets and then has it emit. Sketch at the largest fleet: a session at rest is about 200 B, a
//! transfer adds about 250 B and its missing runs; a million hubs at rest take 200 MB.

mod answers;
mod step;
mod transfer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use wire::{
    ActionRequest, Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId, Conformance, Data,
    GetRequest, ImageInitiate, InvokeId, MethodRef, Obis, SetRequest, WPort, emit_wan,
};

use crate::budget::ByteRate;
use crate::engine::CellId;
use crate::release::Releases;
use crate::task::{Answer, Fault, Priority, Task};
use crate::{BlockService, Moment};
pub(crate) use answers::Heard;
use step::Step;
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
    pub rate: ByteRate,
}

/// Waiting times of requests.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a request is repeated; doubles with each repetition. 2G answers in 0.5 to 1.5 s when idle
    /// (assumption, domain.md 2.3), and behind a queue of blocks later.
    pub first_timeout: Duration,
    /// The longest wait for one answer.
    pub longest_timeout: Duration,
    /// How often a request is sent before the hub counts as unreachable.
    pub attempts: u8,
    /// Between two looks at a verification in progress.
    pub verify_poll: Duration,
    /// How many looks at a verification in progress.
    pub verify_polls: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first_timeout: Duration::from_secs(5),
            longest_timeout: Duration::from_secs(60),
            attempts: 5,
            verify_poll: Duration::from_secs(2),
            verify_polls: 60,
        }
    }
}

/// IP and UDP headers, bytes: what a datagram costs on the line beside its content.
pub(crate) const DATAGRAM_OVERHEAD: usize = 28;

/// Tasks that may wait for one hub. A hub has a handful of HAN devices and one thing at a time happens
/// to each; more than this is a fault of the caller.
pub const TASKS_PER_HUB: usize = 32;

/// How often the hub may lose its association within one task.
const RESTARTS: u8 = 16;

/// The largest APDU we are ready to receive: the bitmap of a 10 MB image in 64 B blocks is 20 kB.
const MAX_PDU: u16 = 0xFFFF;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: HubLink,
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
    attempts: u8,
    /// When the answer is overdue; `None` while the request has not been sent.
    deadline: Option<Moment>,
    /// Not before this moment: a deliberate pause.
    not_before: Moment,
    restarts: u8,
    /// How many papers of a [`Task::WritePapers`] were answered.
    papers_written: usize,
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
    pub(crate) burst: Duration,
}

/// The end of a task, before the engine adds which hub it was.
pub(crate) type Ending = (Task, Result<Answer, Fault>);

impl Session {
    pub(crate) fn new(link: HubLink, now: Moment) -> Session {
        Session { link, associated: false, queue: VecDeque::new(), active: None, next_send: now, invoke: 0 }
    }

    /// Queues a task; `false` when the queue is full.
    pub(crate) fn assign(&mut self, now: Moment, task: Task, priority: Priority) -> bool {
        if self.queue.len() >= TASKS_PER_HUB {
            return false;
        }
        self.queue.push_back((priority, task));
        self.start_next(now);
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

    fn start_next(&mut self, now: Moment) {
        if self.active.is_some() {
            return;
        }
        let Some((priority, task)) = self.queue.pop_front() else { return };
        let step = if self.associated { first_step(&task) } else { Step::Associate };
        self.active = Some(Active {
            task,
            priority,
            step,
            started: now,
            attempts: 0,
            deadline: None,
            not_before: now,
            restarts: 0,
            papers_written: 0,
            transfer: None,
        });
    }

    /// Acts on time that has passed: repeats or gives up what was not answered.
    pub(crate) fn expire(&mut self, now: Moment, patience: &Patience) -> Option<Ending> {
        let active = self.active.as_mut()?;
        let overdue = active.deadline.is_some_and(|deadline| deadline <= now);
        if !overdue {
            return None;
        }
        active.deadline = None;
        if active.attempts >= patience.attempts {
            self.associated = false;
            let attempts = patience.attempts;
            return self.finish(now, Err(Fault::Unreachable { attempts }));
        }
        if active.step == Step::Activate {
            // The hub may have rebooted into the new image before it answered: ask, do not repeat.
            active.step = Step::ReconcileActivation;
        } else if active.step == Step::SendBlocks {
            // Confirmed blocks that were never answered: the stream is dead, begin anew on another.
            return self.restart(now);
        }
        None
    }

    /// Says what the session wants next.
    pub(crate) fn want(&self, now: Moment, train: u32) -> Want {
        let Some(active) = &self.active else { return Want::Nothing };
        if let (Some(deadline), false) = (active.deadline, active.step == Step::SendBlocks) {
            return Want::Wait(deadline);
        }
        let ready = active.not_before.max(self.next_send);
        let priority = active.priority;
        if active.step != Step::SendBlocks {
            let bytes = CONTROL_ALLOWANCE + next_paper(active).map_or(0, <[u8]>::len);
            return if ready > now {
                Want::Wait(ready)
            } else {
                Want::Send { bytes, blocks: false, priority }
            };
        }
        let transfer = active.transfer.as_ref().expect("blocks are sent for a transfer");
        match transfer.next_train(self.train_limit(transfer, train), self.window()) {
            Some(_) if ready > now => Want::Wait(ready),
            Some(run) => {
                let blocks = run.end - run.start;
                let bytes = blocks as usize * (transfer.encoded.stride() + DATAGRAM_OVERHEAD);
                Want::Send { bytes, blocks: true, priority }
            }
            None => Want::Wait(active.deadline.unwrap_or(Moment::MAX)),
        }
    }

    /// Emits what [`Session::want`] announced.
    pub(crate) fn emit(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let step = self.active.as_ref().expect("an idle session wants nothing").step;
        let emission = if step == Step::SendBlocks {
            self.emit_blocks(now, around)
        } else {
            self.emit_request(now, around)
        };
        // A little lateness is caught up; more would turn a stall into a burst.
        let burst = u64::try_from(around.burst.as_micros()).unwrap_or(u64::MAX);
        let earliest = Moment::from_micros(now.as_micros().saturating_sub(burst));
        self.next_send = self.next_send.max(earliest) + self.link.rate.time_for(emission.bytes);
        emission
    }

    fn emit_blocks(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let (window, rate) = (self.window(), self.link.rate);
        let active = self.active.as_mut().expect("blocks are sent for a task");
        let transfer = active.transfer.as_mut().expect("blocks are sent for a transfer");
        let limit = train_limit(rate, transfer.encoded.stride(), around.train);
        let run = transfer.next_train(limit, window).expect("want() saw a train");
        let contents = transfer.encoded.train(run.start, run.end - run.start);
        let bytes = contents.len() + (run.end - run.start) as usize * DATAGRAM_OVERHEAD;
        transfer.sent(&run, bytes, window.is_some());
        let segment = transfer.encoded.stride();
        if transfer.round_is_over() {
            end_round(active, now);
        } else if transfer.awaits_answers() {
            active.deadline = Some(now + around.patience.longest_timeout);
        }
        Emission { contents, segment, bytes, blocks: run.end - run.start }
    }

    fn emit_request(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        self.active.as_ref().expect("a request belongs to a task");
        let first_time = self.active.as_ref().is_some_and(|active| active.attempts == 0);
        if first_time {
            self.invoke = (self.invoke + 1) % 16;
        }
        let active = self.active.as_ref().expect("a request belongs to a task");
        let mut frame = Vec::with_capacity(CONTROL_ALLOWANCE);
        let invoke = InvokeId { number: self.invoke, confirmed: true, high_priority: true };
        emit_step(active, invoke, around.releases, &mut frame);
        let active = self.active.as_mut().expect("a request belongs to a task");
        let doubled = around.patience.first_timeout * 2u32.saturating_pow(u32::from(active.attempts).min(16));
        active.attempts += 1;
        active.deadline = Some(now + doubled.min(around.patience.longest_timeout));
        let (segment, bytes) = (frame.len(), frame.len() + DATAGRAM_OVERHEAD);
        Emission { contents: Bytes::from(frame), segment, bytes, blocks: 0 }
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

    fn train_limit(&self, transfer: &Transfer, train: u32) -> u32 {
        train_limit(self.link.rate, transfer.encoded.stride(), train)
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
        active.transfer = None;
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
    }

    fn finish(&mut self, now: Moment, result: Result<Answer, Fault>) -> Option<Ending> {
        let active = self.active.take()?;
        self.start_next(now);
        Some((active.task, result))
    }
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

/// The most that a request takes on the line, headers included: the activation order is the largest,
/// capped at 512 B, and 128 B hold every header around it.
pub(crate) const CONTROL_ALLOWANCE: usize = 512 + 128 + DATAGRAM_OVERHEAD;

fn end_round(active: &mut Active, now: Moment) {
    if let Some(transfer) = active.transfer.as_mut() {
        transfer.end_round();
    }
    active.step = Step::ReadFirstMissing;
    active.attempts = 0;
    active.deadline = None;
    active.not_before = now;
}

/// Trains hold 50 ms of the line, at least one block.
fn train_limit(rate: ByteRate, stride: usize, train: u32) -> u32 {
    let in_50_ms = rate.0 / 20 / (stride + DATAGRAM_OVERHEAD) as u64;
    u32::try_from(in_50_ms).unwrap_or(u32::MAX).clamp(1, train)
}

fn first_step(task: &Task) -> Step {
    match task {
        Task::Stage { .. } => Step::ReadEnabled,
        Task::Activate { order: Some(_), .. } => Step::WriteOrder,
        Task::Activate { order: None, .. } => Step::Activate,
        Task::ReadHanStatus => Step::ReadHanStatus,
        Task::ReadVersion { .. } => Step::ReadVersion,
        Task::WritePapers { .. } => Step::WritePaper,
    }
}

fn channel_of(task: &Task) -> u8 {
    match task {
        Task::Stage { channel, .. }
        | Task::Activate { channel, .. }
        | Task::ReadVersion { channel }
        | Task::WritePapers { channel, .. } => *channel,
        Task::ReadHanStatus => 0,
    }
}

/// Returns the paper that is to be written next.
fn next_paper(active: &Active) -> Option<&[u8]> {
    match &active.task {
        Task::WritePapers { documents, .. } => documents.get(active.papers_written).map(Bytes::as_ref),
        _ => None,
    }
}

/// Emits the request of a step.
fn emit_step(active: &Active, invoke: InvokeId, releases: &Releases, frame: &mut Vec<u8>) {
    let channel = channel_of(&active.task);
    let slot = Obis::image_transfer(channel);
    let get = |class, instance, index| {
        Apdu::GetRequest(GetRequest { invoke, attribute: AttributeRef { class, instance, index } })
    };
    let mut parameter = Vec::new();
    let apdu = match active.step {
        Step::Associate => Apdu::AssociationRequest(AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
            max_pdu: MAX_PDU,
            wants_authentication: false,
        }),
        Step::ReadEnabled => get(ClassId::IMAGE_TRANSFER, slot, 5),
        Step::ReadBlockSize => get(ClassId::IMAGE_TRANSFER, slot, 2),
        Step::ReadStaged | Step::Confirm => get(ClassId::IMAGE_TRANSFER, slot, 7),
        Step::ReadStatus | Step::AwaitVerify | Step::ReconcileActivation => {
            get(ClassId::IMAGE_TRANSFER, slot, 6)
        }
        Step::ReadFirstMissing => get(ClassId::IMAGE_TRANSFER, slot, 4),
        Step::ReadBitmap => get(ClassId::IMAGE_TRANSFER, slot, 3),
        Step::ReadHanStatus => get(ClassId::DATA, Obis::han_status(), 2),
        Step::ReadVersion => get(ClassId::DATA, Obis::active_firmware(channel), 2),
        Step::Initiate => {
            if let Task::Stage { release, .. } = active.task {
                let release = releases.release(release);
                ImageInitiate { identification: &release.identification, size: release.bytes.len() as u32 }
                    .emit_parameter(&mut parameter);
            }
            action(invoke, slot, 1, &parameter)
        }
        Step::Verify | Step::Activate => {
            Data::Integer8(0).emit(&mut parameter);
            action(invoke, slot, if active.step == Step::Verify { 3 } else { 4 }, &parameter)
        }
        Step::WriteOrder => {
            if let Task::Activate { order: Some(order), .. } = &active.task {
                Data::Octets(order).emit(&mut parameter);
            }
            let attribute =
                AttributeRef { class: ClassId::DATA, instance: Obis::activation_order(channel), index: 2 };
            Apdu::SetRequest(SetRequest { invoke, attribute, data: &parameter })
        }
        Step::WritePaper => {
            Data::Octets(next_paper(active).unwrap_or_default()).emit(&mut parameter);
            let attribute = AttributeRef { class: ClassId::DATA, instance: Obis::papers(channel), index: 2 };
            Apdu::SetRequest(SetRequest { invoke, attribute, data: &parameter })
        }
        Step::SendBlocks => unreachable!("blocks are not requests"),
    };
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &apdu, frame);
}

fn action(invoke: InvokeId, slot: Obis, index: u8, parameter: &[u8]) -> Apdu<'_> {
    let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance: slot, index };
    Apdu::ActionRequest(ActionRequest { invoke, method, parameter: Some(parameter) })
}
