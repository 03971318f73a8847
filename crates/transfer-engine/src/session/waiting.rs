//! Who is next with a hub: words go between blocks, and of images the one with the longest tail goes first.
//!
//! ```text
//! looks, activations of devices behind the hub ──► at once, between two blocks of whatever image flows
//! papers, the activation of the hub itself     ──► when no image is half sent
//! images                                       ──► Dormant first, then the longest tail
//! ```
//!
//! Confirmed blocks on a stream are let run out first: their answers and that of the word could not be told apart.
//!
//! An activation must not wait for the next image of its home: a device that sleeps would miss a wake for it, and that image
//! is served late where paths are long elsewhere. A hub that activates its own image reboots, so that blocks which flow
//! meanwhile would be lost.

use std::cmp::Reverse;
use std::time::Duration;

use super::errand::Errand;
use super::step::Step;
use super::survey::Survey;
use super::transfer::Transfer;
use super::turn::Turn;
use super::{Active, Session, channel_of, first_step};
use crate::moment::{Moment, Stamp};
use crate::task::{Priority, Task};

/// Tasks that may wait for one hub. A hub has a handful of HAN devices and one thing at a time happens
/// to each; more than this is a fault of the caller.
pub const TASKS_PER_HUB: usize = 32;

/// What waits beside the task at hand.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// A staging that was set aside for a word.
    aside: Option<Box<Active>>,
    waiting: Vec<(Priority, Errand)>,
}

impl Others {
    /// Takes out what is next: whatever came first, then images in their order; while the image of a channel flows, only
    /// what may go between its blocks.
    fn take_next(&mut self, flowing: Option<u8>) -> Option<(Priority, Errand)> {
        let may = |errand: &Errand| flowing.is_none_or(|channel| goes_between(errand, channel));
        let candidates = self.waiting.iter().enumerate().filter(|(_, (_, errand))| may(errand));
        let (at, _) = candidates.min_by_key(|(at, (priority, errand))| (order(*priority, errand), *at))?;
        Some(self.waiting.remove(at))
    }
}

impl Session {
    /// Takes a task, of `image_bytes` if it is an image; `false` when too many wait.
    pub(crate) fn assign(&mut self, now: Moment, task: Task, priority: Priority, image_bytes: u32) -> bool {
        if self.others.as_ref().is_some_and(|others| others.waiting.len() >= TASKS_PER_HUB) {
            return false;
        }
        let errand = Errand::new(task, image_bytes);
        let gives_way = |active: &mut Active| {
            active.has_not_begun() && order(priority, &errand) < order(active.priority, &active.task)
        };
        let put_back = self.active.take_if(gives_way).map(|active| (active.priority, active.task));
        let waits = match self.active {
            None => {
                self.start(now, errand, priority);
                put_back
            }
            Some(_) => Some((priority, errand)),
        };
        if let Some(waits) = waits {
            self.others.get_or_insert_default().waiting.push(waits);
        }
        self.measure_rest();
        self.let_words_in(now);
        true
    }

    /// Sets the image that flows aside if there is something to be said between its blocks.
    pub(super) fn let_words_in(&mut self, now: Moment) {
        let pauses = |active: &&Active| {
            let is_awaited = active.transfer.as_ref().is_some_and(Transfer::awaits_answers);
            active.step == Step::SendBlocks && !is_awaited
        };
        let Some(image) = self.active.as_ref().filter(pauses) else { return };
        let flowing = channel_of(&image.task);
        let Some(others) = self.others.as_mut().filter(|others| others.aside.is_none()) else { return };
        let Some((priority, word)) = others.take_next(Some(flowing)) else { return };
        others.aside = self.active.take().map(Box::new);
        self.start(now, word, priority);
    }

    /// Says whether confirmed blocks are held back, so that those in the air are answered and a word can pass.
    pub(super) fn makes_room(&self, image: &Active) -> bool {
        let flowing = channel_of(&image.task);
        let waiting = self.others.as_ref().filter(|others| others.aside.is_none());
        let waiting = waiting.map_or(&[][..], |others| &others.waiting);
        waiting.iter().any(|(_, errand)| goes_between(errand, flowing))
    }

