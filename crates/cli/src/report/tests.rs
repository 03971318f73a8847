//! A small campaign, folded from records as a real one is, and what its report must say.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{
    CampaignPolicy, CampaignState, DeliveredRecord, FinishedRecord, InstructedRecord, Judgement, OrderRecord,
    OrderedRecord, Outcome, OutcomeRecord, PlanRecord, Record, StagedRecord, Target, WaveRecord,
};
use firmware_image::{Eui64, FileDigest, ImageDigest};
use ledger::Head;
use transfer_engine::Moment;

use super::*;

/// 2026-11-23 09:00:00 UTC.
const START: Moment = Moment::from_micros(1_795_424_400_000_000);

/// A script, a quote, an entity and a formula: as a hostile inventory would have them.
const HOSTILE: &str = "<script>alert('&amp;')</script>\"><img src=x onerror=1>=1+1,\n";

fn after(seconds: u64) -> Moment {
    START + Duration::from_secs(seconds)
}

/// Records of a campaign of homes with a hub and two meters each, drawn from a small generator.
struct Story {
    state: CampaignState,
    random: u64,
    homes: u32,
    /// What comes when; the fold wants it in order.
    events: Vec<(Moment, Record)>,
}

impl Story {
    fn new(homes: u32) -> Story {
        let order = OrderRecord {
            instructing_party: "DCC".to_owned(),
            smso: "70-B3-D5-1F-30-00-A0-08".to_owned(),
            targets: vec![Target {
                image: FileDigest::of(b"image"),
                cpl_entry: "CPL-0042".parse().expect("an entry's id"),
            }],
            policy: CampaignPolicy::default(),
            devices: homes * 3,
        };
        let id = "early-2026-11".parse().expect("a campaign's name");
        Story { state: CampaignState::new(id, START, order), random: 42, homes, events: Vec::new() }
    }

    /// A linear congruential generator: seeded, and enough to scatter a picture.
    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn run(mut self) -> CampaignState {
        self.events.push((after(0), Record::WaveOpened(WaveRecord { wave: 0 })));
        self.events.push((after(1_500), Record::WaveOpened(WaveRecord { wave: 1 })));
        self.events.push((after(4_000), Record::WaveOpened(WaveRecord { wave: 2 })));
        for home in 0..self.homes {
            for (channel, kind) in ["CHF", "ESME", "GSME"].into_iter().enumerate() {
                self.device(home, channel as u8, kind);
            }
        }
        self.events.sort_by_key(|(at, _)| *at);
        for (at, record) in &self.events {
            self.state.apply(*at, record).expect("the story fits the life cycle");
        }
        let tally = self.state.tally();
        let finished = FinishedRecord {
            done: tally.done as u32,
            failed: tally.failed as u32,
            excluded: tally.excluded as u32,
        };
        if tally.pending == 0 {
            self.state.apply(self.state.updated_at, &Record::Finished(finished)).expect("all have ended");
        }
        self.state
    }

    fn device(&mut self, home: u32, channel: u8, kind: &str) {
        let device = eui(home, channel);
        let wave = if home * 50 < self.homes { 0 } else { 1 + u16::from(home * 3 > self.homes) };
        let refusal = match self.below(100) {
            0 => Some("REJECT_ACTIVE"),
            1 | 2 => Some("NO_EVIDENCE"),
            3 => Some("SE_NOT_FINAL"),
            4 => Some("SKIP_EXCLUDED"),
            5 | 6 => Some("ALREADY_ON_TARGET"),
            _ => None,
        };
        let plan = PlanRecord {
            device,
            kind: kind.to_owned(),
            installation: format!("home-{home:05}"),
            hub: Some(eui(home, 0)),
            channel,
            verdict: verdict(refusal, home),
            image: refusal.is_none().then(|| FileDigest::of(b"image")),
            wave: refusal.is_none().then_some(wave),
            priority: 0,
        };
        self.events.push((START, Record::Verdict(plan)));
        if let Some(code) = refusal {
            let known = code == "ALREADY_ON_TARGET";
            let outcome = if known { Outcome::AlreadyOnTarget } else { Outcome::Refused };
            return self.end(0, device, outcome, code);
        }
        self.serve(device, kind, [0, 1_500, 4_000][usize::from(wave)]);
    }

