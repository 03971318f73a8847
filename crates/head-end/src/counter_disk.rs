//! Where invocation counters lie: a file that is appended to, and now and then written anew. What is in it, is left to
//! `counters`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The largest file: ten million keys with their latest spans.
const MAX_LEN: u64 = 1 << 30;

/// A disk that says when something is durable.
pub trait Disk: Send {
    /// Returns everything that is there.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Appends, and returns when that is durable. After an error it is not known what is there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Puts this in the place of everything, or leaves everything as it was; returns when that is durable.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A file of one process: another one that opens it is refused.
#[derive(Debug)]
pub struct CounterFile {
    path: PathBuf,
    /// Beside the file, which is exchanged now and then.
    _lock: File,
    file: File,
}

impl CounterFile {
    /// Opens the file, or makes an empty one.
    pub fn open(path: &Path) -> io::Result<CounterFile> {
        let lock = private().write(true).open(beside(path, "lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another process uses these counters")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        let file = open_file(path)?;
        sync_folder(path)?;
        Ok(CounterFile { path: path.to_owned(), _lock: lock, file })
    }
}

impl Disk for CounterFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let len = self.file.metadata()?.len();
        if len > MAX_LEN {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{len} bytes, expected at most {MAX_LEN}"),
            ));
        }
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(MAX_LEN).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        let mut file = private().write(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        self.file = open_file(&self.path)?;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

fn open_file(path: &Path) -> io::Result<File> {
    private().append(true).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_or_put_in_place_is_there_again_and_one_process_at_a_time_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("counters");
        let mut file = CounterFile::open(&path).expect("a new file");
        file.append(b"one").expect("room");
        file.append(b"two").expect("room");
        assert_eq!(CounterFile::open(&path).expect_err("locked").kind(), io::ErrorKind::ResourceBusy);
        drop(file);
        let mut file = CounterFile::open(&path).expect("again");
        assert_eq!(file.read().expect("readable"), b"onetwo");
        file.replace(b"three").expect("room");
        file.append(b"four").expect("room");
        assert_eq!(file.read().expect("readable"), b"threefour");
    }
}
