//! The simulator's clocks as the head-end knows them: here the shells are joined.

use std::sync::Arc;
use std::time::Duration;

use host::{Clock, Participant};
use transfer_engine::Moment;

/// A clock of the simulator's that the head-end lives by, as one of its participants.
pub(crate) struct SharedClock {
    clock: Arc<dyn Clock>,
    participant: Participant,
}

impl SharedClock {
    pub(crate) fn new(clock: Arc<dyn Clock>, participant: Participant) -> SharedClock {
        SharedClock { clock, participant }
    }
}

impl head_end::Clock for SharedClock {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn wait_until(&self, moment: Moment) -> Duration {
        self.clock.wait_until(moment)
    }

    fn caught_up(&self, moment: Moment) {
        self.clock.caught_up(self.participant, moment);
    }
}
