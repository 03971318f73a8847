//! Replay: everything that was ever said in the updates of a home, said again at every later moment, over the WAN and by
//! a hub that passes on whatever it likes. Nothing moves, nothing is obeyed twice, and the updates go on regardless.

use std::time::Duration;

use firmware_image::FileVersion;
use fleet::{DeviceTrust, HubCounters, MeterCounters};
use wire::{
    AccessResult, DeviceChallenge, DocumentFragment, DocumentKind, HeldPapers, ImageKey, OtaCommand,
    UpgradeEndResponse, ZclFrame,
};

use crate::craft::{self, Target};
use crate::craft_image::{image, payload_of};
use crate::home::{HUB, Home, METER, hub_config, meter_config};
use crate::pen::sha256;
use crate::recipes::{
    HOUR, HUB_TYPE, ImageRecipe, METER_TYPE, NEW, OrderRecipe, ReleaseRecipe, RootRecipe, State, StatusRecipe,
};
use crate::table::Tally;

/// How often the home is updated, hub and meter; every third time the roots rotate before.
const ROUNDS: u64 = 12;

/// The fewest replays.
const REPLAYS: u64 = 2_000;

/// Something that was said and believed.
#[derive(Clone)]
enum Said {
    /// A status to the hub.
    Status(Vec<u8>),
    /// A release to the hub, and the file that it let in.
    Release { bytes: Vec<u8>, channel: u8, round: u64, file: Vec<u8> },
    /// A root to hub and meter.
    Root(Vec<u8>),
    /// On a channel: 0 for the hub itself.
    Order { channel: u8, bytes: Vec<u8> },
}

/// Everything that a message could have moved.
#[derive(Debug, PartialEq)]
struct Standing {
    papers: HeldPapers,
    versions: [FileVersion; 2],
    challenges: [DeviceChallenge; 2],
    activations: [u64; 2],
}

struct Story {
    home: Home,
    said: Vec<Said>,
    tally: Tally,
    root: u64,
    /// The newest release of each channel's campaign.
    released: [u64; 2],
}

impl Story {
    fn new() -> Story {
        let anchor = State::default().anchors().swap_remove(0);
        let config = meter_config();
        let hub = hub_config(std::slice::from_ref(&config));
        let home = Home::new(hub, vec![config], DeviceTrust::rooted(anchor));
        Story { home, said: Vec::new(), tally: Tally::default(), root: 1, released: [0; 2] }
    }

    fn target(&self, channel: u8, image: [u8; 32]) -> Target {
        let (eui, challenge, image_type) = match channel {
            0 => (HUB, self.home.hub.challenge(), HUB_TYPE),
            _ => (METER, self.home.meters[0].challenge(), METER_TYPE),
        };
        Target {
            image_type,
            eui: eui.to_bytes(),
            image,
            nonce: challenge.nonce,
            last_counter: challenge.last_counter,
            epoch: 1,
            root: self.root,
        }
    }

    fn standing(&mut self) -> Standing {
        let papers = self.home.held_papers();
        let hub: &HubCounters = self.home.hub.counters();
        let meter: &MeterCounters = self.home.meters[0].counters();
        Standing {
            papers,
            versions: [self.home.hub.running_version(), self.home.meters[0].running_version()],
            challenges: [self.home.hub.challenge(), self.home.meters[0].challenge()],
            activations: [hub.activations, meter.activations],
        }
    }

    /// Notes what was said, and says all that was said before once more.
    fn note(&mut self, said: Said) {
        for number in 0..self.said.len() {
            let before = self.standing();
            let old = self.said[number].clone();
            self.say_again(&old);
            let after = self.standing();
            let now = self.said.len();
            self.tally.check(before == after, || {
                format!("message {number} said again after message {now}: {before:?} became {after:?}")
            });
        }
        self.said.push(said);
    }

    fn say_again(&mut self, said: &Said) {
        match said {
            Said::Status(bytes) => {
                self.home.set_paper(0, bytes);
            }
            Said::Release { bytes, channel, round, file } => {
                self.home.set_paper(0, bytes);
                self.lets_nothing_replaced_in(*channel, *round, file);
            }
            Said::Root(bytes) => {
                self.home.set_paper(0, bytes);
                self.home.set_paper(1, bytes);
                self.tell_meter(DocumentKind::Root, bytes);
            }
            Said::Order { channel, bytes } => {
                self.home.order_activation(*channel, bytes);
                if *channel == 1 {
                    self.tell_meter(DocumentKind::Order, bytes);
                }
            }
        }
        self.home.run_for(Duration::from_secs(2));
    }

