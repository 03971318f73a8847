//! Keys that are rotated in the middle of a transfer, at hub and head-end at different times: the transfer goes on from
//! what the hub holds.

use std::net::SocketAddr;
use std::time::Duration;

use fleet::HubSecurity;
use transfer_engine::{
    Answer, ByteRate, Engine, EngineConfig, Fault, HubId, HubLink, LineRate, LinkSecurity, Priority,
    Protection, Release, Task, Transmit, Transport,
};
use wire::{Apdu, BroadcastSealer, Challenge, LinkKeys, SecureClient, SystemTitle};

use crate::home::{Home, METER_TYPE, Recipe, hub_config, meter_config, trust};
use crate::secured::{HEAD_END, lease, security};

const ADDRESS: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 4059));

/// Between the two ends of a rotation: longer than the wait for an answer, shorter than the patience with a hub.
const APART: Duration = Duration::from_secs(40);

/// Where counters under the key of all hubs from before begin: higher than those under the next one will ever be.
const BEFORE: u32 = 5_000_000;

/// Which keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rotated {
    Own,
    OfAllHubs,
    Both,
    /// There is none for all hubs any more.
    OfAllHubsGone,
}

/// Who has the other keys first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Hub,
    HeadEnd,
}

fn keys(of: u8) -> LinkKeys {
    LinkKeys::new([of; 16], [0xAA; 16])
}

/// A head-end and a hub, with a line between them that loses nothing.
struct Ends {
    home: Home,
    engine: Engine,
    hub: HubId,
    link: LinkSecurity,
    title: SystemTitle,
    challenges: u64,
    /// Plain frames of these kinds that the engine handed over.
    initiates: u32,
    associations: u32,
    /// What was sealed for all hubs before is outdated.
    is_sealed_anew: bool,
}

impl Ends {
    fn new(has_shared: bool) -> Ends {
        let security = Some(HubSecurity { broadcast: Some(keys(0xBB)), ..security(1).unwrap() });
        let config = fleet::HubConfig { security, ..hub_config(&[meter_config(1)]) };
        let home = Home::new(config, vec![meter_config(1)], trust());
        let mut engine = Engine::new(EngineConfig::default(), home.now);
        let cell = engine.add_cell(ByteRate(1_000_000));
        let rate = LineRate::Fixed(ByteRate(10_000));
        let link = HubLink { address: ADDRESS, transport: Transport::Datagram, cell, rate };
        let hub = engine.add_hub(home.now, link);
        engine.set_protection(hub, if has_shared { Protection::Shared } else { Protection::Own });
        engine.set_sealer(home.now, has_shared.then(|| sealer(0xBB, HEAD_END)));
        let link = client(1, HEAD_END);
        Ends {
            home,
            engine,
            hub,
            link,
            title: HEAD_END,
            challenges: 0,
            initiates: 0,
            associations: 0,
            is_sealed_anew: false,
        }
    }

    fn rotate_at_hub(&mut self, what: Rotated) {
        let own = if matches!(what, Rotated::Own | Rotated::Both) { keys(7) } else { keys(1) };
        let shared = match what {
            Rotated::Own => Some(keys(0xBB)),
            Rotated::OfAllHubs | Rotated::Both => Some(keys(0xCC)),
            Rotated::OfAllHubsGone => None,
        };
        let security = HubSecurity { keys: own, broadcast: shared, ..security(1).unwrap() };
        self.home.hub.take_keys(self.home.now, &mut self.home.pool, security);
    }

    fn rotate_at_head_end(&mut self, what: Rotated) {
        let now = self.home.now;
        self.is_sealed_anew = what != Rotated::Own;
        if matches!(what, Rotated::Own | Rotated::Both) {
            self.link = client(7, self.title);
            self.engine.forget_association(now, self.hub);
        }
        match what {
            Rotated::Own => {}
            Rotated::OfAllHubs | Rotated::Both => {
                self.engine.set_sealer(now, Some(sealer(0xCC, self.title)));
            }
            Rotated::OfAllHubsGone => {
                self.engine.set_protection(self.hub, Protection::Own);
                self.engine.set_sealer(now, None);
            }
        }
    }

