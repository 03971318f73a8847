//! Files with a secret in them: read only if nobody but their owner can read them and nobody else can have put
//! them there. What the secret is, is left to the caller.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::exit::{ExitCode, Failure};
use crate::files;

/// Reads a file of at most `bound` bytes that is `what`, such as "the private key".
pub(super) fn read(path: &Path, what: &str, bound: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unguarded = |found: &str| {
        Failure::message(ExitCode::BadInput, format_args!("{}: {what} is {found}", path.display()))
    };
    let file = match files::open(path, OFlags::NOFOLLOW) {
        Err(_) if path.is_symlink() => return Err(unguarded("a symbolic link, expected the file itself")),
        result => result?,
    };
    // Asked of the open file, so that it cannot be exchanged between question and reading.
    let metadata = files::regular(path, &file)?;
    check_owner(&metadata).map_err(|found| unguarded(&found))?;
    check_mode(&metadata).map_err(|found| unguarded(&found).hint(format!("chmod 600 {}", path.display())))?;
    // Room for the whole file at once: a growing buffer would leave copies of the secret behind.
    let len = usize::try_from(metadata.len()).unwrap_or(bound).min(bound);
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    files::read_into(path, file, bound, &mut bytes)?;
    Ok(bytes)
}

fn check_owner(metadata: &Metadata) -> Result<(), String> {
    if metadata.uid() == geteuid().as_raw() {
        return Ok(());
    }
    Err(format!("owned by user {}, expected your own file", metadata.uid()))
}

fn check_mode(metadata: &Metadata) -> Result<(), String> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(format!("open to others (mode {mode:04o}), expected mode 0600"))
}
