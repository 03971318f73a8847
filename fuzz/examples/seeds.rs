//! Writes the committed corpus: `cargo run --example seeds` in fuzz/. The same bytes every time.

use std::error::Error;
use std::fs;

use fuzz::seeds::{TARGETS, folder};

fn main() -> Result<(), Box<dyn Error>> {
    for (target, recipe) in TARGETS {
        let folder = folder(target);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for (name, bytes) in recipe() {
            fs::write(folder.join(name), &bytes)?;
            println!("{target}/{name} ({} bytes)", bytes.len());
        }
    }
    Ok(())
}
