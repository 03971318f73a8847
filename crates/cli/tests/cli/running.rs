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
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running { child: command.spawn().unwrap(), stderr: None, ready: String::new() };
        let mut stderr = BufReader::new(running.child.stderr.take().unwrap());
        let mut said = String::new();
        while !running.ready.starts_with("ready") {
            said.push_str(&running.ready);
            running.ready.clear();
            let len = stderr.read_line(&mut running.ready).unwrap();
            assert_ne!(len, 0, "`{line}` ended and said: {said}");
        }
        running.stderr = Some(stderr);
        running
    }
}

impl Running {
    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Returns the number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Reads what it says until a line has these words, and returns that line.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let stderr = self.stderr.as_mut().unwrap();
        loop {
            let mut line = String::new();
            let len = stderr.read_line(&mut line).unwrap();
            assert_ne!(len, 0, "it ended and never said {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

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
