//! `lamplighter campaign`: client of the HTTP API of a running `lamplighter serve`.

mod approve;
mod client;
mod command;
mod create;
mod exclusions;
mod show;

use clap::{Args, Subcommand};

use self::client::Client;
use crate::exit::Failure;
use crate::output::Output;

/// What can be asked of a running engine.
#[derive(Debug, Subcommand)]
pub(crate) enum CampaignCommand {
    Create(create::Arguments),
    Show(show::Arguments),
    Exclusions(exclusions::Arguments),
    Approve(approve::Arguments),
    Pause(command::PauseArguments),
    Resume(command::ResumeArguments),
    Abort(command::AbortArguments),
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

/// Asks it.
pub(crate) fn run(command: &CampaignCommand, output: &Output) -> Result<(), Failure> {
    match command {
        CampaignCommand::Create(arguments) => create::run(arguments, output),
        CampaignCommand::Show(arguments) => show::run(arguments, output),
        CampaignCommand::Exclusions(arguments) => exclusions::run(arguments, output),
        CampaignCommand::Approve(arguments) => approve::run(arguments, output),
        CampaignCommand::Pause(arguments) => command::pause(arguments, output),
        CampaignCommand::Resume(arguments) => command::resume(arguments, output),
        CampaignCommand::Abort(arguments) => command::abort(arguments, output),
    }
}
