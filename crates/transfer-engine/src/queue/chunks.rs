//! Members of many sets, each set a chain of chunks: 20 members side by side.
//!
//! ```text
//!   set ──► chunk (filled in part) ──► full chunk ──► full chunk
//!           member × 20 · note × 20 · set · len · next            128 B, 6.4 B a member
//! ```
//!
//! A list of members that are linked one by one waits for memory at each of them; here that happens once in twenty.
//! Chunks come from one pool and go back to it, so that nothing is allocated once the pool has grown.

/// Members of a chunk: as many as 128 B hold.
const MEMBERS: usize = 20;

/// A place is the number of the chunk and, in the lowest five bits, where in it.
const WITHIN_BITS: u32 = 5;

const NONE: u32 = u32::MAX;

/// A set of members; its chunks are in the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
}

impl Chain {
    pub(super) const EMPTY: Chain = Chain { first: NONE };

    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    members: [u32; MEMBERS],
    notes: [u16; MEMBERS],
    /// To which set it belongs, by the caller's count.
    set: u16,
    len: u16,
    next: u32,
}

const _: () = assert!(size_of::<Chunk>() == 128 && MEMBERS <= 1 << WITHIN_BITS);

/// The chunks of all sets.
#[derive(Debug)]
pub(super) struct Chunks {
    pool: Vec<Chunk>,
    /// The first chunk that belongs to no set.
    free: u32,
}

/// Where a member is; to be kept with the member.
pub(super) type At = u32;

impl Chunks {
    pub(super) fn new() -> Chunks {
        Chunks { pool: Vec::new(), free: NONE }
    }

    /// Adds a member with a note to a set, and returns where it is.
    pub(super) fn push(&mut self, chain: &mut Chain, set: u16, member: u32, note: u16) -> At {
        let full = |chunk: u32| usize::from(self.pool[chunk as usize].len) == MEMBERS;
        if chain.is_empty() || full(chain.first) {
            let next = chain.first;
            chain.first = self.take(set, next);
        }
        let chunk = &mut self.pool[chain.first as usize];
        let within = usize::from(chunk.len);
        (chunk.members[within], chunk.notes[within]) = (member, note);
        chunk.len += 1;
        chain.first << WITHIN_BITS | within as u32
    }

    fn take(&mut self, set: u16, next: u32) -> u32 {
        let chunk = Chunk { members: [NONE; MEMBERS], notes: [0; MEMBERS], set, len: 0, next };
        if self.free == NONE {
            self.pool.push(chunk);
            return self.pool.len() as u32 - 1;
        }
        let taken = self.free;
        self.free = std::mem::replace(&mut self.pool[taken as usize], chunk).next;
        taken
    }

    /// Returns the set that holds a member, if it is where it was put; what was drained since is nowhere.
    pub(super) fn set_of(&self, member: u32, at: At) -> Option<u16> {
        let (chunk, within) = split(at);
        let chunk = self.pool.get(chunk)?;
        (within < usize::from(chunk.len) && chunk.members[within] == member).then_some(chunk.set)
    }

    /// Takes a member out of the set that holds it. Returns who has taken its place, if anybody.
    pub(super) fn remove(&mut self, chain: &mut Chain, at: At) -> Option<u32> {
        let first = &mut self.pool[chain.first as usize];
        first.len -= 1;
        let last = usize::from(first.len);
        let (member, note, emptied, next) = (first.members[last], first.notes[last], last == 0, first.next);
        let moves = at != chain.first << WITHIN_BITS | last as u32;
        if moves {
            let (chunk, within) = split(at);
            let hole = &mut self.pool[chunk];
            (hole.members[within], hole.notes[within]) = (member, note);
        }
        if emptied {
            self.pool[chain.first as usize].next = self.free;
            self.free = std::mem::replace(&mut chain.first, next);
        }
        moves.then_some(member)
    }

    /// Empties a set into a list of members and notes, and gives its chunks back.
    pub(super) fn drain(&mut self, chain: &mut Chain, mut each: impl FnMut(u32, u16)) {
        while !chain.is_empty() {
            let chunk = &mut self.pool[chain.first as usize];
            let len = usize::from(std::mem::take(&mut chunk.len));
            for (member, note) in chunk.members.iter().zip(&chunk.notes).take(len) {
                each(*member, *note);
            }
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = std::mem::replace(&mut chain.first, next);
        }
    }
}

fn split(at: At) -> (usize, usize) {
    ((at >> WITHIN_BITS) as usize, (at & ((1 << WITHIN_BITS) - 1)) as usize)
}
