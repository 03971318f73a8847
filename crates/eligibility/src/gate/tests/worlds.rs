//! Makes the world of a word and asks the gate about it.
//!
//! Nearly all the time would go into lists and homes that are made anew for words which have theirs in common. So each
//! part is kept under the letters that its type says it is made of.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use foldhash::fast::FixedState;
use jiff::civil::Date;

use super::super::case::{HomeTargets, Known, home_targets};
use super::super::rules::Rules;
use super::inputs::conditions::{Home, Lists, Order};
use super::inputs::evidence::Documents;
use super::inputs::waits::{Moment, notices};
use super::inputs::{Word, conditions, evidence, waits};
use super::world::{World, world};
use crate::inventory::{Inventory, Member};
use crate::register::Register;
use crate::targets::Targets;
use crate::{Claim, GateConfig, GateRow};

/// What a verdict is compared by: row and code, and whether it allows. `None` when no rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told(Option<(GateRow, &'static str, bool)>);

impl Told {
    pub fn code(self) -> &'static str {
        self.0.map_or("", |(_, code, _)| code)
    }

    pub fn is_allowed(self) -> bool {
        self.0.is_some_and(|(_, _, allowed)| allowed)
    }
}

/// Row and code.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((row, code, _)) => write!(f, "{row} {code}"),
            None => write!(f, "-- no rule answers"),
        }
    }
}

/// The parts that were made.
pub struct Worlds {
    today: Date,
    registers: Kept<(Lists, Documents), Register>,
    inventories: Kept<(Home, char), Inventory>,
    orders: Kept<Order, (World, Targets)>,
}

type Kept<Letters, Part> = HashMap<Letters, Part, FixedState>;

/// How many parts of each kind are kept: more than the conditions make registers, of which each is some kilobytes.
const KEPT: usize = 4_096;

/// A claim and all that it is judged by, so that several tables of rules can judge it.
pub struct Question<'a> {
    claim: Claim<'a>,
    found: Option<(Member<'a>, HomeTargets<'a>)>,
    known: Known<'a>,
}

impl Worlds {
    pub fn new() -> Worlds {
        let (registers, inventories, orders) = Default::default();
        Worlds { today: world().today, registers, inventories, orders }
    }

    /// Makes the world of a word, and has somebody ask the gate there.
    pub fn visit<R>(&mut self, word: &Word, ask: impl FnOnce(&Question<'_>) -> R) -> R {
        let today = self.today;
        let (lists, home, order) = conditions::parts(word.conditions);
        let (documents, effective) = evidence::parts(word.evidence, today);
        let Moment { policy, circumstances, notice } = waits::parts(word.waits);
        let register = keep(&mut self.registers, (lists, documents), |(lists, documents)| {
            let mut world = lists.world();
            documents.put(&mut world, lists.proven());
            world.register()
        });
        let inventory = keep(&mut self.inventories, (home, notice), |(home, notice)| {
            let mut world = home.world();
            world.notices = notices(notice, home.asked());
            world.inventory()
        });
        let (world, targets) = keep(&mut self.orders, order, |order| {
            let world = order.world();
            let targets = world.targets();
            (world, targets)
        });
        let config = GateConfig { tmad_v7_effective: effective, notice: policy, ..world.config };
        let claim = Claim { circumstances, ..world.claim(targets) };
        let found = inventory.find(claim.device).map(|device| (device, home_targets(&claim, device)));
        ask(&Question { claim, found, known: Known { register, inventory, today, config } })
    }
}

/// Returns a part, and makes it when it is not there.
fn keep<K: Copy + Eq + Hash, V>(kept: &mut Kept<K, V>, letters: K, make: impl FnOnce(K) -> V) -> &V {
    if kept.len() >= KEPT && !kept.contains_key(&letters) {
        kept.clear();
    }
    kept.entry(letters).or_insert_with(|| make(letters))
}

impl Question<'_> {
    /// Has a table of rules judge, and hears which of them answer.
    pub fn judge(&self, rules: &Rules, answered: impl FnMut(&'static str)) -> Told {
        let verdict = rules.judge(&self.claim, self.found, &self.known, answered);
        Told(verdict.map(|verdict| (verdict.row(), verdict.code(), verdict.is_allowed())))
    }
}
