//! The command line as a tree: options common to all commands here, each command's own in its file.

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Args, Command as ClapCommand, CommandFactory, FromArgMatches, Parser};

use crate::commands::Command;
use crate::logging::Verbosity;
use crate::output::Format;

/// Over-the-air firmware for dormant SMETS1 meters: decide, sign, send, activate, prove.
#[derive(Debug, Parser)]
#[command(name = "lamplighter", version, after_help = EXAMPLES, after_long_help = LONG_HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// Write one JSON document to stdout instead of text.
    #[arg(long, global = true, help_heading = COMMON)]
    json: bool,
    /// Say more on stderr; repeat for more still.
    #[arg(long, short, global = true, help_heading = COMMON, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(long, short, global = true, help_heading = COMMON)]
    quiet: bool,
}

impl CommonArguments {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Usual,
            (false, 1) => Verbosity::Verbose,
            (false, 2) => Verbosity::Debug,
            (false, 3..) => Verbosity::Trace,
        }
    }
}

/// Reads the command line. Ends the process with code 2 and clap's own words when it makes no sense.
pub(crate) fn parse() -> Arguments {
    let matches = command().get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Returns what `lamplighter` alone prints.
pub(crate) fn short_help() -> String {
    command().render_help().to_string()
}

/// Returns the whole tree, with its environment.
fn command() -> ClapCommand {
    with_environment(Arguments::command())
}

/// Lets every long option be given as `LAMPLIGHTER_<OPTION>` too, under one rule instead of one note each.
fn with_environment(command: ClapCommand) -> ClapCommand {
    command.mut_args(option_with_environment).mut_subcommands(with_environment)
}

fn option_with_environment(arg: Arg) -> Arg {
    let Some(long) = arg.get_long().filter(|long| !NEVER_FROM_ENVIRONMENT.contains(long)) else {
        return arg;
    };
    let name = format!("LAMPLIGHTER_{}", long.replace('-', "_").to_uppercase());
    let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    // Clap keeps names for the life of the process; the tree is made once or twice.
    let arg = arg.env(&*name.leak()).hide_env(true);
    if is_flag { arg.value_parser(FalseyValueParser::new()) } else { arg }
}

/// What must be typed each time: an export forgotten in a profile must not overwrite files, lower the
/// guard or silence a command. Logging has `RUST_LOG`.
const NEVER_FROM_ENVIRONMENT: [&str; 6] =
    ["accept-unsigned", "allow-partial", "force", "quiet", "verbose", "yes"];

/// Keeps the options of every command apart from the options of this one.
const COMMON: &str = "Common options";

const EXAMPLES: &str = "\
Examples:
  lamplighter image keygen --out keys --name release
  lamplighter image verify meter.ota --trust keys/release.pub.pem";

const LONG_HELP: &str = "\
Examples:
  lamplighter image keygen --out keys --name release
  lamplighter image verify meter.ota --trust keys/release.pub.pem

Exit codes:
    0  done as asked
    1  failed unexpectedly
    2  usage
    3  bad input or configuration
    4  refused: gate, signature, window
    5  finished below the success threshold
    6  the engine is not reachable
  130  interrupted

Environment:
  Every long option can be given as LAMPLIGHTER_<OPTION>, such as LAMPLIGHTER_TRUST for --trust,
  except --force, --yes, --accept-unsigned, --allow-partial, --quiet and --verbose. RUST_LOG sets what is logged.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_says_in_one_sentence_what_it_does_and_shows_an_example() {
        fn check(command: &ClapCommand, path: &str) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.contains(['\n', '.']), "{path}: `{about}`");
            let is_leaf = command.get_subcommands().next().is_none();
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!is_leaf || examples.contains("lamplighter "), "{path} shows no example");
            for subcommand in command.get_subcommands() {
                check(subcommand, &format!("{path} {}", subcommand.get_name()));
            }
        }
        check(&command(), "lamplighter");
    }
}
