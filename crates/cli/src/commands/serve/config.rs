//! The configuration of `serve`: one TOML file, every key checked before anything is opened or written.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use eligibility::{Date, FileKind, GateConfig, NoticePolicy};
use head_end::SENDING_THREADS_MOST;
use host::Speed;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::value::{Datetime, Offset};
use transfer_engine::{ByteRate, EngineConfig, LineRate, Moment, Patience, Transport};

use super::budgets::Budgets;
use crate::exit::{ExitCode, Failure};
use crate::toml_file;

/// A configuration that makes sense. Relative paths have been resolved against the file's own folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// The ledger file; made if there is none.
    pub(super) ledger: PathBuf,
    /// The folder of the images that were handed in.
    pub(super) images: PathBuf,
    /// Public keys whose images are believed, one by one.
    #[serde(default)]
    pub(super) trust: Vec<PathBuf>,
    /// A chain of trust roots instead.
    pub(super) chain: Option<ChainPlace>,
    /// The private key that signs activation orders.
    pub(super) order_key: PathBuf,
    /// The lists and the fleet.
    pub(super) lists: Lists,
    /// The HTTP API.
    #[serde(default)]
    pub(super) http: Http,
    /// How hubs are reached.
    #[serde(default)]
    pub(super) wan: Wan,
    /// Keys for links to hubs; without, everything is said in the clear.
    pub(super) link_security: Option<LinkSecurity>,
    /// What may be put on the air.
    #[serde(default)]
    pub(super) budgets: Budgets,
    /// What the gate leaves to configuration.
    #[serde(default)]
    pub(super) gate: Gate,
    /// Simulated time.
    #[serde(default)]
    pub(super) clock: Clock,
}

/// Where the chain of trust lies.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainPlace {
    /// The folder of `1.root`, `2.root` and so on.
    pub(super) roots: PathBuf,
    /// What hubs are to hold beside the newest root: the status of the day, the releases.
    #[serde(default)]
    pub(super) papers: Vec<PathBuf>,
}

/// How links to hubs are ciphered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkSecurity {
    /// The file of link keys.
    pub(super) keys: PathBuf,
    /// The file of invocation counters; made if there is none, and never to be lost as long as the keys are in use.
    pub(super) counters: PathBuf,
}

/// The files the gate judges by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lists {
    pub(super) cpl: PathBuf,
    pub(super) epcl: PathBuf,
    pub(super) ppcl: PathBuf,
    pub(super) evidence: PathBuf,
    pub(super) inventory: PathBuf,
    /// What suppliers were told; nothing without it.
    pub(super) notices: Option<PathBuf>,
    /// Devices with which nothing is to be done, beside those that the inventory names.
    pub(super) exclusions: Option<PathBuf>,
}

/// The HTTP API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    /// Where it listens.
    pub(super) bind: SocketAddr,
    /// Whether it may listen where other machines reach it. There are no users and passwords, so something in
    /// front of it must guard it.
    pub(super) allow_remote: bool,
}

impl Default for Http {
    fn default() -> Http {
        Http { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), allow_remote: false }
    }
}

/// How hubs are reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wan {
    /// The address datagrams are sent from.
    pub(super) bind: SocketAddr,
    /// How many threads send datagrams. Datagrams to one hub are sent by one of them; a single one is that which decides.
    #[serde(deserialize_with = "sending_threads")]
    pub(super) sending_threads: NonZeroUsize,
    /// `udp` or `tcp`.
    pub(super) transport: TransportWord,
    /// Confirmed blocks in flight over TCP, 1 to 15.
    #[serde(deserialize_with = "window")]
    pub(super) tcp_window: u8,
    /// Until a request is repeated for the first time, milliseconds.
    pub(super) request_timeout_ms: NonZeroU32,
    /// How often a request is sent before a hub counts as unreachable.
    pub(super) request_attempts: NonZeroU8,
}

