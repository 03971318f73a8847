//! The loop that drives a conductor: wait, feed, carry out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use campaign::Conductor;
use ledger::{AppendError, Head, Ledger, Store};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use transfer_engine::{Counters, Moment, Transmit};

use crate::clock::Clock;
use crate::counters::CounterError;
use crate::day_counts::DayCounts;
use crate::keeper::{Keeper, Kept};
use crate::keyring::{Keyring, Rekeying};
use crate::links::SecuredLinks;
use crate::wires::{Incoming, Wires};

/// Trains sent in one turn, by each thread that sends. Enough to make the turn's own cost vanish, and few enough to hear what
/// comes in meanwhile.
const TRAINS_PER_TURN: usize = 128;

/// Commands on their way to the driver.
const COMMANDS_QUEUED: usize = 256;

/// The longest wait, so that a clock that was held back is looked at again.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What is left to do for a command once everything it brought about is durable.
type Reply = Box<dyn FnOnce(Pulse) + Send>;
type Command = Box<dyn FnOnce(&mut Conductor, Option<&mut SecuredLinks>, Moment) -> Reply + Send>;

/// How the head-end is doing, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// When.
    pub now: Moment,
    /// The durable head of the ledger.
    pub head: Head,
    /// What the engine has counted.
    pub counters: Counters,
    /// Hubs that are being talked to.
    pub busy_hubs: usize,
}

/// The head-end has stopped and takes no more commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the head-end has stopped")]
pub struct Stopped;

/// Why the head-end stopped by itself.
#[derive(Debug, Error)]
pub enum HeadEndError {
    /// The thread for the ledger.
    #[error("cannot start the ledger's thread")]
    Thread(#[source] std::io::Error),
    /// The ledger. Nothing that was not durable has been acted on.
    #[error("the ledger cannot be written")]
    Ledger(#[source] AppendError),
    /// Invocation counters. None was used that is not durable.
    #[error("no more can be sent")]
    Counters(#[source] CounterError),
    /// What carriers have carried today. Nothing was sent that is not counted there.
    #[error("the day counts cannot be made durable")]
    DayCounts(#[source] std::io::Error),
    /// The ledger's thread ended by itself.
    #[error("the ledger's thread has ended")]
    KeeperGone,
}

/// What others hold of a running head-end.
#[derive(Clone)]
pub struct HeadEndHandle {
    commands: mpsc::Sender<Command>,
}

impl HeadEndHandle {
    /// Runs `act` on the conductor and returns its result when all that it brought about is durable.
    pub async fn call<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Conductor, Moment) -> R + Send + 'static,
    ) -> Result<(R, Pulse), Stopped> {
        self.command(|conductor, _, now| act(conductor, now)).await
    }

    /// Has the links take other keys in the place of all those before; `None` from a head-end that talks in the clear.
    /// Hubs whose keys are the same notice nothing, also in the middle of a transfer.
    pub async fn take_keys(&self, keyring: Keyring) -> Result<Option<Rekeying>, Stopped> {
        let taken = self.command(move |conductor, links, now| {
            links.map(|links| links.take_keys(now, keyring, conductor))
        });
        Ok(taken.await?.0)
    }

    async fn command<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Conductor, Option<&mut SecuredLinks>, Moment) -> R + Send + 'static,
    ) -> Result<(R, Pulse), Stopped> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |conductor, links, now| {
            let result = act(conductor, links, now);
            Box::new(move |pulse| {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send((result, pulse));
            })
        });
        self.commands.send(command).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

/// A head-end that is ready to run.
pub struct HeadEnd {
    conductor: Conductor,
    keeper: Keeper,
    wires: Wires,
    links: Option<SecuredLinks>,
    /// Away while it writes.
    days: Option<DayCounts>,
    /// Trains of this turn that have to be ciphered.
    trains: Vec<Transmit>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Receiver<Command>,
    replies: VecDeque<(u64, Reply)>,
    head: Head,
}

