//! The commands, one file each: a variant here, an arm in `run`, and the rest in the command's file.
//!
//! A command's file holds its clap `Args` with one sentence and an example, its report (`Serialize` for
//! `--json`, `Display` for text), and `run(&arguments, &output) -> Result<(), Failure>`.

mod campaign;
mod demo;
mod fleet;
mod forecast;
mod hub;
mod image;
mod ledger;
mod meter;
mod send;
mod serve;
mod simulate;

use clap::Subcommand;

use crate::exit::Failure;
use crate::output::Output;

/// What can be asked. The words are the interface: see the table of exit codes and options in `--help`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain and plan campaigns by lists, order them of a running engine, and watch them.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Play the whole job on this machine: sign, decide, and send to a thousand simulated homes.
    Demo(demo::DemoArguments),
    /// Run the homes of a simulated world on real sockets.
    Fleet(fleet::FleetArguments),
    /// Say how early a campaign can be over, when it probably is, and what it costs.
    Forecast(forecast::ForecastArguments),
    /// Run one simulated communications hub.
    Hub(hub::HubArguments),
    /// The signing desk: make keys, build, sign, verify and inspect images.
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// What happened, and the proof: show and verify a ledger file.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Run one simulated meter.
    Meter(meter::MeterArguments),
    /// Send one image to one DLMS device.
    Send(send::SendArguments),
    /// Run the engine: head-end and HTTP API in one process.
    Serve(serve::ServeArguments),
    /// Run a campaign on a simulated world under virtual time.
    Simulate(simulate::SimulateArguments),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Campaign(command) => campaign::run(&command, output),
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Fleet(arguments) => fleet::run(&arguments, output),
        Command::Forecast(arguments) => forecast::run(&arguments, output),
        Command::Hub(arguments) => hub::run(&arguments, output),
        Command::Image(command) => image::run(command, output),
        Command::Ledger(command) => ledger::run(command, output),
        Command::Meter(arguments) => meter::run(&arguments, output),
        Command::Send(arguments) => send::run(&arguments, output),
        Command::Serve(arguments) => serve::run(&arguments, output),
        Command::Simulate(arguments) => simulate::run(&arguments, output),
    }
}
