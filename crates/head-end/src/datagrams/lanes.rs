//! Threads that send: what a datagram costs is the kernel's path for it, and that is walked on several cores at once.
//!
//! ```text
//!            hub mod N ┌─ filling ──handed over──► thread 0 ─┐
//!   driver ────────────┤      ▲────given back────────────────┤──► one socket
//!                      └─ filling ──handed over──► thread 1 ─┘
//! ```
//!
//! What is decided stays with the driver: there is one engine, with one set of budgets. A hub has one lane, so that frames
//! to it keep their order. Each lane has two outboxes, one that is filled while the thread sends the other, and no third:
//! a lane that is behind holds the driver up, as a full socket does.
//!
//! Images are shared, and with them the counts of who holds them. Only the driver touches those: a thread gives back what it
//! has sent, and the driver lets it go.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use transfer_engine::HubId;

use super::Line;
use super::outbox::Outbox;

/// The fewest trains that are handed over. To wake a thread takes the driver 6 to 10 µs, as long as the kernel takes for one or
/// two of them; with eight, nothing is lost by it, and fewer the driver sends itself.
const LEAST: usize = 8;

/// The most trains that wait in one lane: twice its share of a turn. Whose hubs fall together in one lane has them handed over
/// sooner.
const MOST: usize = 256;

/// So long the kernel may take for what a lane was handed. `MOST` trains of 16 KiB are 4 MiB; a line that carries less than
/// that in this time is not meant for several threads. The rest is lost, so that a socket that is stuck holds nobody up for
/// longer.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// All lanes of a socket.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
}

impl Lanes {
    /// Starts so many threads; they end when this is dropped.
    pub(super) fn start(count: usize, line: &Arc<Line>) -> io::Result<Lanes> {
        let start = |number| {
            let line = Arc::clone(line);
            Lane::start(format!("sending-{number}"), move |outbox| carry(&line, outbox))
        };
        Ok(Lanes { lanes: (0..count).map(start).collect::<io::Result<_>>()? })
    }

    /// Puts a train into the lane of its hub; waits when that lane is too far behind.
    pub(super) async fn put(
        &mut self,
        hub: HubId,
        to: SocketAddr,
        (frames, segment): (Bytes, usize),
        line: &Line,
    ) {
        let place = hub.0 as usize % self.lanes.len();
        let lane = &mut self.lanes[place];
        lane.filling.put(to, frames, segment);
        if lane.filling.waiting() >= MOST {
            lane.flush(line).await;
        }
    }

    /// Has everything that waits leave: what is worth it from the threads, the rest from here. A thread that has not done
    /// with what it was handed last is waited for first.
    pub(super) async fn flush(&mut self, line: &Line) {
        for lane in &mut self.lanes {
            lane.look();
            lane.hand_over();
        }
        for lane in &mut self.lanes {
            lane.flush(line).await;
        }
    }

    /// Waits until all threads have sent what they were handed.
    pub(super) async fn settle(&mut self) {
        for lane in &mut self.lanes {
            lane.settle().await;
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        let threads = self.lanes.drain(..).filter_map(|lane| lane.thread);
        // All are told before one is waited for.
        let handles: Vec<JoinHandle<()>> = threads.map(|thread| thread.handle).collect();
        for handle in handles {
            // What made it panic was told when it did.
            let _ = handle.join();
        }
    }
}

/// One thread and what it is to send.
#[derive(Debug)]
struct Lane {
    filling: Outbox,
    /// None while the thread has it.
    other: Option<Outbox>,
    /// None when it has ended by itself.
    thread: Option<Thread>,
}

#[derive(Debug)]
struct Thread {
    orders: SyncSender<Outbox>,
    back: mpsc::Receiver<Outbox>,
    handle: JoinHandle<()>,
}

impl Lane {
    fn start(name: String, mut work: impl FnMut(&mut Outbox) + Send + 'static) -> io::Result<Lane> {
        let (orders, inbox) = sync_channel::<Outbox>(1);
        let (give_back, back) = mpsc::channel(1);
        let handle = Builder::new().name(name).spawn(move || {
            for mut outbox in inbox {
                work(&mut outbox);
                if give_back.try_send(outbox).is_err() {
                    return;
                }
            }
        })?;
        let thread = Some(Thread { orders, back, handle });
        Ok(Lane { filling: Outbox::default(), other: Some(Outbox::default()), thread })
    }

    /// Takes back what the thread has sent, if it has.
    fn look(&mut self) {
        if self.other.is_some() {
            return;
        }
        match self.thread.as_mut().map(|thread| thread.back.try_recv()) {
            Some(Ok(outbox)) => self.take_back(Some(outbox)),
            Some(Err(TryRecvError::Empty)) => {}
            Some(Err(TryRecvError::Disconnected)) | None => self.take_back(None),
        }
    }

    /// Hands over what waits if the thread is there for it and it is worth it.
    fn hand_over(&mut self) {
        let (Some(thread), Some(_)) = (&self.thread, &self.other) else { return };
        if self.filling.waiting() < LEAST {
            return;
        }
        let full = mem::replace(&mut self.filling, self.other.take().unwrap_or_default());
        if let Err(TrySendError::Full(full) | TrySendError::Disconnected(full)) = thread.orders.try_send(full)
        {
            self.take_back(None);
            self.filling = full;
        }
    }

