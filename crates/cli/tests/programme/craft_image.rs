//! Forged images: header, elements, block list, promise and SUIT envelope, each as false as the recipe wants it.
//!
//! ```text
//! header | payload, others | block digests | promise | envelope      parts carry these names, and inside the
//!                                                                     envelope: digest, protected, kid, signature,
//!                                                                     manifest
//! ```

use uuid::Uuid;

use crate::edits::apply;
use crate::pen::{Hand, Written, sha256, sign_one, written};
use crate::recipes::ImageRecipe;

/// A component as the manifest measures it.
#[derive(Clone, Copy)]
struct Measure {
    digest: [u8; 32],
    size: u64,
}

impl Measure {
    fn of(bytes: &[u8]) -> Measure {
        Measure { digest: sha256(bytes), size: bytes.len() as u64 }
    }
}

pub fn payload_of(recipe: &ImageRecipe) -> Vec<u8> {
    let text = recipe.text.as_bytes();
    text.iter().copied().cycle().take(recipe.len.max(text.len())).collect()
}

/// Writes the file in two passes: its header states its size, and the envelope measures the header.
pub fn image(recipe: &ImageRecipe, own_type: u16) -> Written {
    let image_type = recipe.image_type.unwrap_or(own_type);
    let draft = file_of_size(recipe, image_type, 0);
    file_of_size(recipe, image_type, draft.bytes.len())
}

fn file_of_size(recipe: &ImageRecipe, image_type: u16, size: usize) -> Written {
    let header = header(recipe, image_type, size);
    let mut others = vec![(0x0000, payload_of(recipe))];
    others.extend(recipe.elements.iter().map(|(tag, text)| (*tag, text.as_bytes().to_vec())));
    let mut file = Written::default();
    file.raw("header", &header);
    for (tag, value) in &others {
        element(&mut file, *tag, &written(|out| out.raw(name_of(*tag), value)));
    }
    let mut list = written(|out| {
        let digests: Vec<u8> =
            file.bytes.chunks(1_024).flat_map(|block| sha256(block)[..16].to_vec()).collect();
        out.raw("digests", &digests);
    });
    apply(&recipe.list, &mut list);
    let mut promise = promise(recipe, sha256(&list.bytes));
    apply(&recipe.promise, &mut promise);
    let components = [
        ("payload", Some(Measure::of(&payload_of(recipe)))),
        ("header", Some(Measure::of(&header))),
        ("promise", Some(Measure::of(&promise.bytes))),
        ("elements", (others.len() > 1).then(|| measure_of_elements(&others))),
    ];
    let mut manifest = manifest(recipe, image_type, &components);
    apply(&recipe.manifest, &mut manifest);
    let mut envelope = envelope(recipe, &manifest);
    apply(&recipe.envelope, &mut envelope);
    element(&mut file, 0xF0C6, &list);
    element(&mut file, 0xF0C4, &promise);
    element(&mut file, 0xF0C5, &envelope);
    file
}

fn name_of(tag: u16) -> &'static str {
    if tag == 0 { "payload" } else { "other" }
}

/// Appends an element; its parts are the tag and length before the value, and all of it.
fn element(file: &mut Written, tag: u16, value: &Written) {
    let start = file.bytes.len();
    let names = match tag {
        0x0000 => ("payload element", "payload prefix"),
        0xF0C6 => ("digests element", "digests prefix"),
        0xF0C4 => ("promise element", "promise prefix"),
        0xF0C5 => ("envelope element", "envelope prefix"),
        _ => ("other element", "other prefix"),
    };
    let len = u32::try_from(value.bytes.len()).expect("a small file");
    file.raw(names.1, &[&tag.to_le_bytes()[..], &len.to_le_bytes()].concat());
    let inner = file.bytes.len();
    file.append(value);
    let end = file.bytes.len();
    file.parts.insert(names.0.to_owned(), start..end);
    match tag {
        0xF0C4 => file.parts.insert("promise".to_owned(), inner..end),
        0xF0C5 => file.parts.insert("envelope".to_owned(), inner..end),
        _ => None,
    };
}

