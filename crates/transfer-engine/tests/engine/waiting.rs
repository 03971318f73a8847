//! Several things to do with one hub: what goes between the blocks of an image, and which image goes first.

use std::time::Duration;

use bytes::Bytes;
use transfer_engine::{
    ByteRate, EngineConfig, HubId, LineRate, Moment, Priority, Release, ReleaseId, Task, Transport,
};

use crate::net::Profile;
use crate::rig::{Rig, START, ample};

const IMAGE: usize = 50_000;
const AGREED: LineRate = LineRate::Fixed(ByteRate(2_000));
const UNKNOWN: LineRate = LineRate::AtMost(ByteRate(1_000_000));
const UDP: Transport = Transport::Datagram;
const TCP: Transport = Transport::Stream { window: 12 };

fn line() -> Profile {
    Profile { bits_per_s: 16_000, ..Profile::gprs(0.0) }
}

fn rig(transport: Transport, rate: LineRate) -> (Rig, HubId) {
    let mut rig = Rig::new(ample(), IMAGE, 7);
    let cell = rig.cell();
    let hub = rig.add(cell, transport, rate, line(), 512);
    (rig, hub)
}

fn assign(rig: &mut Rig, hub: HubId, task: Task) {
    assert!(rig.engine.assign(rig.now, hub, task, Priority(0)));
}

fn stage(rig: &mut Rig, hub: HubId, release: ReleaseId, channel: u8, tail_s: u32) {
    assign(rig, hub, Task::Stage { release, channel, tail_s });
}

/// Another image of the same length.
fn other_release(rig: &mut Rig, name: &'static [u8]) -> ReleaseId {
    let bytes = rig.image.clone();
    rig.engine.add_release(Release { identification: Bytes::from_static(name), bytes })
}

fn activation(channel: u8) -> Task {
    Task::Activate { channel, order: None }
}

/// Runs until everything has ended; returns what did, in that order, with the second in which it did.
fn story(rig: &mut Rig, events: usize) -> Vec<(String, u64)> {
    rig.run_to_events(events);
    let told = |task: &Task| match task {
        Task::Stage { channel, .. } => format!("image {channel}"),
        Task::Activate { channel, .. } => format!("activate {channel}"),
        task => format!("{task:?}"),
    };
    let since = |at: &Moment| at.saturating_since(START).as_secs();
    rig.events.iter().map(|(at, event)| (told(&event.task), since(at))).collect()
}

fn names(story: &[(String, u64)]) -> Vec<&str> {
    story.iter().map(|(name, _)| name.as_str()).collect()
}

/// The activation of one meter waited until the image for the other one was there: in a cell that was full an hour, and
/// for a gas meter a wake more.
#[test]
fn an_activation_passes_between_the_blocks_of_another_image() {
    for (transport, rate) in [(UDP, AGREED), (UDP, UNKNOWN), (TCP, AGREED)] {
        let (mut rig, hub) = rig(transport, rate);
        let release = rig.release;
        stage(&mut rig, hub, release, 1, 0);
        rig.run_until(START + Duration::from_secs(10));
        assign(&mut rig, hub, activation(2));
        assign(&mut rig, hub, activation(3));
        let story = story(&mut rig, 3);
        assert_eq!(names(&story), ["activate 2", "activate 3", "image 1"], "{transport:?} {rate:?}");
        assert!(story[1].1 <= 18, "{story:?} over {transport:?}, {rate:?}");
        let device = &rig.members[0].device;
        assert_eq!((device.activations, device.duplicates), (2, 0), "{transport:?} {rate:?}");
        assert_eq!(device.bytes, rig.image);
    }
}

/// Whatever was asked for while the hub was asked what it lacks had to wait for the whole image.
#[test]
fn what_comes_before_the_first_block_passes_too() {
    for transport in [UDP, TCP] {
        let (mut rig, hub) = rig(transport, AGREED);
        let release = rig.release;
        stage(&mut rig, hub, release, 1, 0);
        rig.run_until(START + Duration::from_secs(1));
        assign(&mut rig, hub, activation(2));
        assert_eq!(names(&story(&mut rig, 2)), ["activate 2", "image 1"], "{transport:?}");
    }
}

#[test]
fn a_hub_activates_itself_when_no_image_is_half_sent_and_a_slot_when_it_is_full() {
    let (mut rig, hub) = rig(UDP, AGREED);
    let (first, second) = (rig.release, other_release(&mut rig, b"theirs"));
    stage(&mut rig, hub, first, 1, 0);
    stage(&mut rig, hub, second, 2, 0);
    rig.run_until(START + Duration::from_secs(10));
    assign(&mut rig, hub, activation(0));
    assign(&mut rig, hub, activation(1));
    assert_eq!(names(&story(&mut rig, 4)), ["image 1", "activate 0", "activate 1", "image 2"]);
}

#[test]
fn of_the_images_of_a_home_the_one_with_the_longest_tail_goes_first() {
    let (mut rig, hub) = rig(UDP, AGREED);
    let release = rig.release;
    let others = [other_release(&mut rig, b"second"), other_release(&mut rig, b"third")];
    stage(&mut rig, hub, release, 1, 60);
    stage(&mut rig, hub, others[0], 2, 3_600);
    stage(&mut rig, hub, others[1], 3, 600);
    assert_eq!(names(&story(&mut rig, 3)), ["image 2", "image 3", "image 1"]);
}

#[test]
fn an_image_that_flows_does_not_give_way_to_one_with_a_longer_tail() {
    let (mut rig, hub) = rig(UDP, AGREED);
    let (first, second) = (rig.release, other_release(&mut rig, b"theirs"));
    stage(&mut rig, hub, first, 1, 60);
    rig.run_until(START + Duration::from_secs(10));
    stage(&mut rig, hub, second, 2, 3_600);
    assert_eq!(names(&story(&mut rig, 2)), ["image 1", "image 2"]);
}

/// Four homes share a cell that can feed two lines. The one with three images has the longest path, though no tail is
/// longer than another, and its line would be the last to end if it began at the pace of the others.
#[test]
fn the_path_of_a_home_counts_the_images_that_wait() {
    let mut rig = Rig::new(EngineConfig { reserve_permille: 0, ..ample() }, IMAGE, 7);
    let cell = rig.engine.add_cell(ByteRate(4_000));
    let hubs: Vec<HubId> = (0..4).map(|_| rig.add(cell, UDP, AGREED, line(), 512)).collect();
    let (release, others) = (rig.release, [&b"second"[..], b"third"]);
    for hub in &hubs {
        stage(&mut rig, *hub, release, 1, 0);
    }
    for (other, channel) in others.into_iter().zip(2..) {
        let release = other_release(&mut rig, other);
        stage(&mut rig, hubs[0], release, channel, 0);
    }
    let story = story(&mut rig, 6);
    // Three images over a line of 2,000 B/s are 84 s with headers, and so are six over the cell; and a few round trips.
    assert!(story[5].1 <= 100, "{story:?}");
}
