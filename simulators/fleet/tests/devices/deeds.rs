//! What the devices of a scene have done: every home tells it when it ends.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fleet::Meter;

use crate::home::Home;
use crate::sometimes::{Deeds, alert};

thread_local! {
    /// What the homes of this thread have done that are no more.
    static DONE: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Plays a scene and returns what the devices of its homes did in it, in words.
pub fn done_in(scene: fn()) -> BTreeSet<String> {
    DONE.take();
    scene();
    DONE.take()
}

impl Drop for Home {
    fn drop(&mut self) {
        let (mut deeds, hub) = (Deeds::default(), self.hub.counters());
        deeds.add_hub(hub.edges, hub.said, self.hub.history());
        for meter in &self.meters {
            deeds.add_device(meter.counters().edges, meter.counters().said, meter.history());
        }
        let logs = self.meters.iter().flat_map(Meter::security_log).chain(self.hub.security_log());
        let alerts = logs.map(|entry| alert(entry.event));
        DONE.with_borrow_mut(|done| done.extend(deeds.words().into_iter().chain(alerts)));
    }
}
