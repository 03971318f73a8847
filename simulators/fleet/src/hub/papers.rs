//! The papers of the chain of trust: those the hub takes for itself, and the trust roots it passes on to its devices.
//!
//! ```text
//! SET 0.0.128.2.0.255  root, status or release ──► HubGate judges ──► flash ──► believed
//! SET 0.b.128.2.0.255  root ──► waits here ──► device b is awake: pieces ──► its challenge names the new root
//! ```
//!
//! What waits for a device is lost with a reboot of the hub; the head-end sees that the device's root has not moved
//! and writes it again. Writing a paper that is held already changes nothing. Whoever writes is told that a paper was
//! not believed, never why: the reason goes to the log and the counters.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use firmware_image::{
    Attack, HubGate, MAX_ROOT_LEN, MAX_STEPS, RootError, SignedRelease, SignedRoot, SignedStatus,
};
use transfer_engine::Moment;
use wire::{AccessResult, DeviceChallenge, DocumentKind, HeldPapers, ImageTransferStatus};

use super::Hub;
use super::outgoing::{FRAGMENT_LEN, Message};
use crate::board::{Papers, utc_seconds};
use crate::device_trust::DeviceTrust;
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;

/// When a root that was not answered is said again, and how often in a row; a sleeping device gets it when it is heard.
const PUSH_AGAIN: Duration = Duration::from_secs(10);
const MAX_PUSHES: u8 = 5;

/// A push so long ago is not under way any more.
const PUSH_LASTS: Duration = Duration::from_secs(2);

/// How often one root is pushed before the device counts as one that does not take it.
const MAX_PUSHES_IN_ALL: u8 = 40;

/// Trust roots that wait for a device, the next first.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootQueue {
    roots: VecDeque<Bytes>,
    next_at: Option<Moment>,
    last_at: Option<Moment>,
    pushes_in_a_row: u8,
    pushes: u8,
}

impl RootQueue {
    pub(super) fn front(&self) -> &[u8] {
        self.roots.front().map_or(&[], Bytes::as_ref)
    }

    pub(super) fn next_at(&self) -> Option<Moment> {
        self.next_at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }
}

/// A paper, told apart by what it says before anything of it is believed.
enum Paper {
    Root(SignedRoot),
    Release(SignedRelease),
    Status(SignedStatus),
}

impl Paper {
    fn sort(bytes: &[u8]) -> Result<Paper, Attack> {
        let root = SignedRoot::from_bytes(bytes).map_err(|error| error.attack())?;
        if root.claims().is_ok() {
            return Ok(Paper::Root(root));
        }
        let release = SignedRelease::from_bytes(bytes).ok().filter(|release| release.claims().is_ok());
        match release {
            Some(release) => Ok(Paper::Release(release)),
            None => SignedStatus::from_bytes(bytes).map(Paper::Status).map_err(|error| error.attack()),
        }
    }
}

/// Makes the gate of a rooted hub from the papers it keeps. Nothing here is too old: what has expired is refused when
/// it is used, and its number still forbids going back to an older one.
pub(super) fn gate_of(trust: &DeviceTrust, papers: &Papers) -> Option<HubGate> {
    let anchor = trust.anchor().filter(|_| !trust.accepts_unsigned())?;
    let mut gate = HubGate::resume(anchor.clone(), papers.spent.iter().cloned());
    let long_ago = firmware_image::UtcSeconds(0);
    if let Some(status) = papers.status.as_ref().and_then(|bytes| SignedStatus::from_bytes(bytes).ok()) {
        // It was believed when it came. If it is not now, the hub has none, and lets nothing in.
        let _ = gate.take_status(long_ago, &status);
    }
    for release in papers.releases.iter().filter_map(|bytes| SignedRelease::from_bytes(bytes).ok()) {
        let _ = gate.take_release(long_ago, &release);
    }
    Some(gate)
}

impl Hub {
    /// Returns what is held on a channel.
    pub(super) fn held_papers(&self, slot: usize) -> HeldPapers {
        if slot == 0 {
            let status = self.gate.as_ref().and_then(HubGate::status);
            return HeldPapers {
                root_version: self.board.challenge().root_version,
                status_serial: status.map(|status| status.serial),
            };
        }
        let told = self.slots[slot].record.challenge;
        HeldPapers { root_version: told.map_or(0, |told| told.root_version), status_serial: None }
    }

