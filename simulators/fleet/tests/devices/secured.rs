//! The hub with keys: everything it does in the clear, ciphered, and nothing in the clear any more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use fleet::{CutMode, FlashFault, HubConfig, HubSecurity, SectorPool};
use proptest::prelude::{any, prop};
use proptest::proptest;
use transfer_engine::{
    Answer, ByteRate, Engine, EngineConfig, HubLink, LineRate, LinkSecurity, Priority, Release, Task,
    Transport, seal_for_all,
};
use wire::{
    AccessResult, Apdu, BroadcastSealer, Challenge, ClassId, ClientHeard, Conformance, CounterLease,
    ImageBlock, ImageTransferStatus, InvokeId, LinkKeys, Obis, SealError, SecureClient, SystemTitle, WPort,
    WanFrame, block_frame_len, emit_block_frame, sealed_block_frame_len,
};

use crate::home::{
    HUB, HUB_TYPE, Home, METER_TYPE, NEW, OLD, Recipe, gullible, hub_config, meter_config, meter_eui, model,
    trust,
};

pub const HEAD_END: SystemTitle = SystemTitle(*b"LMPhead1");

fn broadcast_keys() -> LinkKeys {
    LinkKeys::new([0xBB; 16], [0xAA; 16])
}

fn keys(hub: u8) -> LinkKeys {
    LinkKeys::new([hub; 16], [0xAA; 16])
}

pub fn security(hub: u8) -> Option<HubSecurity> {
    Some(HubSecurity {
        title: SystemTitle([b'L', b'M', b'P', 0, 0, 0, 0, hub]),
        keys: keys(hub),
        broadcast: Some(broadcast_keys()),
        challenge_seed: [hub ^ 0x55; 32],
        first_counter: 0,
    })
}

pub fn lease(first: u32) -> CounterLease {
    let mut lease = CounterLease::after(first);
    let request = lease.request(1_000_000).unwrap();
    lease.grant(request);
    lease
}

/// The head-end's end of a secured link; notes every counter under which the hub answered.
pub struct SecuredLink {
    client: SecureClient,
    challenges: u64,
    counters: Vec<u32>,
    /// Every APDU that was sent, for those tests that repeat them.
    sent: Vec<Vec<u8>>,
}

impl SecuredLink {
    pub fn new(hub: u8) -> SecuredLink {
        let client = SecureClient::new(keys(hub), HEAD_END, lease(0));
        SecuredLink { client, challenges: 0, counters: Vec::new(), sent: Vec::new() }
    }

    /// Asks what would be asked in the clear; an association request becomes the whole handshake.
    pub fn ask(
        &mut self,
        request: &Apdu<'_>,
        mut carry: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let mut apdu = Vec::new();
        match request {
            Apdu::AssociationRequest(request) => {
                self.challenges += 1;
                let challenge = Challenge::new(&self.challenges.to_be_bytes()).unwrap();
                self.client.associate(challenge, request.conformance, request.max_pdu, &mut apdu).unwrap();
            }
            request => match self.client.seal(request, &mut apdu) {
                Err(SealError::NotAssociated) => return None,
                sealed => sealed.unwrap(),
            },
        }
        loop {
            self.sent.push(apdu.clone());
            let answer = carry(&apdu)?;
            self.note_counter(&answer);
            let mut plain = Vec::new();
            let answer = match self.client.hear(&answer, &mut plain).unwrap() {
                ClientHeard::Challenged => {
                    apdu.clear();
                    let invoke = InvokeId { number: 0, confirmed: true, high_priority: true };
                    self.client.prove(invoke, &mut apdu).unwrap();
                    continue;
                }
                ClientHeard::Associated(granted) => Apdu::AssociationResponse(granted),
                ClientHeard::Answer(answer) => answer,
            };
            let mut out = Vec::new();
            answer.emit(&mut out);
            return Some(out);
        }
    }

