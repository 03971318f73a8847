//! Hubs that flood us, as the conductor has its engine deal with them: their model is left alone by name.

use std::time::Duration;

use campaign::Conductor;
use transfer_engine::{ArmourRules, ByteRate, Moment, Transmit};

use crate::street::{STREET, rehearsal, world};

/// Makes durable what is to be, at once.
fn settle(conductor: &mut Conductor, now: Moment) {
    while let Some(batch) = conductor.poll_append() {
        conductor.handle_durable(now, batch.len());
    }
}

fn trains(conductor: &mut Conductor, now: Moment) -> Vec<Transmit> {
    let sent: Vec<_> = std::iter::from_fn(|| conductor.poll_transmit(now)).collect();
    settle(conductor, now);
    sent
}

#[test]
fn a_storming_hub_model_is_named_and_left_alone_for_a_pause() {
    let spec = world(STREET, 10);
    let mut set = rehearsal(&spec, 7);
    let rules = ArmourRules {
        hub_rate: ByteRate(200),
        hub_burst: Duration::from_secs(10),
        excess_frames: 20,
        ..ArmourRules::default()
    };
    set.settings.engine.armour = rules;
    let hub = set.desk.inventory.devices().find(|device| device.id == device.hub).expect("a hub");
    let entry = set.desk.register.entry(hub.entry).expect("its model is listed");
    let name = format!("{} {}", entry.manufacturer.as_str(), entry.model.as_str());
    let mut now = spec.start;
    let mut conductor = Conductor::new(set.settings, set.desk, now);
    for image in set.images {
        conductor.add_image(image);
    }
    conductor.create(now, &set.order).expect("the order is accepted");
    settle(&mut conductor, now);
    let first = trains(&mut conductor, now);
    let storming = first.first().expect("the pilot is talked to").address;
    assert_eq!(conductor.traffic().models, [(name.clone(), 0)]);

    for _ in 0..100 {
        conductor.handle_datagram(now, storming, &[0xD8; 1_000]);
    }
    assert_eq!(conductor.traffic().models, [(name, 1)], "its breaker opened, under its name");
    now = now + rules.pause / 2;
    assert_eq!(trains(&mut conductor, now), [], "no hub of the model is asked again during the pause");
    now = now + rules.pause;
    assert!(!trains(&mut conductor, now).is_empty(), "then they are");
}
