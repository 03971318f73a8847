//! A capture on disk: written as frames are seen, bounded in size, and in the order of time when it is closed.
//!
//! A fleet shows its frames home by home, so the file is put into order at the end: its packets are copied by time into
//! a second file, which takes its place. Until then the file is a sound capture too, only not in order. Per packet 16
//! bytes are kept in memory, a tenth of what it takes on disk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The type and the length of a block.
const BLOCK_HEAD_LEN: usize = 8;
/// Everything is copied through buffers of this many bytes.
const BUFFER_LEN: usize = 1 << 18;

/// A capture that is being written.
pub(super) struct CaptureFile {
    path: PathBuf,
    file: BufWriter<File>,
    len: u64,
    limit: u64,
    preamble_len: u64,
    /// When each packet was sent, and where it begins; in the order of the file.
    packets: Vec<(u64, u64)>,
    end: Option<End>,
}

/// Why no more is written.
enum End {
    /// The next packet would have passed the limit; it was sent at this time.
    Limit(u64),
    Failed(io::Error),
}

/// What a closed capture holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) packets: usize,
    pub(super) len: u64,
    /// When the first packet was sent that had no room.
    pub(super) cut_at: Option<u64>,
}

impl CaptureFile {
    /// Makes the file; one that is there already is left alone.
    pub(super) fn create(path: &Path, preamble: &[u8], limit: u64) -> io::Result<CaptureFile> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let mut file = BufWriter::with_capacity(BUFFER_LEN, file);
        file.write_all(preamble)?;
        let preamble_len = preamble.len() as u64;
        Ok(CaptureFile {
            path: path.to_owned(),
            file,
            len: preamble_len,
            limit,
            preamble_len,
            packets: Vec::new(),
            end: None,
        })
    }

    /// Appends the block of a packet; says whether more is wanted.
    pub(super) fn append(&mut self, unix_micros: u64, block: &[u8]) -> bool {
        if self.end.is_some() {
            return false;
        }
        if self.len + block.len() as u64 > self.limit {
            self.end = Some(End::Limit(unix_micros));
        } else if let Err(error) = self.file.write_all(block) {
            self.end = Some(End::Failed(error));
        } else {
            self.packets.push((unix_micros, self.len));
            self.len += block.len() as u64;
        }
        self.end.is_none()
    }

    /// Says whether no packet has been appended.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Hands over what has been appended to whoever reads the file meanwhile.
    pub(super) fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            self.end.get_or_insert(End::Failed(error));
        }
    }

    /// Puts the packets into the order of time.
    pub(super) fn close(mut self) -> io::Result<Closed> {
        let cut_at = match self.end.take() {
            None => None,
            Some(End::Limit(unix_micros)) => Some(unix_micros),
            Some(End::Failed(error)) => return Err(error),
        };
        self.file.flush()?;
        let closed = Closed { packets: self.packets.len(), len: self.len, cut_at };
        if !self.packets.is_sorted_by_key(|(unix_micros, _)| unix_micros) {
            // Stable: what was seen first at one moment stays first.
            self.packets.sort_by_key(|(unix_micros, _)| *unix_micros);
            self.rewrite()?;
        }
        Ok(closed)
    }

    fn rewrite(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let unsorted = self.file.get_ref();
        let mut sorted = tempfile::Builder::new()
            .prefix(".lamplighter-")
            .permissions(unsorted.metadata()?.permissions())
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let mut out = BufWriter::with_capacity(BUFFER_LEN, sorted.as_file_mut());
        let mut preamble = BufReader::new(File::open(&self.path)?).take(self.preamble_len);
        io::copy(&mut preamble, &mut out)?;
        let mut block = Vec::new();
        for (_, offset) in &self.packets {
            let mut head = [0; BLOCK_HEAD_LEN];
            unsorted.read_exact_at(&mut head, *offset)?;
            let [_, _, _, _, len @ ..] = head;
            // We have written the length ourselves: a packet of IP, at most, and its comment.
            block.resize(u32::from_le_bytes(len) as usize, 0);
            unsorted.read_exact_at(&mut block, *offset)?;
            out.write_all(&block)?;
        }
        out.flush()?;
        drop(out);
        sorted.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::pcapng::{Interface, emit_packet, emit_preamble};

    fn packet(unix_micros: u64) -> Vec<u8> {
        let mut block = Vec::new();
        emit_packet(Interface::Wan, unix_micros, &unix_micros.to_be_bytes(), Some("a comment"), &mut block);
        block
    }

    fn preamble() -> Vec<u8> {
        let mut preamble = Vec::new();
        emit_preamble("test", &mut preamble);
        preamble
    }

    /// Writes packets of these times under a limit; returns what close says and what is in the file.
    fn write(times: &[u64], limit: u64) -> (Closed, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pcapng");
        let mut file = CaptureFile::create(&path, &preamble(), limit).expect("the file is new");
        let wanted = times.iter().all(|time| file.append(*time, &packet(*time)));
        let closed = file.close().expect("it closes");
        assert_eq!(wanted, closed.cut_at.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 1);
        (closed, std::fs::read(path).expect("the file is there"))
    }

    fn whole(times: &[u64]) -> Vec<u8> {
        times.iter().fold(preamble(), |mut file, time| {
            file.extend(packet(*time));
            file
        })
    }

    #[test]
    fn a_closed_capture_is_in_the_order_of_time() {
        let (closed, bytes) = write(&[3, 1, 2, 1 << 40], u64::MAX);
        assert_eq!(bytes, whole(&[1, 2, 3, 1 << 40]));
        assert_eq!(closed, Closed { packets: 4, len: bytes.len() as u64, cut_at: None });
    }

    #[test]
    fn a_capture_stops_before_it_passes_its_limit() {
        let limit = whole(&[5, 6]).len() as u64;
        let (closed, bytes) = write(&[6, 5, 7, 8], limit);
        assert_eq!(bytes, whole(&[5, 6]));
        assert_eq!(closed, Closed { packets: 2, len: limit, cut_at: Some(7) });
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pcapng");
        std::fs::write(&path, "mine").expect("it is written");
        assert!(CaptureFile::create(&path, &preamble(), 1 << 20).is_err());
        assert_eq!(std::fs::read(&path).expect("it is there"), b"mine");
    }
}