/// The header (ZCL OTA Upgrade cluster, 11.4.2), little-endian.
fn header(recipe: &ImageRecipe, image_type: u16, size: usize) -> Vec<u8> {
    let control = u16::from(recipe.destination) << 1 | u16::from(recipe.hardware.is_some()) << 2;
    let len = 56 + 8 * u16::from(recipe.destination) + 4 * u16::from(recipe.hardware.is_some());
    let mut out = Vec::new();
    out.extend(0x0BEE_F11E_u32.to_le_bytes());
    for number in [0x0100, len, control, recipe.manufacturer, image_type] {
        out.extend(number.to_le_bytes());
    }
    out.extend(recipe.version.to_le_bytes());
    out.extend(2_u16.to_le_bytes());
    let mut text = [0; 32];
    text[..6].copy_from_slice(b"forged");
    out.extend(text);
    out.extend(u32::try_from(size).expect("a small file").to_le_bytes());
    if recipe.destination {
        out.extend([0xEE; 8]);
    }
    for version in recipe.hardware.iter().flatten() {
        out.extend(version.to_le_bytes());
    }
    out
}

fn promise(recipe: &ImageRecipe, list: [u8; 32]) -> Written {
    written(|out| {
        out.list(5).uint(1).uint(recipe.minimum_root).uint(recipe.format);
        match &recipe.predecessors {
            None => out.bytes.push(0xF6),
            Some(ranges) => {
                out.list(ranges.len());
                for [lowest, highest] in ranges {
                    out.list(2).uint(u64::from(*lowest)).uint(u64::from(*highest));
                }
            }
        }
        out.string(&list);
    })
}

fn measure_of_elements(elements: &[(u16, Vec<u8>)]) -> Measure {
    let mut described = Vec::new();
    for (tag, value) in elements {
        described.extend(tag.to_le_bytes());
        described.extend(u32::try_from(value.len()).expect("a small file").to_le_bytes());
        if *tag != 0 {
            described.extend_from_slice(value);
        }
    }
    Measure::of(&described)
}

/// The SUIT manifest in the profile of this house (draft-ietf-suit-manifest for the numbers).
fn manifest(recipe: &ImageRecipe, image_type: u16, components: &[(&str, Option<Measure>)]) -> Written {
    let manufacturer = recipe.class_manufacturer.unwrap_or(recipe.manufacturer);
    let vendor_name = format!("{manufacturer:04x}.zigbee-manufacturer.invalid");
    let vendor = Uuid::new_v5(&Uuid::NAMESPACE_DNS, vendor_name.as_bytes());
    let class = Uuid::new_v5(&vendor, &recipe.class_type.unwrap_or(image_type).to_be_bytes());
    let components: Vec<(&str, Measure)> =
        components.iter().filter_map(|(name, measure)| Some((*name, (*measure)?))).collect();
    let count = components.len();
    let shared = written(|out| {
        out.list(8 + 4 * count).uint(12).bytes.push(0xF5);
        out.uint(20).map(2).uint(1).string(vendor.as_bytes()).uint(2).string(class.as_bytes());
        out.uint(1).uint(15).uint(2).uint(15);
        for (index, (name, measure)) in components.iter().enumerate() {
            let digest_is_a_lie = recipe.lies.iter().any(|lie| lie == name);
            let size_is_a_lie = recipe.lies.iter().any(|lie| lie.strip_suffix(" size") == Some(name));
            let digest = if digest_is_a_lie { sha256(b"something else") } else { measure.digest };
            let size = measure.size + u64::from(size_is_a_lie);
            let digest = written(|out| {
                out.list(2).int(-16).string(&digest);
            });
            out.uint(12).uint(index as u64).uint(20).map(2).uint(3).string(&digest.bytes).uint(14).uint(size);
        }
    });
    let common = written(|out| {
        out.map(2).uint(2).list(count);
        for (name, _) in &components {
            out.list(1).string(name.as_bytes());
        }
        out.uint(4).string(&shared.bytes);
    });
    let validate = written(|out| {
        out.list(4 * count);
        for index in 0..count {
            out.uint(12).uint(index as u64).uint(3).uint(15);
        }
    });
    written(|out| {
        out.map(4).uint(1).uint(1).uint(2).uint(recipe.sequence);
        out.uint(3).string(&common.bytes).uint(7).string(&validate.bytes);
    })
}

fn envelope(recipe: &ImageRecipe, manifest: &Written) -> Written {
    let counted = written(|out| {
        out.string(&manifest.bytes);
    });
    let measured = if recipe.naive_digest { &manifest.bytes } else { &counted.bytes };
    let digest = written(|out| {
        out.list(2).int(-16).string(&sha256(measured));
    });
    let wrapper = written(|out| {
        out.list(1 + recipe.by.len()).embed("digest", &digest);
        for by in &recipe.by {
            let seal = sign_one("image", &digest, !recipe.attached, &Hand::read(by));
            out.embed("seal", &seal);
        }
    });
    written(|out| {
        out.head(6, 107).map(2).uint(2).embed("wrapper", &wrapper).uint(3).embed("manifest", manifest);
    })
}