    fn serve(&mut self, device: Eui64, kind: &str, opened: u64) {
        let instructed = opened + self.below(2_400);
        let image = FileDigest::of(b"image");
        let body = InstructedRecord {
            device,
            row: "B3".to_owned(),
            verdict: None,
            supplier: None,
            image,
            groups: None,
        };
        self.events.push((after(instructed), Record::Instructed(body)));
        let staged = instructed + 60 + self.below(240);
        if self.below(100) == 0 {
            return self.end(staged, device, Outcome::NoWan, "no answer to five attempts");
        }
        let blocks_repaired = self.below(9) as u32;
        self.events.push((
            after(staged),
            Record::Staged(StagedRecord {
                device,
                blocks: 400,
                blocks_sent: 400 + blocks_repaired,
                blocks_repaired,
                blocks_held: 0,
                bytes_sent: 420_000 + u64::from(blocks_repaired) * 1_050,
                elapsed_ms: (staged - instructed) * 1_000,
            }),
        ));
        let delivered = staged
            + match kind {
                "CHF" => 0,
                "ESME" => 300 + self.below(900),
                _ => 1_800 + self.below(600) + self.below(20) * self.below(20) * 60,
            };
        if self.below(120) == 0 {
            return self.end(delivered, device, Outcome::HanTimeout, "nothing more was heard of it");
        }
        self.events.push((after(delivered), Record::Delivered(DeliveredRecord { device })));
        let ordered = OrderedRecord {
            device,
            image: ImageDigest::of(b"image"),
            counter: 1,
            epoch: 0,
            nonce: firmware_image::Nonce::from_bytes([0; 8]),
            row: "B3".to_owned(),
            verdict: None,
            companions: Vec::new(),
        };
        self.events.push((after(delivered + 30), Record::Ordered(ordered)));
        match self.below(150) {
            0 => self.end(delivered + 90, device, Outcome::RolledBack, "the new firmware did not come up"),
            _ => self.end(delivered + 60, device, Outcome::Activated, "the device says it runs the target"),
        }
    }

    fn end(&mut self, at: u64, device: Eui64, outcome: Outcome, reason: &str) {
        let running = (outcome == Outcome::Activated).then(|| "01020304".to_owned());
        let body = OutcomeRecord {
            device,
            outcome,
            reason: reason.to_owned(),
            verdict: None,
            running,
            exclusion: None,
        };
        self.events.push((after(at), Record::Outcome(body)));
    }
}

fn eui(home: u32, channel: u8) -> Eui64 {
    let [a, b, c, d] = home.to_be_bytes();
    Eui64::from_bytes([0x00, 0x0D, 0x6F, a, b, c, d, channel])
}

fn verdict(refusal: Option<&str>, home: u32) -> Judgement {
    let early = home.is_multiple_of(3);
    let (row, code) = if early { ("B3", "EARLY_DMCT_REPORT") } else { ("B1", "EPCL") };
    Judgement {
        allowed: refusal.is_none(),
        waits: false,
        row: if refusal.is_some() { "-" } else { row }.to_owned(),
        code: refusal.unwrap_or(code).to_owned(),
        dmc: Some(if early { "DMC-0017" } else { "DMC-0003" }.to_owned()),
        evidence: vec![if early { "dmct_epcl_report DMCT-2026-031" } else { "epcl EPCL-2026-11" }.to_owned()],
        rests_on: Some("2026-11-02".to_owned()),
        detail: "the combination was judged on this day".to_owned(),
    }
}

fn input(state: &CampaignState) -> ReportInput<'_> {
    ReportInput {
        title: "Early firmware, November 2026".to_owned(),
        seed: Some(42),
        state,
        bound: None,
        facts: vec![("Signer".to_owned(), "9f86d081884c7d65".to_owned())],
        head: Head::EMPTY,
    }
}

