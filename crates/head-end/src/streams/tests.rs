//! Streams between real sockets on loopback.

use super::*;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::WPort;

const HUB: HubId = HubId(7);

/// What a stream said, with the frames' bytes kept.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Frames(Vec<u8>),
    Ended,
}

fn frame(filling: u8, len: usize) -> Vec<u8> {
    let apdu = vec![filling; len];
    let mut frame = Vec::new();
    WanFrame { source: WPort::PUBLIC_CLIENT, destination: WPort::MANAGEMENT, apdu: &apdu }.emit(&mut frame);
    frame
}

async fn next(streams: &mut Streams) -> Vec<Said> {
    let mut said = Vec::new();
    while said.is_empty() {
        streams.ready().await;
        streams.take_in(|incoming| match incoming {
            Incoming::Frames(HUB, frames) => said.push(Said::Frames(frames.to_vec())),
            Incoming::Disconnected(HUB) => said.push(Said::Ended),
            other => panic!("unexpected: {other:?}"),
        });
    }
    said
}

async fn pair() -> (Streams, SocketAddr, tokio::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut streams = Streams::open().expect("an epoll");
    streams.send(HUB, address, &frame(0, 1).into());
    let (mut hub, _) = listener.accept().await.expect("we connect");
    streams.ready().await;
    streams.take_in(|_| {});
    hub.read_exact(&mut [0; 9]).await.expect("the first frame arrives");
    (streams, address, hub)
}

#[tokio::test]
async fn trains_keep_their_order_whether_the_kernel_takes_them_or_not() {
    let (mut streams, address, mut hub) = pair().await;
    // More than the kernel takes at once.
    let trains: Vec<Bytes> = (0..60u8).map(|number| frame(number, 60_000).into()).collect();
    for train in &trains {
        streams.send(HUB, address, train);
    }
    let expected: Vec<u8> = trains.iter().flatten().copied().collect();
    let reading = tokio::spawn(async move {
        let mut received = vec![0; expected.len()];
        hub.read_exact(&mut received).await.expect("all of it arrives");
        assert!(received == expected, "bytes came out of order");
    });
    while !reading.is_finished() {
        tokio::select! {
            () = streams.ready() => {}
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
        streams.take_in(|incoming| assert_eq!(incoming, Incoming::Disconnected(HUB)));
    }
    reading.await.expect("in order");
}

#[tokio::test]
async fn a_torn_frame_waits_for_its_end_and_the_end_of_the_stream_is_told_once() {
    let (mut streams, _, mut hub) = pair().await;
    let (first, second, third) = (frame(1, 20), frame(2, 20), frame(3, 20));
    hub.write_all(&[&first[..], &second[..], &third[..5]].concat()).await.expect("sent");
    assert_eq!(next(&mut streams).await, [Said::Frames([first, second].concat())]);
    hub.write_all(&third[5..]).await.expect("sent");
    drop(hub);
    let mut said = next(&mut streams).await;
    if said.len() < 2 {
        said.extend(next(&mut streams).await);
    }
    assert_eq!(said, [Said::Frames(third), Said::Ended]);
    assert!(!streams.take_in(|_| {}), "there is nothing more");
}

#[tokio::test]
async fn more_than_one_read_brings_is_taken_in_over_several_turns() {
    let (mut streams, _, mut hub) = pair().await;
    let frames: Vec<Vec<u8>> = (0..8).map(|number| frame(number, 30_000)).collect();
    let expected = frames.concat();
    let bytes = expected.clone();
    let writing = tokio::spawn(async move {
        hub.write_all(&bytes).await.expect("sent");
        hub
    });
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        for said in next(&mut streams).await {
            let Said::Frames(frames) = said else { panic!("the stream lives") };
            heard.extend(frames);
        }
    }
    assert!(heard == expected, "frames came out of order");
    drop(writing.await.expect("the hub is still there"));
}

#[tokio::test]
async fn nobody_there_and_bytes_that_are_no_frames_end_a_stream() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let mut streams = Streams::open().expect("an epoll");
    streams.send(HUB, address, &frame(0, 1).into());
    assert_eq!(next(&mut streams).await, [Said::Ended]);
    let (mut streams, _, mut hub) = pair().await;
    hub.write_all(&[0xFF; 40]).await.expect("sent");
    assert_eq!(next(&mut streams).await, [Said::Ended]);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_connection_that_takes_too_long_is_given_up() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let address = listener.local_addr().expect("bound");
    // The queue takes one, and what comes then is not answered.
    let _one = std::net::TcpStream::connect(address).expect("one has room");
    let mut streams = Streams::open().expect("an epoll");
    streams.connect_within = Duration::from_millis(20);
    streams.send(HUB, address, &frame(0, 1).into());
    assert_eq!(next(&mut streams).await, [Said::Ended]);
    assert!(streams.attempts.is_empty());
}
