//! Whatever the line and the hub do, every block arrives exactly once and the image is whole; whatever anybody sends
//! us, nothing breaks.

use std::time::Duration;

use proptest::prelude::*;
use transfer_engine::{Answer, ByteRate, Fault, LineRate, Priority, Task, Transport};

use crate::net::Profile;
use crate::rig::{Rig, START, address, ample};

const UNKNOWN: LineRate = LineRate::AtMost(ByteRate(1_000_000));

/// What happens to a hub or to us on the way.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Reboot,
    Moves(u32),
    EngineRestarts,
    Read,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::Reboot),
        (1_000u32..60_000).prop_map(Mishap::Moves),
        Just(Mishap::EngineRestarts),
        Just(Mishap::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_block_is_stored_exactly_once_whatever_happens(
        seed in any::<u64>(),
        len in 1usize..60_000,
        block in 64u32..1_400,
        loss in 0.0f64..0.25,
        duplicates in 0.0f64..0.2,
        stragglers in 0.0f64..0.2,
        fixed in any::<bool>(),
        mishaps in proptest::collection::vec((1u64..30, mishap()), 0..5),
    ) {
        let profile = Profile { duplicates, stragglers, ..Profile::gprs(loss) };
        let rate = if fixed { LineRate::Fixed(ByteRate(4_500)) } else { UNKNOWN };
        let mut rig = Rig::new(ample(), len, seed);
        let cell = rig.cell();
        let hub = rig.add(cell, Transport::Datagram, rate, profile, block);
        rig.stage(hub);
        let mut at = START;
        for (wait, mishap) in mishaps {
            at = at + Duration::from_secs(wait);
            rig.run_until(at);
            match mishap {
                Mishap::Reboot => rig.members[0].device.reboot(),
                Mishap::Moves(to) => rig.readdress(hub, address(to)),
                Mishap::EngineRestarts => {
                    rig.restart_engine(ample(), Transport::Datagram, rate);
                    rig.stage(hub);
                }
                Mishap::Read => {
                    rig.engine.assign(rig.now, hub, Task::ReadVersion { channel: 0 }, Priority(0));
                }
            }
        }
        let staged = |rig: &Rig| rig.events.iter().filter(|(_, event)| matches!(event.task, Task::Stage { .. })).count();
        while staged(&rig) == 0 {
            let more = rig.events.len() + 1;
            rig.run_to_events(more);
        }
        for (_, event) in &rig.events {
            let fine = matches!(event.result, Ok(Answer::Staged(_) | Answer::Version(_)));
            // A quarter of everything lost both ways, for minutes: then "unreachable" is the truth.
            let unlucky = loss > 0.1 && matches!(event.result, Err(Fault::Unreachable { .. }));
            prop_assert!(fine || unlucky, "{:?}", event);
        }
        if rig.events.iter().any(|(_, event)| matches!(event.result, Ok(Answer::Staged(_)))) {
            let device = &rig.members[0].device;
            prop_assert_eq!(&device.bytes[..], &rig.image[..]);
            prop_assert!(device.stores.iter().all(|stores| *stores == 1), "{:?}", device.stores);
        }
    }

    /// Datagrams made up from nothing, and real answers with bytes changed, at every stage of a session.
    #[test]
    fn fuzzed_datagrams_never_break_a_session_or_grow_it(
        seed in any::<u64>(),
        junk in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..200), any::<bool>(), 0u64..2_000), 1..80),
        stream in any::<bool>(),
    ) {
        let transport = if stream { Transport::Stream { window: 8 } } else { Transport::Datagram };
        let mut rig = Rig::new(ample(), 8_000, seed);
        let cell = rig.cell();
        let hub = rig.add(cell, transport, UNKNOWN, Profile::gprs(0.0), 256);
        rig.stage(hub);
        let mut heard = 0;
        for (mut bytes, framed, wait) in junk {
            rig.run_until(rig.now + Duration::from_millis(wait));
            if framed {
                // A sound wrapper, so that the APDU is reached.
                let mut frame = vec![0, 1, 0, 1, 0, 0x10];
                frame.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
                frame.append(&mut bytes);
                bytes = frame;
            }
            let from = rig.members[0].address;
            rig.engine.handle_datagram(rig.now, from, &bytes);
            rig.engine.handle_datagram(rig.now, address(77), &bytes);
            heard += 1;
            prop_assert!(rig.engine.counters().strangers >= heard);
        }
        // However it ended, it ended or goes on; and the hub still answers to a new task.
        rig.run_until(rig.now + Duration::from_secs(3_600));
        prop_assert!(rig.events.len() <= 1);
        prop_assert_eq!(rig.engine.busy_hubs(), 0);
    }
}

/// The network doubled an initiate; the copy came after the verification and emptied the slot, and the image counted as
/// staged. The engine cannot help it: a hub hears a request once.
#[test]
fn an_initiate_that_the_network_doubles_leaves_the_image_whole() {
    let (duplicates, loss) = (0.18902883953875307, 0.16538456577554173);
    let profile = Profile { duplicates, stragglers: 0.0, ..Profile::gprs(loss) };
    let mut rig = Rig::new(ample(), 1, 2_116_656_538_055_132_247);
    let cell = rig.cell();
    let hub = rig.add(cell, Transport::Datagram, UNKNOWN, profile, 64);
    rig.stage(hub);
    rig.run_to_events(1);
    assert!(matches!(rig.events[0].1.result, Ok(Answer::Staged(_))), "{:?}", rig.events);
    assert_eq!(rig.members[0].device.stores, [1]);
}
