//! Files in and out: bounded reads of regular files, atomic writes that destroy nothing by accident.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::exit::{ExitCode, Failure, OrFail};

/// Reads a whole file of at most `bound` bytes; a larger one is refused before it is read.
pub(crate) fn read(path: &Path, bound: usize) -> Result<Vec<u8>, Failure> {
    let file = open(path, OFlags::empty())?;
    let len = usize::try_from(regular(path, &file)?.len()).unwrap_or(usize::MAX);
    if len > bound {
        return Err(too_large(path, &len.to_string(), bound));
    }
    let mut bytes = Vec::with_capacity(len);
    read_into(path, file, bound, &mut bytes)?;
    Ok(bytes)
}

/// Reads at most `bound` bytes from the start of a file: for files that are refused by name when they are longer.
pub(crate) fn read_start(path: &Path, bound: usize) -> Result<Vec<u8>, Failure> {
    let file = open(path, OFlags::empty())?;
    regular(path, &file)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bound).unwrap_or(u64::MAX);
    file.take(limit)
        .read_to_end(&mut bytes)
        .or_bad_input(format_args!("{}: cannot be read", path.display()))?;
    Ok(bytes)
}

/// Opens a file for reading. Never waits: a pipe under a file's name is found out instead.
pub(crate) fn open(path: &Path, flags: OFlags) -> Result<File, Failure> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.or_bad_input(format_args!("{}: cannot be opened", path.display()))
}

/// Returns the metadata of an open file if it is a regular one.
pub(crate) fn regular(path: &Path, file: &File) -> Result<fs::Metadata, Failure> {
    let metadata = file.metadata().or_bad_input(format_args!("{}: cannot be read", path.display()))?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let found = if metadata.is_dir() { "a folder" } else { "no regular file" };
    Err(Failure::message(ExitCode::BadInput, format_args!("{}: is {found}, expected a file", path.display())))
}

/// Reads to the end of an open file into `bytes`, and refuses one that has grown beyond `bound`.
pub(crate) fn read_into(path: &Path, file: File, bound: usize, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let limit = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(bytes).or_bad_input(format_args!("{}: cannot be read", path.display()))?;
    if bytes.len() > bound { Err(too_large(path, &format!("over {bound}"), bound)) } else { Ok(()) }
}

fn too_large(path: &Path, found: &str, bound: usize) -> Failure {
    let message = format!("{}: is {found} bytes, expected at most {bound}", path.display());
    Failure::message(ExitCode::BadInput, message)
}

/// A place where a file may be written: asked before the work, written after it.
#[derive(Debug)]
pub(crate) struct Destination {
    path: PathBuf,
    overwrite: Overwrite,
    mode: u32,
}

/// Whether a file that is there already may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// It stays, and the command fails.
    Refuse,
    /// The user has said `--force`.
    Replace,
}

impl Overwrite {
    /// Returns what a `--force` flag means.
    pub(crate) fn from_force(force: bool) -> Overwrite {
        if force { Overwrite::Replace } else { Overwrite::Refuse }
    }
}

impl Destination {
    /// Takes a path that is free, or whose regular file may be replaced and is none of `inputs`.
    pub(crate) fn new(path: &Path, overwrite: Overwrite, inputs: &[&Path]) -> Result<Destination, Failure> {
        let destination = Destination { path: path.to_owned(), overwrite, mode: READABLE };
        let existing = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return destination.in_a_folder(),
            metadata => metadata.or_bad_input(format_args!("{}: cannot be written", path.display()))?,
        };
        let refused =
            |what: &str| Failure::message(ExitCode::BadInput, format_args!("{}: {what}", path.display()));
        if inputs.iter().any(|input| is_same(input, &existing)) {
            return Err(refused("is the input file, expected another file to write to"));
        }
        if !existing.is_file() {
            // Renaming onto a device or a link would put a file in its place.
            return Err(refused("is no regular file, expected a path to write a file to"));
        }
        if overwrite == Overwrite::Refuse {
            return Err(refused("exists already and is not overwritten"));
        }
        Ok(destination)
    }

    /// Takes a path for a secret: free, and readable by the owner alone.
    pub(crate) fn private(path: &Path) -> Result<Destination, Failure> {
        let destination = Destination::new(path, Overwrite::Refuse, &[])?;
        Ok(Destination { mode: OWNER_ONLY, ..destination })
    }

    /// Writes the whole file or none of it: beside its place first, synced, then renamed.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.try_write(bytes).map_err(|error| self.unwritten(error))
    }

    /// Does the same in parts, for a file that is written while it is found out: begins it beside its place.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, Failure> {
        self.try_begin().map_err(|error| self.unwritten(error))
    }

    /// Puts a file that was begun, and is whole, in its place.
    pub(crate) fn keep(&self, file: NamedTempFile) -> Result<(), Failure> {
        self.try_keep(file).map_err(|error| self.unwritten(error))
    }

    fn unwritten(&self, error: io::Error) -> Failure {
        let code = match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                ExitCode::BadInput
            }
            _ => ExitCode::Failed,
        };
        let context = format!("{}: cannot be written", self.path.display());
        Failure::new(code, anyhow::Error::new(error).context(context))
    }

    /// Does the same, for callers who have words of their own for what may go wrong.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.try_begin()?;
        file.write_all(bytes)?;
        self.try_keep(file)
    }

    fn try_begin(&self) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".lamplighter-").permissions(Permissions::from_mode(self.mode));
        builder.tempfile_in(folder_of(&self.path))
    }

    fn try_keep(&self, file: NamedTempFile) -> io::Result<()> {
        file.as_file().sync_all()?;
        match self.overwrite {
            // Exclusive to the last: a file that has come up meanwhile stays as well.
            Overwrite::Refuse => file.persist_noclobber(&self.path)?,
            Overwrite::Replace => file.persist(&self.path)?,
        };
        File::open(folder_of(&self.path))?.sync_all()
    }

    fn in_a_folder(self) -> Result<Destination, Failure> {
        let folder = folder_of(&self.path);
        if self.path.file_name().is_some() && folder.is_dir() {
            return Ok(self);
        }
        let message =
            format!("{}: cannot be written: {} is no folder", self.path.display(), folder.display());
        Err(Failure::message(ExitCode::BadInput, message))
    }
}

/// Makes a folder for secrets, if it is missing: nobody else may look into it.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.or_bad_input(format_args!("{}: cannot be made a folder", path.display()))
}

/// Returns the folder a path lies in; a bare name lies in the current one.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_same(input: &Path, existing: &fs::Metadata) -> bool {
    fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (existing.dev(), existing.ino()))
}

/// For everybody, as far as the umask allows.
const READABLE: u32 = 0o666;
/// For the owner alone.
const OWNER_ONLY: u32 = 0o600;
