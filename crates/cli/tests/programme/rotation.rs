//! Rotation vectors: chains of trust roots, step by step, on the head-end's anchor, the hub and the meter. All three
//! must judge every step alike, and hold the same root after it.

use firmware_image::{MAX_STEPS, SignedRoot};
use serde::Deserialize;
use wire::{AccessResult, DocumentKind};

use crate::craft;
use crate::recipes::{RootRecipe, State};
use crate::table::Tally;
use crate::world::{TAKEN, counted};
use crate::{hub, meter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chains {
    chain: Vec<Chain>,
}

/// A first root, and the roots that are offered after it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    name: String,
    #[serde(default)]
    first: RootRecipe,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    root: RootRecipe,
    #[serde(default = "taken")]
    expect: String,
    /// So many roots of this kind, one after another.
    #[serde(default = "once")]
    repeat: u64,
}

fn taken() -> String {
    TAKEN.to_owned()
}

fn once() -> u64 {
    1
}

/// The fewest steps of all chains.
const STEPS: u64 = 60;

/// The three that are led along.
struct Followers {
    anchor: firmware_image::TrustAnchor,
    hub: hub::Bench,
    meter: meter::Bench,
}

impl Followers {
    fn new(first: &RootRecipe) -> Followers {
        let state = State { roots: vec![first.clone()], ..State::default() };
        let anchor = state.anchors().swap_remove(0);
        Followers { anchor, hub: hub::Bench::new(&state), meter: meter::Bench::new(&state) }
    }

    fn held(&self) -> [u64; 3] {
        [self.anchor.root().version.0, self.hub.home.hub.root_version().0, self.meter.meter.root_version().0]
    }

    /// Offers a root to all three and says what each makes of it.
    fn offer(&mut self, root: &[u8]) -> [String; 3] {
        let advanced = SignedRoot::from_bytes(root).and_then(|signed| self.anchor.advance(&signed));
        let head_end = match advanced {
            Ok(anchor) => {
                self.anchor = anchor;
                TAKEN.to_owned()
            }
            Err(error) => error.attack().word().to_owned(),
        };
        let before = self.hub.attacks();
        let answer = self.hub.home.set_paper(0, root);
        let refused = counted(&before, &self.hub.attacks());
        let hub =
            if answer == AccessResult::Success { TAKEN.to_owned() } else { refused.unwrap_or_default() };
        let before = self.meter.attacks();
        self.meter.tell(DocumentKind::Root, root);
        let meter = counted(&before, &self.meter.attacks()).unwrap_or_else(taken);
        [head_end, hub, meter]
    }
}

pub fn run() -> Tally {
    let chains: Chains = toml::from_str(include_str!("corpus/rotation.toml")).expect("rotation.toml");
    let mut tally = Tally::default();
    for chain in &chains.chain {
        follow(chain, &mut tally);
    }
    a_key_is_exchanged_at_every_step(&mut tally);
    if tally.cases < 3 * STEPS {
        tally.failures.push(format!("expected {STEPS} steps on three, found {}", tally.cases / 3));
    }
    tally
}

fn follow(chain: &Chain, tally: &mut Tally) {
    let mut followers = Followers::new(&chain.first);
    for (number, step) in chain.steps.iter().enumerate() {
        for _ in 0..step.repeat {
            let held = followers.held()[0];
            let root = craft::root(&step.root, held + 1).bytes;
            let before = held;
            for (who, found) in ["head-end", "hub", "meter"].iter().zip(followers.offer(&root)) {
                tally.check(found == step.expect, || {
                    let (name, expected) = (&chain.name, &step.expect);
                    format!("{name}, step {}: expected {expected} of the {who}, found {found}", number + 1)
                });
            }
            let moves = step.expect == TAKEN && step.root.version.is_none();
            let expected = if moves { before + 1 } else { before };
            if followers.held() != [expected; 3] {
                let held = followers.held();
                tally.failures.push(format!("{}, step {}: {held:?} are held", chain.name, number + 1));
            }
        }
    }
}

/// Seventy rotations, each with one root key less and one more: further than one call takes a head-end, and no key
/// of the first root is left at the end.
fn a_key_is_exchanged_at_every_step(tally: &mut Tally) {
    let keys = |number: u64| (number..number + 3).map(|key| format!("chain{key}")).collect::<Vec<_>>();
    let recipe = |number: u64| RootRecipe {
        keys: keys(number),
        by: keys(number)[..2].to_vec(),
        ..RootRecipe::default()
    };
    let mut followers = Followers::new(&recipe(0));
    let first = followers.anchor.clone();
    let roots: Vec<SignedRoot> = (1..=70)
        .map(|number| SignedRoot::from_bytes(craft::root(&recipe(number), number + 1).bytes).unwrap())
        .collect();
    for root in &roots {
        for found in followers.offer(root.bytes()) {
            tally.check(found == TAKEN, || format!("seventy rotations: {found}"));
        }
    }
    let halfway = first.advance_through(&roots).unwrap();
    tally.check(halfway.root().version.0 == 1 + MAX_STEPS as u64, || "one call takes its steps".to_owned());
    let there = halfway.advance_through(&roots[MAX_STEPS..]).unwrap();
    tally.check(there == followers.anchor, || "two calls lead to the newest root".to_owned());
    // Nobody is led there at once.
    let mut others = Followers::new(&recipe(0));
    for found in others.offer(roots[69].bytes()) {
        tally.check(found == "too-few-signers", || format!("the seventieth root at once: {found}"));
    }
}
