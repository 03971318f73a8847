//! `lamplighter campaign pause`, `resume` and `abort`: an operator's word, with a name and a reason that stand in the
//! ledger. Asking for what is so already succeeds and says so.

use std::fmt;
use std::io::{self, BufRead, IsTerminal};

use campaign::CampaignId;
use clap::Args;
use serde::Serialize;
use smso_adapter::{CommandRequest, CommandView};

use super::EngineArguments;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// What every command says.
#[derive(Debug, Args)]
struct Asked {
    #[command(flatten)]
    engine: EngineArguments,
    /// Name of the campaign.
    id: CampaignId,
    /// Why; it stands in the ledger for good.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who asks; the name of the user who is logged in when it is left out.
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

/// Have a campaign wait.
///
/// Nothing is instructed, no block is sent and no activation is ordered until it is resumed. Images stay where they
/// are, and what is activating is still read back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter campaign pause autumn --reason 'the carrier has trouble'")]
pub(crate) struct PauseArguments {
    #[command(flatten)]
    asked: Asked,
}

/// Have a paused campaign go on where it was.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter campaign resume autumn --reason 'the carrier is well again'")]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    asked: Asked,
}

/// End a campaign for good.
///
/// Devices that wait or are under way end as `aborted`, their images not activated; those that may have been told to
/// activate are read back first. Asks on a terminal.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter campaign abort autumn --reason 'the maker recalls it' --yes")]
pub(crate) struct AbortArguments {
    #[command(flatten)]
    asked: Asked,
    /// Do not ask; needed where there is no terminal.
    #[arg(long)]
    yes: bool,
}

pub(super) fn pause(arguments: &PauseArguments, output: &Output) -> Result<(), Failure> {
    let asked = &arguments.asked;
    asked.send("pause", output)?;
    output.talk(format_args!("next: lamplighter campaign resume {} --reason TEXT", asked.id));
    Ok(())
}

pub(super) fn resume(arguments: &ResumeArguments, output: &Output) -> Result<(), Failure> {
    let asked = &arguments.asked;
    asked.send("resume", output)?;
    output.talk(format_args!("next: lamplighter campaign show {} --watch", asked.id));
    Ok(())
}

pub(super) fn abort(arguments: &AbortArguments, output: &Output) -> Result<(), Failure> {
    let asked = &arguments.asked;
    if !arguments.yes {
        confirm(&asked.id, output)?;
    }
    asked.send("abort", output)
}

impl Asked {
    fn send(&self, verb: &str, output: &Output) -> Result<(), Failure> {
        let request = CommandRequest { by: self.name()?, reason: self.reason.clone() };
        let client = self.engine.client()?;
        let view: CommandView = client.post_json(&format!("/v1/campaigns/{}/{verb}", self.id), &request)?;
        output.report(&CommandReport(view))
    }

    fn name(&self) -> Result<String, Failure> {
        let logged_in = || ["USER", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok());
        self.by.clone().or_else(logged_in).filter(|name| !name.is_empty()).ok_or_else(|| {
            Failure::message(ExitCode::BadInput, "nobody is logged in here: say who asks")
                .hint("name yourself with --as NAME")
        })
    }
}

/// Asks whether it is meant. Nothing is undone by another command.
fn confirm(id: &CampaignId, output: &Output) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        let message = "an abort cannot be undone, and there is no terminal to ask whether it is meant";
        return Err(Failure::message(ExitCode::BadInput, message).hint("say so with --yes"));
    }
    output.talk(format_args!("This ends campaign {id} for good. Type its name to go on:"));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).or_fail(ExitCode::Failed, "the answer")?;
    if line.trim() == id.as_str() {
        return Ok(());
    }
    Err(Failure::message(ExitCode::Refused, format_args!("campaign {id} is left as it is")))
}

/// How a command was met.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct CommandReport(CommandView);

impl fmt::Display for CommandReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CommandView { id, phase, changed, activating, tally } = &self.0;
        let already = if *changed { "" } else { " already" };
        writeln!(
            f,
            "campaign {id} is{already} {phase}: {} of {} devices pending, {activating} of them activating",
            tally.pending, tally.ordered
        )
    }
}
