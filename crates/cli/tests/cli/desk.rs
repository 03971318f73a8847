//! One scratch folder with a key pair and images in it, and the one way tests run the command.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Says a line past the test runner's capture, which hides what passing tests print: a skipped test must not look like
/// one that has passed.
pub(crate) fn say(line: &str) {
    // With stderr gone there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A folder of its own for each test.
pub(crate) struct Desk {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    /// An empty folder.
    pub(crate) fn empty() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with `release.key.pem`, `release.pub.pem`, `meter.bin`, `meter.ota` and `signed.ota`.
    pub(crate) fn with_signed_image() -> Desk {
        let desk = Desk::empty();
        let payload: Vec<u8> = (0_u32..5_000).map(|n| (n * 31 % 251).to_le_bytes()[0]).collect();
        fs::write(desk.path("meter.bin"), payload).unwrap();
        desk.run("image keygen --out . --name release").succeeded();
        desk.run(&format!("image build --payload meter.bin {IDENTITY} --out meter.ota")).succeeded();
        desk.run("image sign meter.ota --key release.key.pem --out signed.ota").succeeded();
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn write_private(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// Copies files of the repository, each to the same place in the folder.
    pub(crate) fn copy_from_repository(&self, names: &[&str]) {
        let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        for name in names {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::copy(repository.join(name), self.path(name)).unwrap();
        }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs `lamplighter` in the folder with the words of `line`, and no setting from outside.
    pub(crate) fn run(&self, line: &str) -> Ended {
        self.run_with(line, &[])
    }

    /// Runs `lamplighter` with some variables in its environment.
    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Ended {
        self.run_fed(line, environment, b"")
    }

    /// Runs `lamplighter` with some bytes on its standard input.
    pub(crate) fn run_fed(&self, line: &str, environment: &[(&str, &str)], input: &[u8]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env_clear().envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may be gone already; the input fits the pipe.
        let _ = child.stdin.take().unwrap().write_all(input);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ended {
            code: status.code().expect("ended by itself"),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs a command that must fail with `code`, in one line which says all of `said`, write nothing to
    /// stdout and leave every file as it was.
    pub(crate) fn check_failure(&self, line: &str, code: i32, said: &[&str]) -> Ended {
        let before = self.files();
        let ended = self.run(line);
        ended.failed(code, said);
        assert_eq!(ended.stdout, "", "`{line}`");
        assert!(self.files() == before, "`{line}` changed files");
        ended
    }

    /// Every file and folder with its content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let is_folder = path.is_dir() && !path.is_symlink();
                files.insert(path.clone(), fs::read(&path).ok());
                if is_folder {
                    collect(&path, files);
                }
            }
        }
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Ended {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Requires the code and exactly one error line, with at most one hint after it.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let mut lines = self.stderr.lines();
        let error = lines.next().unwrap_or_default();
        assert!(error.starts_with("error: "), "{self:?}");
        for words in said {
            assert!(error.contains(words), "`{words}` is missing: {self:?}");
        }
        let rest: Vec<&str> = lines.collect();
        assert!(rest.len() <= 1 && rest.iter().all(|line| line.starts_with("hint: ")), "{self:?}");
    }

    /// Requires the code and an error that says so, whatever was said before it.
    #[track_caller]
    pub(crate) fn failed_last(&self, code: i32, said: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let error = self.stderr.lines().rfind(|line| line.starts_with("error: "));
        assert!(error.is_some_and(|error| error.contains(said)), "`{said}` is missing: {self:?}");
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// What the sample image is for.
pub(crate) const IDENTITY: &str = "--manufacturer-code 0x10E5 --image-type 0x0011 --file-version 0x01020304";