    /// Has everything that waits leave, after what the thread was handed before.
    async fn flush(&mut self, line: &Line) {
        if self.filling.waiting() == 0 {
            return;
        }
        self.settle().await;
        self.hand_over();
        line.send(&mut self.filling).await;
    }

    /// Waits until the thread has sent what it was handed.
    async fn settle(&mut self) {
        if self.other.is_some() {
            return;
        }
        let back = match &mut self.thread {
            Some(thread) => thread.back.recv().await,
            None => None,
        };
        self.take_back(back);
    }

    /// Takes back what the thread has sent; nothing when it has ended by itself, with what it had. Then the driver does
    /// without it.
    fn take_back(&mut self, outbox: Option<Outbox>) {
        if outbox.is_none() && self.thread.take().is_some() {
            tracing::error!("a sending thread has ended by itself; its hubs are sent to without it");
        }
        let mut outbox = outbox.unwrap_or_default();
        outbox.clear();
        self.other = Some(outbox);
    }
}

/// Sends what a thread was handed.
fn carry(line: &Line, outbox: &mut Outbox) {
    let mut deadline = None;
    while outbox.send(line).is_err() {
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + TAKEN_WITHIN);
        if !line.is_writable_before(deadline) {
            let lost = outbox.lose();
            tracing::warn!(trains = lost, "the kernel takes nothing; what waited is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::net::UdpSocket;
    use std::pin::pin;
    use std::sync::mpsc::channel;
    use std::task::Poll;

    use tokio::time::timeout;

    use super::super::tests::{address, line, next, plains};
    use super::*;

    /// Lanes with one thread that does something else.
    fn lanes(work: impl FnMut(&mut Outbox) + Send + 'static) -> Lanes {
        Lanes { lanes: vec![Lane::start("sending-0".to_owned(), work).expect("a thread")] }
    }

    /// Puts a lot that is worth handing over.
    async fn put(lanes: &mut Lanes, to: &UdpSocket, word: &'static [u8], line: &Line) {
        for _ in 0..LEAST {
            lanes.put(HubId(0), address(to), (Bytes::from_static(word), word.len()), line).await;
        }
    }

    async fn in_time<T>(act: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(5), act).await.expect("nobody hangs")
    }

    /// Looks once whether something is done, and drops it.
    async fn is_done(act: impl Future<Output = ()>) -> bool {
        let mut act = pin!(act);
        poll_fn(|context| Poll::Ready(act.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn when_a_thread_panics_its_lot_is_lost_and_the_driver_goes_on_without_it() {
        let (line, hub) = (line(), plains(1).remove(0));
        let mut lanes = lanes(|_| panic!("as the test wants it"));
        put(&mut lanes, &hub, b"first", &line).await;
        in_time(lanes.flush(&line)).await;
        for _ in 0..3 {
            put(&mut lanes, &hub, b"later", &line).await;
            in_time(lanes.flush(&line)).await;
        }
        for _ in 0..3 * LEAST {
            assert_eq!(next(&hub), b"later");
        }
    }

    #[tokio::test]
    async fn a_lane_that_is_behind_holds_the_driver_up_and_nothing_is_lost_or_overtaken() {
        let (line, hub) = (line(), plains(1).remove(0));
        let (go, gone) = channel::<()>();
        let sender = Arc::clone(&line);
        let mut lanes = lanes(move |outbox| {
            gone.recv().expect("told to go");
            carry(&sender, outbox);
        });
        put(&mut lanes, &hub, b"first", &line).await;
        in_time(lanes.flush(&line)).await;
        put(&mut lanes, &hub, b"second", &line).await;
        assert!(!is_done(lanes.settle()).await, "the first lot is under way");
        assert!(!is_done(lanes.flush(&line)).await, "the second lot waits for the first");
        go.send(()).expect("the thread waits");
        go.send(()).expect("the thread waits");
        in_time(lanes.flush(&line)).await;
        in_time(lanes.settle()).await;
        hub.set_nonblocking(true).expect("a socket");
        for word in [b"first".as_slice(), b"second"] {
            for _ in 0..LEAST {
                assert_eq!(next(&hub), word);
            }
        }
    }

    #[tokio::test]
    async fn a_lane_that_is_overfull_is_emptied_before_the_turn_ends() {
        let (line, hub) = (line(), plains(1).remove(0));
        let (told, tells) = channel();
        let mut lanes = lanes(move |outbox| told.send(outbox.lose()).expect("somebody listens"));
        for _ in 0..MOST + 1 {
            in_time(lanes.put(HubId(5), address(&hub), (Bytes::from_static(b"x"), 1), &line)).await;
        }
        assert_eq!(tells.recv_timeout(Duration::from_secs(5)), Ok(MOST));
        assert_eq!(lanes.lanes[0].filling.waiting(), 1);
    }

    #[tokio::test]
    async fn a_thread_waits_for_the_kernel_until_its_time_is_over() {
        let line = line();
        assert!(line.is_writable_before(Instant::now() + TAKEN_WITHIN), "nothing is under way");
        assert!(!line.is_writable_before(Instant::now()), "no time is left");
    }

    #[tokio::test]
    async fn threads_end_with_their_lanes() {
        let line = line();
        let lanes = Lanes::start(3, &line).expect("threads");
        assert_eq!(Arc::strong_count(&line), 1 + 3);
        drop(lanes);
        assert_eq!(Arc::strong_count(&line), 1);
    }
}
