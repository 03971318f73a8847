//! Ordering a campaign, showing it, and paging through its devices.

use serde_json::{Value, json};
use smso_adapter::{CampaignView, DevicePage, ExplanationView, Limits, OrderRequest};

use crate::desk::{MemoryDesk, meter_image};
use crate::http::{Served, start};

async fn with_image() -> (Served, String) {
    let api = start(MemoryDesk::new(), Limits::default()).await;
    let answer = api.post_file(&meter_image()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let digest = answer.json()["file_digest"].as_str().expect("a digest").to_owned();
    (api, digest)
}

fn order(digest: &str, devices: Value) -> Value {
    json!({
        "id": "autumn",
        "instructing_party": "DCC",
        "smso": "S",
        "targets": [{"image": digest, "cpl_entry": "E-NEW"}],
        "devices": devices,
        "policy": {"waves": [500]},
    })
}

#[tokio::test]
async fn an_order_for_all_names_the_devices_of_the_targets_models_and_partitions_the_rejected() {
    let (api, digest) = with_image().await;
    let answer = api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("location"), Some("/v1/campaigns/autumn"));
    let expected = json!({
        "id": "autumn",
        "tally": {"ordered": 3, "done": 1, "failed": 0, "excluded": 1, "pending": 1},
        "verdicts": [
            {"allowed": true, "row": "B1", "code": "EPCL", "devices": 1},
            {"allowed": false, "row": "A0", "code": "ALREADY_ON_TARGET", "devices": 1},
            {"allowed": false, "row": "A2", "code": "REJECT_ACTIVE", "devices": 1},
        ],
        "rejections": [
            {"outcome": "already_on_target", "code": "ALREADY_ON_TARGET", "count": 1,
             "devices": ["00-0D-6F-00-00-00-03-01"]},
            {"outcome": "refused", "code": "REJECT_ACTIVE", "count": 1, "devices": ["00-0D-6F-00-00-00-02-01"]},
        ],
    });
    assert_eq!(answer.json(), expected);
    let rejections = api.get("/v1/campaigns/autumn/rejections").await.json();
    assert_eq!(rejections["rejections"], expected["rejections"]);
}

#[tokio::test]
async fn an_order_without_a_name_is_given_one() {
    let (api, digest) = with_image().await;
    let mut order = order(&digest, json!(["00-0D-6F-00-00-00-01-01"]));
    order.as_object_mut().expect("an object").remove("id");
    let answer = api.post_json("/v1/campaigns", &order).await;
    assert_eq!((answer.status, &answer.json()["id"]), (201, &json!("c-1")));
}

#[tokio::test]
async fn the_same_order_again_is_a_conflict_and_changes_nothing() {
    let (api, digest) = with_image().await;
    let order = order(&digest, json!("all"));
    assert_eq!(api.post_json("/v1/campaigns", &order).await.status, 201);
    let before = api.get("/v1/campaigns/autumn").await.json();
    let again = api.post_json("/v1/campaigns", &order).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["type"], "/problems/campaign-exists");
    assert_eq!(api.get("/v1/campaigns/autumn").await.json(), before);
}

#[tokio::test]
async fn a_campaign_is_shown_with_sums_waves_counters_and_the_head_of_the_ledger() {
    let (api, digest) = with_image().await;
    api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await;
    let answer = api.get("/v1/campaigns/autumn").await;
    let view: CampaignView = serde_json::from_str(&answer.body).expect("a campaign");
    assert_eq!(view.summary.phase, "running");
    assert_eq!(view.summary.ordered_at, "2020-10-05T00:00:00.000000Z");
    assert_eq!(view.by_stage["instructed"], 1);
    assert_eq!(view.by_outcome["refused"], 1);
    assert_eq!(view.by_refusal["REJECT_ACTIVE"], 1);
    assert_eq!(view.summary.success_permille, 1_000);
    assert_eq!((view.waves[0].devices, view.waves[0].ended), (1, 0));
    assert_eq!(view.waves[0].opened_at.as_deref(), Some("2020-10-05T00:00:00.000000Z"));
    // Order, three verdicts, two outcomes, the opened wave, the instruction.
    assert_eq!((view.ledger.entries, view.ledger.hash.len()), (8, 64));
    let list = api.get("/v1/campaigns").await.json();
    assert_eq!(list["campaigns"][0]["id"], "autumn");
    assert_eq!(list["campaigns"][0]["tally"], answer.json()["tally"]);
}

