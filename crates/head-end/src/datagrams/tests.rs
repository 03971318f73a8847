//! Datagrams on loopback: what is sent arrives whole, in order and where it should, from one thread or several.

use std::net::{Ipv4Addr, UdpSocket as Plain};
use std::time::Duration;

use super::*;

/// A socket on a free port of this machine that gives up waiting after a while.
fn plain() -> Plain {
    let plain = Plain::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    plain.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    plain
}

pub(super) fn address(of: &Plain) -> SocketAddr {
    of.local_addr().expect("bound")
}

/// Receives one datagram.
pub(super) fn next(plain: &Plain) -> Vec<u8> {
    let mut buffer = vec![0; BUFFER_LEN];
    let len = plain.recv(&mut buffer).expect("it arrives");
    buffer.truncate(len);
    buffer
}

pub(super) fn plains(count: usize) -> Vec<Plain> {
    (0..count).map(|_| plain()).collect()
}

fn ours(threads: usize) -> Datagrams {
    let threads = NonZeroUsize::new(threads).expect("one or more");
    Datagrams::open((Ipv4Addr::LOCALHOST, 0).into(), threads).expect("a free port")
}

/// A socket that sends.
pub(super) fn line() -> Arc<Line> {
    ours(1).line
}

/// Sends frames of `segment` bytes to a plain socket and checks the lengths it receives.
async fn check(frames: &[u8], segment: usize, expected: &[usize]) {
    for threads in [1, 2] {
        let (plain, mut ours) = (plain(), ours(threads));
        ours.send(HubId(0), address(&plain), &Bytes::copy_from_slice(frames), segment).await;
        ours.flush().await;
        let arrived: Vec<Vec<u8>> = expected.iter().map(|_| next(&plain)).collect();
        assert_eq!(arrived.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        assert_eq!(arrived.concat(), frames);
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

#[tokio::test]
async fn a_train_arrives_frame_by_frame_and_in_order() {
    check(&bytes(16 * 1_060), 1_060, &[1_060; 16]).await;
    check(&bytes(1_060 + 7), 1_060, &[1_060, 7]).await;
    check(&bytes(40), 40, &[40]).await;
}

#[tokio::test]
async fn more_frames_than_one_call_carries_all_arrive() {
    check(&bytes(150 * 100), 100, &[100; 150]).await;
}

#[tokio::test]
async fn frames_too_long_to_be_joined_go_one_by_one() {
    check(&bytes(3 * 8_240), 8_240, &[8_240; 3]).await;
}

#[tokio::test]
async fn single_datagrams_to_many_leave_together_and_each_arrives_where_it_should() {
    for threads in [1, 3] {
        let (hubs, mut ours) = (plains(3), ours(threads));
        let count = outbox::TOGETHER as u8 + 10;
        for number in 0..count {
            let hub = usize::from(number) % 3;
            let to = address(&hubs[hub]);
            ours.send(HubId(hub as u32), to, &Bytes::copy_from_slice(&[number; 5]), 5).await;
            // Nobody may be sent to there, and the others go on.
            let nobody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
            if number == 7 {
                ours.send(HubId(1), nobody, &Bytes::from_static(b"lost"), 5).await;
            }
        }
        ours.flush().await;
        assert_eq!(ours.outbox.waiting(), 0);
        for number in 0..count {
            assert_eq!(next(&hubs[usize::from(number) % 3]), [number; 5], "{threads} threads");
        }
    }
}

#[tokio::test]
async fn frames_to_one_hub_keep_their_order_whoever_sends_them_in_lots_of_any_size() {
    // As much as the buffer of a plain socket holds for sure.
    const FRAMES: u16 = 180;
    let (hubs, mut ours) = (plains(10), ours(3));
    let mut sent = 0_u32;
    for number in (0..FRAMES).step_by(3) {
        for (hub, plain) in hubs.iter().enumerate() {
            let frames: Vec<u8> = (number..number + 3).flat_map(u16::to_be_bytes).collect();
            let to = address(plain);
            // Three single ones, or a train of three.
            let segments = if sent.is_multiple_of(7) { vec![6] } else { vec![2; 3] };
            let mut rest = Bytes::from(frames);
            for len in segments {
                ours.send(HubId(hub as u32), to, &rest.split_to(len), 2).await;
            }
            // Lots that are handed over, and between them some that are too small for it.
            sent += 1;
            if [0, 3, 4].contains(&(sent % 97)) {
                ours.flush().await;
            }
        }
    }
    ours.flush().await;
    for plain in &hubs {
        for number in 0..FRAMES {
            assert_eq!(next(plain), number.to_be_bytes());
        }
    }
}

#[tokio::test]
async fn what_was_handed_over_leaves_before_the_threads_end() {
    let (hubs, mut ours) = (plains(40), ours(2));
    for (hub, plain) in hubs.iter().enumerate() {
        ours.send(HubId(hub as u32), address(plain), &Bytes::from_static(b"last"), 4).await;
    }
    ours.flush().await;
    drop(ours);
    for plain in &hubs {
        plain.set_nonblocking(true).expect("a socket");
        assert_eq!(next(plain), b"last");
    }
}

#[tokio::test]
async fn joined_datagrams_are_taken_apart_again() {
    let (mut ours, mut peer) = (ours(1), ours(1));
    let (to, from) = (ours.local_address().expect("bound"), peer.local_address().expect("bound"));
    peer.send(HubId(0), to, &bytes(5 * 100 + 3).into(), 100).await;
    let mut lengths = Vec::new();
    while lengths.len() < 6 {
        ours.readable().await;
        ours.receive(|sender, datagram| {
            assert_eq!(sender, from);
            lengths.push(datagram.len());
        });
    }
    assert_eq!(lengths, [100, 100, 100, 100, 100, 3]);
}
