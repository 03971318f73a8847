//! Every way to be turned away, as a table: the answer is a problem object, and says nothing of our insides.

use std::time::Duration;

use serde_json::{Value, json};
use smso_adapter::{Hosts, Limits, Problem, ProblemKind};

use crate::desk::{MemoryDesk, meter_image};
use crate::http::{Answer, Served, start};

/// Holds an answer to be this problem, with these words in its detail.
fn check(case: &str, answer: &Answer, kind: ProblemKind, words: &str) {
    let problem: Problem =
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{case}: {error}: {}", answer.body));
    assert_eq!(ProblemKind::of(&problem), Some(kind), "{case}: {}", answer.body);
    assert_eq!(problem.status, answer.status, "{case}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{case}");
    assert!(problem.detail.contains(words), "{case}: {}", problem.detail);
    for inside in ["crates/", ".rs", "panicked", "axum", "serde", "sqlite"] {
        assert!(!answer.body.contains(inside), "{case}: {}", answer.body);
    }
}

async fn served() -> Served {
    start(MemoryDesk::new(), Limits::default()).await
}

#[tokio::test]
async fn senseless_orders_are_named() {
    let api = served().await;
    let digest = api.post_file(&meter_image()).await.json()["file_digest"].clone();
    let good = json!({
        "id": "a",
        "instructing_party": "DCC",
        "smso": "S",
        "targets": [{"image": digest, "cpl_entry": "E-NEW"}],
        "devices": ["00-0D-6F-00-00-00-01-01"],
    });
    let with = |field: &str, value: Value| {
        let mut order = good.clone();
        order[field] = value;
        order
    };
    let twice = json!(["00-0D-6F-00-00-00-01-01", "00-0D-6F-00-00-00-01-01"]);
    let target = |image: Value, entry: &str| json!([{"image": image, "cpl_entry": entry}]);
    let unknown = json!("00".repeat(32));
    let invalid = ProblemKind::InvalidRequest;
    let senseless = ProblemKind::InvalidOrder;
    let table = [
        ("unknown field", with("colour", json!("red")), invalid, "unknown field `colour`"),
        ("bad id", with("id", json!("a b")), invalid, "campaign id must be"),
        ("bad smso", with("smso", json!("")), invalid, "smso: "),
        ("no number", with("smso", json!(7)), invalid, "line 1 column"),
        ("bad device", with("devices", json!(["00-0D"])), invalid, "EUI-64"),
        ("other word", with("devices", json!("some")), invalid, "expected \"all\" or a list"),
        ("bad digest", with("targets", target(json!("xyz"), "E-NEW")), invalid, "64 hexadecimal digits"),
        ("unknown policy", with("policy", json!({"hurry": true})), invalid, "unknown field `hurry`"),
        ("bad window", with("policy", json!({"sending": ["22:00"]})), invalid, "expected a window as"),
        ("bad day", with("policy", json!({"activate_not_before": "soon"})), invalid, "expected a time as"),
        (
            "bad kind",
            with("policy", json!({"order_of_kinds": ["hub"]})),
            invalid,
            "expected kinds of devices",
        ),
        ("no devices", with("devices", json!([])), senseless, "expected 1 to 50000, found 0"),
        ("device twice", with("devices", twice), senseless, "is named twice"),
        ("no targets", with("targets", json!([])), senseless, "expected 1 to 64, found 0"),
        ("all of no model", with("targets", target(digest.clone(), "X-1")), senseless, "no entry X-1"),
        ("unknown image", with("targets", target(unknown, "E-NEW")), senseless, "no verified image"),
        (
            "short window",
            with("policy", json!({"sending": ["22:00-22:59"]})),
            senseless,
            "shorter than an hour",
        ),
        ("bad share", with("policy", json!({"waves": [1001]})), senseless, "a share is above 1000"),
    ];
    for (case, order, kind, words) in table {
        check(case, &api.post_json("/v1/campaigns", &order).await, kind, words);
    }
    let all = json!({
        "instructing_party": "DCC", "smso": "S", "targets": target(digest, "X-1"), "devices": "all",
    });
    check("all of an unknown entry", &api.post_json("/v1/campaigns", &all).await, senseless, "no entry X-1");
    assert_eq!(api.get("/v1/campaigns").await.json()["campaigns"], json!([]), "nothing was half-started");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_named() {
    let api = served().await;
    let large = vec![b' '; 3 << 20];
    let huge = vec![0; firmware_image::MAX_FILE_LEN + 1];
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [u8], ProblemKind, &'a str);
    let table: [Case<'_>; 6] = [
        ("no JSON", "/v1/campaigns", "application/json", b"{", ProblemKind::MalformedBody, "line 1 column 1"),
        ("empty", "/v1/campaigns", "application/json", b"", ProblemKind::MalformedBody, "EOF"),
        ("form", "/v1/campaigns", "text/plain", b"{}", ProblemKind::UnsupportedMediaType, "application/json"),
        ("image", "/v1/images", "text/plain", b"x", ProblemKind::UnsupportedMediaType, "octet-stream"),
        ("large order", "/v1/campaigns", "application/json", &large, ProblemKind::BodyTooLarge, "larger"),
        ("huge image", "/v1/images", "application/octet-stream", &huge, ProblemKind::BodyTooLarge, "larger"),
    ];
    for (case, path, content_type, body, kind, words) in table {
        check(case, &api.post(path, content_type, body).await, kind, words);
    }
    let at_the_limit = vec![0; firmware_image::MAX_FILE_LEN];
    let answer = api.post_file(&at_the_limit).await;
    check("an image of the largest size is read", &answer, ProblemKind::MalformedImage, "");
}

#[tokio::test]
async fn wrong_paths_methods_and_queries_are_named() {
    let api = served().await;
    let table = [
        ("/nowhere", ProblemKind::UnknownRoute, "/nowhere"),
        ("/v1/campaigns/none", ProblemKind::UnknownCampaign, "no campaign none"),
        ("/v1/devices/00-0D", ProblemKind::InvalidRequest, "EUI-64"),
        ("/v1/devices/00-0D-6F-00-00-00-0F-0F", ProblemKind::UnknownDevice, "neither the inventory nor"),
        ("/v1/campaigns/none/devices", ProblemKind::UnknownCampaign, "no campaign none"),
        ("/v1/campaigns/none/rejections", ProblemKind::UnknownCampaign, "no campaign none"),
        ("/v1/campaigns/a%20b", ProblemKind::InvalidRequest, "campaign id must be"),
        ("/v1/campaigns/%FF", ProblemKind::InvalidRequest, ""),
        ("/v1/campaigns/none/devices?limit=0", ProblemKind::InvalidRequest, "expected 1 to 1000, found 0"),
        ("/v1/campaigns/none/devices?limit=1001", ProblemKind::InvalidRequest, "found 1001"),
        ("/v1/campaigns/none/devices?limit=x", ProblemKind::InvalidRequest, "limit"),
        ("/v1/campaigns/none/devices?page=2", ProblemKind::InvalidRequest, "unknown field `page`"),
        ("/v1/campaigns/none/devices?outcome=lost", ProblemKind::InvalidRequest, "activated"),
        ("/v1/register/entries", ProblemKind::InvalidRequest, "digest"),
        ("/v1/register/entries?digest=12", ProblemKind::InvalidRequest, "64 hexadecimal digits"),
    ];
    for (path, kind, words) in table {
        check(path, &api.get(path).await, kind, words);
    }
    for path in ["/healthz", "/readyz", "/v1/campaigns/none", "/v1/register/entries"] {
        let answer = api.post_json(path, &json!({})).await;
        check(path, &answer, ProblemKind::MethodNotAllowed, "does not take POST");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
}

#[tokio::test]
async fn requests_under_a_foreign_name_are_turned_away_unless_the_operator_wants_them() {
    let foreign = "GET /healthz HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n";
    let api = served().await;
    check("foreign host", &api.send(foreign, b"").await, ProblemKind::UnknownHost, "localhost");
    let open = start(MemoryDesk::new(), Limits { hosts: Hosts::Any, ..Limits::default() }).await;
    assert_eq!(open.send(foreign, b"").await.status, 200);
}

#[tokio::test]
async fn an_engine_that_is_gone_or_slow_is_said_to_be_so() {
    let mut gone = MemoryDesk::new();
    gone.gone = true;
    let api = start(gone, Limits::default()).await;
    assert_eq!(api.get("/healthz").await.status, 200, "the process answers all the same");
    for path in ["/readyz", "/v1/images", "/v1/campaigns", "/v1/campaigns/a"] {
        let answer = api.get(path).await;
        check(path, &answer, ProblemKind::EngineUnavailable, "takes no commands");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
    }
    let answer = api.post_file(&meter_image()).await;
    check("image", &answer, ProblemKind::EngineUnavailable, "takes no commands");

    let mut slow = MemoryDesk::new();
    slow.slowness = Duration::from_secs(60);
    let limits = Limits { desk_timeout: Duration::from_millis(20), ..Limits::default() };
    let api = start(slow, limits).await;
    check("slow", &api.get("/readyz").await, ProblemKind::EngineUnavailable, "no answer within");
}

#[tokio::test]
async fn more_requests_than_there_is_room_for_are_told_to_come_again() {
    let api = start(MemoryDesk::new(), Limits { requests: 0, ..Limits::default() }).await;
    check("requests", &api.get("/healthz").await, ProblemKind::Busy, "which is the limit");
    let api = start(MemoryDesk::new(), Limits { uploads: 0, ..Limits::default() }).await;
    check("uploads", &api.post_file(&meter_image()).await, ProblemKind::Busy, "which is the limit");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { body_timeout: Duration::from_millis(20), ..Limits::default() };
    let api = start(MemoryDesk::new(), limits).await;
    let head = "POST /v1/images HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n";
    check("half a body", &api.send(head, b"half").await, ProblemKind::BodyTimeout, "the whole body within");
}
