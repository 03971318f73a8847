//! The `lamplighter` command: the only binary of the house, where the rooms are joined.
//!
//! ```text
//! args     what was asked           ─┐
//! logging  how much to say           ├─▶ commands, one file each ─▶ output, or a Failure with its exit code
//! files, keys  what most commands read ─┘
//! ```

mod args;
mod capture;
mod cast;
mod clocks;
mod commands;
mod development;
mod device;
mod exit;
mod files;
mod hash_speed;
mod keys;
mod lists;
mod logging;
mod open_files;
mod output;
mod progress;
mod report;
mod toml_file;

use std::process;

use exit::{ExitCode, Failure};
use output::Output;

fn main() -> process::ExitCode {
    let code = match run() {
        Ok(()) => ExitCode::Done,
        Err(failure) => failure.report(),
    };
    code.into()
}

fn run() -> Result<(), Failure> {
    let arguments = args::parse();
    logging::start(arguments.common.verbosity());
    let output = Output::new(arguments.common.format(), arguments.common.verbosity());
    match arguments.command {
        Some(command) => commands::run(command, &output),
        None => output.text(&args::short_help()),
    }
}