impl Default for Wan {
    fn default() -> Wan {
        let patience = Patience::default();
        Wan {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            sending_threads: NonZeroUsize::MIN,
            transport: TransportWord::Udp,
            tcp_window: 12,
            request_timeout_ms: u32::try_from(patience.first_timeout.as_millis())
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MAX),
            request_attempts: NonZeroU8::new(patience.attempts).unwrap_or(NonZeroU8::MIN),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TransportWord {
    Udp,
    Tcp,
}

/// What the gate leaves to configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gate {
    /// The day TMAD V7.0 takes effect.
    tmad_v7_effective: Option<Day>,
    /// Whether hub and displays of a Mixed installation may be updated.
    allow_shared_in_mixed: bool,
    /// How many days before an update its supplier must have been told; absent means that nobody asks.
    notice_lead_days: Option<u16>,
}

/// Simulated time, for simulated fleets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Clock {
    /// How many times faster than real time.
    #[serde(deserialize_with = "speed")]
    pub(super) speed: Speed,
    /// When it begins; by default now.
    pub(super) start: Option<UtcTime>,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { speed: Speed::REAL, start: None }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct UtcTime(pub(super) Moment);

#[derive(Clone, Copy, Debug)]
struct Day(Date);

impl Config {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Config, Failure> {
        let mut config: Config = toml_file::read(path)?;
        config.check().map_err(|fault| {
            Failure::message(ExitCode::BadInput, format_args!("{}, {fault}", path.display()))
        })?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }

    /// Checks what no single value shows.
    fn check(&self) -> Result<(), String> {
        self.budgets.check()?;
        match (self.trust.is_empty(), &self.chain) {
            (true, None) => {
                return Err(
                    "key trust: expected at least one public key, or a table chain, found none".to_owned()
                );
            }
            (false, Some(_)) => {
                return Err(
                    "key trust: expected no single keys beside a table chain: its roots name them".to_owned()
                );
            }
            (true, Some(_)) | (false, None) => {}
        }
        if !self.http.bind.ip().is_loopback() && !self.http.allow_remote {
            return Err(format!(
                "key http.bind: expected an address of this machine such as 127.0.0.1:8080, found {}; the API \
                 has no users yet, so set http.allow_remote = true only behind something that guards it",
                self.http.bind
            ));
        }
        Ok(())
    }

    fn resolve(&mut self, folder: &Path) {
        let Lists { cpl, epcl, ppcl, evidence, inventory, notices, exclusions } = &mut self.lists;
        let single =
            [&mut self.ledger, &mut self.images, &mut self.order_key, cpl, epcl, ppcl, evidence, inventory];
        let chain = self
            .chain
            .iter_mut()
            .flat_map(|chain| std::iter::once(&mut chain.roots).chain(&mut chain.papers));
        let links = self.link_security.iter_mut().flat_map(|links| [&mut links.keys, &mut links.counters]);
        let told = notices.iter_mut().chain(exclusions);
        for path in single.into_iter().chain(told).chain(&mut self.trust).chain(chain).chain(links) {
            *path = folder.join(&path);
        }
    }

    /// Returns the engine's budgets and patience.
    pub(super) fn engine(&self) -> EngineConfig {
        let patience = Patience {
            first_timeout: Duration::from_millis(u64::from(self.wan.request_timeout_ms.get())),
            attempts: self.wan.request_attempts.get(),
            ..Patience::default()
        };
        let budgets = &self.budgets;
        // Lateness is real time, and rates are simulated: a fast clock must make up for as much more.
        let usual = EngineConfig::default();
        let in_real_time = |burst: Duration| burst.mul_f64(self.clock.speed.factor().max(1.0));
        EngineConfig {
            global_rate: ByteRate(budgets.global_rate_bytes_per_s.get()),
            global_profile: budgets.global_profile_permille.0,
            reserve_permille: budgets.reserve_permille,
            patience,
            burst: in_real_time(budgets.burst()),
            line_burst: in_real_time(budgets.line_burst()),
            ..usual
        }
    }

    /// Returns what one cell may carry.
    pub(super) fn cell_rate(&self) -> ByteRate {
        ByteRate(self.budgets.cell_rate_bytes_per_s.get())
    }

    /// Returns how fast one hub's line is filled.
    pub(super) fn link_rate(&self) -> LineRate {
        self.budgets.link_rate()
    }

    /// Returns how hubs are reached.
    pub(super) fn transport(&self) -> Transport {
        match self.wan.transport {
            TransportWord::Udp => Transport::Datagram,
            TransportWord::Tcp => Transport::Stream { window: self.wan.tcp_window },
        }
    }

