//! The fourth consumer: the built command, `lamplighter image verify --json`. Exit code 0 takes, 4 refuses by name.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::craft::Target;
use crate::recipes::{METER_TYPE, Vector};
use crate::verifier;
use crate::world::{Kind, Outcome, Papers, TAKEN, document};

/// What the command says of a file that it refuses.
#[derive(Deserialize)]
struct Refusal {
    verdict: String,
    attack: String,
}

/// Said of a file that is no OTA file at all, and no document either.
const BAD_INPUT: &str = "bad-input";

pub fn judge(vector: &Vector) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder for the files of a vector");
    let target = verifier::target(vector);
    let mut bytes = document(vector, &target);
    if let Some(at) = vector.state.decay {
        bytes[at as usize] ^= 1;
    }
    let mut command = Command::new(
        std::env::var_os("ATTACKS_COMMAND").unwrap_or_else(|| env!("CARGO_BIN_EXE_lamplighter").into()),
    );
    command.args(["--json", "image", "verify"]).arg(write(folder.path(), "document", &bytes));
    command.arg("--at").arg(time_of(vector));
    fs::create_dir(folder.path().join("roots")).expect("a folder for the roots");
    for (version, root) in (1..).zip(vector.state.chain()) {
        write(folder.path(), &format!("roots/{version}.root"), &root);
    }
    command.arg("--root").arg(folder.path().join("roots"));
    describe(vector, &target, folder.path(), &mut command);
    let output = command.output().expect("the command runs");
    match output.status.code() {
        Some(0) => TAKEN.to_owned(),
        Some(3) => BAD_INPUT.to_owned(),
        Some(4) => match serde_json::from_slice::<Refusal>(&output.stdout) {
            Ok(refusal) if refusal.verdict == "refused" => refusal.attack,
            _ => format!("exit 4 and {}", String::from_utf8_lossy(&output.stdout)),
        },
        code => format!("exit {code:?} and {}", String::from_utf8_lossy(&output.stderr).replace('\n', " / ")),
    }
}

/// Says what the consumer holds and is, as far as the command asks for this kind of document.
fn describe(vector: &Vector, target: &Target, folder: &Path, command: &mut Command) {
    let (state, kind) = (&vector.state, vector.kind());
    let papers = Papers::of(vector, target);
    if matches!(kind, Kind::Image | Kind::Status) {
        for (number, status) in papers.statuses.iter().enumerate() {
            command.arg("--status").arg(write(folder, &format!("{number}.status"), status));
        }
    }
    if matches!(kind, Kind::Image | Kind::Release) {
        for (number, release) in papers.releases.iter().enumerate() {
            command.arg("--release").arg(write(folder, &format!("{number}.release"), release));
        }
    }
    if kind == Kind::Image {
        let device = state.device(METER_TYPE);
        command.arg(format!("--device-manufacturer={}", device.model.manufacturer));
        command.arg(format!("--device-type={}", device.model.image_type));
        command.arg(format!("--device-hardware={}", device.model.hardware));
        command.arg(format!("--running={}", device.running));
        command.arg(format!("--confirmed-sequence={}", device.counter.sequence));
        if let Some(image) = device.counter.image {
            command.arg(format!("--confirmed-image={image}"));
        }
    }
    if kind == Kind::Order {
        command.arg(format!("--device={}", firmware_image::Eui64::from_bytes(target.eui)));
        command.arg(format!("--image={}", firmware_image::ImageDigest::from_bytes(target.image)));
        command.arg(format!("--nonce={}", firmware_image::Nonce::from_bytes(target.nonce)));
        command.arg(format!("--last-counter={}", state.obeyed));
        if state.obeyed > 0 {
            command.arg(format!("--last-epoch={}", state.roots[0].epoch));
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("the folder takes files");
    path
}

/// Writes the state's moment as people do.
fn time_of(vector: &Vector) -> String {
    let seconds = i64::try_from(vector.state.now().0).expect("a moment of this century");
    jiff::Timestamp::from_second(seconds).expect("a moment of the calendar").to_string()
}
