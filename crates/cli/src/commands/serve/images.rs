//! The images that were handed in, kept by the digest of their file: `DIR/<SHA-256>.ota`.
//!
//! A file is there whole or not at all, and is verified again at every start: the disk is not believed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use firmware_image::{Attack, FileDigest, IntakeError, MAX_FILE_LEN, TrustStore, VerifiedImage, VerifyError};

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{self, Destination, Overwrite};

/// Images kept at most: each is held in memory, up to 10 MB of it.
const IMAGES_MAX: usize = 256;

/// The folder.
#[derive(Debug)]
pub(super) struct ImageFolder {
    folder: PathBuf,
    count: AtomicUsize,
}

impl ImageFolder {
    /// Opens the folder, making it if it is missing, and reads and verifies all that is in it.
    pub(super) fn open(folder: &Path, trust: &TrustStore) -> Result<(ImageFolder, Stored), Failure> {
        fs::create_dir_all(folder)
            .or_bad_input(format_args!("{}: cannot be made a folder", folder.display()))?;
        let mut paths: Vec<PathBuf> = Vec::new();
        let listed =
            fs::read_dir(folder).or_bad_input(format_args!("{}: cannot be read", folder.display()))?;
        for entry in listed {
            let path = entry.or_bad_input(format_args!("{}: cannot be read", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "ota") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut stored = Stored::default();
        for path in &paths {
            match read(path, trust)? {
                Found::Trusted(image) => stored.images.push(*image),
                Found::Withdrawn(digest) => stored.withdrawn.push(digest),
            }
        }
        Ok((ImageFolder { folder: folder.to_owned(), count: AtomicUsize::new(paths.len()) }, stored))
    }

    /// Keeps an image for good.
    pub(super) fn keep(&self, image: &VerifiedImage) -> io::Result<()> {
        if self.count.load(Ordering::Relaxed) >= IMAGES_MAX {
            let message = format!("{} holds {IMAGES_MAX} images, which is the limit", self.folder.display());
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        let path = self.folder.join(format!("{}.ota", image.file_digest()));
        if path.is_file() {
            return Ok(());
        }
        let destination = Destination::new(&path, Overwrite::Refuse, &[])
            .map_err(|_| io::Error::other(format!("{} cannot be written", path.display())))?;
        let kept = destination.try_write(image.bytes());
        match kept {
            Ok(()) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // Somebody handed the same file in at the same time.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What a folder holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Images that are vouched for.
    pub(super) images: Vec<VerifiedImage>,
    /// Images whose signers are no longer trusted, which is the operator's decision.
    pub(super) withdrawn: Vec<FileDigest>,
}

/// Returns the images that `trust` does not vouch for any more.
pub(super) fn not_vouched_for(images: &[VerifiedImage], trust: &TrustStore) -> Vec<FileDigest> {
    let refused = |image: &&VerifiedImage| trust.verify_bytes(image.bytes().clone()).is_err();
    images.iter().filter(refused).map(VerifiedImage::file_digest).collect()
}

enum Found {
    Trusted(Box<VerifiedImage>),
    Withdrawn(FileDigest),
}

fn read(path: &Path, trust: &TrustStore) -> Result<Found, Failure> {
    let bytes = Bytes::from(files::read(path, MAX_FILE_LEN)?);
    let digest = FileDigest::of(&bytes);
    let named = path.file_stem().and_then(|stem| stem.to_str()?.parse::<FileDigest>().ok());
    if named != Some(digest) {
        let message = format!("{}: is not the file that was stored under this name", path.display());
        return Err(Failure::message(ExitCode::Refused, message));
    }
    match trust.verify_bytes(bytes) {
        Ok(image) => Ok(Found::Trusted(Box::new(image))),
        Err(IntakeError::Verify(error)) if is_of_trust(&error) => {
            tracing::warn!(path = %path.display(), %error, "a stored image is left out");
            Ok(Found::Withdrawn(digest))
        }
        Err(error) => Err(error).or_fail(ExitCode::Refused, format_args!("{}: refused", path.display())),
    }
}

/// Returns whether the file is as it was signed, and those who signed it may not, or no longer.
fn is_of_trust(error: &VerifyError) -> bool {
    matches!(error.attack(), Attack::UntrustedKey | Attack::TooFewSigners | Attack::Freeze)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware_image::SigningKey;

    const SAMPLE: &[u8] = include_bytes!("../../../../../firmware-images/esme.ota");

    fn sample() -> (TrustStore, VerifiedImage) {
        let trust = crate::development::image_trust().expect("a key");
        let image = trust.verify_bytes(Bytes::from_static(SAMPLE)).expect("the sample verifies");
        (trust, image)
    }

    #[test]
    fn what_was_kept_is_there_at_the_next_start_and_keeping_twice_is_harmless() {
        let folder = tempfile::tempdir().expect("a folder");
        let (trust, image) = sample();
        let path = folder.path().join("images");
        let (store, found) = ImageFolder::open(&path, &trust).expect("it opens");
        assert_eq!(found, Stored::default());
        store.keep(&image).expect("it keeps");
        store.keep(&image).expect("it keeps twice");
        let (_, found) = ImageFolder::open(&path, &trust).expect("it opens again");
        assert_eq!(found, Stored { images: vec![image], withdrawn: Vec::new() });
    }

    #[test]
    fn an_image_that_the_disk_has_changed_is_refused_at_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let (trust, image) = sample();
        let (store, _) = ImageFolder::open(folder.path(), &trust).expect("it opens");
        store.keep(&image).expect("it keeps");
        let path = folder.path().join(format!("{}.ota", image.file_digest()));
        let mut bytes = SAMPLE.to_vec();
        bytes[5_000] ^= 1;
        fs::write(&path, bytes).expect("it writes");
        assert!(ImageFolder::open(folder.path(), &trust).is_err());
    }

    #[test]
    fn an_image_of_a_signer_who_lost_our_trust_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let (trust, image) = sample();
        let (store, _) = ImageFolder::open(folder.path(), &trust).expect("it opens");
        store.keep(&image).expect("it keeps");
        let others = TrustStore::new(vec![SigningKey::generate_from_seed([3; 32]).public()]);
        let (_, found) = ImageFolder::open(folder.path(), &others).expect("it opens");
        assert_eq!(found, Stored { images: Vec::new(), withdrawn: vec![image.file_digest()] });
        assert_eq!(not_vouched_for(std::slice::from_ref(&image), &others), [image.file_digest()]);
        assert_eq!(not_vouched_for(&[image], &trust), []);
    }
}
