//! Invocation counters: no number is used twice under a key, neither by us nor against us.
//!
//! ```text
//! sender     persisted end ----------------------v
//!            | used | used | next ... leased ... | not ours yet
//!            after a restart one begins here ----^   what was leased and not used is lost, never repeated
//! receiver   last accepted | ... refused <= last < accepted ...
//! broadcast  counter = base + block number; base says which sealing of an image a block belongs to
//! ```
//!
//! Sketch: 4.29 billion counters under one key. A hub that answers once per second uses them up in 136 years,
//! a head-end that seals 1,000 releases of 250 kB per day for all hubs in 47 years.

use super::SealError;

/// The right to use some counters: those below an end that is on disk.
///
/// Two numbers under one key and nonce would show both texts and give away the authentication, so the caller
/// makes the end of a lease durable before any counter in it is used:
///
/// ```
/// use wire::CounterLease;
/// let mut lease = CounterLease::after(7_000); // what the disk says; 0 for a new key
/// assert_eq!(lease.remaining(), 0);
/// let request = lease.request(1_000).expect("4 billion are enough");
/// assert_eq!(request.end(), 8_000); // make this durable, then:
/// lease.grant(request);
/// assert_eq!(lease.remaining(), 1_000);
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct CounterLease {
    next: u32,
    end: u32,
}

/// A lease that is asked for, and not yet durable.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is asked for has to be made durable and granted"]
pub struct LeaseRequest {
    end: u32,
}

impl LeaseRequest {
    /// Returns what to make durable: no counter from here on has been used.
    pub const fn end(&self) -> u32 {
        self.end
    }
}

impl CounterLease {
    /// Begins where the durable end is, with nothing in hand.
    pub const fn after(durable_end: u32) -> CounterLease {
        CounterLease { next: durable_end, end: durable_end }
    }

    /// Asks for so many counters behind those in hand.
    ///
    /// # Errors
    ///
    /// Fails when the numbers are used up, and with them the key.
    pub fn request(&self, count: u32) -> Result<LeaseRequest, SealError> {
        let available = u32::MAX - self.end;
        let end = self.end.checked_add(count).ok_or(SealError::NoCounters { needed: count, available })?;
        Ok(LeaseRequest { end })
    }

    /// Takes a lease whose end the caller has made durable.
    pub fn grant(&mut self, durable: LeaseRequest) {
        self.end = self.end.max(durable.end);
    }

    /// Returns the durable end.
    pub const fn end(&self) -> u32 {
        self.end
    }

    /// Returns how many counters may be used without asking.
    pub const fn remaining(&self) -> u32 {
        self.end - self.next
    }

    /// Uses one counter.
    pub(crate) fn take(&mut self) -> Result<u32, SealError> {
        self.take_run(1)
    }

    /// Uses so many counters in a row and returns the first; all or none.
    pub(crate) fn take_run(&mut self, count: u32) -> Result<u32, SealError> {
        let available = self.remaining();
        if available < count {
            return Err(SealError::NoCounters { needed: count, available });
        }
        let first = self.next;
        self.next += count;
        Ok(first)
    }
}

/// The receiving side of one direction under one key: counters only rise.
///
/// Strict, as the standard has it: frames that overtake one another count as replayed. Requests and answers go
/// one by one, and what else was lost is asked for again under a new counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayGuard {
    last: Option<u32>,
}

impl ReplayGuard {
    /// Says whether a counter is new; if not, the highest one that was accepted. Asked before the tag is checked.
    pub(crate) fn judge(self, counter: u32) -> Result<(), u32> {
        match self.last {
            Some(last) if counter <= last => Err(last),
            _ => Ok(()),
        }
    }

    /// Notes the counter of an APDU whose tag was right.
    pub(crate) fn accept(&mut self, counter: u32) {
        debug_assert!(self.judge(counter).is_ok(), "a counter is judged before it is accepted");
        self.last = Some(counter);
    }
}

/// The receiving side of blocks that are sealed once for all hubs, for one slot of one sender.
///
/// Block k of a sealing carries the counter `base + k`, however often it is sent, so its counter says nothing
/// about whether it was sent before: and need not, for a block that is stored already is not stored again. What
/// counts is that it belongs to the newest sealing: a base below the highest seen is refused, for it repeats an
/// older image (or an older sealing of this one). A sender that seals anew, after a restart, goes on with higher
/// counters and therefore a higher base.
///
/// Until the first block of a new image has come, blocks of the one before are let through, for nothing else
/// tells the two apart. Repeated then, they spoil at most that one transfer: the image's digest finds them, and
/// the next try has seen the new base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroadcastWindow {
    base: Option<u32>,
}

