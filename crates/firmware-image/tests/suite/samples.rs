//! The committed sample images are what the recipe makes, and verify with the committed key.

use std::path::PathBuf;

use firmware_image::{FileVersion, PublicKey, SigningKey, TrustStore};

#[path = "../../examples/samples/recipe.rs"]
mod recipe;

fn committed(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../firmware-images");
    std::fs::read(folder.join(name)).unwrap()
}

fn committed_text(name: &str) -> String {
    String::from_utf8(committed(name)).unwrap()
}

#[test]
fn the_committed_images_are_what_the_recipe_makes() {
    for sample in &recipe::SAMPLES {
        let image = sample.signed();
        assert!(committed(&sample.file_name()) == image.file().bytes()[..], "{}", sample.name);
        assert_eq!(committed_text(&sample.descriptor_name()), sample.descriptor(&image));
    }
}

#[test]
fn the_committed_images_verify_with_the_committed_key() {
    let key = PublicKey::from_pem(&committed_text("keys/development-image.pub.pem")).unwrap();
    let trust = TrustStore::new(vec![key]);
    for sample in &recipe::SAMPLES {
        let image = trust.verify_bytes(committed(&sample.file_name()).into()).unwrap();
        assert_eq!(image.identity().image_type, sample.image_type);
        assert_eq!(image.identity().file_version, FileVersion(0x0102_0304));
        assert_eq!(image.file().payload().len(), sample.payload_len);
    }
}

#[test]
fn the_committed_keys_are_what_the_recipe_makes() {
    let keys = [("image", recipe::development_image_key()), ("order", recipe::development_order_key())];
    for (name, key) in keys {
        let private =
            SigningKey::from_pem(&committed_text(&format!("keys/development-{name}.key.pem"))).unwrap();
        let public =
            PublicKey::from_pem(&committed_text(&format!("keys/development-{name}.pub.pem"))).unwrap();
        assert_eq!(private.public(), key.public());
        assert_eq!(public, key.public());
    }
}
