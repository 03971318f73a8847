//! Handing in images.

use firmware_image::{FileDigest, SequenceNumber, SignedImage, SigningKey};
use smso_adapter::{ImageList, ImageView, Limits};

use crate::desk::{MemoryDesk, meter_file, meter_image};
use crate::http::start;

#[tokio::test]
async fn an_image_that_is_believed_is_created_once_and_listed() {
    let api = start(MemoryDesk::new(), Limits::default()).await;
    let file = meter_image();
    let first = api.post_file(&file).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let view: ImageView = serde_json::from_str(&first.body).expect("an image view");
    assert_eq!(view.file_digest, FileDigest::of(&file));
    assert_eq!(view.manufacturer_code, "0x10E5");
    assert_eq!(view.file_version, "01020400");
    assert_eq!(view.sequence, 4);
    assert_eq!(api.post_file(&file).await.status, 200, "handing in twice is harmless");
    let list: ImageList = serde_json::from_str(&api.get("/v1/images").await.body).expect("a list");
    assert_eq!(list.images, [view]);
}

#[tokio::test]
async fn a_refused_image_is_answered_with_the_promise_it_breaks_and_is_not_kept() {
    let api = start(MemoryDesk::new(), Limits::default()).await;
    let foreign = SigningKey::generate_from_seed([1; 32]);
    let foreign = SignedImage::sign(&meter_file(), SequenceNumber(4), &foreign).expect("it signs");
    let mut altered = meter_image().to_vec();
    altered[1_000] ^= 1;
    let mut header = meter_image().to_vec();
    header[14] ^= 1;
    let unsigned = meter_file();
    let table: [(&str, &[u8], u16, &str, &str); 6] = [
        ("unsigned", unsigned.bytes(), 403, "image-refused", "the file is not signed"),
        ("foreign key", foreign.file().bytes(), 403, "image-refused", "which is not trusted"),
        ("payload altered", &altered, 403, "image-refused", "the payload was altered after signing"),
        ("header altered", &header, 403, "image-refused", "the header was altered after signing"),
        ("truncated", &meter_image()[..2_000], 422, "malformed-image", ""),
        ("no OTA file", b"hello", 422, "malformed-image", ""),
    ];
    for (case, file, status, kind, detail) in table {
        let answer = api.post_file(file).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{case}");
        let problem = answer.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{case}");
        assert!(problem["detail"].as_str().is_some_and(|found| found.contains(detail)), "{case}: {problem}");
    }
    assert_eq!(api.get("/v1/images").await.json()["images"], serde_json::json!([]));
}

#[tokio::test]
async fn product_list_entries_are_found_by_the_payload_registered_for_them() {
    let api = start(MemoryDesk::new(), Limits::default()).await;
    let digest = meter_file().image_digest();
    let found = api.get(&format!("/v1/register/entries?digest={digest}")).await.json();
    assert_eq!(found["entries"][0]["entry"], "E-NEW");
    assert_eq!(found["entries"][0]["device_type"], "ESME");
    let none = api.get(&format!("/v1/register/entries?digest={}", "00".repeat(32))).await.json();
    assert_eq!(none["entries"], serde_json::json!([]));
}
