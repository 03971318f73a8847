//! Forecasts as scripts meet them: the same words give the same numbers, and the numbers hang together.

use crate::desk::Desk;

const STREET: &str = include_str!("../../../../simulators/fleets/street.toml");

/// A desk with the street, whose images are short, and with the same homes as two regions.
fn desk() -> Desk {
    let desk = Desk::empty();
    let street = STREET
        .replace("image_bytes = 241000", "image_bytes = 9000")
        .replace("image_bytes = 187000", "image_bytes = 7000");
    assert_ne!(street, STREET);
    desk.write("street.toml", street.as_bytes());
    let parted = street.replace("cells = 1 ", "cells = 2\nregions = 2\n#");
    assert_ne!(parted, street);
    desk.write("parted.toml", parted.as_bytes());
    desk
}

#[test]
fn a_forecast_is_the_same_each_time_and_no_simulation_is_before_its_bound() {
    let desk = desk();
    let ended = desk.run("forecast street.toml --seeds 3 --json").succeeded();
    assert_eq!(ended.stdout, desk.run("forecast street.toml --seeds 3 --json").succeeded().stdout);
    let forecast = ended.json();
    let number = |path: &str| forecast.pointer(path).and_then(serde_json::Value::as_u64).expect("a number");
    assert!(number("/allowed") < number("/ordered"));
    assert_eq!(forecast["bound"]["binding"], "sleep");
    let parts = ["earlier_waves", "head_end", "cell", "line", "home"];
    let sum: u64 = parts.iter().map(|part| number(&format!("/bound/parts_ms/{part}"))).sum();
    assert!(sum.abs_diff(number("/bound/time_ms")) <= parts.len() as u64, "{forecast}");
    assert!(number("/bound/time_ms") < number("/finish_ms/p50"));
    assert!(number("/mains_bound/time_ms") < number("/mains_finish_ms/p50"));
    assert!(number("/mains_finish_ms/p90") < number("/finish_ms/p50"), "sleep takes longest");
    assert!(number("/finish_ms/p50") <= number("/finish_ms/p90"));
    assert_eq!(forecast["cost"], serde_json::Value::Null);
    assert_eq!(forecast["campaigns"], serde_json::json!([]));
}

#[test]
fn the_middle_of_the_simulations_is_the_run_with_that_seed() {
    let desk = desk();
    let forecast = desk.run("forecast street.toml --seeds 1 --seed 6 --json").succeeded().json();
    let run = desk.run("simulate street.toml --seed 7 --json").succeeded().json();
    assert_eq!(
        forecast["finish_ms"]["p50"].as_u64().map(|millis| millis / 1_000),
        run["makespan_s"].as_u64()
    );
    assert!(forecast["wan_bytes"]["p50"].as_u64() > run["wan_bytes"].as_u64(), "answers and requests count");
    let permille = run["bound"]["makespan_permille"].as_u64().expect("a finished run has a bound");
    assert!((1_000..1_200).contains(&permille), "{run}");
}

#[test]
fn money_is_told_where_there_is_a_price_and_regions_have_a_line_each() {
    let desk = desk();
    let text = desk.run("forecast parted.toml --seeds 2 --price-per-mb 1000").succeeded().stdout;
    assert!(
        text.contains("at 1000 a MB") && text.contains("street-001 ") && text.contains("street-002 "),
        "{text}"
    );
    let json = desk.run("forecast parted.toml --seeds 2 --price-per-mb 1000 --json").succeeded().json();
    let campaigns = json["campaigns"].as_array().expect("a list");
    let most = campaigns.iter().map(|line| line["bound"]["time_ms"].as_u64()).max();
    assert_eq!(most, Some(json["bound"]["time_ms"].as_u64()));
    let ordered: Option<u64> = campaigns.iter().map(|line| line["ordered"].as_u64()).sum();
    assert_eq!((campaigns.len(), ordered), (2, json["ordered"].as_u64()));
    let bytes = json["wan_bytes"]["p50"].as_f64().expect("a number");
    let cost = json["cost"]["p50"].as_f64().expect("a number");
    assert!((cost - bytes / 1_000.0).abs() < 0.006, "{json}");
}

#[test]
fn what_makes_no_forecast_is_refused() {
    let desk = desk();
    for options in ["--seeds 0", "--price-per-mb -1", "--price-per-mb NaN", "--seeds 1001"] {
        assert_eq!(desk.run(&format!("forecast street.toml {options}")).code, 2, "{options}");
    }
    desk.check_failure("forecast nowhere.toml", 3, &["nowhere.toml"]);
}
