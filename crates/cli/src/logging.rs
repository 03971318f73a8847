//! Diagnostics on stderr: how much, from `-q`, `-v` and `RUST_LOG`.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How much the user wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// `-q`: errors, and no talk.
    Quiet,
    /// Warnings, or what `RUST_LOG` says.
    Usual,
    /// `-v`: what is being done.
    Verbose,
    /// `-vv`: every step of it.
    Debug,
    /// `-vvv`: every frame of it.
    Trace,
}

/// Sends diagnostics to stderr from here on. A flag counts more than `RUST_LOG`: it was typed last.
pub(crate) fn start(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet => LevelFilter::ERROR,
        Verbosity::Usual => LevelFilter::WARN,
        Verbosity::Verbose => LevelFilter::INFO,
        Verbosity::Debug => LevelFilter::DEBUG,
        Verbosity::Trace => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into());
    let filter = if verbosity == Verbosity::Usual { filter.from_env_lossy() } else { filter.parse_lossy("") };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
