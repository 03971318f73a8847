//! The real imgtool beside us, where it is installed: it makes the committed images anew, and it believes ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::mcuboot_vectors::{TWINS, vector};
use crate::support::key;

/// A way to start imgtool, and a folder to work in.
struct Imgtool {
    words: &'static [&'static str],
    folder: PathBuf,
}

impl Imgtool {
    /// Finds imgtool, as a command or as a module of Python; says so if there is none.
    fn find(test: &str) -> Option<Imgtool> {
        const WAYS: [&[&str]; 2] = [&["imgtool"], &["python3", "-m", "imgtool.main"]];
        let works = |words: &&&[&str]| {
            let version = Command::new(words[0]).args(&words[1..]).arg("version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let Some(words) = WAYS.iter().find(works) else {
            println!("skipped: {test} (imgtool is not installed; `pip install imgtool` brings it)");
            return None;
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("key.pem"), key(1).to_pem().as_bytes()).unwrap();
        fs::write(folder.join("public.pem"), key(1).public().to_pem()).unwrap();
        fs::write(folder.join("stranger.pem"), key(2).public().to_pem()).unwrap();
        Some(Imgtool { words, folder })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).args(arguments).current_dir(&self.folder).output().unwrap()
    }
}

#[test]
fn imgtool_makes_the_committed_images_anew() {
    let Some(imgtool) = Imgtool::find("imgtool_makes_the_committed_images_anew") else { return };
    for twin in TWINS {
        fs::write(imgtool.folder.join("payload.bin"), twin.input()).unwrap();
        let first = ["sign", "--slot-size=0x10000", "--key=key.pem"];
        let output = imgtool.run(&[&first, twin.options, &["payload.bin", "image.bin"]].concat());
        assert!(output.status.success(), "{}: {output:?}", twin.name);
        let made = fs::read(imgtool.folder.join("image.bin")).unwrap();
        assert!(made == vector(twin.name), "{}", twin.name);
    }
}

#[test]
fn imgtool_believes_what_we_build_under_its_key_only() {
    let Some(imgtool) = Imgtool::find("imgtool_believes_what_we_build_under_its_key_only") else { return };
    for twin in TWINS {
        let image = twin.recipe.sign(&twin.input(), &key(1)).unwrap();
        fs::write(imgtool.folder.join("image.bin"), image).unwrap();
        let believed = |public: &str| imgtool.run(&["verify", "--key", public, "image.bin"]);
        let output = believed("public.pem");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {output:?}", twin.name);
        assert!(words.contains(&format!("Image version: {}", twin.recipe.version)), "{words}");
        assert!(!believed("stranger.pem").status.success(), "{}", twin.name);
    }
}
