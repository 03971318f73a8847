//! The second consumer: the simulated hub, spoken to over its DLMS frames. Every document is about the hub itself.

use std::time::Duration;

use bytes::Bytes;
use firmware_image::{FileVersion, TrustAnchor};
use fleet::{ActivationOutcome, AttackCounts, DeviceTrust};
use wire::AccessResult;

use crate::craft::{self, Target};
use crate::craft_image::{image, payload_of};
use crate::home::{HUB, Home, hub_config};
use crate::pen::sha256;
use crate::recipes::{HUB_TYPE, ImageRecipe, OrderRecipe, ReleaseRecipe, State, StatusRecipe, Vector};
use crate::world::{HELD, IGNORED, Kind, Outcome, Papers, TAKEN, companion, counted, document};

/// A hub in the state of a vector.
pub struct Bench {
    pub home: Home,
}

impl Bench {
    /// Makes the hub, has it obey the earlier orders and follow the chain of roots.
    pub fn new(state: &State) -> Bench {
        let anchors = state.anchors();
        let mut config = hub_config(&[]);
        config.model = Some(state.model(HUB_TYPE));
        let ran = state.obeyed > 0;
        config.running_version = FileVersion(state.running - u32::from(ran));
        config.factory_sequence = state.confirmed - u64::from(ran);
        let mut bench =
            Bench { home: Home::new(config, Vec::new(), DeviceTrust::rooted(anchors[0].clone())) };
        if ran {
            bench.obey_earlier(state);
        }
        for anchor in &anchors[1..] {
            bench.follow(anchor);
        }
        bench.home.now = bench.home.now + Duration::from_secs(state.clock.max(0) as u64);
        bench
    }

    /// Returns what an attacker knows of it.
    pub fn target(&self, image: [u8; 32], anchor: &TrustAnchor) -> Target {
        let challenge = self.home.hub.challenge();
        Target {
            image_type: HUB_TYPE,
            eui: HUB.to_bytes(),
            image,
            nonce: challenge.nonce,
            last_counter: challenge.last_counter,
            epoch: anchor.root().epoch.0.into(),
            root: anchor.root().version.0,
        }
    }

    fn follow(&mut self, anchor: &TrustAnchor) {
        assert_eq!(self.home.set_paper(0, anchor.signed().bytes()), AccessResult::Success);
        assert_eq!(self.home.hub.root_version(), anchor.root().version);
    }

    fn obey_earlier(&mut self, state: &State) {
        let anchor = state.anchors().swap_remove(0);
        let recipe = state.earlier();
        let file = image(&recipe, HUB_TYPE).bytes;
        let target = self.target(sha256(&payload_of(&recipe)), &anchor);
        let status = StatusRecipe { serial: 0, ..StatusRecipe::default() };
        let release = ReleaseRecipe { campaign: "before".to_owned(), ..ReleaseRecipe::default() };
        let names = craft::names_of(&file, target.image);
        assert_eq!(self.home.set_paper(0, &craft::status(&status, &target).bytes), AccessResult::Success);
        let release = craft::release(&release, &target, names);
        assert_eq!(self.home.set_paper(0, &release.bytes), AccessResult::Success);
        assert!(self.stage(&sha256(&file), &file));
        let target = self.target(target.image, &anchor);
        let order = OrderRecipe { counter: Some(state.obeyed), ..OrderRecipe::default() };
        assert_eq!(self.obey(&craft::order(&order, &target).bytes), AccessResult::Success);
        assert_eq!(self.home.hub.running_version().0, recipe.version);
    }

    /// Carries a file into the hub's own slot and has it verified; false when it was refused on the way.
    pub fn stage(&mut self, identification: &[u8], file: &[u8]) -> bool {
        self.home.stage(0, identification, &Bytes::copy_from_slice(file))
    }

    /// Writes an order for the hub, has it activated, and waits for the boot.
    pub fn obey(&mut self, order: &[u8]) -> AccessResult {
        let answer = self.home.order_activation(0, order);
        self.home.run_for(Duration::from_secs(60));
        answer
    }

    pub fn attacks(&self) -> AttackCounts {
        self.home.hub.counters().attacks
    }

    fn refused(&self, before: &AttackCounts) -> Outcome {
        counted(before, &self.attacks()).unwrap_or_else(|| IGNORED.to_owned())
    }
}

pub fn judge(vector: &Vector) -> Outcome {
    let mut bench = Bench::new(&vector.state);
    let anchor = vector.state.anchors().pop().expect("a state has a root");
    let target = bench.target(sha256(&payload_of(&companion())), &anchor);
    let before = bench.attacks();
    let papers = Papers::of(vector, &target);
    for paper in papers.statuses.iter().chain(&papers.releases) {
        if bench.home.set_paper(0, paper) != AccessResult::Success {
            return bench.refused(&before);
        }
    }
    match vector.kind() {
        Kind::Image => judge_image(vector, &mut bench, &papers, &target, &anchor),
        Kind::Order => judge_order(vector, &mut bench, &papers, &anchor),
        Kind::Root | Kind::Release | Kind::Status => {
            let paper = document(vector, &target);
            if bench.home.set_paper(0, &paper) != AccessResult::Success {
                return bench.refused(&before);
            }
            if vector.kind() == Kind::Root {
                let rotated = bench.home.hub.root_version().0 == target.root + 1;
                return if rotated { TAKEN } else { HELD }.to_owned();
            }
            let file = image(&companion(), HUB_TYPE).bytes;
            if bench.stage(&papers.identification, &file) { TAKEN.to_owned() } else { bench.refused(&before) }
        }
    }
}

fn judge_image(
    vector: &Vector,
    bench: &mut Bench,
    papers: &Papers,
    target: &Target,
    anchor: &TrustAnchor,
) -> Outcome {
    let before = bench.attacks();
    let file = document(vector, target);
    if !bench.stage(&papers.identification, &file) {
        return bench.refused(&before);
    }
    if let Some(at) = vector.state.decay {
        bench.home.hub.decay_staged(0, at, 0);
    }
    let recipe = vector.image.as_ref().expect("an image");
    let target = bench.target(sha256(&payload_of(recipe)), anchor);
    let answer = bench.obey(&craft::order(&OrderRecipe::default(), &target).bytes);
    conclude(bench, answer, recipe)
}

/// Says what came of an activation by what runs afterwards.
fn conclude(bench: &Bench, answer: AccessResult, recipe: &ImageRecipe) -> Outcome {
    let runs = bench.home.hub.running_version().0 == recipe.version;
    match (answer, bench.home.hub.last_outcome()) {
        (AccessResult::Success, Some(ActivationOutcome::Success)) if runs => TAKEN.to_owned(),
        (_, Some(ActivationOutcome::HashMismatch)) => "tampering".to_owned(),
        _ => HELD.to_owned(),
    }
}

fn judge_order(vector: &Vector, bench: &mut Bench, papers: &Papers, anchor: &TrustAnchor) -> Outcome {
    let companion = companion();
    let file = image(&companion, HUB_TYPE).bytes;
    assert!(bench.stage(&papers.identification, &file), "{}: the hub holds the image", vector.name);
    let target = bench.target(sha256(&payload_of(&companion)), anchor);
    let before = bench.attacks();
    let answer = bench.obey(&document(vector, &target));
    if answer == AccessResult::Success { conclude(bench, answer, &companion) } else { bench.refused(&before) }
}