    fn note_counter(&mut self, apdu: &[u8]) {
        let at = match apdu[..2] {
            // An AARE ends with the ciphered initiate-response: 28 1f 30 counter ...
            [0x61, _] => apdu.len() - 33 + 3,
            [0xD8, _] => return,
            [_, len] if len >= 0x80 => 2 + usize::from(len & 0x7F) + 1,
            _ => 3,
        };
        self.counters.push(u32::from_be_bytes(apdu[at..at + 4].try_into().unwrap()));
    }
}

fn secured_home(config: HubConfig) -> Home {
    let mut home = Home::new(HubConfig { security: security(1), ..config }, vec![meter_config(1)], trust());
    home.link = Some(SecuredLink::new(1));
    home
}

fn usual() -> Home {
    secured_home(hub_config(&[meter_config(1)]))
}

#[track_caller]
fn each_once(counters: &[u32]) {
    assert!(counters.windows(2).all(|pair| pair[0] < pair[1]), "counters rise: {counters:?}");
}

#[test]
fn a_meter_and_its_hub_are_updated_under_cipher() {
    let mut home = usual();
    let meter_file = Recipe::new(METER_TYPE).signed();
    assert_eq!(home.stage(1, meter_file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(70);
    let signed = home.order(meter_eui(1), meter_file.image_digest(), 1);
    assert_eq!(home.order_activation(1, &signed), AccessResult::TemporaryFailure);
    home.run_minutes(5);
    assert_eq!(home.active_version(1), Ok(NEW.0.to_be_bytes().to_vec()));

    let hub_file = Recipe::new(HUB_TYPE).signed();
    assert_eq!(home.stage(0, hub_file.bytes()), ImageTransferStatus::VerificationSuccessful);
    let signed = home.order(HUB, hub_file.image_digest(), 1);
    assert_eq!(home.order_activation(0, &signed), AccessResult::Success, "the answer comes before the boot");
    home.run_minutes(5);
    assert_eq!(home.active_version(0), Ok(NEW.0.to_be_bytes().to_vec()));
    each_once(&home.link.as_ref().unwrap().counters);
    assert_eq!(home.hub.counters().unbelieved_apdus, 0);
}

#[test]
fn a_hub_with_keys_serves_nothing_in_the_clear() {
    let mut home = usual();
    home.link = None;
    let request = wire::AssociationRequest {
        context: wire::ApplicationContext::LnNoCiphering,
        conformance: Conformance::GET,
        max_pdu: 0,
        wants_authentication: false,
    };
    let answer = home.ask(&Apdu::AssociationRequest(request)).unwrap();
    let Apdu::AssociationResponse(refusal) = Apdu::parse(&answer).unwrap() else { panic!("no AARE") };
    assert_eq!((refusal.accepted, refusal.diagnostic), (false, 2));
    let get = [0xC0, 1, 0xC1, 0, 18, 0, 0, 44, 0, 0, 255, 2, 0];
    assert_eq!(home.ask_bytes(&get), Some(vec![0xD8, 1, 1]));
    home.link = Some(SecuredLink::new(1));
    home.associate();
    assert_eq!(home.ask_bytes(&get), Some(vec![0xD8, 1, 1]), "nor while somebody is associated");
    assert_eq!(home.hub.counters().unbelieved_apdus, 3);
    assert_eq!(home.status(0), ImageTransferStatus::NotInitiated, "who holds the keys is served");
}

#[test]
fn what_was_recorded_does_nothing_when_it_is_repeated() {
    let mut home = usual();
    let file = Recipe::new(METER_TYPE).signed();
    home.stage(1, file.bytes());
    let recorded = home.link.as_ref().unwrap().sent.clone();
    let operations = home.hub.flash_operations();
    for apdu in &recorded {
        home.ask_bytes(apdu);
    }
    assert_eq!(home.hub.flash_operations(), operations);
    assert_eq!(
        home.status(1),
        ImageTransferStatus::VerificationSuccessful,
        "the true client still is let in"
    );
    // Nor after a restart, when the hub has forgotten whom it heard: initiate would have emptied the slot.
    home.hub.reboot(home.now);
    home.run_minutes(1);
    for apdu in &recorded {
        home.ask_bytes(apdu);
    }
    assert_eq!(home.hub.transfer_status(1), Some(ImageTransferStatus::VerificationSuccessful));
    home.associate();
    assert_eq!(home.status(1), ImageTransferStatus::VerificationSuccessful);
}

/// Asks until more than a lease of counters was used, through one cut of the supply.
fn ask_through(fault: Option<FlashFault>) -> u64 {
    let config =
        HubConfig { flash_faults: fault.into(), boot_time: Duration::from_secs(1), ..hub_config(&[]) };
    let mut home = secured_home(config);
    for _ in 0..3 {
        for _ in 0..400 {
            if home.ask(&get_status()).is_none_or(|answer| answer[0] == 0xD8) {
                home.run_for(Duration::from_secs(10));
                // Once lost, once heard, or not heard when the hub is away again.
                let mut link = home.link.take().unwrap();
                link.ask(&association_request(), |_| None);
                link.ask(&association_request(), |apdu| home.ask_bytes(apdu));
                home.link = Some(link);
            }
        }
        home.hub.reboot(home.now);
        home.run_for(Duration::from_secs(10));
    }
    let counters = &home.link.as_ref().unwrap().counters;
    assert!(counters.len() > 1_100, "{fault:?}: {} answers", counters.len());
    assert_eq!(counters.iter().collect::<BTreeSet<_>>().len(), counters.len(), "{fault:?}: a counter twice");
    each_once(counters);
    assert_eq!(home.hub.counters().power_cuts, u64::from(fault.is_some()), "{fault:?}");
    home.hub.flash_operations()
}

fn get_status() -> Apdu<'static> {
    let (class, instance) = (ClassId::IMAGE_TRANSFER, Obis::image_transfer(0));
    let attribute = wire::AttributeRef { class, instance, index: 6 };
    let invoke = InvokeId { number: 1, confirmed: true, high_priority: true };
    Apdu::GetRequest(wire::GetRequest { invoke, attribute })
}

fn association_request() -> Apdu<'static> {
    Apdu::AssociationRequest(wire::AssociationRequest {
        context: wire::ApplicationContext::Other,
        conformance: Conformance::GET,
        max_pdu: 0,
        wants_authentication: true,
    })
}