impl HeadEnd {
    /// Joins a conductor that has been resumed with the ledger it was resumed from.
    pub fn new<S: Store + Send + 'static>(
        conductor: Conductor,
        ledger: Ledger<S>,
        wires: Wires,
        clock: Arc<dyn Clock>,
    ) -> Result<(HeadEnd, HeadEndHandle), HeadEndError> {
        let head = ledger.head();
        let keeper = Keeper::start(ledger).map_err(HeadEndError::Thread)?;
        let (sender, commands) = mpsc::channel(COMMANDS_QUEUED);
        let head_end = HeadEnd {
            conductor,
            keeper,
            wires,
            links: None,
            days: None,
            trains: Vec::new(),
            clock,
            commands,
            replies: VecDeque::new(),
            head,
        };
        Ok((head_end, HeadEndHandle { commands: sender }))
    }

    /// Has everything ciphered from the beginning. The conductor was told with [`Conductor::secure_links`].
    #[must_use]
    pub fn secured(self, links: SecuredLinks) -> HeadEnd {
        HeadEnd { links: Some(links), ..self }
    }

    /// Has the caps of carriers counted over restarts. The conductor's budgets were taken up with [`DayCounts::take_up`].
    #[must_use]
    pub fn counted(self, days: DayCounts) -> HeadEnd {
        HeadEnd { days: Some(days), ..self }
    }

    /// Runs until it is told to stop or the ledger fails.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), HeadEndError> {
        while !stop.is_cancelled() {
            // First what came, then what it brought about: a turn for each time that we are woken.
            let more = self.drain().await;
            let now = self.clock.now();
            let done = self.carry_out(now).await?;
            self.answer(now);
            if done && !more {
                self.clock.caught_up(now);
                self.wait(&stop).await?;
            } else {
                // Let the API and the signals have their turn even when there is always something to do.
                tokio::task::yield_now().await;
                self.hear_keeper()?;
                self.obey();
            }
        }
        self.close().await
    }

    /// Carries out what the conductor says; `false` when there was more than one turn may do.
    async fn carry_out(&mut self, now: Moment) -> Result<bool, HeadEndError> {
        self.keep_days(now).await?;
        if let Some(links) = &mut self.links {
            links.keep_shared(&mut self.conductor).await.map_err(HeadEndError::Counters)?;
        }
        let mut done = false;
        for _ in 0..TRAINS_PER_TURN * self.wires.sending_threads() {
            self.append().await?;
            match self.conductor.poll_transmit(now) {
                Some(transmit) if self.links.is_some() => self.trains.push(transmit),
                Some(transmit) => self.wires.send(&transmit).await,
                None => {
                    self.append().await?;
                    done = true;
                    break;
                }
            }
        }
        if let Some(links) = &mut self.links {
            let sent = links.send(now, &mut self.trains, &mut self.conductor, &mut self.wires).await;
            sent.map_err(HeadEndError::Counters)?;
        }
        self.wires.flush().await;
        Ok(done)
    }

    /// Writes what carriers have carried before more is sent, when it is time.
    async fn keep_days(&mut self, now: Moment) -> Result<(), HeadEndError> {
        let Some(mut days) = self.days.take_if(|days| days.is_due(now)) else { return Ok(()) };
        let carriers = self.conductor.traffic().carriers;
        let written = spawn_blocking(move || days.keep(now, &carriers).map(|()| days));
        let written = written.await.expect("writing day counts does not panic");
        self.days = Some(written.map_err(HeadEndError::DayCounts)?);
        Ok(())
    }

    async fn append(&mut self) -> Result<(), HeadEndError> {
        while let Some(batch) = self.conductor.poll_append() {
            // No block leaves after the pause that ended it is durable.
            self.wires.settle().await;
            if !self.keeper.append(batch).await {
                self.hear_keeper()?;
                return Err(HeadEndError::KeeperGone);
            }
        }
        Ok(())
    }

    /// Takes in what is there already; says whether that was more than one turn may do.
    async fn drain(&mut self) -> bool {
        let now = self.clock.now();
        let conductor = &mut self.conductor;
        if let Some(links) = &mut self.links {
            let heard = self.wires.take_in(|incoming| links.hear(now, incoming, conductor));
            links.send_replies(&mut self.wires).await;
            return heard;
        }
        self.wires.take_in(|incoming| match incoming {
            Incoming::Datagram(from, datagram) => conductor.handle_datagram(now, from, datagram),
            Incoming::Frames(hub, frames) => conductor.handle_frames(now, hub, frames),
            Incoming::Disconnected(hub) => conductor.handle_disconnect(now, hub),
        })
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Result<(), HeadEndError> {
        let timeout = self.conductor.poll_timeout().map_or(LONGEST_WAIT, |at| self.clock.wait_until(at));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            Some(command) = self.commands.recv() => self.take(command),
            kept = self.keeper.kept.recv() => match kept {
                Some(kept) => self.on_kept(kept)?,
                None => return Err(HeadEndError::KeeperGone),
            },
            () = self.wires.ready() => {}
            () = tokio::time::sleep(timeout.min(LONGEST_WAIT)) => {}
        }
        self.hear_keeper()
    }

    /// Takes commands that are there already: a busy line must not keep the API waiting.
    fn obey(&mut self) {
        for _ in 0..COMMANDS_QUEUED {
            let Ok(command) = self.commands.try_recv() else { break };
            self.take(command);
        }
    }

    fn take(&mut self, command: Command) {
        let reply = command(&mut self.conductor, self.links.as_mut(), self.clock.now());
        self.replies.push_back((self.conductor.recorded(), reply));
    }

    fn hear_keeper(&mut self) -> Result<(), HeadEndError> {
        while let Ok(kept) = self.keeper.kept.try_recv() {
            self.on_kept(kept)?;
        }
        Ok(())
    }

    fn on_kept(&mut self, kept: Kept) -> Result<(), HeadEndError> {
        match kept {
            Kept::Durable { entries, head } => {
                self.head = head;
                self.conductor.handle_durable(self.clock.now(), entries);
                Ok(())
            }
            Kept::Failed(error) => Err(HeadEndError::Ledger(error)),
        }
    }

    /// Answers commands whose records are durable.
    fn answer(&mut self, now: Moment) {
        while let Some((needs, _)) = self.replies.front()
            && *needs <= self.conductor.durable()
        {
            let Some((_, reply)) = self.replies.pop_front() else { break };
            reply(Pulse {
                now,
                head: self.head,
                counters: self.conductor.counters(),
                busy_hubs: self.conductor.busy_hubs(),
            });
        }
    }

    /// Waits for what was recorded to become durable. Acts that follow from it are left to the next start.
    async fn close(mut self) -> Result<(), HeadEndError> {
        self.append().await?;
        while self.conductor.durable() < self.conductor.recorded() {
            match self.keeper.kept.recv().await {
                Some(kept) => self.on_kept(kept)?,
                None => return Err(HeadEndError::KeeperGone),
            }
            self.append().await?;
        }
        let now = self.clock.now();
        self.answer(now);
        match self.days.take() {
            Some(days) => {
                days.close(now, &self.conductor.traffic().carriers).map_err(HeadEndError::DayCounts)
            }
            None => Ok(()),
        }
    }
}
