//! A command that runs until it is told to stop: `serve` and `fleet` in tests.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, Ended};

/// A running command; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stderr: Option<BufReader<std::process::ChildStderr>>,
    /// The line in which it said that it is ready.
    pub(crate) ready: String,
}

impl Desk {
    /// Starts `lamplighter` with the words of `line` and waits until it says that it is ready.
    pub(crate) fn start(&self, line: &str) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.args(line.split_whitespace()).current_dir(self.path(".")).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let mut next = String::new();
            assert_ne!(stderr.read_line(&mut next).unwrap(), 0, "`{line}` ended and said: {said}");
            if next.starts_with("ready") {
                return Running { child, stderr: Some(stderr), ready: next };
            }
            said.push_str(&next);
        }
    }
}

impl Running {
    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Ended {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        Ended { code: status.code().expect("ended by itself"), stdout, stderr }
    }

    /// Ends it with SIGKILL: nothing of it has a chance to save anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