    /// Returns what is configuration in the gate.
    pub(super) fn gate(&self) -> GateConfig {
        self.gate.config()
    }
}

impl Lists {
    /// Returns the files by kind.
    pub(super) fn paths(&self) -> BTreeMap<FileKind, PathBuf> {
        let needed = [
            (FileKind::Cpl, &self.cpl),
            (FileKind::Epcl, &self.epcl),
            (FileKind::Ppcl, &self.ppcl),
            (FileKind::Evidence, &self.evidence),
            (FileKind::Inventory, &self.inventory),
        ];
        let told = [(FileKind::Notices, &self.notices), (FileKind::Exclusions, &self.exclusions)];
        let told = told.into_iter().filter_map(|(kind, path)| Some((kind, path.as_ref()?)));
        needed.into_iter().chain(told).map(|(kind, path)| (kind, path.clone())).collect()
    }
}

impl Gate {
    pub(super) fn config(&self) -> GateConfig {
        let expected = GateConfig::AS_EXPECTED;
        let notice = self.notice_lead_days.map(|lead_days| NoticePolicy::Required { lead_days });
        GateConfig {
            tmad_v7_effective: self.tmad_v7_effective.map_or(expected.tmad_v7_effective, |day| day.0),
            allow_shared_in_mixed: self.allow_shared_in_mixed,
            notice: notice.unwrap_or(expected.notice),
        }
    }
}

fn speed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Speed, D::Error> {
    let factor = f64::deserialize(deserializer)?;
    Speed::new(factor)
        .ok_or_else(|| D::Error::custom(format!("expected a factor from 0.001 to 1000000, found {factor}")))
}

fn sending_threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroUsize, D::Error> {
    let threads = usize::deserialize(deserializer)?;
    NonZeroUsize::new(threads).filter(|threads| threads.get() <= SENDING_THREADS_MOST).ok_or_else(|| {
        D::Error::custom(format!("expected 1 to {SENDING_THREADS_MOST} threads, found {threads}"))
    })
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let window = u8::deserialize(deserializer)?;
    match window {
        1..=15 => Ok(window),
        _ => Err(D::Error::custom(format!("expected 1 to 15, found {window}"))),
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UtcTime, D::Error> {
        let found = Datetime::deserialize(deserializer)?;
        let expected =
            || D::Error::custom(format!("expected a UTC time such as 2020-10-05T00:00:00Z, found {found}"));
        if found.offset != Some(Offset::Z) {
            return Err(expected());
        }
        let time: jiff::Timestamp = found.to_string().parse().map_err(|_| expected())?;
        u64::try_from(time.as_microsecond())
            .map(|micros| UtcTime(Moment::from_micros(micros)))
            .map_err(|_| expected())
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        let found = Datetime::deserialize(deserializer)?;
        let day = found.to_string().parse().ok().filter(|_| found.time.is_none());
        day.map(Day)
            .ok_or_else(|| D::Error::custom(format!("expected a day such as 2020-09-11, found {found}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "ledger = 'l'\nimages = 'i'\ntrust = ['t']\norder_key = 'k'\n[lists]\ncpl = 'a'\n\
                         epcl = 'b'\nppcl = 'c'\nevidence = 'd'\ninventory = 'e'\n";

    fn fault(text: &str) -> String {
        let config = match toml_file::parse::<Config>(text) {
            Ok(config) => config,
            Err(fault) => return fault,
        };
        config.check().expect_err("a fault")
    }

    #[test]
    fn the_least_configuration_listens_on_this_machine_only_and_in_real_time() {
        let config: Config = toml_file::parse(LEAST).expect("it reads");
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.http.bind.to_string(), "127.0.0.1:8080");
        assert_eq!(config.wan.bind.to_string(), "127.0.0.1:0");
        assert_eq!(config.wan.sending_threads, NonZeroUsize::MIN);
        assert_eq!(config.clock.speed, Speed::REAL);
        assert_eq!(config.gate(), GateConfig::AS_EXPECTED);
        assert_eq!(config.engine().patience.attempts, Patience::default().attempts);
    }

    #[test]
    fn every_wrong_value_is_named_with_its_line_and_key() {
        let table = [
            ("[http]\nbind = '8080'", "line 12, column 8, key bind: invalid socket address syntax"),
            ("[http]\nport = 8080", "line 12, column 1, key port: unknown field `port`"),
            ("[http]\nbind = '0.0.0.0:80'", "key http.bind: expected an address of this machine"),
            ("[http]\nallow_remote = 1", "line 12, column 16, key allow_remote: invalid type: integer `1`"),
            ("[wan]\ntransport = 'serial'", "line 12, column 13, key transport: unknown variant `serial`"),
            (
                "[wan]\nsending_threads = 0",
                "line 12, column 19, key sending_threads: expected 1 to 64 threads, found 0",
            ),
            ("[wan]\nsending_threads = 65", "key sending_threads: expected 1 to 64 threads, found 65"),
            ("[wan]\nsending_threads = '2'", "key sending_threads: invalid type: string"),
            ("[wan]\ntcp_window = 16", "key tcp_window: expected 1 to 15, found 16"),
            ("[wan]\nrequest_timeout_ms = 0", "key request_timeout_ms: invalid value: integer `0`"),
            (
                "[budgets]\ncell_rate_bytes_per_s = -5",
                "key cell_rate_bytes_per_s: invalid value: integer `-5`",
            ),
            ("[budgets]\nburst_ms = 0", "key burst_ms: invalid value: integer `0`"),
            ("[budgets]\nlink_rate_agreed = 1", "key link_rate_agreed: invalid type: integer `1`"),
            ("[budgets]\nline_burst_ms = 500", "key budgets.line_burst_ms: expected link_rate_agreed = true"),
            (
                "[budgets]\nreserve_permille = 1001",
                "key reserve_permille: expected 0 to 1000 thousandths, found 1001",
            ),
            (
                "[budgets]\nglobal_profile_permille = [1000, 500]",
                "key global_profile_permille: expected 24 shares, one for each hour (UTC), found 2",
            ),
            (
                "[budgets.carriers.CSP-1]\nrate_bytes_per_s = '40 kbit/s'",
                "line 12, column 20, key rate_bytes_per_s: invalid type: string",
            ),
            (
                "[budgets.carriers.CSP-1]\nrate_bytes_per_s = 5000\ncap_pounds_per_day = -1",
                "line 13, column 22, key cap_pounds_per_day: expected pounds from 0 to 1000000000, found -1",
            ),
            (
                "[budgets.carriers.CSP-1]\nrate_bytes_per_s = 5000\ncap_pounds_per_day = 3.5",
                "key budgets.carriers.CSP-1.cap_pounds_per_day: expected a price_pounds_per_gigabyte beside it",
            ),
            (
                "[gate]\ntmad_v7_effective = 2020-09-11T00:00:00Z",
                "expected a day such as 2020-09-11, found 2020",
            ),
            ("[gate]\ntmad_v7_effective = 'soon'", "line 12, column 21, key tmad_v7_effective: "),
            ("[clock]\nspeed = 0.0", "key speed: expected a factor from 0.001 to 1000000, found 0"),
            ("[clock]\nstart = 2020-10-05T00:00:00", "expected a UTC time such as"),
            ("[clock]\nstart = 2020-10-05T00:00:00+01:00", "expected a UTC time such as"),
            ("[link_security]\nkeys = 'k'", "missing field `counters`"),
            ("[nonsense]\n", "unknown field `nonsense`"),
            ("[http", "line 11, column "),
        ];
        for (addition, expected) in table {
            let found = fault(&format!("{LEAST}{addition}"));
            assert!(found.contains(expected), "{addition}: {found}");
        }
        assert!(fault(&LEAST.replace("ledger = 'l'", "")).contains("missing field `ledger`"));
        assert!(fault(&LEAST.replace("['t']", "[]")).contains("key trust: expected at least one"));
        assert!(
            fault(&format!("{LEAST}[chain]\nroots = 'r'")).contains("key trust: expected no single keys")
        );
        assert!(fault(&LEAST.replace("'l'", "7")).contains("line 1, column 10, key ledger: invalid type"));
    }

    #[test]
    fn other_machines_are_served_only_when_the_operator_says_so() {
        let text = format!("{LEAST}[http]\nbind = '0.0.0.0:80'\nallow_remote = true\n");
        assert_eq!(toml_file::parse::<Config>(&text).expect("it reads").check(), Ok(()));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let text = LEAST.replace("'k'", "'/etc/k'") + "exclusions = 'f'\n[gate]\nnotice_lead_days = 5\n";
        let mut config: Config = toml_file::parse(&text).expect("it reads");
        assert_eq!(config.gate().notice, NoticePolicy::Required { lead_days: 5 });
        config.resolve(Path::new("conf"));
        assert_eq!(config.ledger, Path::new("conf/l"));
        assert_eq!(config.lists.inventory, Path::new("conf/e"));
        let paths = config.lists.paths();
        assert_eq!(paths.get(&FileKind::Exclusions).map(PathBuf::as_path), Some(Path::new("conf/f")));
        assert_eq!((paths.len(), paths.get(&FileKind::Notices)), (6, None));
        assert_eq!(config.trust, [Path::new("conf/t")]);
        assert_eq!(config.order_key, Path::new("/etc/k"));
    }
}
