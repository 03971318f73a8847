//! One image to one DLMS device, without a campaign: what `lamplighter send` does.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use campaign::ChainPapers;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use transfer_engine::{
    Answer, ByteRate, Engine, EngineConfig, Fault, HubLink, LegReport, LineRate, Moment, Patience, Priority,
    Release, Task, Transmit, Transport,
};
use wire::{HanDeviceStatus, LinkError, OrderChallenge, WanFrame};

use crate::clock::Clock;
use crate::counters::CounterError;
use crate::one_link::OneLink;
use crate::wires::{Incoming, Wires};

/// What to deliver, where and how.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The file.
    pub image: Bytes,
    /// The `image_identifier` under which the device knows it.
    pub identification: Bytes,
    /// The device.
    pub to: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// The rate at which the line is filled.
    pub rate: ByteRate,
    /// The image slot: 0 is the device itself.
    pub channel: u8,
    /// What the hub must hold before it takes the image.
    pub papers: ChainPapers,
    /// Whether to activate it; otherwise it is left staged.
    pub activate: bool,
    /// How long to wait for answers.
    pub patience: Patience,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks sent so far, repairs included.
    pub blocks_sent: u64,
    /// Bytes sent so far, headers included.
    pub bytes_sent: u64,
    /// The device does not answer; none while it does, or was asked only once.
    pub silence: Option<Silence>,
}

/// What is seen of a device that does not answer, long before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Since the first request that was not answered.
    pub since: Duration,
    /// How much longer it is asked, as far as one can say.
    pub left: Duration,
    /// Why the last of what it said was not believed, if it says anything. Whoever is on the line could have said that: it
    /// ends nothing.
    pub doubt: Option<LinkError>,
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The transfer.
    pub leg: LegReport,
    /// True when the device accepted the activation.
    pub activated: bool,
    /// What the device says it runs afterwards, if it was asked and has such an object.
    pub running: Option<u32>,
}

/// Why a delivery failed.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The device or the link.
    #[error("{to}: {fault}")]
    Fault {
        /// The device.
        to: SocketAddr,
        /// What happened.
        fault: Fault,
    },
    /// The hub was asked in vain, and what it said was not believed.
    #[error("{to} does not speak under these link keys")]
    Doubted {
        /// The device.
        to: SocketAddr,
        /// The last of what was not believed.
        #[source]
        doubt: LinkError,
    },
    /// Invocation counters. None was used that is not durable.
    #[error("no more can be sent")]
    Counters(#[source] CounterError),
    /// There is no order.
    #[error("the activation order")]
    Order(#[source] Box<dyn Error + Send + Sync>),
    /// It was told to stop; the device keeps the blocks it has.
    #[error("interrupted")]
    Interrupted,
}

/// How often and how long apart the version is asked for after an activation: devices reboot.
const READ_BACKS: u32 = 6;
const READ_BACK_PAUSE: Duration = Duration::from_secs(5);

/// Signs the activation order, told what the device wants to see in it; `None` where it does not say.
pub type SignOrder<'a> =
    Box<dyn FnOnce(Option<OrderChallenge>) -> Result<Bytes, Box<dyn Error + Send + Sync>> + 'a>;

/// Delivers an image: papers, stage, verify, and activate if asked to, with the order that `sign` makes. With a `link`
/// nothing goes to the hub in the clear.
pub async fn deliver(
    delivery: &Delivery,
    sign: SignOrder<'_>,
    link: Option<OneLink>,
    wires: &mut Wires,
    clock: &dyn Clock,
    mut progress: impl FnMut(Progress),
    stop: &CancellationToken,
) -> Result<DeliveryReport, DeliveryError> {
    let now = clock.now();
    // The line's own pace is the only budget here; the shared ones are set so high that they never bind.
    let ample = ByteRate(delivery.rate.0.saturating_mul(4).max(1_000_000));
    let config = EngineConfig { global_rate: ample, patience: delivery.patience, ..EngineConfig::default() };
    let mut engine = Engine::new(config, now);
    let cell = engine.add_cell(ample);
    let hub_link = HubLink {
        address: delivery.to,
        transport: delivery.transport,
        cell,
        rate: LineRate::AtMost(delivery.rate),
    };
    let hub = engine.add_hub(now, hub_link);
    if let Some(link) = &link {
        link.protect(&mut engine, hub);
    }
    let release = engine.add_release(Release {
        identification: delivery.identification.clone(),
        bytes: delivery.image.clone(),
    });
    let channel = delivery.channel;
    let mut line = Line {
        engine,
        wires,
        clock,
        stop,
        hub,
        address: delivery.to,
        transport: delivery.transport,
        link,
        replies: Vec::new(),
        given_up_after: delivery.patience.silence(),
        asked_at: None,
        asked: 0,
        requests_seen: 0,
    };
    if let Err(refused) = line.write_papers(&delivery.papers, &mut progress).await? {
        return Err(line.failure(refused));
    }
    let leg = match line.run(Task::Stage { release, channel, tail_s: 0 }, &mut progress).await? {
        Ok(Answer::Staged(leg)) => leg,
        Ok(_) => LegReport::default(),
        Err(refused) => return Err(line.failure(refused)),
    };
    if !delivery.activate {
        return Ok(DeliveryReport { leg, activated: false, running: None });
    }
    let row = match line.row_of(channel, &mut progress).await? {
        Ok(row) => row,
        Err(refused) => return Err(line.failure(refused)),
    };
    let order = Some(sign(row.and_then(|row| row.challenge)).map_err(DeliveryError::Order)?);
    if let Err(refused) = line.run(Task::Activate { channel, order }, &mut progress).await? {
        return Err(line.failure(refused));
    }
    let running = line.read_back(channel, &mut progress).await?;
    Ok(DeliveryReport { leg, activated: true, running })
}

/// One engine with one hub on its wires.
struct Line<'a> {
    engine: Engine,
    wires: &'a mut Wires,
    clock: &'a dyn Clock,
    stop: &'a CancellationToken,
    hub: transfer_engine::HubId,
    address: SocketAddr,
    transport: Transport,
    link: Option<OneLink>,
    /// Second passes that wait to be sent.
    replies: Vec<Transmit>,
    /// How long the device may be silent.
    given_up_after: Duration,
    /// When it was first asked what it has not answered since.
    asked_at: Option<Moment>,
    /// How often it was asked since then.
    asked: u64,
    /// What the engine has counted of requests.
    requests_seen: u64,
}

