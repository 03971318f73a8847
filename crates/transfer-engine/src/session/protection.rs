//! How frames to a hub are protected, and what that costs on the line. Ciphering is left to `link_security`.

use wire::MAX_SEAL_OVERHEAD;

use super::{Session, Transport};
use crate::budget::DATAGRAM_OVERHEAD;
use crate::{BlockService, Moment};

/// How frames to a hub are protected. The engine counts what protection costs; who ciphers is its driver, with a
/// [`LinkSecurity`](crate::LinkSecurity), but for blocks that are sealed once for all hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protection {
    /// Nothing is ciphered.
    #[default]
    Clear,
    /// Everything is, under the hub's own key.
    Own,
    /// The same, but unconfirmed blocks, which are sealed once under the key of all hubs.
    Shared,
}

/// What a secured association is allowed beyond a plain one, bytes: by reckoning, title, challenge and ciphered initiate
/// in the AARQ take 80 and the second pass with its headers 82; the rest is to spare.
const SECURED_ASSOCIATION: usize = 176;

impl Protection {
    /// Returns how many round trips an association takes. One that is asked for again before begins anew, and a slow line
    /// would never see its end.
    pub(super) fn association_round_trips(self) -> u32 {
        if self == Protection::Clear { 1 } else { 2 }
    }

    /// Returns what a request takes on the line beside its frame.
    pub(super) fn request_overhead(self, is_association: bool) -> usize {
        match self {
            Protection::Clear => DATAGRAM_OVERHEAD,
            _ if is_association => DATAGRAM_OVERHEAD + SECURED_ASSOCIATION,
            _ => DATAGRAM_OVERHEAD + MAX_SEAL_OVERHEAD,
        }
    }
}

impl Session {
    /// The association is gone, and no fault of the hub's: whatever is under way asks for it anew, with full patience.
    pub(crate) fn forget_association(&mut self, now: Moment) {
        self.associated = false;
        for active in self.under_way() {
            active.begin_anew(now);
        }
    }

    /// Sends nothing more of what is sealed for all hubs; says whether there was something. A staging that did begins
    /// anew, and finds by attributes 4 and 3 what is still to be sent.
    pub(crate) fn drop_sealed(&mut self, now: Moment) -> bool {
        let mut is_found = false;
        for active in self.under_way() {
            if active.transfer.as_ref().is_some_and(|transfer| transfer.encoded.is_sealed()) {
                active.begin_anew(now);
                is_found = true;
            }
        }
        is_found
    }

    /// Returns how blocks of a staging that begins now travel.
    pub(super) fn service(&self) -> BlockService {
        match self.transport {
            Transport::Datagram if self.protection == Protection::Shared => BlockService::Sealed,
            Transport::Datagram => BlockService::Unconfirmed,
            Transport::Stream { .. } => BlockService::Confirmed,
        }
    }

    /// Returns what a block takes on the line beside its frame.
    pub(super) fn block_overhead(&self) -> usize {
        let transfer = self.active.as_ref().and_then(|active| active.transfer.as_ref());
        let is_sealed = transfer.is_some_and(|transfer| transfer.encoded.is_sealed());
        match self.protection {
            Protection::Own | Protection::Shared if !is_sealed => DATAGRAM_OVERHEAD + MAX_SEAL_OVERHEAD,
            _ => DATAGRAM_OVERHEAD,
        }
    }
}