#[tokio::test]
async fn the_makespan_of_a_campaign_is_told_once_it_is_finished() {
    let (api, digest) = with_image().await;
    api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await;
    let running = api.get("/v1/campaigns/autumn/makespan").await.json();
    assert_eq!(running, json!({"campaign": "autumn", "phase": "running", "took_ms": null, "bound": null}));
    // Nobody is to be updated, so that it is over at once, and nothing was to be brought to anybody.
    let mut order = order(&digest, json!("all"));
    (order["id"], order["instructing_party"]) = (json!("refused"), json!("A supplier"));
    api.post_json("/v1/campaigns", &order).await;
    let over = api.get("/v1/campaigns/refused/makespan").await.json();
    assert_eq!(over, json!({"campaign": "refused", "phase": "finished", "took_ms": 0, "bound": null}));
    assert_eq!(api.get("/v1/campaigns/winter/makespan").await.status, 404);
}

#[tokio::test]
async fn devices_come_in_pages_and_by_outcome() {
    let (api, digest) = with_image().await;
    api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await;
    let page = |query: &'static str| {
        let api = &api;
        async move {
            let answer = api.get(&format!("/v1/campaigns/autumn/devices{query}")).await;
            serde_json::from_str::<DevicePage>(&answer.body).expect("a page")
        }
    };
    let table = [
        ("", 3, 3, None),
        ("?limit=2", 3, 2, Some(2)),
        ("?limit=2&offset=2", 3, 1, None),
        ("?limit=1000&offset=7", 3, 0, None),
        ("?offset=18446744073709551615", 3, 0, None),
        ("?outcome=pending", 1, 1, None),
        ("?outcome=refused", 1, 1, None),
        ("?outcome=activated", 0, 0, None),
    ];
    for (query, total, shown, next) in table {
        let page = page(query).await;
        assert_eq!((page.total, page.devices.len(), page.next), (total, shown, next), "{query}");
    }
    let refused = page("?outcome=refused").await;
    assert_eq!(refused.devices[0].verdict.clause.code, "REJECT_ACTIVE");
    assert_eq!(refused.devices[0].installation, "home-2");
}

#[tokio::test]
async fn somebody_else_than_the_dcc_is_accepted_as_an_order_and_refused_device_by_device() {
    let (api, digest) = with_image().await;
    let mut order = order(&digest, json!("all"));
    order["instructing_party"] = json!("A supplier");
    let answer = api.post_json("/v1/campaigns", &order).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["tally"]["pending"], 0);
    assert_eq!(answer.json()["rejections"][0]["code"], "REJECT_NOT_DCC");
}

