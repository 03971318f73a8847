//! Doubly linked lists of dense indices: two numbers per member, any number of lists.

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

/// What comes before and after each member in whichever list it is.
#[derive(Debug, Default)]
pub(crate) struct Links {
    around: Vec<[u32; 2]>,
}

impl Links {
    /// Adds a member that is in no list.
    pub(crate) fn add(&mut self) {
        self.around.push([NONE; 2]);
    }

    pub(crate) fn push_back(&mut self, list: &mut List, member: u32) {
        self.around[member as usize] = [list.tail, NONE];
        match list.tail {
            NONE => list.head = member,
            tail => self.around[tail as usize][1] = member,
        }
        list.tail = member;
    }

    pub(crate) fn remove(&mut self, list: &mut List, member: u32) {
        let [before, after] = std::mem::replace(&mut self.around[member as usize], [NONE; 2]);
        match before {
            NONE => list.head = after,
            before => self.around[before as usize][1] = after,
        }
        match after {
            NONE => list.tail = before,
            after => self.around[after as usize][0] = before,
        }
    }

    /// Returns what follows a member in its list.
    pub(crate) fn after(&self, member: u32) -> Option<u32> {
        let after = self.around[member as usize][1];
        (after != NONE).then_some(after)
    }
}
