//! A terminal of its own for a command, to answer what it asks and to see what it shows.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// Runs `lamplighter` at a terminal, types each answer when its prompt has come and nothing is echoed, and
/// returns the exit code and all that was shown.
pub(crate) fn run_at_terminal(folder: &Path, line: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let mut terminal = File::from(terminal);
    // `setsid --ctty` makes it the terminal that /dev/tty stands for.
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_lamplighter")]).args(line.split_whitespace());
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    let open = || {
        let flags = OFlags::NOCTTY.bits().cast_signed();
        Stdio::from(File::options().read(true).write(true).custom_flags(flags).open(&name).unwrap())
    };
    let mut child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
    drop(command);
    let mut shown = String::new();
    for (prompt, answer) in answers {
        read_until(&mut terminal, &mut shown, Some(prompt));
        wait_for_silence(&terminal);
        terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    read_until(&mut terminal, &mut shown, None);
    (child.wait().unwrap().code().expect("ended by itself"), shown)
}

/// Reads until a prompt has come, or to the end: Linux reports a terminal that all have left as an error.
fn read_until(terminal: &mut File, shown: &mut String, prompt: Option<&str>) {
    let mut bytes = [0; 256];
    while !prompt.is_some_and(|prompt| shown.ends_with(prompt)) {
        match terminal.read(&mut bytes) {
            Ok(len) if len > 0 => shown.push_str(&String::from_utf8_lossy(&bytes[..len])),
            _ => {
                assert!(prompt.is_none(), "{prompt:?} did not come: {shown}");
                return;
            }
        }
    }
}

fn wait_for_silence(terminal: &File) {
    let start = Instant::now();
    while tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO) {
        assert!(start.elapsed() < Duration::from_secs(60), "the terminal still echoes");
        std::thread::yield_now();
    }
}
