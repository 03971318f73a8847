//! Which steps of a small life cycle were taken: one bit for each pair of states. Bookkeeping of the simulator, by which
//! tests see that no step is never taken.

/// The steps that were taken, by the numbers of their states; there are at most eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges(u64);

impl Edges {
    /// Notes a step.
    pub(crate) fn take(&mut self, from: u8, to: u8) {
        debug_assert!(from < 8 && to < 8, "a life cycle has at most eight states");
        self.0 |= 1 << (u32::from(from & 7) * 8 + u32::from(to & 7));
    }

    /// Adds the steps of another.
    pub fn add(&mut self, other: Edges) {
        self.0 |= other.0;
    }

    /// Returns whether a step was taken.
    pub fn has(self, from: u8, to: u8) -> bool {
        from < 8 && to < 8 && self.0 & 1 << (u32::from(from) * 8 + u32::from(to)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;

    #[test]
    fn a_step_is_noted_in_its_direction_and_sums_keep_all() {
        let (mut one, mut other) = (Edges::default(), Edges::default());
        one.take(0, 7);
        other.take(7, 3);
        one.add(other);
        assert!(one.has(0, 7) && one.has(7, 3));
        assert!(!one.has(7, 0) && !one.has(3, 7) && !one.has(8, 0));
    }
}