    /// Asks the hub for the file of a release that a later one has replaced.
    fn lets_nothing_replaced_in(&mut self, channel: u8, round: u64, file: &[u8]) {
        if round < self.released[usize::from(channel)] {
            let answer = self.home.initiate(channel, &sha256(file), file.len());
            self.expect(answer != AccessResult::Success, "a release that was replaced lets its file in");
        }
    }

    /// Tells the meter what only a hub of the attacker's would: the pieces, and "now".
    fn tell_meter(&mut self, kind: DocumentKind, document: &[u8]) {
        let total_len = u16::try_from(document.len()).expect("a short document");
        for (offset, bytes) in (0..).step_by(48).zip(document.chunks(48)) {
            self.hub_says(OtaCommand::DocumentFragment(DocumentFragment { kind, total_len, offset, bytes }));
        }
        let key = ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
        let now = UpgradeEndResponse { key, current_time: 0, upgrade_time: 0 };
        self.hub_says(OtaCommand::UpgradeEndResponse(now));
    }

    fn hub_says(&mut self, command: OtaCommand<'_>) {
        let mut zcl = Vec::new();
        ZclFrame { transaction: 9, from_server: true, disable_default_response: false, command }
            .emit(&mut zcl);
        self.home.meters[0].receive_han(self.home.now, &mut self.home.pool, &zcl);
    }

    fn write(&mut self, said: Said) {
        let (Said::Status(bytes) | Said::Release { bytes, .. } | Said::Root(bytes)) = &said else { return };
        let answer = self.home.set_paper(0, bytes);
        self.expect(answer == AccessResult::Success, "a paper is taken");
        self.note(said);
    }

    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.tally.failures.push(format!("after {} messages: {what}", self.said.len()));
        }
    }

    fn rotate(&mut self) {
        self.root += 1;
        let root = craft::root(&RootRecipe::default(), self.root).bytes;
        self.home.set_paper(1, &root);
        self.home.set_paper(0, &root);
        self.home.run_minutes(2);
        self.home.set_paper(1, &root);
        self.home.run_minutes(2);
        self.expect(self.home.meters[0].root_version().0 == self.root, "the meter follows the root");
        self.write(Said::Root(root));
    }

    /// Updates the hub or the meter by the book.
    fn update(&mut self, channel: u8, round: u64) {
        let recipe = recipe(channel, round);
        let target = self.target(channel, sha256(&payload_of(&recipe)));
        let file = image(&recipe, target.image_type).bytes;
        let taken = self.home.stage_file(channel, &file.into());
        self.expect(taken, "the image is taken");
        self.home.run_minutes(30);
        let target = self.target(channel, target.image);
        let bytes = craft::order(&OrderRecipe::default(), &target).bytes;
        self.home.order_activation(channel, &bytes);
        self.home.run_minutes(5);
        let running = [self.home.hub.running_version(), self.home.meters[0].running_version()];
        self.expect(running[usize::from(channel)].0 == recipe.version, "the image runs");
        self.note(Said::Order { channel, bytes });
    }
}

fn recipe(channel: u8, round: u64) -> ImageRecipe {
    let text = format!("round {round} on channel {channel}");
    ImageRecipe { text, version: NEW + round as u32, sequence: 10 + round, ..ImageRecipe::default() }
}

pub fn run() -> Tally {
    let mut story = Story::new();
    for round in 0..ROUNDS {
        // Once in a while twice in a row.
        for _ in 0..[0, 0, 1, 0, 0, 2][round as usize % 6] {
            story.rotate();
        }
        let hour = story.home.now.saturating_since(crate::home::START).as_secs() as i64 / HOUR;
        let target = story.target(0, [0; 32]);
        for half in 0..2 {
            let serial = 2 * round + half + 1;
            let (issued, expires) = (hour * HOUR, (hour + 23) * HOUR);
            let status = StatusRecipe { serial, issued, expires, ..StatusRecipe::default() };
            story.write(Said::Status(craft::status(&status, &target).bytes));
        }
        for channel in [0, 1] {
            let recipe = recipe(channel, round);
            let image_type = if channel == 0 { HUB_TYPE } else { METER_TYPE };
            let file = image(&recipe, image_type).bytes;
            let names = craft::names_of(&file, sha256(&payload_of(&recipe)));
            let campaign = format!("channel {channel}");
            let release = ReleaseRecipe { serial: round + 1, campaign, ..ReleaseRecipe::default() };
            let bytes = craft::release(&release, &target, names).bytes;
            story.released[usize::from(channel)] = round;
            story.write(Said::Release { bytes, channel, round, file });
        }
        story.update(0, round);
        story.update(1, round);
    }
    let mut tally = story.tally;
    if tally.cases < REPLAYS {
        tally.failures.push(format!("expected {REPLAYS} replays, found {}", tally.cases));
    }
    tally
}