/// A block came from a sealing that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outdated {
    /// The base of the newest.
    pub(crate) base: u32,
}

impl BroadcastWindow {
    /// Goes on where a restart interrupted.
    pub const fn restore(base: u32) -> BroadcastWindow {
        BroadcastWindow { base: Some(base) }
    }

    /// Returns the base of the newest sealing.
    pub const fn base(self) -> Option<u32> {
        self.base
    }

    /// Takes an authentic block; says whether its sealing is a new one.
    pub(crate) fn admit(&mut self, counter: u32, block: u32) -> Result<bool, Outdated> {
        let floor = self.base.unwrap_or(0);
        match counter.checked_sub(block) {
            Some(base) if base >= floor => {
                let is_new = self.base != Some(base);
                self.base = Some(base);
                Ok(is_new)
            }
            _ => Err(Outdated { base: floor }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_used_that_is_not_leased() {
        let mut lease = CounterLease::after(5);
        assert_eq!(lease.take(), Err(SealError::NoCounters { needed: 1, available: 0 }));
        let request = lease.request(3).expect("room");
        assert_eq!(request.end(), 8);
        lease.grant(request);
        assert_eq!((lease.take(), lease.take_run(2)), (Ok(5), Ok(6)));
        assert_eq!(lease.take_run(1), Err(SealError::NoCounters { needed: 1, available: 0 }));
    }

    #[test]
    fn a_restart_never_repeats_a_counter() {
        let mut used = std::collections::BTreeSet::new();
        let mut disk = 0;
        for round in 0..20 {
            let mut lease = CounterLease::after(disk);
            for count in 0..3 {
                let request = lease.request(10).expect("room");
                disk = request.end();
                if (round + count) % 4 == 3 {
                    break; // The power fails between the disk and the grant.
                }
                lease.grant(request);
                for _ in 0..7 {
                    assert!(used.insert(lease.take().expect("leased")), "a counter was used twice");
                }
            }
        }
    }

    #[test]
    fn the_numbers_end_and_never_begin_anew() {
        let mut lease = CounterLease::after(u32::MAX - 2);
        assert!(lease.request(3).is_err());
        let request = lease.request(2).expect("two are left");
        lease.grant(request);
        assert_eq!((lease.take(), lease.take()), (Ok(u32::MAX - 2), Ok(u32::MAX - 1)));
        assert!(lease.take().is_err() && lease.request(1).is_err());
    }

    #[test]
    fn a_receiver_takes_rising_counters_only() {
        let mut guard = ReplayGuard::default();
        guard.judge(0).expect("the first may be 0");
        guard.accept(0);
        assert_eq!(guard.judge(0), Err(0));
        guard.accept(u32::MAX);
        assert_eq!(guard.judge(u32::MAX), Err(u32::MAX));
        assert_eq!(guard.judge(7), Err(u32::MAX));
    }

    #[test]
    fn blocks_of_one_sealing_come_in_any_order_and_any_number() {
        let mut window = BroadcastWindow::default();
        assert_eq!(window.admit(1_009, 9), Ok(true));
        for block in [0, 9, 3, 3, 100, 9] {
            assert_eq!(window.admit(1_000 + block, block), Ok(false));
        }
    }

    #[test]
    fn an_older_sealing_is_over_once_a_newer_one_was_seen() {
        let mut window = BroadcastWindow::default();
        assert_eq!(window.admit(1_000, 0), Ok(true));
        assert_eq!(window.admit(2_005, 5), Ok(true));
        assert_eq!(window.admit(1_001, 1), Err(Outdated { base: 2_000 }));
        assert_eq!(
            window.admit(3, 4),
            Err(Outdated { base: 2_000 }),
            "no counter is below its block's number"
        );
        let mut restored = BroadcastWindow::restore(window.base().expect("seen"));
        assert_eq!(restored.admit(1_000, 0), Err(Outdated { base: 2_000 }));
        assert_eq!(restored.admit(2_000, 0), Ok(false));
    }
}
