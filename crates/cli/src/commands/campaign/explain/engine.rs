//! `lamplighter campaign explain --engine`: what a running engine has on a device, and what its gate says now.

use std::fmt;

use firmware_image::Eui64;
use serde::Serialize;
use smso_adapter::{ErrandView, ExplanationView, RulingView};

use super::super::client::Client;
use super::Home;
use crate::exit::{ExitCode, Failure};
use crate::output::Output;
use crate::report::words;

pub(super) fn run(device: Eui64, url: &str, output: &Output) -> Result<(), Failure> {
    let client = Client::new(url)?;
    let explanation: ExplanationView = client.get(&format!("/v1/devices/{device}"))?;
    let report = Report(explanation);
    output.report(&report)?;
    let is_fine =
        |ruling: &RulingView| ruling.verdict.allowed || ruling.verdict.clause.code == "ALREADY_ON_TARGET";
    let rulings = &report.0.rulings;
    match rulings.is_empty() || rulings.iter().any(is_fine) {
        true => Ok(()),
        false => Err(Failure::told(ExitCode::Refused)),
    }
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Report(ExplanationView);

/// `campaign autumn, running: wave 0, staged since 2020-10-05T00:10:00Z, waits for the transfer to the device`
struct Errand<'a>(&'a ErrandView);

impl fmt::Display for Errand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Errand(ErrandView { campaign, phase, row }) = self;
        write!(f, "campaign {campaign}, {phase}: ")?;
        if let Some(wave) = row.wave {
            write!(f, "wave {wave}, ")?;
        }
        match &row.outcome {
            Some(outcome) => {
                write!(f, "ended as {}", words::spoken(*outcome))?;
                row.why().iter().try_for_each(|why| write!(f, ": {why}"))
            }
            None => {
                let stage = row.stage.as_str();
                let since = row.reached.get(stage).map(String::as_str).unwrap_or_default();
                write!(f, "{stage} since {since}, waits for {}", words::waiting_at(row.stage))
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExplanationView { home, campaigns, rulings, .. } = &self.0;
        if let Some(home) = home {
            Home(home.clone()).fmt(f)?;
        }
        let errands = campaigns.iter().map(|errand| Errand(errand).to_string());
        let mut lines: Vec<String> =
            errands.chain(rulings.iter().map(|ruling| ruling.sentence.clone())).collect();
        if rulings.is_empty() {
            lines.push(
                "The engine has no image for its model, so that there is nothing to ask the gate.".to_owned(),
            );
        }
        f.write_str(&lines.join("\n"))
    }
}
