//! The engine room of `serve`: keys, lists, ledger and images are taken up, in this order, and checked.
//!
//! Recovery is the only way to start: an empty ledger is one with nothing to fold.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use campaign::{BudgetBook, Conductor, Desk, ReplayError, Settings};
use eligibility::Inventory;
use head_end::{Clock, CounterFile, DayCounts, Keyring, SecuredLinks};
use host::{Participant, SteadyClock};
use ledger::{EntryIndex, Ledger, OpenStoreError, SqliteStore};
use transfer_engine::Moment;

use super::chain::Believed;
use super::config::Config;
use super::images::ImageFolder;
use crate::clocks::SharedClock;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::keys::{LinkKeyFile, open_counters};
use crate::{keys, lists};

/// What is known before anything is opened for writing.
pub(super) struct Papers {
    believed: Believed,
    desk: Desk,
    settings: Settings,
    keyring: Option<Keyring>,
    book: BudgetBook,
}

/// An engine that has taken up its ledger and is ready to run.
pub(super) struct EngineRoom {
    pub(super) conductor: Conductor,
    pub(super) ledger: Ledger<SqliteStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) believed: Believed,
    pub(super) images: Arc<ImageFolder>,
    pub(super) links: Option<SecuredLinks>,
    /// What carriers with a cap have carried today.
    pub(super) days: Option<DayCounts>,
}

impl Papers {
    /// Reads keys and lists. Nothing is written.
    pub(super) fn read(config: &Config) -> Result<Papers, Failure> {
        let believed = Believed::read(config, wanted_start(config))?;
        let settings = Settings {
            engine: config.engine(),
            cell_rate: config.cell_rate(),
            link_rate: config.link_rate(),
            transport: config.transport(),
            order_key: keys::read_signing_key(&config.order_key)?,
            papers: believed.papers.clone(),
        };
        let (desk, keyring) = read_desk(config)?;
        let book = config.budgets.book(&desk.inventory);
        let book = book.map_err(|fault| {
            Failure::message(ExitCode::BadInput, format_args!("the configuration, {fault}"))
        })?;
        Ok(Papers { believed, desk, settings, keyring, book })
    }
}

/// Reads the lists and the link keys, if there are any, as they are now: with the same care at the start and while the
/// engine runs.
pub(super) fn read_desk(config: &Config) -> Result<(Desk, Option<Keyring>), Failure> {
    let eligibility::Lists { register, inventory, .. } = lists::read_whole(&config.lists.paths())?;
    let keyring = read_keyring(config, &inventory)?;
    Ok((Desk { register, inventory, gate: config.gate() }, keyring))
}

