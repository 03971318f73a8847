//! `lamplighter campaign`: client of the HTTP API of a running `lamplighter serve`; and, by lists in files and without an
//! engine, what that engine would say of a device (`explain`) or of an order (`plan`).

mod approve;
mod client;
mod command;
mod create;
mod exclusions;
mod explain;
mod order_file; // an order written down
mod plan;
mod question; // lists, day, terms
mod show;

use clap::{Args, Subcommand};

use self::client::Client;
use crate::exit::Failure;
use crate::output::Output;

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum CampaignCommand {
    Create(create::Arguments),
    Show(show::Arguments),
    Exclusions(exclusions::Arguments),
    Approve(approve::Arguments),
    Pause(command::PauseArguments),
    Resume(command::ResumeArguments),
    Abort(command::AbortArguments),
    Explain(explain::Arguments),
    Plan(plan::Arguments),
}

/// Where the engine is.
#[derive(Debug, Args)]
struct EngineArguments {
    /// Where the engine's API listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

impl EngineArguments {
    fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.url)
    }
}

/// Asks.
pub(crate) fn run(command: &CampaignCommand, output: &Output) -> Result<(), Failure> {
    match command {
        CampaignCommand::Create(arguments) => create::run(arguments, output),
        CampaignCommand::Show(arguments) => show::run(arguments, output),
        CampaignCommand::Exclusions(arguments) => exclusions::run(arguments, output),
        CampaignCommand::Approve(arguments) => approve::run(arguments, output),
        CampaignCommand::Pause(arguments) => command::pause(arguments, output),
        CampaignCommand::Resume(arguments) => command::resume(arguments, output),
        CampaignCommand::Abort(arguments) => command::abort(arguments, output),
        CampaignCommand::Explain(arguments) => explain::run(arguments, output),
        CampaignCommand::Plan(arguments) => plan::run(arguments, output),
    }
}