#[test]
fn no_counter_is_used_twice_wherever_the_supply_fails() {
    let operations = ask_through(None);
    assert!(operations >= 4, "{operations}");
    for mode in [CutMode::Before, CutMode::Torn, CutMode::After] {
        for at_operation in 0..operations {
            ask_through(Some(FlashFault { at_operation, mode }));
        }
    }
}

/// The unconfirmed blocks of a file for a channel.
fn train(channel: u8, file: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let invoke = InvokeId { number: 1, confirmed: false, high_priority: true };
    for (number, bytes) in (0..).zip(file.chunks(1024)) {
        let block = ImageBlock { number, bytes };
        let slot = Obis::image_transfer(channel);
        emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, slot, &block, &mut frames);
    }
    frames
}

fn sealer(first: u32) -> BroadcastSealer {
    BroadcastSealer::new(broadcast_keys(), HEAD_END, lease(first))
}

#[test]
fn one_ciphertext_serves_every_hub_and_its_repeats_change_nothing() {
    let file = Recipe::new(METER_TYPE).signed();
    let shared = seal_for_all(&mut sealer(50), &train(1, file.bytes()), 1024).unwrap();
    let frames: Vec<&[u8]> = shared.frames.chunks(shared.stride).collect();
    for hub in [1, 2] {
        let config = HubConfig { security: security(hub), ..hub_config(&[meter_config(1)]) };
        let mut home = Home::new(config, vec![meter_config(1)], trust());
        home.link = Some(SecuredLink::new(hub));
        let reply = &mut Vec::new();
        home.hub.receive_wan(home.now, &mut home.pool, frames[0], reply);
        home.associate();
        assert_eq!(home.initiate(1, file.bytes()), AccessResult::Success);
        // Out of order, with repeats, the hub restarting in between.
        for at in (0..frames.len()).rev().chain(0..frames.len()) {
            home.hub.receive_wan(home.now, &mut home.pool, frames[at], reply);
        }
        home.hub.reboot(home.now);
        home.run_minutes(1);
        home.associate();
        for frame in &frames {
            home.hub.receive_wan(home.now, &mut home.pool, frame, reply);
        }
        assert!(reply.is_empty(), "blocks for all hubs are not answered");
        assert_eq!(home.verify(1), AccessResult::TemporaryFailure);
        home.run_for(Duration::from_secs(2));
        assert_eq!(home.status(1), ImageTransferStatus::VerificationSuccessful);
        let counters = home.hub.counters();
        let count = frames.len() as u64;
        assert_eq!((counters.blocks_received, counters.duplicate_blocks), (count, 2 * count));
        assert_eq!((counters.unassociated_requests, counters.unbelieved_apdus), (1, 0));
    }
}

