//! What is asked of the gate beforehand, by who has the lists and no engine: the lists, the day, the terms.

use std::path::PathBuf;

use campaign::legal_date;
use clap::Args;
use eligibility::{Date, GateConfig, Lists, NoticePolicy};
use head_end::{Clock, WallClock};

use super::super::serve::Terms;
use crate::exit::Failure;
use crate::lists::{FaultList, ListArguments};
use crate::output::Output;

/// The lists, the day, the terms.
#[derive(Clone, Debug, Args)]
pub(super) struct QuestionArguments {
    #[command(flatten)]
    lists: ListArguments,
    /// The day that is asked about; today in Great Britain by default.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    on: Option<Date>,
    /// Configuration of `serve`, whose tables `gate` and `budgets` then hold here; by default its defaults do.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask for notices: suppliers must have been told so many days before.
    #[arg(long, value_name = "DAYS")]
    notice_days: Option<u16>,
    /// Public key whose images are believed; may be given several times. Without, the public development keys are.
    #[arg(long, value_name = "PUB")]
    pub(super) trust: Vec<PathBuf>,
}

/// What an answer rests on.
pub(super) struct Question {
    pub(super) lists: Lists,
    pub(super) left_out: FaultList,
    pub(super) today: Date,
    pub(super) terms: Terms,
    pub(super) gate: GateConfig,
}

impl QuestionArguments {
    /// Reads everything that is named. Nothing is written.
    pub(super) fn read(&self, output: &Output) -> Result<Question, Failure> {
        let terms = Terms::read(self.config.as_deref())?;
        let (lists, left_out) = self.lists.read(output)?;
        let asked = self.notice_days.map(|lead_days| NoticePolicy::Required { lead_days });
        let gate = GateConfig { notice: asked.unwrap_or(terms.gate.notice), ..terms.gate };
        let today = self.on.unwrap_or_else(|| legal_date(WallClock::start().now()));
        Ok(Question { lists, left_out, today, terms, gate })
    }
}

fn parse_day(text: &str) -> Result<Date, String> {
    let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    day.ok_or_else(|| "expected a day such as 2020-10-05".to_owned())
}
