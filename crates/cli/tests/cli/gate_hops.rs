//! Orders with several images for one model: the sample meter that is too old for the newest version gets there over one
//! between. `explain` and `plan` take the same steps, and a plan counts each of them.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::desk::{Desk, IDENTITY};
use crate::gate::desk;

/// The electricity meter of HOME-8, which runs 01010000. 01020304 may follow 01020300 only, and that may follow anything.
const OLD: &str = "00-0D-6F-00-00-00-08-01";
const ON: &str = "--lists examples/lists --on 2020-10-05";

/// A desk whose lists register an image for 01020300 too, and what an order with both images is called there. The order
/// names the newest first.
fn desk_with_a_step(combination: &str) -> Desk {
    let desk = desk();
    desk.copy_from_repository(&["firmware-images/keys/development-image.key.pem"]);
    let key = "firmware-images/keys/development-image.key.pem";
    desk.write_private("image.key.pem", &desk.read(key));
    let payload: Vec<u8> = (0_u32..50_000).map(|n| (n * 31 % 251).to_le_bytes()[0]).collect();
    desk.write("step.bin", &payload);
    let identity = IDENTITY.replace("0x01020304", "0x01020300");
    desk.run(&format!("image build --payload step.bin {identity} --out built.ota")).succeeded();
    desk.run("image sign built.ota --key image.key.pem --out firmware-images/step.ota").succeeded();
    let mut digest = String::new();
    Sha256::digest(&payload).iter().for_each(|byte| write!(digest, "{byte:02x}").unwrap());
    let cpl = String::from_utf8(desk.read("examples/lists/cpl.csv")).unwrap();
    let bare = "ESME-01020300,ESME,Lamplighter,Lantern E1,0102,01020300,,,";
    assert!(cpl.contains(bare), "{cpl}");
    let with_image = bare.replace(",,,", &format!(",{digest},{},", payload.len()));
    desk.write("examples/lists/cpl.csv", cpl.replace(bare, &with_image).as_bytes());
    let mut epcl = String::from_utf8(desk.read("examples/lists/epcl.csv")).unwrap();
    epcl.push_str(combination);
    desk.write("examples/lists/epcl.csv", epcl.as_bytes());
    for (name, images) in [("both", &["esme", "step"][..]), ("step", &["step"]), ("new", &["esme"])] {
        let image = |name: &&str| format!("[[targets]]\nimage = 'firmware-images/{name}.ota'\n");
        let images: String = images.iter().map(image).collect();
        let order = format!("id = 'hop'\nsmso = 'SMSO-1'\ndevices = ['{OLD}']\n{images}");
        desk.write(&format!("{name}.toml"), order.as_bytes());
    }
    desk
}

/// The combination of HOME-8 with the version between.
const LISTED: &str = "DMC-9,GROUP-A,SMSO-1,CSP-1,ESME-01020300,,CHF-01020300,,,2020-06-15,\n";

fn plan(desk: &Desk, order: &str) -> Value {
    desk.run(&format!("campaign plan {order}.toml {ON} --price-per-mb 10 --json")).json()
}

#[test]
fn explain_takes_the_step_that_the_plan_takes() {
    let desk = desk_with_a_step(LISTED);
    for (order, code, row) in [("both", 0, "B1"), ("step", 0, "B1"), ("new", 4, "A10")] {
        let planned = plan(&desk, order);
        assert_eq!(planned["verdicts"][0]["row"], row, "{order}: {planned}");
        let ended = desk.run(&format!("campaign explain {OLD} --order {order}.toml {ON} --json"));
        let verdict = ended.json()["verdicts"][0].clone();
        assert_eq!((ended.code, verdict["row"].as_str()), (code, Some(row)), "{order}: {verdict}");
        assert_eq!(verdict["code"], planned["verdicts"][0]["code"]);
    }
    let both = desk.run(&format!("campaign explain {OLD} --order both.toml {ON}")).succeeded();
    assert!(both.stdout.contains("may be updated to ESME-01020300: "), "{}", both.stdout);
}

#[test]
fn a_plan_counts_every_image_on_the_way() {
    let desk = desk_with_a_step(LISTED);
    let number = |plan: &Value, path: &str| plan.pointer(path).and_then(Value::as_u64).unwrap();
    let (both, step) = (plan(&desk, "both"), plan(&desk, "step"));
    assert_eq!((number(&both, "/allowed"), number(&both, "/images")), (1, 2), "{both}");
    assert_eq!((number(&step, "/allowed"), number(&step, "/images")), (1, 1), "{step}");
    // The sample image is 244,914 bytes, and headers.
    let more = number(&both, "/wan_bytes") - number(&step, "/wan_bytes");
    assert!((244_914..244_914 * 11 / 10).contains(&more), "{both}");
    assert!(both["cost"].as_f64() > step["cost"].as_f64(), "{both}");
    let longer = number(&both, "/bound/time_ms") - number(&step, "/bound/time_ms");
    assert!((90_000..100_000).contains(&longer), "2,700 bytes a second: {both}");
    let told = desk.run(&format!("campaign plan both.toml {ON}")).succeeded();
    assert!(told.stdout.contains("images        2 for 1 devices"), "{}", told.stdout);
}

#[test]
fn a_step_after_which_the_gate_allows_nothing_is_the_last() {
    // Removed from the list before that day: the newest version may not follow.
    let desk = desk_with_a_step(LISTED);
    let epcl = String::from_utf8(desk.read("examples/lists/epcl.csv")).unwrap();
    let goal = "DMC-4,GROUP-A,SMSO-1,CSP-1,ESME-01020304,,CHF-01020300,,,2020-06-15,";
    assert!(epcl.contains(goal), "{epcl}");
    desk.write("examples/lists/epcl.csv", epcl.replace(goal, &format!("{goal}2020-09-01")).as_bytes());
    let (both, step) = (plan(&desk, "both"), plan(&desk, "step"));
    assert_eq!(both["allowed"], 1, "{both}");
    assert_eq!(both["wan_bytes"], step["wan_bytes"], "it stays where it has come to: {both}");
}