    /// Takes one paper, for the hub itself or for the device of a slot.
    pub(super) fn take_paper(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        bytes: &[u8],
    ) -> Result<AccessResult, FlashError> {
        if bytes.len() > MAX_ROOT_LEN {
            return Ok(self.refuse_paper(Attack::EndlessData, "longer than any paper"));
        }
        if slot != 0 {
            return Ok(self.queue_root(now, slot, bytes));
        }
        match self.gate.clone() {
            Some(gate) => self.judge_paper(now, pool, gate, bytes),
            // Keys that were given one by one need no papers.
            None => Ok(AccessResult::ObjectUnavailable),
        }
    }

    fn judge_paper(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        mut gate: HubGate,
        bytes: &[u8],
    ) -> Result<AccessResult, FlashError> {
        let paper = match Paper::sort(bytes) {
            Ok(paper) => paper,
            Err(attack) => return Ok(self.refuse_paper(attack, "no paper")),
        };
        let (before, clock) = (self.board.papers(), utc_seconds(self.clock(now)));
        let mut papers = before.clone();
        let taken = match &paper {
            Paper::Root(root) => gate.take_root(root),
            Paper::Status(status) => gate.take_status(clock, status),
            Paper::Release(release) => gate.take_release(clock, release),
        };
        if let Err(error) = taken {
            return Ok(self.refuse_paper(error.attack(), error));
        }
        let rotates = Some(gate.anchor()) != self.gate.as_ref().map(HubGate::anchor);
        match paper {
            Paper::Root(_) if !rotates => {}
            Paper::Root(root) => {
                let (root, spent) = (Some(root.bytes().clone()), gate.spent().to_vec());
                papers = Papers { root, spent, ..Papers::default() };
            }
            Paper::Status(status) => papers.status = Some(status.bytes().clone()),
            Paper::Release(release) if !papers.releases.contains(release.bytes()) => {
                papers.releases.push(release.bytes().clone());
            }
            Paper::Release(_) => {}
        }
        papers.releases.retain(|held| is_held(&gate, held));
        if papers != before {
            self.board.keep_papers(pool, papers, gate.anchor())?;
        }
        self.gate = Some(gate);
        if rotates {
            self.drop_what_is_not_believed_any_more(pool)?;
        }
        Ok(AccessResult::Success)
    }

    /// Answers a paper that is not taken: malformed or not believed, and no more than that.
    pub(super) fn refuse_paper(&mut self, attack: Attack, reason: impl std::fmt::Display) -> AccessResult {
        tracing::debug!(hub = %self.board.eui(), %attack, %reason, "paper refused");
        self.counters.attacks.count(attack);
        match attack {
            Attack::Malformed | Attack::EndlessData => AccessResult::OtherReason,
            _ => AccessResult::ReadWriteDenied,
        }
    }

    /// Forgets images that keys of the old root vouched for and the new one's do not. What runs goes on running.
    fn drop_what_is_not_believed_any_more(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        for slot in 0..self.slots.len() {
            let state = &self.slots[slot];
            let Some(image) = state.record.image.clone().filter(|_| state.is_complete()) else { continue };
            let runs = self.board.boot().running().bank == image.bank;
            let judged = !matches!(
                state.record.status,
                ImageTransferStatus::Initiated
                    | ImageTransferStatus::VerificationInitiated
                    | ImageTransferStatus::ActivationInitiated
            );
            if judged && !runs && self.board.examine(pool, image.bank, image.size).is_err() {
                self.clear_slot(pool, slot)?;
            }
        }
        Ok(())
    }

    /// Refuses a file that the hub's papers do not name. A hub without a root asks for none.
    pub(super) fn is_let_in(&mut self, now: Moment, identification: &[u8]) -> bool {
        let Some(gate) = &self.gate else { return true };
        let named: Result<[u8; 32], _> = identification.try_into();
        let Ok(digest) = named else {
            self.refuse_paper(Attack::MixAndMatch, "the identification is no SHA-256");
            return false;
        };
        match gate
            .require_released(utc_seconds(self.clock(now)), &firmware_image::FileDigest::from_bytes(digest))
        {
            Ok(_) => true,
            Err(error) => {
                self.refuse_paper(error.attack(), error);
                false
            }
        }
    }

