//! Images that single devices keep on disk, byte for byte as they travelled.
//!
//! A file appears under its name when it is whole, never before: it is written beside its place and moved there.

use crate::error::HostError;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Writes an image to `path`, replacing what was there in one step.
pub(crate) fn write_image(path: &Path, bytes: &[u8]) -> Result<(), HostError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| HostError::Store { path: path.to_path_buf(), source })
}

/// Reads an image, if there is one; a file longer than `most` bytes is an error and is not read whole.
pub(crate) fn read_image(path: &Path, most: usize) -> Result<Option<Vec<u8>>, HostError> {
    let failed = |source| HostError::Store { path: path.to_path_buf(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let reason = format!("it is longer than {most} bytes");
        return Err(HostError::StoredImage { path: path.to_path_buf(), reason });
    }
    Ok(Some(bytes))
}

/// Makes the folder of a store.
pub(crate) fn open_folder(path: &Path) -> Result<(), HostError> {
    fs::create_dir_all(path).map_err(|source| HostError::Store { path: path.to_path_buf(), source })
}
