//! Software that we did not write at the other end of `hub` and `meter`: the scripts of `tests/interop`, run for real.
//!
//! They need Python and four packages, which `.ci/run` installs into `target/interop-venv`; where one is missing, the test
//! says so in a line and is skipped. What they show is told in `simulators/host/README.md`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, say};

/// The house's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns a Python that has all of `packages`; says which is missing otherwise.
fn python(packages: &[&str]) -> Option<PathBuf> {
    let venv = root().join("target/interop-venv/bin/python");
    let python = if venv.exists() { venv } else { PathBuf::from("python3") };
    for package in packages {
        let found = Command::new(&python).args(["-c", &format!("import {package}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            say(&format!("interop skipped: {} has no {package}", python.display()));
            return None;
        }
    }
    Some(python)
}

/// A script of `tests/interop` in the desk's folder.
fn script(desk: &Desk, python: &Path, line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(python);
    command.arg(root().join("tests/interop").join(words.next().unwrap())).args(words);
    command.current_dir(desk.path("."));
    command
}

/// Runs a script to its end, which must be a good one.
fn passes(desk: &Desk, python: &Path, line: &str) {
    let output = script(desk, python, line).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{line}`: {stdout}{stderr}");
    say(stdout.lines().last().unwrap());
}

/// A running program with lines to read; killed when it is dropped.
pub(crate) struct Speaker {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Speaker {
    fn start(mut command: Command) -> Speaker {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Speaker { child, lines }
    }

    /// Starts `lamplighter` in the desk's folder; what it tells is JSON.
    pub(crate) fn device(desk: &Desk, line: &str) -> Speaker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.args(line.split_whitespace()).arg("--json").current_dir(desk.path(".")).env_clear();
        Speaker::start(command)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended before it said what it should");
        line
    }

    /// Waits for a device's event; returns one of its fields.
    pub(crate) fn event(&mut self, event: &str, field: &str) -> String {
        loop {
            let told: serde_json::Value = serde_json::from_str(&self.line()).unwrap();
            if told["event"] == event {
                return told[field].as_str().unwrap().to_owned();
            }
        }
    }

    /// Asks it to stop, and waits until everything is written.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.lines.read_to_string(&mut String::new()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const HUB: &str = "hub --listen 127.0.0.1:0 --han 127.0.0.1:0 --tcp --trust release.pub.pem --speed 10";

fn sends_over_udp_and_tcp(client: &str, package: &str) {
    let Some(python) = python(&[package]) else { return };
    let desk = Desk::with_signed_image();
    for transport in ["udp", "tcp"] {
        let mut hub = Speaker::device(&desk, &format!("{HUB} --store {transport}"));
        let address = hub.event("listening", "address");
        // Twice: a client that comes back begins anew.
        for _ in 0..2 {
            passes(
                &desk,
                &python,
                &format!("{client} --to {address} --transport {transport} --image signed.ota"),
            );
        }
        hub.stop();
        assert!(desk.read(&format!("{transport}/slot-0.ota")) == desk.read("signed.ota"));
    }
}

#[test]
fn gurux_sends_an_image_to_a_hub_over_udp_and_tcp() {
    sends_over_udp_and_tcp("dlms_gurux.py", "gurux_dlms");
}

#[test]
fn gurux_has_a_hub_run_what_it_has_sent() {
    let Some(python) = python(&["gurux_dlms"]) else { return };
    let desk = Desk::with_signed_image();
    let mut hub = Speaker::device(&desk, "hub --listen 127.0.0.1:0 --accept-unsigned --speed 10");
    let address = hub.event("listening", "address");
    passes(&desk, &python, &format!("dlms_gurux.py --to {address} --image signed.ota --activate"));
    assert_eq!(hub.event("runs", "version"), "01020304");
    hub.stop();
}

#[test]
fn dlms_cosem_sends_an_image_to_a_hub_over_udp_and_tcp() {
    sends_over_udp_and_tcp("dlms_cosem_client.py", "dlms_cosem");
}

#[test]
fn a_client_of_zigpy_downloads_what_gurux_has_sent_and_others_read_every_frame_of_it() {
    let Some(python) = python(&["gurux_dlms", "scapy", "zigpy"]) else { return };
    let desk = Desk::with_signed_image();
    let mut hub = Speaker::device(&desk, &format!("{HUB} --pcap hub.pcapng"));
    let (wan, han) = (hub.event("listening", "address"), hub.event("listening", "address"));
    let slot = "--image signed.ota --instance 0.1.44.0.0.255";
    passes(&desk, &python, &format!("dlms_gurux.py --to {wan} {slot}"));
    passes(&desk, &python, &format!("zcl_client.py --server {han} --out downloaded.ota"));
    assert!(desk.read("downloaded.ota") == desk.read("signed.ota"));
    hub.stop();
    passes(&desk, &python, "capture.py hub.pcapng");
}

#[test]
fn zigpy_serves_an_image_to_a_meter_in_blocks_and_in_pages() {
    let Some(python) = python(&["scapy", "zigpy"]) else { return };
    let desk = Desk::with_signed_image();
    for (name, options) in [("blocks", ""), ("pages", "--page-len 512")] {
        let line = "zcl_server.py --listen 127.0.0.1:0 --image signed.ota";
        let mut server = Speaker::start(script(&desk, &python, line));
        let ready = server.line();
        let address = ready.trim().strip_prefix("ready ").unwrap();
        let identity = "--trust release.pub.pem --manufacturer 0x10E5 --image-type 0x0011 --hardware 0x0102";
        let meter = format!("meter --listen 127.0.0.1:0 --han-server {address} {identity} {options}");
        let mut meter = Speaker::device(&desk, &format!("{meter} --store {name}.ota --pcap {name}.pcapng"));
        let passed = server.line();
        assert!(passed.starts_with("passed: "), "{passed}");
        say(&format!("{} in {name}", passed.trim()));
        assert_eq!(meter.event("staged", "path"), format!("{name}.ota"));
        meter.stop();
        assert!(fs::read(desk.path(&format!("{name}.ota"))).unwrap() == desk.read("signed.ota"));
    }
}