#[test]
fn blocks_of_an_image_before_are_not_taken_for_one_after() {
    let (old, new) = (Recipe::new(METER_TYPE), Recipe { len: 4000, ..Recipe::new(METER_TYPE) });
    let (old, new) = (old.signed(), new.signed());
    let mut sealer = sealer(50);
    let before = seal_for_all(&mut sealer, &train(1, old.bytes()), 1024).unwrap();
    let after = seal_for_all(&mut sealer, &train(1, new.bytes()), 1024).unwrap();
    let mut home = usual();
    home.associate();
    let reply = &mut Vec::new();
    for (image, shared, repeated) in [(&old, &before, &after), (&new, &after, &before)] {
        assert_eq!(home.initiate(1, image.bytes()), AccessResult::Success);
        let frames: Vec<&[u8]> = shared.frames.chunks(shared.stride).collect();
        home.hub.receive_wan(home.now, &mut home.pool, frames[0], reply);
        if repeated == &before {
            // The record of the newest sealing survives a restart.
            home.hub.reboot(home.now);
            home.run_minutes(1);
            home.associate();
            let refused = home.hub.counters().unbelieved_apdus;
            for frame in repeated.frames.chunks(shared.stride) {
                home.hub.receive_wan(home.now, &mut home.pool, frame, reply);
            }
            let count = repeated.frames.chunks(shared.stride).count() as u64;
            assert_eq!(home.hub.counters().unbelieved_apdus, refused + count);
        }
        for frame in frames {
            home.hub.receive_wan(home.now, &mut home.pool, frame, reply);
        }
        assert_eq!(home.verify(1), AccessResult::TemporaryFailure);
        home.run_for(Duration::from_secs(2));
        assert_eq!(home.status(1), ImageTransferStatus::VerificationSuccessful);
    }
}