/// A device that was planned, and one that ended, both with hostile words wherever words can be.
fn hostile_campaign() -> CampaignState {
    let mut state = Story::new(0).state;
    let judgement = Judgement {
        allowed: true,
        waits: false,
        row: HOSTILE.to_owned(),
        code: HOSTILE.to_owned(),
        dmc: Some(HOSTILE.to_owned()),
        evidence: vec![HOSTILE.to_owned(), "second".to_owned()],
        rests_on: Some(HOSTILE.to_owned()),
        detail: HOSTILE.to_owned(),
    };
    let device = eui(1, 1);
    let plan = PlanRecord {
        device,
        kind: HOSTILE.to_owned(),
        installation: HOSTILE.to_owned(),
        hub: Some(eui(1, 0)),
        channel: 1,
        verdict: judgement,
        image: None,
        wave: Some(0),
        priority: 0,
    };
    let image = FileDigest::of(b"image");
    let staged = StagedRecord {
        device,
        blocks: 1,
        blocks_sent: 1,
        blocks_repaired: 0,
        blocks_held: 0,
        bytes_sent: 1,
        elapsed_ms: 1,
    };
    let refused = PlanRecord { device: eui(2, 1), ..plan.clone() };
    let outcome = |device, outcome| {
        let reason = HOSTILE.to_owned();
        Record::Outcome(OutcomeRecord {
            device,
            outcome,
            reason,
            verdict: None,
            running: Some(HOSTILE.to_owned()),
            exclusion: None,
        })
    };
    let records = [
        Record::Verdict(plan),
        Record::Verdict(refused),
        outcome(eui(2, 1), Outcome::Refused),
        Record::Instructed(InstructedRecord {
            device,
            row: HOSTILE.to_owned(),
            verdict: None,
            supplier: None,
            image,
            groups: None,
        }),
        Record::Staged(staged),
        Record::Delivered(DeliveredRecord { device }),
        outcome(device, Outcome::DeviceRejectedImage),
        Record::Halted(campaign::HaltedRecord { wave: 0, reason: HOSTILE.to_owned() }),
    ];
    for (second, record) in records.iter().enumerate() {
        state.apply(after(second as u64), record).expect("the story fits the life cycle");
    }
    state
}

/// Reads a CSV back as a map from column to cell, one for each row.
fn rows_of(csv: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(csv).deserialize().collect::<Result<_, _>>().expect("a CSV with a heading")
}

#[test]
fn the_sums_of_the_page_are_those_of_the_fold() {
    let state = Story::new(100).run();
    let tally = state.tally();
    assert!(tally.done > 200 && tally.failed > 0 && tally.excluded > 0 && tally.pending == 0, "{tally:?}");
    let html = render(&input(&state)).expect("a page");
    let equation = format!(
        "300 ordered = {} done + {} failed + {} excluded + 0 pending",
        tally.done, tally.failed, tally.excluded
    );
    assert!(html.contains(&equation), "{equation}");
    for (outcome, size) in &tally.by_outcome {
        let row = format!("<th scope=\"row\" class=\"text\">{}</th>", words::spoken(*outcome));
        let (_, rest) = html.split_once(&row).expect("each outcome has a row");
        let cells: Vec<&str> = rest.split("</td>").take(2).collect();
        assert!(cells[1].ends_with(&format!(">{size}")), "{outcome:?}: {cells:?}");
    }
    for (code, size) in &tally.by_refusal {
        let (_, rest) = html.split_once(&format!("class=\"code\">{code}</th>")).expect("each code has a row");
        assert!(rest.split("</td>").nth(1).is_some_and(|cell| cell.ends_with(&format!(">{size}"))), "{code}");
        assert_ne!(words::code(code), words::code("a code of the future"), "{code}");
    }
}

#[test]
fn the_page_stands_alone() {
    let state = Story::new(30).run();
    let html = render(&input(&state)).expect("a page");
    for outside in ["http", "//", "<script", "<link", "@import", "url(", "xmlns", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("<svg ").count(), html.matches("role=\"img\" aria-label=\"").count());
    assert_eq!(html.matches("<svg ").count(), 4, "outcomes, progress, traffic, delivery");
    assert_eq!(html.matches("<svg ").count(), html.matches("</svg>").count());
    assert!(html.contains("lamplighter ledger verify FILE --head 0:0000"));
}

