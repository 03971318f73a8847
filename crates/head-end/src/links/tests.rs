//! Keys that move between holders, come back, and come and go, against hubs of `wire`: what is used of their counters.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use wire::{
    Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId, Conformance, GetRequest, ImageBlock,
    InvokeId, LinkKeys, Obis, SecureServer, ServerHeard, ServerOffer, SystemTitle, WPort, emit_block_frame,
    emit_wan,
};

use super::*;
use crate::counter_disk::Disk;

const HUBS: u8 = 3;

/// More keys than holders, so that some rest and come back.
const KEYS: u8 = 6;

/// Frames in a train: three and a half of them use up a span.
const FRAMES: u32 = 18_000;

/// A disk that outlives the head-end.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        Ok(self.0.lock().expect("no panic").clone())
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        *self.0.lock().expect("no panic") = bytes.to_vec();
        Ok(())
    }
}

/// Numbers without a pattern; the same seed gives the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u8
    }
}

fn hub_keys(key: u8, authentication: u8) -> HubKeys {
    HubKeys { name: KeyName([key; 16]), keys: LinkKeys::new([key; 16], [authentication; 16]) }
}

fn name_of(hub: HubId) -> Option<HubName> {
    Some([hub.0 as u8; 8])
}

fn id_of(name: HubName) -> Option<HubId> {
    Some(HubId(u32::from(name[0])))
}

/// Keys dealt to holders at random, no key to two of them.
fn deal(dice: &mut Dice) -> Keyring {
    let mut keys: Vec<u8> = (1..=KEYS).collect();
    let mut draw = |dice: &mut Dice| {
        let key = keys.swap_remove(usize::from(dice.below(keys.len() as u8)));
        (dice.below(4) > 0).then(|| hub_keys(key, 100 + dice.below(2)))
    };
    let shared = draw(dice);
    let hubs = (0..HUBS).filter_map(|hub| Some(([hub; 8], draw(dice)?))).collect();
    Keyring { title: SystemTitle([90 + dice.below(8) / 7; 8]), shared, hubs }
}

fn train(hub: u8, contents: Vec<u8>, segment: usize) -> Transmit {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4059));
    let (hub, transport) = (HubId(u32::from(hub)), Transport::Datagram);
    Transmit { hub, address, transport, contents: contents.into(), segment, blocks: 0 }
}

fn request(hub: u8, apdu: &Apdu<'_>, copies: u32) -> Transmit {
    let mut one = Vec::new();
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, apdu, &mut one);
    train(hub, one.repeat(copies as usize), one.len())
}

fn association(hub: u8) -> Transmit {
    let request = AssociationRequest {
        context: ApplicationContext::LnNoCiphering,
        conformance: Conformance::GET,
        max_pdu: 0,
        wants_authentication: false,
    };
    self::request(hub, &Apdu::AssociationRequest(request), 1)
}

fn gets(hub: u8) -> Transmit {
    let invoke = InvokeId { number: 1, confirmed: true, high_priority: true };
    let attribute =
        AttributeRef { class: ClassId::IMAGE_TRANSFER, instance: Obis::image_transfer(0), index: 4 };
    request(hub, &Apdu::GetRequest(GetRequest { invoke, attribute }), FRAMES)
}

/// The counters of sealed frames that lie side by side, which are in a row.
fn counters_of(mut frames: &[u8], control: u8) -> Range<u32> {
    let mut found: Option<Range<u32>> = None;
    while let Ok(Some((frame, len))) = WanFrame::parse_stream(frames) {
        let apdu = frame.apdu;
        let at = if apdu[1] < 0x80 { 2 } else { 2 + usize::from(apdu[1] & 0x7F) };
        assert_eq!(apdu[at], control);
        let counter = u32::from_be_bytes(*apdu[at + 1..].first_chunk().expect("four bytes"));
        let run = found.get_or_insert(counter..counter);
        assert_eq!(counter, run.end);
        run.end += 1;
        frames = &frames[len..];
    }
    found.expect("there are frames")
}

/// A head-end, and what was used of all keys' counters.
struct Stage {
    disk: Memory,
    links: SecuredLinks,
    sealer: Option<BroadcastSealer>,
    /// Hubs as they were associated last under each key.
    servers: BTreeMap<(u8, KeyName), SecureServer>,
    used: BTreeMap<KeyName, Vec<Range<u32>>>,
    associations: u32,
}