/// Reads the link keys, if there are any, and sees that no hub would be talked to in the clear.
fn read_keyring(config: &Config, inventory: &Inventory) -> Result<Option<Keyring>, Failure> {
    let Some(place) = &config.link_security else { return Ok(None) };
    let keys = LinkKeyFile::read(&place.keys)?;
    if let Some(device) = inventory.devices().find(|device| !keys.has(device.hub)) {
        let message = format!(
            "{}: expected a line for each hub of {}, found none for {}",
            place.keys.display(),
            config.lists.inventory.display(),
            device.hub
        );
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    keys.keyring(&place.keys).map(Some)
}

fn open_links(config: &Config, keyring: Keyring) -> Result<SecuredLinks, Failure> {
    let path = config.link_security.as_ref().map(|place| place.counters.as_path()).unwrap_or(Path::new(""));
    Ok(SecuredLinks::new(keyring, open_counters(path)?))
}

impl EngineRoom {
    /// Opens ledger and images and takes up every unfinished campaign.
    pub(super) fn open(config: &Config, papers: Papers) -> Result<EngineRoom, Failure> {
        let Papers { believed, desk, settings, keyring, mut book } = papers;
        let ledger = open_ledger(&config.ledger)?;
        let (images, stored) = ImageFolder::open(&config.images, &believed.images)?;
        let start = begin(config, &ledger)?;
        let steady = Arc::new(SteadyClock::new(start, config.clock.speed));
        let clock = SharedClock::new(steady, Participant(0));
        let mut conductor = Conductor::new(settings, desk, start);
        let days = open_days(&config.ledger, &mut book)?;
        conductor.set_budgets(book);
        if let Some(root) = &believed.root {
            conductor.trust_operators(root.clone());
        }
        let links = keyring.map(|keyring| open_links(config, keyring)).transpose()?;
        if let Some(links) = &links {
            conductor.secure_links(start, links.sealer());
        }
        for image in stored.images {
            conductor.add_image(image);
        }
        for image in stored.withdrawn {
            conductor.withdraw_image(start, image);
        }
        replay(config, &ledger, &mut conductor)?;
        let resumed = conductor.resume(clock.now());
        resumed.map_err(|error| not_resumed(config, error))?;
        let images = Arc::new(images);
        Ok(EngineRoom { conductor, ledger, clock: Arc::new(clock), believed, images, links, days })
    }
}

/// Opens the day counts beside the ledger, where a carrier has a cap, and has the book go on from them.
fn open_days(ledger: &Path, book: &mut BudgetBook) -> Result<Option<DayCounts>, Failure> {
    if book.carriers.values().all(|plan| plan.cap.in_bytes() == u64::MAX) {
        return Ok(None);
    }
    let mut path = ledger.as_os_str().to_owned();
    path.push(".days");
    let path = Path::new(&path);
    let file = CounterFile::open(path).or_bad_input(format_args!("{}: cannot be opened", path.display()))?;
    let days = DayCounts::open(Box::new(file));
    let mut days =
        days.or_fail(ExitCode::Refused, format_args!("{}: expected day counts", path.display()))?;
    days.take_up(book);
    Ok(Some(days))
}

fn open_ledger(path: &Path) -> Result<Ledger<SqliteStore>, Failure> {
    let place = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).or_bad_input(format_args!("{place}: its folder cannot be made"))?;
    }
    let store: Result<SqliteStore, OpenStoreError> = SqliteStore::open(path);
    let store = store.or_bad_input(format_args!("{place}: expected a ledger file"))?;
    let ledger =
        Ledger::open(store).or_fail(ExitCode::Refused, format_args!("{place}: the ledger does not hold"))?;
    ledger.verify().or_fail(ExitCode::Refused, format_args!("{place}: the ledger does not hold"))?;
    Ok(ledger)
}

/// Returns when the clock is to begin: as configured, or now.
fn wanted_start(config: &Config) -> Moment {
    let wall = || {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
    };
    config.clock.start.map_or_else(wall, |start| start.0)
}

/// Returns when the clock begins: never before the last entry, because time in a ledger does not go back.
fn begin(config: &Config, ledger: &Ledger<SqliteStore>) -> Result<Moment, Failure> {
    let wanted = wanted_start(config);
    let Some(last) = ledger.head().count.checked_sub(1) else { return Ok(wanted) };
    let entries = ledger.read(EntryIndex(last), 1);
    let entries =
        entries.or_fail(ExitCode::Failed, format_args!("{}: cannot be read", config.ledger.display()))?;
    let recorded = entries.first().map_or(wanted, |entry| Moment::from_micros(entry.recorded_at_us));
    Ok(wanted.max(recorded))
}

fn replay(config: &Config, ledger: &Ledger<SqliteStore>, conductor: &mut Conductor) -> Result<(), Failure> {
    let mut next = EntryIndex(0);
    loop {
        let batch = ledger.read(next, BATCH);
        let batch =
            batch.or_fail(ExitCode::Failed, format_args!("{}: cannot be read", config.ledger.display()))?;
        let Some(last) = batch.last() else { return Ok(()) };
        next = EntryIndex(last.index.0 + 1);
        conductor.replay(&batch).map_err(|error| not_resumed(config, error))?;
    }
}

fn not_resumed(config: &Config, error: ReplayError) -> Failure {
    let missing = matches!(error, ReplayError::MissingImage { .. });
    let context = format!("{}: the campaigns cannot be taken up again", config.ledger.display());
    let failure = Failure::new(ExitCode::BadInput, anyhow::Error::new(error).context(context));
    if missing {
        let hint =
            format!("put the file back into {} and see that its signer is trusted", config.images.display());
        return failure.hint(hint);
    }
    failure
}

/// Entries read at a time: bodies are some hundred bytes, and 64 KiB at the very most.
const BATCH: usize = 1_024;
