//! What goes into an engine and what comes out: configuration, transmits, counters.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::HubId;
use crate::armour::ArmourRules;
use crate::budget::{AirTime, BudgetPlan, BudgetRules, ByteRate, DayProfile};
use crate::session::{Patience, Trains, Transport};

/// How the engine is set up.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// What the whole head-end may send, headers included.
    pub global_rate: ByteRate,
    /// What is free of it by the hour.
    pub global_profile: DayProfile,
    /// The longest train of blocks to one hub in one transmit; trains also never hold more than `line_burst` of an agreed
    /// line, or 50 ms of one whose rate is being found out.
    pub train: u32,
    /// How much time of a rate may be made up for at once, by budgets and by lines. Less loses throughput when
    /// the thread is off the processor, more overshoots a sliding window by as much (measured: 20 to 50 ms give
    /// under 0.1 % error a second). A clock that jumps needs as much as it jumps.
    pub burst: Duration,
    /// The same for one line whose rate was agreed, where it is what a train may hold. What a datagram costs is the
    /// kernel's path for it, and a train takes most of that path once: what is on its way within the round trip of 2G
    /// (0.76 s) are three blocks of 1 KiB at 40 kbit/s, and halve the sender's cost; a request behind them waits as much
    /// longer.
    pub line_burst: Duration,
    /// The share of every shared budget that blocks leave to requests, in thousandths, so that reads answer in
    /// time while a campaign runs.
    pub reserve_permille: u16,
    /// Waiting times of requests.
    pub patience: Patience,
    /// What hubs may make us read.
    pub armour: ArmourRules,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            global_rate: ByteRate(1_000_000),
            global_profile: DayProfile::FLAT,
            train: 16,
            burst: Duration::from_millis(50),
            line_burst: Duration::from_millis(50),
            // Ten reads of 100 B a second on a cell of 20 kB/s.
            reserve_permille: 50,
            patience: Patience::default(),
            armour: ArmourRules::default(),
        }
    }
}

impl EngineConfig {
    /// Returns how long trains may be.
    pub(crate) fn trains(&self) -> Trains {
        Trains {
            blocks: self.train,
            burst: AirTime::lasting(self.burst),
            agreed: AirTime::lasting(self.line_burst),
        }
    }

    /// Returns what requests leave to blocks of a shared budget.
    pub fn rate_for_blocks(&self, rate: ByteRate) -> ByteRate {
        ByteRate(rate.0 - self.budget_rules().reserve_of(rate.0))
    }

    /// Returns the rules of budgets for one engine that has them to itself.
    pub fn budget_rules(&self) -> BudgetRules {
        BudgetRules {
            global: BudgetPlan { rate: self.global_rate, profile: self.global_profile },
            burst: self.burst,
            reserve_permille: self.reserve_permille,
            shards: 1,
        }
    }
}

/// Datagrams to one hub: `contents` is cut every `segment` bytes, the last may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which hub.
    pub hub: HubId,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
    /// One or more frames of equal length, side by side: a slice of a buffer that is shared by all hubs.
    pub contents: Bytes,
    /// The length of one frame, bytes.
    pub segment: usize,
    /// How many of them are image blocks that are sent as such. A datagram's block that is a probe is not among them: the hub
    /// answers it like a request.
    pub blocks: u32,
}

/// What the engine has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes sent, IP and UDP headers included.
    pub bytes_sent: u64,
    /// Image blocks sent.
    pub blocks_sent: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// Frames heard.
    pub frames_heard: u64,
    /// Datagrams from addresses that are no hub of ours.
    pub strangers: u64,
    /// Frames that do not parse.
    pub malformed: u64,
    /// Answers that nobody waited for.
    pub stale: u64,
    /// Frames dropped unread because their hub had said too much.
    pub shed: u64,
    /// Frames that were admitted and that link security did not believe.
    pub unbelieved: u64,
    /// Bytes heard, headers included, whether read or not.
    pub bytes_heard: u64,
}

/// What has crossed one cell since the engine began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellTraffic {
    /// Bytes sent, IP and UDP headers included.
    pub bytes_sent: u64,
    /// Image blocks sent.
    pub blocks_sent: u64,
    /// Bytes heard, headers included.
    pub bytes_heard: u64,
}

/// What a session is at, in words for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// Nothing to do.
    Idle,
    /// Opening an association.
    Associating,
    /// Looking at a slot, or preparing it.
    Preparing,
    /// Blocks flow.
    Sending,
    /// The hub verifies.
    Verifying,
    /// An activation is handed over.
    Activating,
    /// A status or a version is read.
    Reading,
}

impl SessionState {
    /// All states, in the order of a campaign.
    pub const ALL: [SessionState; 7] = [
        SessionState::Idle,
        SessionState::Associating,
        SessionState::Preparing,
        SessionState::Sending,
        SessionState::Verifying,
        SessionState::Activating,
        SessionState::Reading,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::Idle => "idle",
            SessionState::Associating => "associating",
            SessionState::Preparing => "preparing",
            SessionState::Sending => "sending",
            SessionState::Verifying => "verifying",
            SessionState::Activating => "activating",
            SessionState::Reading => "reading",
        }
    }
}
