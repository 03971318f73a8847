//! The keeper of the ledger: one thread that makes records durable and says so.
//!
//! Batches that arrive while it writes are written together (group commit). It never retries an I/O error:
//! after one it is not known what the disk holds, so the head-end stops and is started again from the ledger.

use std::thread;

use ledger::{AppendError, Head, Ledger, MAX_ENTRIES_PER_APPEND, NewEntry, Store};
use tokio::sync::mpsc;

/// Batches on their way to the keeper. More than a few mean that the disk is slower than the decisions, and
/// then the decisions wait.
const BATCHES_QUEUED: usize = 64;

/// What the keeper says.
#[derive(Debug)]
pub(crate) enum Kept {
    /// So many more entries are durable, and this is the ledger's head now.
    Durable { entries: usize, head: Head },
    /// The ledger is lost for this process.
    Failed(AppendError),
}

/// The keeper's end in the driver.
pub(crate) struct Keeper {
    batches: mpsc::Sender<Vec<NewEntry>>,
    pub(crate) kept: mpsc::UnboundedReceiver<Kept>,
}

impl Keeper {
    /// Starts the thread; it ends when the keeper is dropped.
    pub(crate) fn start<S: Store + Send + 'static>(ledger: Ledger<S>) -> std::io::Result<Keeper> {
        let (batches, inbox) = mpsc::channel(BATCHES_QUEUED);
        let (news, kept) = mpsc::unbounded_channel();
        thread::Builder::new().name("ledger".into()).spawn(move || keep(ledger, inbox, &news))?;
        Ok(Keeper { batches, kept })
    }

    /// Hands a batch over; waits when too many are under way. `false` when the keeper has ended.
    pub(crate) async fn append(&self, batch: Vec<NewEntry>) -> bool {
        self.batches.send(batch).await.is_ok()
    }
}

fn keep<S: Store>(
    mut ledger: Ledger<S>,
    mut inbox: mpsc::Receiver<Vec<NewEntry>>,
    news: &mpsc::UnboundedSender<Kept>,
) {
    let mut held: Option<Vec<NewEntry>> = None;
    while let Some(mut batch) = held.take().or_else(|| inbox.blocking_recv()) {
        while let Ok(more) = inbox.try_recv() {
            if batch.len() + more.len() > MAX_ENTRIES_PER_APPEND {
                held = Some(more);
                break;
            }
            batch.extend(more);
        }
        let entries = batch.len();
        let said = match ledger.append(batch) {
            Ok(_) => Kept::Durable { entries, head: ledger.head() },
            Err(error) => Kept::Failed(error),
        };
        let failed = matches!(said, Kept::Failed(_));
        if news.send(said).is_err() || failed {
            return;
        }
    }
}
