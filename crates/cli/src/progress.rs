//! Progress on long work: a bar on a terminal, a plain line every two seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// How often a plain line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Makes a bar of devices; hidden when nobody looks.
pub(crate) fn bar(devices: usize, output: &Output) -> ProgressBar {
    let target = if output.is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(devices as u64), target);
    let style = ProgressStyle::with_template(" {bar:32} {human_pos}/{human_len}  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar
}

/// Says where things stand: by the bar on a terminal, else by a line every two seconds.
pub(crate) struct Teller {
    bar: ProgressBar,
    lines: bool,
    last: Instant,
}

impl Teller {
    pub(crate) fn new(devices: usize, output: &Output) -> Teller {
        let lines = !std::io::stderr().is_terminal();
        Teller { bar: bar(devices, output), lines, last: Instant::now() }
    }

    /// Tells that `ended` devices have an outcome, and what there is to say about the others.
    pub(crate) fn tell(&mut self, ended: usize, message: &str, output: &Output) {
        if !self.lines {
            self.bar.set_position(ended as u64);
            self.bar.set_message(message.to_owned());
        } else if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            output.talk(format_args!("  {ended}/{}  {message}", self.bar.length().unwrap_or_default()));
        }
    }

    /// Leaves the screen as it was.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}
