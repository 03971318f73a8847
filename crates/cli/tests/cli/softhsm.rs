//! A PKCS#11 token in software, in a folder of its own; absent where SoftHSM (Debian: softhsm2) is.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// One token, labelled `signing`, with nothing in it.
pub(crate) struct Softhsm {
    folder: TempDir,
    module: &'static str,
}

impl Softhsm {
    /// Makes a token, or says on stderr why the test cannot run.
    pub(crate) fn make() -> Option<Softhsm> {
        let module = MODULES.into_iter().find(|module| Path::new(module).exists());
        let Some(module) = module else {
            eprintln!("skipped: no SoftHSM library in {MODULES:?} (Debian: apt-get install softhsm2)");
            return None;
        };
        let token = Softhsm { folder: tempfile::tempdir().unwrap(), module };
        let tokens = token.path("tokens");
        fs::create_dir(&tokens).unwrap();
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(token.path("softhsm2.conf"), settings).unwrap();
        for (name, pin) in [("pin", PIN), ("wrong-pin", "00000000")] {
            fs::write(token.path(name), format!("{pin}\n")).unwrap();
            fs::set_permissions(token.path(name), Permissions::from_mode(0o600)).unwrap();
        }
        let line = format!("--init-token --free --label signing --so-pin 12345678 --pin {PIN}");
        let mut command = Command::new("softhsm2-util");
        command.args(line.split(' ')).env(SETTINGS, token.path("softhsm2.conf")).stdout(Stdio::null());
        match command.status() {
            Ok(status) => assert!(status.success(), "softhsm2-util {line}"),
            Err(error) => {
                eprintln!("skipped: softhsm2-util cannot be run: {error}");
                return None;
            }
        }
        Some(token)
    }

    /// Returns the variable without which the library does not find the token.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        (SETTINGS, self.path("softhsm2.conf").display().to_string())
    }

    /// Returns the URI of an object in the token; without one, of the token.
    pub(crate) fn uri(&self, object: &str) -> String {
        let object = if object.is_empty() { String::new() } else { format!(";object={object}") };
        format!("pkcs11:token=signing{object}?module-path={}", self.module)
    }

    /// Returns a file with the PIN.
    pub(crate) fn pin_file(&self) -> PathBuf {
        self.path("pin")
    }

    /// Returns a file with another PIN.
    pub(crate) fn wrong_pin_file(&self) -> PathBuf {
        self.path("wrong-pin")
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }
}

/// The user's PIN.
pub(crate) const PIN: &str = "87654321";
/// Where SoftHSM looks for its settings.
const SETTINGS: &str = "SOFTHSM2_CONF";
/// Where distributions put the library.
const MODULES: [&str; 3] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so"];