impl Line<'_> {
    /// Says why it came to nothing: the reason of a hub that was asked in vain, if its link has one.
    fn failure(&self, fault: Fault) -> DeliveryError {
        let to = self.address;
        match (&fault, self.link.as_ref().and_then(OneLink::doubt)) {
            (Fault::Unreachable { .. } | Fault::AssociationLost(_), Some(doubt)) => {
                DeliveryError::Doubted { to, doubt }
            }
            _ => DeliveryError::Fault { to, fault },
        }
    }

    /// Sends a train, ciphered where there is a link.
    async fn send(&mut self, train: &Transmit) -> Result<(), DeliveryError> {
        match &mut self.link {
            None => self.wires.send(train).await,
            Some(link) => {
                if let Some(sealed) = link.outbound(train).map_err(DeliveryError::Counters)? {
                    self.wires.send(&sealed).await;
                }
            }
        }
        Ok(())
    }

    async fn read_back(
        &mut self,
        channel: u8,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<u32>, DeliveryError> {
        for _ in 0..READ_BACKS {
            match self.run(Task::ReadVersion { channel }, progress).await? {
                Ok(Answer::Version(version)) => return Ok(Some(version)),
                // A device that knows only the standard's class 18 has no such object.
                Ok(_) | Err(Fault::Refused { .. }) => return Ok(None),
                Err(_) => tokio::time::sleep(READ_BACK_PAUSE).await,
            }
        }
        Ok(None)
    }

    /// Asks how a device is; a hub that knows only the standard does not say.
    async fn row_of(
        &mut self,
        channel: u8,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Result<Option<HanDeviceStatus>, Fault>, DeliveryError> {
        Ok(match self.run(Task::ReadHanStatus, progress).await? {
            Ok(Answer::HanStatus(rows)) => Ok(rows.into_iter().find(|row| row.channel == channel)),
            Ok(_) | Err(Fault::Refused { .. } | Fault::Protocol { .. }) => Ok(None),
            Err(fault) => Err(fault),
        })
    }

    /// Leads a hub to the newest root and has it hold the other papers.
    async fn write_papers(
        &mut self,
        papers: &ChainPapers,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Result<(), Fault>, DeliveryError> {
        // Each turn leads the hub forward, or ends; no more of them than there are roots.
        for _ in 0..=papers.newest() {
            if papers.is_empty() {
                break;
            }
            let held = match self.row_of(0, progress).await? {
                Ok(row) => row.map_or(0, |row| row.root_version),
                Err(fault) => return Ok(Err(fault)),
            };
            let (documents, all) = papers.for_hub(held);
            // Keys that were given one by one need no papers.
            if held == 0 || documents.is_empty() {
                break;
            }
            if let Err(fault) = self.run(Task::WritePapers { channel: 0, documents }, progress).await? {
                return Ok(Err(fault));
            }
            if all {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// Tells how far it has come, and whether the device answers.
    fn progress(&mut self) -> Progress {
        let (now, counters) = (self.clock.now(), self.engine.counters());
        let more = counters.requests_sent - self.requests_seen;
        self.requests_seen = counters.requests_sent;
        if more > 0 {
            self.asked += more;
            self.asked_at.get_or_insert(now);
        }
        // What was asked once may be on its way still.
        let asked_at = self.asked_at.filter(|_| self.asked > 1);
        let silence = asked_at.map(|asked_at| {
            let since = now.saturating_since(asked_at);
            let left = self.given_up_after.saturating_sub(since);
            Silence { since, left, doubt: self.link.as_ref().and_then(OneLink::doubt) }
        });
        Progress { blocks_sent: counters.blocks_sent, bytes_sent: counters.bytes_sent, silence }
    }

    /// Takes in what is there.
    fn hear(&mut self) {
        let before = self.believed();
        self.take_in();
        if self.believed() > before {
            (self.asked_at, self.asked) = (None, 0);
        }
    }

    /// Returns how many frames of the device were believed.
    fn believed(&self) -> u64 {
        let counters = self.engine.counters();
        let unread = counters.shed + counters.malformed;
        self.link.as_ref().map_or(counters.frames_heard.saturating_sub(unread), OneLink::believed)
    }

    fn take_in(&mut self) {
        let (now, engine) = (self.clock.now(), &mut self.engine);
        if let Some(link) = &mut self.link {
            let (transport, address, replies) = (self.transport, self.address, &mut self.replies);
            let mut hear = |hub, frame: &[u8], engine: &mut Engine| {
                if let Some(reply) = link.hear(now, hub, frame, engine) {
                    let (segment, contents) = (reply.len(), Bytes::from(reply));
                    replies.push(Transmit { hub, address, transport, contents, segment, blocks: 0 });
                }
            };
            self.wires.take_in(|incoming| match incoming {
                Incoming::Datagram(from, datagram) => match engine.hub_at(from) {
                    Some(hub) => hear(hub, datagram, engine),
                    // Counted as a stranger's.
                    None => engine.handle_datagram(now, from, datagram),
                },
                Incoming::Frames(hub, mut frames) => {
                    while let Ok(Some((_, len))) = WanFrame::parse_stream(frames) {
                        let (frame, later) = frames.split_at(len);
                        hear(hub, frame, engine);
                        frames = later;
                    }
                }
                Incoming::Disconnected(hub) => engine.handle_disconnect(now, hub),
            });
            return;
        }
        self.wires.take_in(|incoming| match incoming {
            Incoming::Datagram(from, datagram) => engine.handle_datagram(now, from, datagram),
            Incoming::Frames(hub, frames) => engine.handle_frames(now, hub, frames),
            Incoming::Disconnected(hub) => engine.handle_disconnect(now, hub),
        });
    }

    /// Runs one task to its end.
    async fn run(
        &mut self,
        task: Task,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Result<Answer, Fault>, DeliveryError> {
        self.engine.assign(self.clock.now(), self.hub, task, Priority::default());
        loop {
            if let Some(event) = self.engine.poll_event() {
                return Ok(event.result);
            }
            for reply in std::mem::take(&mut self.replies) {
                self.wires.send(&reply).await;
            }
            while let Some(transmit) = self.engine.poll_transmit(self.clock.now()) {
                self.send(&transmit).await?;
                tokio::task::yield_now().await;
            }
            progress(self.progress());
            let wait =
                self.engine.poll_timeout().map_or(Duration::from_millis(100), |at| self.clock.wait_until(at));
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(DeliveryError::Interrupted),
                () = self.wires.ready() => {}
                () = tokio::time::sleep(wait.min(Duration::from_millis(500))) => {}
            }
            self.hear();
        }
    }
}