/// Drives an unchanged engine over a secured link until its task ends; every n-th frame to the hub is lost.
fn stage_with_engine(
    shared: Option<&transfer_engine::SharedCiphertext>,
    file: &[u8],
    lose_every: u32,
) -> Answer {
    let mut home = usual();
    let mut link = LinkSecurity::new(SecureClient::new(keys(1), HEAD_END, lease(0)));
    let mut engine = Engine::new(EngineConfig::default(), home.now);
    let cell = engine.add_cell(ByteRate(1_000_000));
    let address = SocketAddr::from(([127, 0, 0, 1], 4059));
    let (transport, rate) = (Transport::Datagram, ByteRate(10_000));
    let hub = engine.add_hub(home.now, HubLink { address, transport, cell, rate: LineRate::Fixed(rate) });
    let identification = firmware_image::FileDigest::of(file).as_bytes().to_vec().into();
    let release = engine.add_release(Release { identification, bytes: file.to_vec().into() });
    assert!(engine.assign(home.now, hub, Task::Stage { release, channel: 1, tail_s: 0 }, Priority(0)));
    let (mut sent, mut challenges) = (0u32, 0u64);
    for _ in 0..20_000 {
        if let Some(event) = engine.poll_event() {
            return event.result.expect("staged");
        }
        let Some(transmit) = engine.poll_transmit(home.now) else {
            let next = engine.poll_timeout().expect("a task is under way");
            home.run_until(next.max(home.now + Duration::from_millis(1)));
            continue;
        };
        for plain in transmit.contents.chunks(transmit.segment) {
            let chosen = shared.filter(|_| transmit.blocks > 0).map(|shared| sealed_form(shared, plain));
            let mut to_hub = Vec::new();
            let challenge = || {
                challenges += 1;
                Challenge::new(&challenges.to_be_bytes()).unwrap()
            };
            link.outbound(chosen.unwrap_or(plain), challenge, &mut to_hub)
                .expect("associated, with counters");
            while !to_hub.is_empty() {
                sent += 1;
                let mut reply = Vec::new();
                if sent % lose_every != 0 {
                    home.hub.receive_wan(home.now, &mut home.pool, &to_hub, &mut reply);
                }
                to_hub.clear();
                if reply.is_empty() {
                    break;
                }
                let mut deliver = Vec::new();
                link.inbound(&reply, &mut deliver, &mut to_hub).expect("the hub is believed");
                if !deliver.is_empty() {
                    engine.handle_datagram(home.now, address, &deliver);
                }
            }
        }
    }
    panic!("the task does not end");
}

/// Finds the shared form of a block: the same for every hub, so it is found by its number.
fn sealed_form<'s>(shared: &'s transfer_engine::SharedCiphertext, plain: &[u8]) -> &'s [u8] {
    let frame = WanFrame::parse_datagram(plain).unwrap();
    let Ok(Apdu::ActionRequest(action)) = Apdu::parse(frame.apdu) else { panic!("no ACTION") };
    let number = ImageBlock::parse_parameter(action.parameter.unwrap()).unwrap().number as usize;
    let end = ((number + 1) * shared.stride).min(shared.frames.len());
    &shared.frames[number * shared.stride..end]
}

#[test]
fn an_engine_stages_an_image_over_a_secured_link_that_loses_frames() {
    let file = Recipe { len: 30_000, ..Recipe::new(METER_TYPE) }.signed();
    let shared = seal_for_all(&mut sealer(0), &train(1, file.bytes()), 1024).unwrap();
    assert_eq!((block_frame_len(1024), sealed_block_frame_len(1024), shared.stride), (1056, 1077, 1077));
    for lose_every in [u32::MAX, 7] {
        for shared in [None, Some(&shared)] {
            let Answer::Staged(report) = stage_with_engine(shared, file.bytes(), lose_every) else {
                panic!("not staged");
            };
            assert_eq!(report.blocks as usize, file.bytes().len().div_ceil(1024));
            assert_eq!(report.blocks_repaired > 0, lose_every == 7);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_do_nothing_to_a_hub_with_keys(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20),
        tag in prop::sample::select(vec![0x60u8, 0xC3, 0xC8, 0xCB, 0x00]),
        control in prop::sample::select(vec![0x30u8, 0x70]),
    ) {
        let config = HubConfig { security: security(1), model: Some(model(HUB_TYPE)), ..HubConfig::new(HUB, OLD) };
        let mut home = Home::new(config, Vec::new(), gullible());
        home.link = Some(SecuredLink::new(1));
        home.associate();
        let operations = home.hub.flash_operations();
        let pool = &mut SectorPool::new();
        for bytes in frames {
            let mut frame = vec![0, 1, 0, 0x10, 0, 1, 0, bytes.len() as u8 + 3, tag, bytes.len() as u8 + 1, control];
            frame.extend_from_slice(&bytes);
            home.hub.receive_wan(home.now, pool, &frame, &mut Vec::new());
        }
        assert_eq!(home.hub.flash_operations(), operations);
        assert_eq!(home.status(0), ImageTransferStatus::NotInitiated);
    }
}
