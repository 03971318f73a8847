//! The meter's part in the chain of trust: it takes the next trust root in pieces, and says what its next order must
//! carry.
//!
//! ```text
//! hub                                 meter
//!  | root in pieces ───────────────►   | TrustAnchor::advance, flash, believed from now on
//!  |   ◄─────────────────── challenge  | nonce, last counter, root version
//! ```
//!
//! A meter has no clock: it takes one root after another however old they are, and each only from the hands of the one
//! before. It answers a root that it does not take with the same challenge as before, and gives no reason.

use firmware_image::{Attack, MAX_ROOT_LEN, RootError, RootVersion, SignedRoot};
use transfer_engine::Moment;
use wire::{DeviceChallenge, DocumentFragment, DocumentKind};

use super::outgoing::Message;
use super::power::LISTEN;
use super::stage::Stage;
use super::{Meter, MeterKind};
use crate::board::Papers;
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;

/// The bytes that hold the longest root once.
pub(super) const PAPER_LEN: usize = 8192;

/// The longest root that is put together.
pub(super) const ROOT_LIMIT: usize = MAX_ROOT_LEN;

impl Meter {
    /// Returns what the next activation order must carry, and the trust root that is held.
    pub fn challenge(&self) -> DeviceChallenge {
        self.board.challenge()
    }

    /// Returns the version of the trust root that is held; 0 for keys given one by one.
    pub fn root_version(&self) -> RootVersion {
        self.board.trust().root_version()
    }

    /// Says what the next order must carry, where orders are needed.
    pub(super) fn tell_challenge(&mut self) {
        if !self.board.trust().accepts_unsigned() {
            self.send(Message::Challenge(self.board.challenge()));
        }
    }

    /// Says which root is held, so that a meter that slept for long is led forward before it is offered an image.
    pub(super) fn tell_root(&mut self) {
        if self.board.trust().anchor().is_some() {
            self.tell_challenge();
        }
    }

    pub(super) fn take_piece(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        piece: &DocumentFragment<'_>,
    ) -> Result<(), FlashError> {
        let taken = match piece.kind {
            DocumentKind::Order => self.order.add(piece),
            DocumentKind::Root => {
                // Pieces follow one another at the pace of the radio: a meter that sleeps stays awake for the next.
                self.listen_until = self.listen_until.max(now + LISTEN);
                let taken = self.root.add(piece);
                if let Some(root) = self.root.complete().map(<[u8]>::to_vec) {
                    self.root.clear();
                    self.take_root(pool, &root)?;
                    self.tell_challenge();
                }
                taken
            }
        };
        if !taken {
            self.counters.attacks.count(Attack::EndlessData);
        }
        Ok(())
    }

    fn take_root(&mut self, pool: &mut SectorPool, bytes: &[u8]) -> Result<(), FlashError> {
        // Keys that were given one by one are led nowhere.
        let Some(held) = self.board.trust().anchor() else { return Ok(()) };
        let taken = SignedRoot::from_bytes(bytes).and_then(|signed| held.advance(&signed));
        match taken {
            Ok(anchor) if anchor == *held => Ok(()),
            Ok(anchor) => {
                let root = Some(anchor.signed().bytes().clone());
                self.board.keep_papers(pool, Papers { root, ..Papers::default() }, &anchor)?;
                self.drop_what_is_not_believed_any_more(pool)
            }
            Err(error) => {
                self.note_refused_root(&error);
                Ok(())
            }
        }
    }

    fn note_refused_root(&mut self, error: &RootError) {
        let attack = error.attack();
        tracing::debug!(meter = %self.config.eui, %error, %attack, "trust root refused");
        self.counters.attacks.count(attack);
    }

    /// Forgets an order, and an image that waits, if the new root's keys do not vouch for them. What runs goes on.
    fn drop_what_is_not_believed_any_more(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.order.clear();
        if self.permit.take().is_some() && self.stage == Stage::CountDown {
            self.become_stage(Stage::Waiting);
        }
        let Some(spare) = self.spare.filter(|spare| spare.verified) else { return Ok(()) };
        match self.board.examine(pool, spare.bank, spare.size) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.counters.attacks.count(error.attack());
                self.counters.rejections += 1;
                self.discard_spare(pool)
            }
        }
    }

    /// Says at each wake of a meter that sleeps which root it holds.
    pub(super) fn tell_root_on_waking(&mut self) {
        if matches!(self.config.kind, MeterKind::Gas { .. }) && self.stage == Stage::Normal {
            self.tell_root();
        }
    }
}
