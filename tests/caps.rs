//! Caps by the day, as the conductor has its engine keep them: hubs of a carrier are held until the next day.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campaign::{BudgetBook, CarrierTraffic, Conductor};
use fleet::Rehearsal;
use head_end::{DayCounts, Disk};
use ledger::{EntryIndex, Ledger, MemoryStore};
use transfer_engine::{ByteRate, CarrierPlan, DayCap, DayCount, Moment};

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
    let plan = CarrierPlan { budget: ByteRate(5_000).into(), cap, before: DayCount::default() };
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

/// A disk that outlives the head-end.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Disk for Kept {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap() = bytes.to_vec();
        Ok(())
    }
}

/// Starts a head-end on what its disk and ledger hold.
fn start(set: Rehearsal, ledger: &Ledger<MemoryStore>, disk: &Kept, now: Moment) -> (Conductor, DayCounts) {
    let providers = set.desk.inventory.devices().map(|device| device.comms_provider.as_str().to_owned());
    let cap = DayCap { bytes: Some(LONG_CAP), ..DayCap::default() };
    let plan = CarrierPlan { budget: ByteRate(5_000).into(), cap, before: DayCount::default() };
    let mut book =
        BudgetBook { carriers: providers.map(|name| (name, plan)).collect(), cells: BTreeMap::new() };
    let mut days = DayCounts::open(Box::new(disk.clone())).unwrap();
    days.take_up(&mut book);
    let mut conductor = Conductor::new(set.settings, set.desk, now);
    conductor.set_budgets(book);
    for image in set.images {
        conductor.add_image(image);
    }
    for entry in ledger.entries(EntryIndex(0)) {
        conductor.replay(&[entry.unwrap()]).unwrap();
    }
    conductor.resume(now).unwrap();
    (conductor, days)
}

/// Bytes: more than silent hubs want within minutes, so that restarts fall among them.
const LONG_CAP: u64 = 64_000;

/// Restarts every ten minutes, after a crash or in good order: what the next head-end sends counts with what those before
/// it have sent, and nothing is lost of the cap where the end was orderly.
#[test]
fn a_restart_grants_no_carrier_a_second_cap() {
    for is_orderly in [true, false] {
        // So many homes that it takes two days to try in vain to reach all of them.
        let spec = world(STREET, 200);
        let (disk, mut now) = (Kept::default(), spec.start);
        let mut ledger = Ledger::open(MemoryStore::new()).unwrap();
        let (mut conductor, mut days) = start(rehearsal(&spec, 7), &ledger, &disk, now);
        let mut order = rehearsal(&spec, 7).order;
        order.policy.waves = Vec::new();
        conductor.create(now, &order).expect("the order is accepted");
        let carriers = conductor.traffic().carriers.len() as u64;
        let until = now + Duration::from_secs(86_400 - now.as_micros() / 1_000_000 % 86_400 + 43_200);
        let mut restart_at = now + Duration::from_secs(600);
        let mut sent: BTreeMap<u64, u64> = BTreeMap::new();
        let mut restarts = 0;
        while now < until {
            if now >= restart_at {
                if is_orderly {
                    days.close(now, &conductor.traffic().carriers).unwrap();
                }
                (conductor, days) = start(rehearsal(&spec, 7), &ledger, &disk, now);
                (restart_at, restarts) = (now + Duration::from_secs(600), restarts + 1);
            }
            while let Some(batch) = conductor.poll_append() {
                let entries = batch.len();
                ledger.append(batch).unwrap();
                conductor.handle_durable(now, entries);
            }
            if days.is_due(now) {
                days.keep(now, &conductor.traffic().carriers).unwrap();
            }
            while let Some(train) = conductor.poll_transmit(now) {
                *sent.entry(now.as_micros() / DAY).or_default() += train.contents.len() as u64 + 28;
            }
            let next = conductor.poll_timeout().unwrap_or(Moment::MAX).min(restart_at);
            now = next.max(now + Duration::from_millis(1));
        }
        println!("{restarts} restarts, sent by day {sent:?}, cap {LONG_CAP} for each of {carriers}");
        assert!(restarts > 50, "{restarts}");
        // A request is admitted at its largest, which no longer fits into what is left.
        let full = 2 * (LONG_CAP - 1_000);
        assert!(
            !is_orderly || sent.values().all(|bytes| *bytes >= full),
            "two carriers fill theirs: {sent:?}"
        );
        assert!(sent.len() >= 2 && sent.values().all(|bytes| *bytes <= LONG_CAP * carriers), "{sent:?}");
    }
}