    /// Carries a train over the link to the hub, and what comes back.
    fn carry(&mut self, train: &Transmit) {
        for plain in train.contents.chunks(train.segment) {
            let apdu = &plain[8..];
            self.associations += u32::from(apdu[0] == 0x60);
            if apdu[0] == 0xCB && self.is_sealed_anew {
                let at = if apdu[1] < 0x80 { 3 } else { 3 + usize::from(apdu[1] & 0x7F) };
                let counter = u32::from_be_bytes(apdu[at..at + 4].try_into().unwrap());
                assert!(counter < BEFORE, "a block of the sealing before is sent");
            }
            if let Ok(Apdu::ActionRequest(action)) = Apdu::parse(apdu) {
                self.initiates += u32::from(action.method.index == 1);
            }
            let mut to_hub = Vec::new();
            self.challenges += 1;
            let challenge = Challenge::new(&self.challenges.to_be_bytes()).unwrap();
            self.link.outbound(plain, || challenge, &mut to_hub).expect("associated, with counters");
            while !to_hub.is_empty() {
                let (mut reply, mut deliver) = (Vec::new(), Vec::new());
                self.home.hub.receive_wan(self.home.now, &mut self.home.pool, &to_hub, &mut reply);
                to_hub.clear();
                if !reply.is_empty() && self.link.inbound(&reply, &mut deliver, &mut to_hub).is_ok() {
                    self.engine.handle_datagram(self.home.now, ADDRESS, &deliver);
                }
            }
        }
    }
}

fn client(key: u8, title: SystemTitle) -> LinkSecurity {
    LinkSecurity::new(SecureClient::new(keys(key), title, lease(0)))
}

fn sealer(key: u8, title: SystemTitle) -> BroadcastSealer {
    BroadcastSealer::new(keys(key), title, lease(if key == 0xBB { BEFORE } else { 0 }))
}

/// Stages an image, and has keys rotated when so many blocks were sent: while the hub is asked something between two of
/// them, if there is a word.
fn stage(has_shared: bool, what: Rotated, first: First, at_block: u32, has_word: bool) {
    let case =
        format!("{what:?}, first at {first:?}, block {at_block}, for all: {has_shared}, word: {has_word}");
    let mut ends = Ends::new(has_shared);
    let file = Recipe { len: 60_000, ..Recipe::new(METER_TYPE) }.signed();
    let identification = firmware_image::FileDigest::of(file.bytes()).as_bytes().to_vec().into();
    let bytes = file.bytes().to_vec().into();
    let release = ends.engine.add_release(Release { identification, bytes });
    let task = Task::Stage { release, channel: 1, tail_s: 0 };
    assert!(ends.engine.assign(ends.home.now, ends.hub, task.clone(), Priority(0)));
    let count = file.bytes().len().div_ceil(1024) as u32;
    let (mut blocks, mut second_at) = (0, None);
    let report = loop {
        if let Some(event) = ends.engine.poll_event() {
            match event.result {
                Ok(Answer::Staged(report)) => break report,
                Ok(Answer::HanStatus(_)) => continue,
                // While only one end has the other key of all hubs. The conductor then goes on under the hub's own.
                Err(Fault::Stalled { .. }) if has_shared && what != Rotated::Own => {
                    ends.engine.set_protection(ends.hub, Protection::Own);
                    assert!(ends.engine.assign(ends.home.now, ends.hub, task.clone(), Priority(0)));
                }
                other => panic!("{case}: {other:?}"),
            }
        }
        if second_at.is_none() && blocks >= at_block {
            second_at = Some(ends.home.now + APART);
            if has_word {
                assert!(ends.engine.assign(ends.home.now, ends.hub, Task::ReadHanStatus, Priority(0)));
            }
            match first {
                First::Hub => ends.rotate_at_hub(what),
                First::HeadEnd => ends.rotate_at_head_end(what),
            }
        }
        if second_at.is_some_and(|at| at <= ends.home.now) {
            second_at = Some(transfer_engine::Moment::MAX);
            match first {
                First::Hub => ends.rotate_at_head_end(what),
                First::HeadEnd => ends.rotate_at_hub(what),
            }
        }
        let Some(train) = ends.engine.poll_transmit(ends.home.now) else {
            let next = ends.engine.poll_timeout().expect("a task is under way");
            let next = second_at.map_or(next, |at| at.min(next));
            ends.home.run_until(next.max(ends.home.now + Duration::from_millis(1)));
            continue;
        };
        blocks += train.blocks;
        ends.carry(&train);
    };
    assert!(second_at.is_some(), "{case}: nothing was rotated");
    assert_eq!(ends.initiates, 1, "{case}");
    assert_eq!(report.blocks, count, "{case}");
    let held = ends.home.hub.counters();
    assert_eq!(held.blocks_received, u64::from(count), "{case}: nothing was stored twice");
    assert!(held.duplicate_blocks <= 1, "{case}: {} blocks were sent again", held.duplicate_blocks);
    assert!(ends.associations > 1, "{case}: it went on under the keys before");
}

#[test]
fn a_transfer_goes_on_without_a_second_initiate_whoever_has_the_other_keys_first() {
    for first in [First::Hub, First::HeadEnd] {
        for at_block in [1, 20, 57, 58, 59] {
            for has_word in [false, true] {
                stage(false, Rotated::Own, first, at_block, has_word);
                for what in [Rotated::Own, Rotated::OfAllHubs, Rotated::Both, Rotated::OfAllHubsGone] {
                    stage(true, what, first, at_block, has_word);
                }
            }
        }
    }
}