impl Stage {
    fn begin(keyring: Keyring) -> Stage {
        let disk = Memory::default();
        let counters = Counters::open(Box::new(disk.clone())).expect("empty");
        let links = SecuredLinks::new(keyring, counters);
        let sealer = links.sealer();
        Stage { disk, links, sealer, servers: BTreeMap::new(), used: BTreeMap::new(), associations: 0 }
    }

    fn restart(&mut self) {
        let counters = Counters::open(Box::new(self.disk.clone())).expect("sound");
        self.links = SecuredLinks::new(self.links.keyring.clone(), counters);
        self.sealer = self.links.sealer();
    }

    fn take(&mut self, keyring: Keyring) {
        if self.links.replace_keys(keyring, id_of).shared {
            self.sealer = self.links.sealer();
        }
    }

    fn note(&mut self, key: KeyName, used: Range<u32>) {
        let before = self.used.entry(key).or_default();
        let again = before.iter().find(|other| other.start < used.end && used.start < other.end);
        assert_eq!(again, None, "counters {used:?} are used twice");
        before.push(used);
    }

    /// What the lease of a hub's link will give next.
    fn next(&mut self, hub: u8) -> u32 {
        let link = self.links.links.get_mut(&HubId(u32::from(hub))).expect("it was prepared");
        let lease = link.security.client_mut().lease_mut();
        lease.end() - lease.remaining()
    }

    async fn prepare(&mut self, train: &Transmit) {
        let prepared = self.links.prepare(std::slice::from_ref(train), name_of).await;
        prepared.expect("the disk is sound");
    }

    /// Has a hub asked for its association, unless it has one, and then asked as much as a train holds.
    async fn talk(&mut self, hub: u8) {
        let Some(keys) = self.links.keyring.hubs.get(&[hub; 8]).cloned() else {
            self.prepare(&gets(hub)).await;
            assert!(!self.links.links.contains_key(&HubId(u32::from(hub))), "there is nothing to seal with");
            return;
        };
        let question = gets(hub);
        self.prepare(&question).await;
        let link = self.links.link(&question, name_of).expect("it has keys");
        if !link.security.client_mut().is_open() {
            assert_eq!(sealed_form(&mut link.security, &question), Err(SealError::NotAssociated));
            self.associate(hub, &keys);
            self.prepare(&question).await;
        }
        let link = self.links.link(&question, name_of).expect("it has keys");
        let sealed = sealed_form(&mut link.security, &question).expect("associated").expect("frames");
        self.note(keys.name, counters_of(&sealed.contents, 0x30));
        let server = self.servers.get_mut(&(hub, keys.name)).expect("it is associated");
        let first = WanFrame::parse_datagram(&sealed.contents[..sealed.segment]).expect("a frame");
        let offer = ServerOffer { conformance: Conformance::GET, max_pdu: 0 };
        let (mut plain, mut reply) = (Vec::new(), Vec::new());
        let heard = server.hear(first.source, first.apdu, offer, challenge, &mut plain, &mut reply);
        assert!(matches!(heard, Ok(ServerHeard::Request(_))), "{heard:?}");
    }

    fn associate(&mut self, hub: u8, keys: &HubKeys) {
        let before = self.next(hub);
        let mut lease = CounterLease::after(self.associations * 100);
        lease.grant(lease.request(100).expect("room"));
        let title = SystemTitle([hub; 8]);
        let mut server = SecureServer::new(keys.keys.clone(), None, title, lease, Vec::new());
        self.associations += 1;
        let offer = ServerOffer { conformance: Conformance::GET, max_pdu: 0 };
        let link = self.links.links.get_mut(&HubId(u32::from(hub))).expect("it was prepared");
        let asked = sealed_form(&mut link.security, &association(hub)).expect("counters").expect("an AARQ");
        let mut to_hub = asked.contents.to_vec();
        let mut delivered = Vec::new();
        while !to_hub.is_empty() {
            let frame = WanFrame::parse_datagram(&to_hub).expect("a frame");
            let (mut plain, mut reply, mut answer) = (Vec::new(), Vec::new(), Vec::new());
            let heard = server.hear(frame.source, frame.apdu, offer, challenge, &mut plain, &mut reply);
            assert_eq!(heard, Ok(ServerHeard::Answered));
            WanFrame { source: frame.destination, destination: frame.source, apdu: &reply }.emit(&mut answer);
            to_hub.clear();
            link.security.inbound(&answer, &mut delivered, &mut to_hub).expect("the hub has the same keys");
        }
        assert!(!delivered.is_empty(), "the association is open");
        self.servers.insert((hub, keys.name), server);
        let after = self.next(hub);
        self.note(keys.name, before..after);
    }

