//! Writes the committed sample images, their descriptors and the development keys.
//!
//! `cargo run -p firmware-image --example samples -- firmware-images`
//!
//! The same bytes every time; a test holds the committed files to the recipe.

mod recipe;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::recipe::{SAMPLES, development_image_key, development_order_key};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: samples FOLDER".into());
    };
    let keys = folder.join("keys");
    fs::create_dir_all(&keys)?;
    for (name, key) in
        [("development-image", development_image_key()), ("development-order", development_order_key())]
    {
        write(&keys.join(format!("{name}.key.pem")), key.to_pem().as_bytes())?;
        write(&keys.join(format!("{name}.pub.pem")), key.public().to_pem().as_bytes())?;
    }
    for sample in &SAMPLES {
        let image = sample.signed();
        write(&folder.join(sample.file_name()), image.file().bytes())?;
        write(&folder.join(sample.descriptor_name()), sample.descriptor(&image).as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} ({} bytes)", path.display(), bytes.len());
    Ok(())
}