    /// Has a trust root wait for a device, if it can follow the one that the device said it holds.
    fn queue_root(&mut self, now: Moment, slot: usize, bytes: &[u8]) -> AccessResult {
        let version = match claimed_version(bytes) {
            Ok(version) => version,
            Err(error) => return self.refuse_paper(error.attack(), error),
        };
        let told = self.slots[slot].record.challenge;
        let queue = &mut self.slots[slot].peer.roots;
        let last = queue.roots.back().and_then(|last| claimed_version(last).ok());
        let held = told.map(|told| u64::from(told.root_version));
        if queue.roots.iter().any(|waits| waits == bytes) || held.is_some_and(|held| version <= held) {
            return AccessResult::Success;
        }
        if let Some(before) = last.or(held)
            && version != before + 1
        {
            return self.refuse_paper(Attack::BrokenChain, "a root in between is missing");
        }
        if queue.roots.len() >= MAX_STEPS {
            return AccessResult::TemporaryFailure;
        }
        queue.roots.push_back(Bytes::copy_from_slice(bytes));
        if queue.roots.len() == 1 {
            *queue = RootQueue {
                roots: std::mem::take(&mut queue.roots),
                next_at: Some(now),
                ..RootQueue::default()
            };
        }
        AccessResult::Success
    }

    /// Hears what the device's next order must carry, and which root it holds.
    pub(super) fn take_challenge(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        challenge: DeviceChallenge,
    ) -> Result<(), FlashError> {
        let lagged = self.lags(slot);
        let state = &mut self.slots[slot];
        state.peer.challenged_at = Some(now);
        let news = state.record.challenge != Some(challenge);
        state.record.challenge = Some(challenge);
        let queue = &mut state.peer.roots;
        let held = u64::from(challenge.root_version);
        let done = |root: &Bytes| claimed_version(root).map_or(true, |version| version <= held);
        if queue.roots.front().is_some_and(done) {
            queue.roots.retain(|root| !done(root));
            *queue = RootQueue { roots: std::mem::take(&mut queue.roots), ..RootQueue::default() };
            queue.next_at = (!queue.is_empty()).then_some(now);
        }
        self.push_root_if_heard(now, slot);
        if news {
            self.store_slot(pool, slot)?;
        }
        if lagged && !self.lags(slot) && self.slots[slot].is_offered() {
            // It was kept waiting for its own good; now it may fetch.
            self.announce(now, slot);
        }
        Ok(())
    }

    /// Returns whether a device said that it holds an older root than the hub. It is led forward before it is offered
    /// anything: an image of today may be signed with a key that it does not know yet.
    pub(super) fn lags(&self, slot: usize) -> bool {
        let (Some(gate), Some(told)) = (&self.gate, self.slots[slot].record.challenge) else { return false };
        told.root_version != 0 && u64::from(told.root_version) < gate.anchor().root().version.0
    }

    /// Pushes the next root while the device is heard.
    pub(super) fn push_root_if_heard(&mut self, now: Moment, slot: usize) {
        let queue = &mut self.slots[slot].peer.roots;
        let under_way = queue.last_at.is_some_and(|at| now.saturating_since(at) < PUSH_LASTS);
        if !queue.is_empty() && !under_way {
            queue.pushes_in_a_row = 0;
            queue.next_at = Some(now);
            self.drive_roots(now, slot);
        }
    }

    /// Sends the next root in pieces, when it is time.
    pub(super) fn drive_roots(&mut self, now: Moment, slot: usize) {
        let queue = &mut self.slots[slot].peer.roots;
        if queue.next_at.is_none_or(|at| at > now) {
            return;
        }
        if queue.pushes >= MAX_PUSHES_IN_ALL {
            *queue = RootQueue::default();
            return;
        }
        queue.pushes += 1;
        queue.pushes_in_a_row += 1;
        queue.last_at = Some(now);
        queue.next_at = (queue.pushes_in_a_row < MAX_PUSHES).then_some(now + PUSH_AGAIN);
        let (len, to) = (queue.front().len(), self.address_of(slot));
        for offset in (0..len).step_by(FRAGMENT_LEN) {
            let offset = u16::try_from(offset).unwrap_or(u16::MAX);
            self.send(to, Message::Fragment { kind: DocumentKind::Root, slot, offset });
        }
    }
}

fn claimed_version(root: &[u8]) -> Result<u64, RootError> {
    Ok(SignedRoot::from_bytes(root)?.claims()?.version.0)
}

fn is_held(gate: &HubGate, release: &[u8]) -> bool {
    let claims = SignedRelease::from_bytes(release).and_then(|release| release.claims());
    claims.is_ok_and(|claims: firmware_image::Release| gate.releases().contains(&claims))
}
