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
    /// What it said before.
    pub(crate) said: String,
}

impl Desk {
    /// Starts `lamplighter` with the words of `line` and waits until it says that it is ready.
    pub(crate) fn start(&self, line: &str) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.args(line.split_whitespace());
        self.start_command(command, line)
    }

    /// The same under a limit of open files, as the shell's `ulimit` takes it.
    pub(crate) fn start_under(&self, limit: &str, line: &str) -> Running {
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            &format!("ulimit {limit}; exec \"$0\" {line}"),
            env!("CARGO_BIN_EXE_lamplighter"),
        ]);
        self.start_command(command, line)
    }

    fn start_command(&self, mut command: Command, line: &str) -> Running {
        command.current_dir(self.path(".")).env_clear();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let mut running = Running { child, stderr: None, ready: String::new(), said: String::new() };
        let mut stderr = BufReader::new(running.child.stderr.take().unwrap());
        while !running.ready.starts_with("ready") {
            running.said.push_str(&running.ready);
            running.ready.clear();
            let len = stderr.read_line(&mut running.ready).unwrap();
            assert_ne!(len, 0, "`{line}` ended and said: {}", running.said);
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
