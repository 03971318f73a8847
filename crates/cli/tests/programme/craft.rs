//! From a recipe to a forged document. The sound ones come out byte for byte as our own code signs them, which the
//! programme checks first: else it would be refused for the attacker's bad handwriting.

use crate::edits::apply;
use crate::pen::{Hand, Written, public, sha256, sign_one, sign_several, written};
use crate::recipes::{OrderRecipe, ReleaseRecipe, RootRecipe, StatusRecipe, moment};

/// What an attacker knows of the consumer.
#[derive(Clone, Debug)]
pub struct Target {
    pub image_type: u16,
    pub eui: [u8; 8],
    /// The payload digest of the image that the device holds.
    pub image: [u8; 32],
    pub nonce: [u8; 8],
    pub last_counter: u64,
    pub epoch: u64,
    pub root: u64,
}

fn hands(by: &[String]) -> Vec<Hand> {
    by.iter().map(|text| Hand::read(text)).collect()
}

pub fn order(recipe: &OrderRecipe, target: &Target) -> Written {
    let device = if recipe.device == "own" { target.eui } else { [0xEE; 8] };
    let image = if recipe.image == "held" { target.image } else { sha256(b"another image") };
    let nonce = if recipe.nonce == "asked" { target.nonce } else { *b"guessed!" };
    let mut payload = written(|out| {
        out.list(6).uint(recipe.format).named("device", &device).named("image", &image);
        out.uint(recipe.epoch.unwrap_or(target.epoch));
        out.uint(recipe.counter.unwrap_or(target.last_counter + 1)).named("nonce", &nonce);
    });
    apply(&recipe.inside, &mut payload);
    sign_one("order", &payload, false, &Hand::read(&recipe.by))
}

pub fn status(recipe: &StatusRecipe, target: &Target) -> Written {
    let mut payload = written(|out| {
        out.list(6).uint(recipe.format).uint(recipe.serial);
        out.uint(moment(recipe.issued)).uint(moment(recipe.expires));
        out.uint(recipe.newest_root.unwrap_or(target.root)).list(recipe.floors.len());
        for (manufacturer, image_type, lowest) in &recipe.floors {
            let image_type = if *image_type == 0 { target.image_type } else { *image_type };
            out.list(3).uint(u64::from(*manufacturer)).uint(u64::from(image_type)).uint(*lowest);
        }
    });
    apply(&recipe.inside, &mut payload);
    sign_one("status", &payload, false, &Hand::read(&recipe.by))
}

/// The digests by which a release names a file.
pub fn names_of(file: &[u8], payload: [u8; 32]) -> ([u8; 32], [u8; 32]) {
    (sha256(file), payload)
}

pub fn release(recipe: &ReleaseRecipe, target: &Target, named: ([u8; 32], [u8; 32])) -> Written {
    let mut images = vec![named];
    for more in 0..recipe.more {
        images.push((sha256(&[more]), sha256(&[more, more])));
    }
    if !recipe.as_given {
        images.sort_unstable();
    }
    let mut payload = written(|out| {
        out.list(9).uint(recipe.format).uint(recipe.serial).text(&recipe.campaign);
        out.uint(recipe.root_version.unwrap_or(target.root));
        out.uint(moment(recipe.issued)).uint(moment(recipe.expires)).list(images.len());
        for (file, image) in &images {
            out.list(2).named("file", file).named("image", image);
        }
        out.list(2).uint(1).string(&sha256(&target.eui)).named("policy", &[7; 32]);
    });
    apply(&recipe.inside, &mut payload);
    sign_several("release", &payload, &hands(&recipe.by), recipe.as_given)
}

/// Writes a role: its threshold and its keys, each with its holder.
fn quorum(out: &mut Written, recipe: &RootRecipe, threshold: u64, records: &[(String, String)]) {
    let mut records: Vec<(String, String)> = records.to_vec();
    if !recipe.as_given {
        records.sort_by_key(|(name, _)| public(name));
    }
    out.list(2).uint(threshold).list(records.len());
    for (name, holder) in &records {
        out.list(3).int(recipe.algorithm).named(&format!("key {name}"), &public(name)).text(holder);
    }
}

fn own_holders(names: &[String]) -> Vec<(String, String)> {
    names.iter().map(|name| (name.clone(), name.clone())).collect()
}

/// Writes the root that stands at this place of a chain, counted from 1.
pub fn root(recipe: &RootRecipe, place: u64) -> Written {
    let operators: Vec<(String, String)> = recipe
        .operators
        .iter()
        .map(|text| text.split_once(' ').expect("key and holder"))
        .map(|(name, holder)| (name.to_owned(), holder.to_owned()))
        .collect();
    let mut revoked: Vec<[u8; 32]> = recipe.revoked.iter().map(|name| public(name)).collect();
    if !recipe.as_given {
        revoked.sort_unstable();
    }
    let mut payload = written(|out| {
        out.list(11).uint(recipe.format).uint(recipe.version.unwrap_or(place));
        out.uint(moment(recipe.issued)).uint(moment(recipe.expires));
        quorum(out, recipe, recipe.threshold, &own_holders(&recipe.keys));
        out.list(1).list(3).uint(u64::from(crate::recipes::MANUFACTURER)).list(recipe.maker_types.len());
        for image_type in &recipe.maker_types {
            out.uint(u64::from(*image_type));
        }
        quorum(out, recipe, recipe.maker_threshold, &own_holders(&recipe.makers));
        quorum(out, recipe, recipe.operator_threshold, &operators);
        quorum(out, recipe, 1, &own_holders(&recipe.status));
        quorum(out, recipe, 1, &own_holders(&recipe.order));
        out.list(revoked.len());
        for key in &revoked {
            out.string(key);
        }
        out.uint(recipe.epoch);
    });
    apply(&recipe.inside, &mut payload);
    sign_several("root", &payload, &hands(&recipe.by), recipe.as_given)
}
