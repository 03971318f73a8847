//! The decision table as a value: which rules are asked, and in which order.
//!
//! A row of the table that has several conditions is several rules here, so that a test can leave out each of them and
//! show what it is there for. Outside of tests there is one table, the complete one.

use super::basis::{Basis, Proof};
use super::case::{Case, HomeTargets, Known};
use super::claim::Claim;
use super::conditions::{self, Objection};
use super::document::{Document, Documents};
use super::proof::{self, Answer};
use super::refusal::Refusal;
use super::verdict::{Decision, Verdict};
use super::waits;
use crate::inventory::Member;

/// Rules in the order in which they are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Rules of block A about what no time mends.
    pub conditions: &'static [Rule<Condition>],
    /// Block B: the first that answers.
    pub evidence: &'static [Rule<Find>],
    /// What an update that the evidence allows still has to wait for.
    pub waits: &'static [Rule<Delay>],
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<Ask> {
    /// Its row, and what holds when it is passed or, in block B, when it answers.
    pub name: &'static str,
    ask: Ask,
}

pub(super) type Condition = for<'a> fn(&Case<'a>) -> Objection<'a>;
pub(super) type Find = for<'a> fn(&Case<'a>) -> Answer<'a>;
pub(super) type Delay = for<'a> fn(&Case<'a>, &Proof<'a>) -> Objection<'a>;

/// What ends the walk through the rules, and what it refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped<'a> {
    pub decision: Decision<'a>,
    pub documents: Documents<'a>,
}

const fn rule<Ask: Copy>(name: &'static str, ask: Ask) -> Rule<Ask> {
    Rule { name, ask }
}

const CONDITIONS: [Rule<Condition>; 20] = [
    rule("A1 instructed by the DCC", conditions::from_the_dcc),
    rule("A1 addressed to the operating SMSO", conditions::to_the_operator),
    rule("A0 models are known", conditions::models_are_known),
    rule("A0 not on target", conditions::not_on_target),
    rule("A2 not an Active Meter", conditions::not_an_active_meter),
    rule("A2 associated with a Dormant Meter", conditions::associated_with_a_dormant_meter),
    rule("A2 not shared with an Active Meter", conditions::not_shared_with_an_active_meter),
    rule("A3 not enrolled", conditions::not_enrolled),
    rule("A5 not excluded", conditions::not_excluded),
    rule("A5 home not excluded", conditions::home_not_excluded),
    rule("A4 combination is known", conditions::combination_is_known),
    rule("A9 entry is in force", conditions::entry_is_active),
    rule("A9 entry is for the model", conditions::entry_is_for_the_model),
    rule("A9 entry is for the hardware", conditions::entry_is_for_the_hardware),
    rule("A9 image is registered", conditions::image_is_registered),
    rule("A9 image has the size", conditions::image_has_the_size),
    rule("A9 image has the version", conditions::image_has_the_version),
    rule("A9 image fits the hardware", conditions::image_fits_the_hardware),
    rule("A10 predecessor is permitted", conditions::predecessor_is_permitted),
    rule("A4 companions can follow", conditions::companions_can_follow),
];

const EVIDENCE: [Rule<Find>; 8] = [
    rule("B1 on the EPCL", proof::listed),
    rule("B2 MT and SIT complete", proof::tested),
    rule("B3 report issued", proof::reported),
    rule("B4 equivalent, report issued", proof::reported_as_equivalent),
    rule("B5 equivalence not final", proof::equivalence_not_final),
    rule("B6 half tested", proof::half_tested),
    rule("B8 uneconomic to test", proof::uneconomic),
    rule("B7 nothing", proof::nothing),
];

const WAITS: [Rule<Delay>; 4] = [
    rule("B2-B4 TMAD V7.0 in effect", waits::rule_in_effect),
    rule("A6 supplier notified", waits::supplier_notified),
    rule("A7 slot free", waits::slot_free),
    rule("A8 hub reached", waits::hub_reached),
];

impl Rules {
    /// The table as it is.
    pub(super) const COMPLETE: Rules = Rules { conditions: &CONDITIONS, evidence: &EVIDENCE, waits: &WAITS };

    /// Judges a claim about a device that was looked for; `None` when no rule of block B answers, which cannot be while
    /// B7 is asked. `answered` hears the name of each rule that has something to say: the verdict is what they say, and
    /// all others were silent or were not asked.
    pub(super) fn judge<'a>(
        &self,
        claim: &Claim<'a>,
        found: Option<(Member<'a>, HomeTargets<'a>)>,
        known: &Known<'a>,
        answered: impl FnMut(&'static str),
    ) -> Option<Verdict<'a>> {
        let (today, effective) = (known.today, known.config.tmad_v7_effective);
        let told = |target, Stopped { decision, documents }| {
            Verdict::new(claim.device, target, today, effective, decision, documents)
        };
        let Some((device, targets)) = found else {
            let decision = Decision::Refuse(Refusal::UnknownDevice(claim.device));
            return Some(told(None, Stopped { decision, documents: Documents::NONE }));
        };
        let case = Case::new(claim, device, targets, known);
        let target = case.target_of(case.device);
        match self.walk(&case, answered)? {
            Ok(proof) => {
                let goal = case.goal.ok()?;
                let notice = waits::covering_notice(&case, &proof).map(Document::of_notice);
                let evidence = proof.evidence.and(notice);
                let proof = Proof { evidence, ..proof };
                let basis = Basis::new(claim.device, &goal.target.id, claim.image.digest, today, proof);
                Some(told(target, Stopped { decision: Decision::Allow(basis), documents: evidence }))
            }
            Err(stopped) => Some(told(target, stopped)),
        }
    }

    /// Says whether a condition turns a device down for what it and its image are, whatever combination its home ends in.
    pub(super) fn turn_down_the_device(&self, case: &Case<'_>) -> bool {
        let own = self.conditions.iter().filter(|rule| !rule.name.starts_with("A4 "));
        own.into_iter().any(|rule| (rule.ask)(case).is_some())
    }

    /// Asks the rules in their order: of each of the three lists the first that answers, and no list after one that
    /// ends the walk.
    fn walk<'a>(&self, case: &Case<'a>, mut answered: impl FnMut(&'static str)) -> Answer<'a> {
        if let Some(stopped) = first(self.conditions, |ask| ask(case), &mut answered) {
            return Some(Err(stopped));
        }
        let found = first(self.evidence, |ask| ask(case), &mut answered)?;
        let Ok(proof) = found else { return Some(found) };
        let stopped = first(self.waits, |ask| ask(case, &proof), &mut answered);
        Some(stopped.map_or(Ok(proof), Err))
    }
}

/// Asks rules until one answers.
fn first<Ask, Said>(
    rules: &[Rule<Ask>],
    ask: impl Fn(&Ask) -> Option<Said>,
    mut answered: impl FnMut(&'static str),
) -> Option<Said> {
    rules.iter().find_map(|rule| {
        let said = ask(&rule.ask)?;
        answered(rule.name);
        Some(said)
    })
}