#[tokio::test]
async fn a_device_is_explained_with_its_home_its_campaigns_and_what_the_gate_says_now() {
    let (api, digest) = with_image().await;
    let explained = async |device: &str| {
        let answer = api.get(&format!("/v1/devices/{device}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str::<ExplanationView>(&answer.body).expect("an explanation")
    };
    let (dormant, active, hub) =
        ("00-0D-6F-00-00-00-01-01", "00-0D-6F-00-00-00-02-01", "00-0D-6F-00-00-00-01-00");
    // Before any order: for the image at the desk by itself.
    let before = explained(dormant).await;
    let home = before.home.expect("it is listed");
    assert_eq!((home.installation.as_str(), home.devices.len(), before.campaigns.len()), ("home-1", 2, 0));
    let meter = &home.devices[1];
    let later = meter.later_exclusion.as_ref().map(|later| (later.reason.as_str(), later.from.as_str()));
    assert_eq!((meter.exclusion.as_deref(), later), (None, Some(("supplier-belief", "2021-04-01"))));
    let [ruling] = &before.rulings[..] else { panic!("{:?}", before.rulings) };
    assert!(
        ruling.verdict.allowed && ruling.campaign.is_none() && ruling.sentence.contains("may be updated")
    );
    assert_eq!(ruling.target.as_deref(), Some("E-NEW"));
    assert!(explained(hub).await.rulings.is_empty(), "there is no image for it");

    assert_eq!(api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await.status, 201);
    let under_way = explained(dormant).await;
    assert_eq!(under_way.campaigns[0].campaign.as_str(), "autumn");
    assert_eq!(under_way.campaigns[0].row.stage, campaign::Stage::Instructed);
    assert_eq!(under_way.rulings[0].campaign.as_ref().map(|id| id.as_str()), Some("autumn"));
    let refused = explained(active).await;
    assert_eq!(refused.campaigns[0].row.outcome, Some(campaign::Outcome::Refused));
    assert_eq!(refused.rulings[0].verdict.clause.code, "REJECT_ACTIVE");
    assert!(refused.rulings[0].sentence.contains("may not be updated"), "{:?}", refused.rulings);
}

#[test]
fn an_order_reads_back_as_it_was_written() {
    let text = order(&"ab".repeat(32), json!(["00-0D-6F-00-00-00-01-01"]));
    let request: OrderRequest = serde_json::from_value(text).expect("an order");
    let again = serde_json::to_string(&request).expect("it writes");
    assert_eq!(serde_json::from_str::<OrderRequest>(&again).expect("it reads"), request);
}

#[tokio::test]
async fn metrics_count_by_campaign_and_by_state_in_openmetrics_text() {
    let (api, digest) = with_image().await;
    assert_eq!(api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await.status, 201);
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    for line in [
        "# TYPE lamplighter_bytes_sent counter",
        "lamplighter_bytes_sent_total 0",
        "lamplighter_campaign_devices{campaign=\"autumn\",class=\"done\"} 1",
        "lamplighter_campaign_devices{campaign=\"autumn\",class=\"pending\"} 1",
        "lamplighter_sessions{state=\"sending\"} 0",
        "# EOF",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} is missing in\n{}", answer.body);
    }
}

#[tokio::test]
async fn a_campaign_is_paused_resumed_and_aborted_and_asking_twice_changes_nothing() {
    let (api, digest) = with_image().await;
    assert_eq!(api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await.status, 201);
    let asked = json!({"by": "Jo", "reason": "the carrier asked"});
    let table = [
        ("resume", "running", false),
        ("pause", "paused", true),
        ("pause", "paused", false),
        ("resume", "running", true),
        ("pause", "paused", true),
        ("abort", "aborted", true),
        ("abort", "aborted", false),
    ];
    for (verb, phase, changed) in table {
        let answer = api.post_json(&format!("/v1/campaigns/autumn/{verb}"), &asked).await;
        assert_eq!(answer.status, 200, "{verb}: {}", answer.body);
        let view = answer.json();
        assert_eq!((&view["phase"], &view["changed"]), (&json!(phase), &json!(changed)), "{verb}: {view}");
        let shown = api.get("/v1/campaigns/autumn").await.json();
        let why = if phase == "paused" { json!("Jo: the carrier asked") } else { json!(null) };
        assert_eq!((&shown["phase"], &shown["paused_because"]), (&json!(phase), &why), "{verb}: {shown}");
    }
    let shown = api.get("/v1/campaigns/autumn").await.json();
    assert_eq!(shown["halted_because"], "aborted by Jo: the carrier asked");
    assert_eq!((&shown["tally"]["pending"], &shown["by_outcome"]["aborted"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn commands_that_cannot_be_heeded_are_named() {
    let (api, digest) = with_image().await;
    assert_eq!(api.post_json("/v1/campaigns", &order(&digest, json!("all"))).await.status, 201);
    let asked = json!({"by": "Jo", "reason": "so"});
    assert_eq!(api.post_json("/v1/campaigns/autumn/abort", &asked).await.status, 200);
    let table = [
        ("autumn/pause", asked.clone(), 409, "campaign autumn is aborted"),
        ("autumn/resume", asked.clone(), 409, "campaign autumn is aborted"),
        ("spring/pause", asked, 404, "there is no campaign spring"),
        ("autumn/pause", json!({"by": "", "reason": "so"}), 422, "by: expected 1 to 500 characters"),
        ("autumn/pause", json!({"by": "Jo", "reason": "\u{7}"}), 422, "reason: expected 1 to 500 characters"),
        ("autumn/pause", json!({"by": "Jo"}), 422, "missing field `reason`"),
    ];
    for (path, body, status, words) in table {
        let answer = api.post_json(&format!("/v1/campaigns/{path}"), &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(words), "{path}: {}", answer.body);
    }
}