    /// Begins what is next, or goes on with the image that was set aside.
    pub(super) fn go_on(&mut self, now: Moment) {
        let Some(others) = self.others.as_mut() else { return };
        let flowing = others.aside.as_ref().map(|image| channel_of(&image.task));
        if let Some((priority, errand)) = others.take_next(flowing) {
            self.start(now, errand, priority);
            self.measure_rest();
        } else if let Some(image) = others.aside.take() {
            self.active = Some(*image);
            self.line.begin_stream(now);
        }
    }

    /// Returns the task at hand and the image that was set aside for it.
    pub(super) fn under_way(&mut self) -> impl Iterator<Item = &mut Active> {
        let aside = self.others.as_mut().and_then(|others| others.aside.as_deref_mut());
        self.active.iter_mut().chain(aside)
    }

    /// Drops what waits and what is under way; says nothing to the hub, whose slot keeps its blocks.
    pub(crate) fn abandon(&mut self) -> Vec<Task> {
        let others = self.others.take().map(|others| *others).unwrap_or_default();
        let active = self.active.take().into_iter().chain(others.aside.map(|active| *active));
        let waiting = others.waiting.into_iter().map(|(_, errand)| errand);
        active.map(|active| active.task).chain(waiting).map(Task::from).collect()
    }

    fn start(&mut self, now: Moment, task: Errand, priority: Priority) {
        let step = if self.associated { first_step(&task) } else { Step::Associate };
        self.active = Some(Active {
            task,
            priority,
            step,
            started: Stamp::of(now),
            attempts: 0,
            asked: Stamp::of(now),
            asked_sent: 0,
            asked_first: Stamp::of(now),
            turn: Turn::ours(now),
            restarts: 0,
            misfits: 0,
            refused_before: false,
            survey: Survey::default(),
            transfer: None,
        });
    }

    /// Reckons what follows the image at hand: its own tail, or the images that wait with theirs, at the line's pace.
    fn measure_rest(&mut self) {
        let others = self.others.as_deref();
        let image = others.and_then(|others| others.aside.as_deref()).or(self.active.as_ref());
        let mut rest = image.and_then(|image| image.task.image()).map_or(0, |image| image.tail_s);
        let waiting = others.map_or(&[][..], |others| &others.waiting);
        let mut images: Vec<_> =
            waiting.iter().filter_map(|(priority, errand)| Some((*priority, errand.image()?))).collect();
        images.sort_by_key(|(priority, image)| (*priority, Reverse(image.tail_s)));
        let mut sending = Duration::ZERO;
        for (_, image) in images {
            sending = sending.saturating_add(self.pace().time_for(image.bytes as usize));
            let seconds = u32::try_from(sending.as_secs()).unwrap_or(u32::MAX);
            rest = rest.max(seconds.saturating_add(image.tail_s));
        }
        self.rest_s = rest;
    }
}

impl Active {
    /// Goes back to the association; the slot remembers its blocks, so nothing is sent twice.
    pub(super) fn begin_anew(&mut self, now: Moment) {
        if let Some(transfer) = self.transfer.as_mut() {
            transfer.lapse();
        }
        self.step = Step::Associate;
        self.attempts = 0;
        self.turn = Turn::ours(now);
    }

    /// Says whether it is an image of which nothing was said to the hub yet.
    fn has_not_begun(&self) -> bool {
        let is_first = self.attempts == 0 && self.restarts == 0 && self.transfer.is_none();
        self.task.image().is_some() && is_first && matches!(self.step, Step::Associate | Step::Survey)
    }
}

/// Who goes first; what is no image does.
fn order(priority: Priority, errand: &Errand) -> Option<(Priority, Reverse<u32>)> {
    errand.image().map(|image| (priority, Reverse(image.tail_s)))
}

/// Says whether something may be done between two blocks for the slot of a channel.
fn goes_between(errand: &Errand, flowing: u8) -> bool {
    match errand {
        Errand::ReadHanStatus | Errand::ReadVersion { .. } => true,
        Errand::Activate { channel, .. } => *channel != 0 && *channel != flowing,
        Errand::Stage { .. } | Errand::WritePapers(_) => false,
    }
}