    /// Seals an image for all hubs, if there is a key for it.
    async fn seal(&mut self, blocks: u32) {
        let Some(mut sealer) = self.sealer.take() else { return };
        let name = self.links.keyring.shared.as_ref().expect("whose sealer it is").name;
        if sealer.lease().remaining() < blocks {
            let held = std::mem::replace(sealer.lease_mut(), CounterLease::after(u32::MAX));
            let (mut reserved, result) = self.links.reserve(vec![(name, held)]).await;
            result.expect("the disk is sound");
            *sealer.lease_mut() = reserved.pop().expect("one").1;
        }
        let invoke = InvokeId { number: 1, confirmed: false, high_priority: true };
        let (mut frames, mut sealed) = (Vec::new(), Vec::new());
        for number in 0..blocks {
            let block = ImageBlock { number, bytes: &[7; 16] };
            let slot = Obis::image_transfer(1);
            emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, slot, &block, &mut frames);
        }
        sealer.seal_image(&frames, &mut sealed).expect("counters");
        self.note(name, counters_of(&sealed, 0x70));
        self.sealer = Some(sealer);
    }
}

fn challenge(number: u32) -> Challenge {
    let mut bytes = [0x55; CHALLENGE_LEN];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Challenge::new(&bytes).expect("16 bytes are a challenge")
}

#[tokio::test]
async fn no_counter_of_any_key_is_used_twice_however_keys_move_between_holders() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let mut stage = Stage::begin(deal(&mut dice));
        for _ in 0..30 {
            match dice.below(8) {
                0 => stage.restart(),
                1..4 => stage.take(deal(&mut dice)),
                // Only what all hubs have in common is another one.
                4 => {
                    let keyring = stage.links.keyring.clone();
                    let held = |key: &u8| keyring.hubs.values().any(|keys| keys.name == KeyName([*key; 16]));
                    let free = (1..=KEYS).find(|key| !held(key)).expect("there are more keys than hubs");
                    stage.take(Keyring { shared: Some(hub_keys(free, 100)), ..keyring });
                }
                _ => {}
            }
            for hub in 0..HUBS {
                if dice.below(2) == 0 {
                    stage.talk(hub).await;
                }
            }
            stage.seal(u32::from(dice.below(3)) * FRAMES / 2 + 1).await;
        }
        let spans = |used: &Vec<Range<u32>>| used.iter().map(|run| run.end).max().unwrap_or(0) / SPAN;
        assert_eq!(stage.used.len(), usize::from(KEYS), "seed {seed}: every key was somebody's");
        assert!(stage.used.values().all(|used| spans(used) > 0), "seed {seed}: every key was taken up again");
        assert!(stage.associations > 15, "seed {seed}: {} associations", stage.associations);
    }
}

#[tokio::test]
async fn hubs_whose_keys_are_the_same_keep_their_links_and_the_counters_in_hand() {
    let hubs = |keys: [(u8, u8, u8); 2]| keys.map(|(hub, key, half)| ([hub; 8], hub_keys(key, half))).into();
    let title = SystemTitle([90; 8]);
    let before = Keyring { title, shared: None, hubs: hubs([(0, 1, 100), (1, 2, 100)]) };
    let mut stage = Stage::begin(before.clone());
    for hub in 0..2 {
        stage.talk(hub).await;
    }
    let kept = stage.next(0);
    // Of the other hub the second half alone, which the file of counters does not know.
    stage.take(Keyring { hubs: hubs([(0, 1, 100), (1, 2, 101)]), ..before.clone() });
    assert_eq!((stage.next(0), stage.links.links.len()), (kept, 1));
    stage.talk(0).await;
    assert_eq!(stage.associations, 2, "nothing was asked for anew");
    stage.talk(1).await;
    assert_eq!(stage.associations, 3);
    assert!(stage.next(1) > SPAN, "what was in hand is lost");
    stage.take(Keyring { title: SystemTitle([91; 8]), ..before });
    assert!(stage.links.links.is_empty(), "associations are bound to our title");
}
