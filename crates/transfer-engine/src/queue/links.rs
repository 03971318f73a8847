//! Doubly linked lists of dense indices: two numbers per member, any number of lists; and where each member stands.

use super::Bucket;

const NONE: u32 = u32::MAX;

/// The ends of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(crate) const EMPTY: List = List { head: NONE, tail: NONE };

    pub(crate) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    /// A timer was set: it is filed in the wheel, or has fired and waits to be looked at.
    Timer,
    /// In a bucket of its queue.
    Ready(Bucket),
}

/// What is kept of a member, in one piece of memory as it is needed together.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// What comes before and after in a list; or, first, where it is filed in the wheel.
    around: [u32; 2],
    place: Place,
}

/// The members of whichever lists there are: each is in one list at a time, or in the wheel.
#[derive(Debug, Default)]
pub(crate) struct Links {
    members: Vec<Member>,
}

impl Links {
    /// Adds a member that is in no list.
    pub(crate) fn add(&mut self) {
        self.members.push(Member { around: [NONE; 2], place: Place::Nowhere });
    }

    /// Returns where a member was last put.
    #[inline]
    pub(crate) fn place(&self, member: u32) -> Place {
        self.members[member as usize].place
    }

    /// Notes where a member stands, and returns where it stood.
    #[inline]
    pub(crate) fn put(&mut self, member: u32, place: Place) -> Place {
        std::mem::replace(&mut self.members[member as usize].place, place)
    }

    /// Reads a little of a member, so that it is at hand soon after.
    #[inline]
    pub(crate) fn touch(&self, member: u32) -> u32 {
        self.members[member as usize].around[0]
    }

    /// Keeps a number for a member that is in no list.
    pub(super) fn note(&mut self, member: u32, number: u32) {
        self.members[member as usize].around[0] = number;
    }

    pub(super) fn noted(&self, member: u32) -> u32 {
        self.members[member as usize].around[0]
    }

    pub(crate) fn push_back(&mut self, list: &mut List, member: u32) {
        self.members[member as usize].around = [list.tail, NONE];
        match list.tail {
            NONE => list.head = member,
            tail => self.members[tail as usize].around[1] = member,
        }
        list.tail = member;
    }

    pub(crate) fn remove(&mut self, list: &mut List, member: u32) {
        let [before, after] = std::mem::replace(&mut self.members[member as usize].around, [NONE; 2]);
        match before {
            NONE => list.head = after,
            before => self.members[before as usize].around[1] = after,
        }
        match after {
            NONE => list.tail = before,
            after => self.members[after as usize].around[0] = before,
        }
    }
}