#[test]
fn hostile_words_are_only_words() {
    let state = hostile_campaign();
    let hostile = ReportInput {
        title: HOSTILE.to_owned(),
        facts: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
        ..input(&state)
    };
    let html = render(&hostile).expect("a page");
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("'&amp;'"));
    assert!(html.contains("&lt;script&gt;alert"), "they are shown all the same");
    let rows = rows_of(&devices_csv(&state).expect("a table"));
    assert_eq!((rows[0]["kind"].as_str(), rows[0]["reason"].as_str()), (HOSTILE, HOSTILE));
    assert_eq!(rows[0]["evidence"], format!("{HOSTILE}; second"));
}

#[test]
fn the_table_of_devices_holds_what_the_fold_holds() {
    let state = Story::new(40).run();
    let rows = rows_of(&devices_csv(&state).expect("a table"));
    assert_eq!(rows.len(), state.rows().len());
    for (cells, row) in rows.iter().zip(state.rows()) {
        assert_eq!(cells.len(), devices::COLUMNS.len());
        assert_eq!(cells["device"].parse(), Ok(row.device));
        assert_eq!(cells["wave"], row.wave.map(|wave| wave.to_string()).unwrap_or_default());
        assert_eq!(cells["outcome"], row.outcome.as_ref().expect("all ended").0.as_str());
        assert_eq!(cells["wan_bytes"].parse(), Ok(row.wan_bytes));
        let staged = row.reached(campaign::Stage::Staged).map(units::iso);
        assert_eq!(cells["staged_at"], staged.unwrap_or_default());
    }
    let tally = state.tally();
    let counted = |sum: &str| rows.iter().filter(|cells| cells["sum"] == sum).count();
    assert_eq!(
        [counted("done"), counted("failed"), counted("excluded")],
        [tally.done, tally.failed, tally.excluded]
    );
}

#[test]
fn the_same_campaign_makes_the_same_bytes() {
    let make = |facts: Vec<(String, String)>| {
        let state = Story::new(20).run();
        let input = ReportInput { facts, ..input(&state) };
        let html = render(&input).expect("a page");
        (html, devices_csv(&state).expect("a table"), Summary::of(&input).to_json().expect("a summary"))
    };
    let (once, twice) = (make(Vec::new()), make(Vec::new()));
    assert!(once == twice);
    assert!(
        make(vec![("Real time".to_owned(), "1.3 s".to_owned())]).2 == once.2,
        "facts are not in the summary"
    );
}

#[test]
fn the_summary_is_this_document() {
    let state = Story::new(50).run();
    let summary = Summary::of(&input(&state));
    assert_eq!(summary.ordered, summary.done + summary.failed + summary.excluded + summary.pending);
    let json = String::from_utf8(summary.to_json().expect("a summary")).expect("JSON is UTF-8");
    assert_eq!(json, include_str!("summary.expected.json"));
}

#[test]
fn a_report_is_three_files_and_replaces_an_older_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("new").join("report");
    let state = Story::new(5).run();
    let first = write(&dir, &input(&state)).expect("written");
    assert_eq!(write(&dir, &input(&state)).expect("written again"), first);
    let mut found: Vec<_> =
        fs::read_dir(&dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    assert_eq!(found, [first.devices, first.html, first.summary]);
}

#[test]
fn a_campaign_that_has_only_begun_has_a_report() {
    let empty = Story::new(0).state;
    let html = render(&input(&empty)).expect("a page");
    assert!(html.contains("0 ordered = 0 done + 0 failed + 0 excluded + 0 pending"));
    let mut planned = Story::new(0).state;
    let plan = PlanRecord {
        device: eui(1, 1),
        kind: String::new(),
        installation: String::new(),
        hub: None,
        channel: 0,
        verdict: verdict(None, 1),
        image: None,
        wave: Some(3),
        priority: 0,
    };
    planned.apply(START, &Record::Verdict(plan)).expect("a verdict");
    let html = render(&input(&planned)).expect("a page");
    assert!(html.contains("1 ordered = 0 done + 0 failed + 0 excluded + 1 pending"));
    assert!(html.contains("Of 1 device ordered, so far 0 run the target firmware, 1 is under way."));
    assert!(html.contains("not opened"));
}
