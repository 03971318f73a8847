//! Caps by the day, as the conductor has its engine keep them: hubs of a carrier are held until the next day.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{BudgetBook, CarrierTraffic, Conductor};
use transfer_engine::{ByteRate, CarrierPlan, DayCap, Moment};

use crate::street::{STREET, rehearsal, world};

const DAY: u64 = 86_400_000_000;

/// Bytes: a few requests for associations, of which hubs that are silent want more.
const CAP: u64 = 1_000;

#[test]
fn a_carrier_that_has_reached_its_cap_is_held_until_the_next_day() {
    let spec = world(STREET, 10);
    let set = rehearsal(&spec, 7);
    let providers = set.desk.inventory.devices().map(|device| device.comms_provider.as_str().to_owned());
    let cap = DayCap { bytes: Some(CAP), ..DayCap::default() };
    let plan = CarrierPlan { budget: ByteRate(5_000).into(), cap };
    let carriers: BTreeMap<String, CarrierPlan> = providers.map(|name| (name, plan)).collect();
    let count = carriers.len() as u64;
    let mut now = spec.start;
    let mut conductor = Conductor::new(set.settings, set.desk, now);
    conductor.set_budgets(BudgetBook { carriers, cells: BTreeMap::new() });
    for image in set.images {
        conductor.add_image(image);
    }
    conductor.create(now, &set.order).expect("the order is accepted");
    let until = now + Duration::from_secs(2 * 86_400);
    let mut sent: BTreeMap<u64, u64> = BTreeMap::new();
    let mut fullest = 0;
    while now < until {
        while let Some(batch) = conductor.poll_append() {
            conductor.handle_durable(now, batch.len());
        }
        while let Some(train) = conductor.poll_transmit(now) {
            *sent.entry(now.as_micros() / DAY).or_default() += train.contents.len() as u64 + 28;
        }
        let today: Vec<CarrierTraffic> = conductor.traffic().carriers;
        assert!(today.iter().all(|carrier| carrier.cap_bytes == Some(CAP) && carrier.bytes_today <= CAP));
        fullest = fullest.max(today.iter().map(|carrier| carrier.bytes_today).max().unwrap_or(0));
        now = conductor.poll_timeout().unwrap_or(Moment::MAX).max(now + Duration::from_millis(1));
    }
    assert!(sent.len() >= 2, "more is sent on the second day: {sent:?}");
    assert!(sent.values().all(|bytes| *bytes <= CAP * count), "{sent:?}");
    // A request is admitted at its largest, which no longer fits into what is left.
    assert!(fullest > CAP - 700, "the cap was what held it: {fullest}");
}
