//! The supply fails at every flash operation, before it, in its middle and after it.
//!
//! Whatever happens, a device boots an image that is verified, old or new; and once the supply is back for good,
//! the job gets done.

use std::time::Duration;

use firmware_image::OtaFile;
use fleet::{CutMode, FlashFault};
use wire::{AccessResult, HanState, ImageTransferStatus};

use crate::home::{
    HUB, HUB_TYPE, Home, METER_TYPE, NEW, OLD, Recipe, hub_config, meter_config, meter_eui, trust,
};

const MODES: [CutMode; 3] = [CutMode::Before, CutMode::Torn, CutMode::After];

fn small() -> OtaFile {
    Recipe { len: 2500, ..Recipe::new(METER_TYPE) }.signed()
}

/// Downloads and activates with one cut; returns how many flash operations there were.
fn update_meter(file: &OtaFile, fault: Option<FlashFault>) -> u64 {
    let flash_faults = fault.into();
    // The meter asks often, so that a query lost to the cut does not take a day.
    let query_interval = Duration::from_secs(600);
    let mut home = Home::with_meter(fleet::MeterConfig { flash_faults, query_interval, ..meter_config(1) });
    home.stage(1, file.bytes());
    for counter in 1..=4 {
        home.run_minutes(70);
        if home.han_status()[0].state == HanState::Activated {
            break;
        }
        let order = home.order(meter_eui(1), file.image_digest(), counter);
        let answer = home.order_activation(1, &order);
        assert_eq!(answer, AccessResult::TemporaryFailure, "{fault:?}: the meter is ready");
        for _ in 0..40 {
            home.run_for(Duration::from_secs(5));
            let version = home.meter().running_version();
            assert!(version == OLD || version == NEW, "{fault:?}");
            assert!(!home.meter().is_dead(), "{fault:?}");
            let runs_new = version == NEW;
            assert_eq!(home.meters[0].running_image(&mut home.pool).is_some(), runs_new, "{fault:?}");
        }
    }
    assert_eq!(home.meter().running_version(), NEW, "{fault:?}");
    assert_eq!(home.meters[0].running_image(&mut home.pool).as_ref(), Some(file.bytes()), "{fault:?}");
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful, "{fault:?}");
    assert_eq!(home.meter().security_counter(), 7);
    assert_eq!(home.meter().counters().power_cuts, u64::from(fault.is_some()), "{fault:?}");
    home.meter().flash_operations()
}

#[test]
fn a_meter_survives_a_cut_at_any_operation_of_an_update() {
    let file = small();
    let operations = update_meter(&file, None);
    assert!(operations > 70, "{operations}");
    for mode in MODES {
        for at_operation in 0..operations {
            update_meter(&file, Some(FlashFault { at_operation, mode }));
        }
    }
}

/// Stages and activates on the hub itself with one cut; the head-end does what it would do on the WAN.
fn update_hub(file: &OtaFile, fault: Option<FlashFault>) -> u64 {
    let mut config = hub_config(&[]);
    config.flash_faults = fault.into();
    let mut home = Home::new(config, Vec::new(), trust());
    for counter in 1..=4 {
        stage_with_repair(&mut home, file);
        home.associate_patiently();
        let order = home.order(HUB, file.image_digest(), counter);
        home.try_order(0, &order);
        for _ in 0..24 {
            home.run_for(Duration::from_secs(5));
            let version = home.hub.running_version();
            assert!((version == OLD || version == NEW) && !home.hub.is_dead(), "{fault:?}");
        }
        home.associate_patiently();
        if home.hub.running_version() == NEW {
            break;
        }
    }
    assert_eq!(home.active_version(0).unwrap(), NEW.0.to_be_bytes(), "{fault:?}");
    assert_eq!(home.status(0), ImageTransferStatus::ActivationSuccessful, "{fault:?}");
    assert_eq!(home.hub.counters().power_cuts, u64::from(fault.is_some()), "{fault:?}");
    home.hub.flash_operations()
}

/// Initiates unless the image is there, fills the holes, verifies; begins again when the hub goes away.
fn stage_with_repair(home: &mut Home, file: &OtaFile) {
    for _ in 0..6 {
        home.associate_patiently();
        let status = home.hub.transfer_status(0).unwrap();
        if matches!(
            status,
            ImageTransferStatus::VerificationSuccessful | ImageTransferStatus::ActivationFailed
        ) {
            return;
        }
        if status != ImageTransferStatus::Initiated {
            home.try_initiate(0, file.bytes());
        }
        for (number, bytes) in (0..).zip(file.bytes().chunks(1024)) {
            home.try_block(0, number, bytes);
        }
        home.try_verify(0);
        home.run_for(Duration::from_secs(2));
    }
    panic!("the image never got through");
}

#[test]
fn a_hub_survives_a_cut_at_any_operation_of_its_own_update() {
    let file = Recipe { len: 2500, ..Recipe::new(HUB_TYPE) }.signed();
    let operations = update_hub(&file, None);
    assert!(operations > 15, "{operations}");
    for mode in MODES {
        for at_operation in 0..operations {
            update_hub(&file, Some(FlashFault { at_operation, mode }));
        }
    }
}

#[test]
fn a_cut_during_the_download_costs_less_than_a_kilobyte() {
    let file = Recipe { len: 30_000, ..Recipe::new(METER_TYPE) }.signed();
    let whole = file.bytes().len().div_ceil(40) as u64;
    let fault = FlashFault { at_operation: 500, mode: CutMode::Torn };
    let mut home =
        Home::with_meter(fleet::MeterConfig { flash_faults: Some(fault).into(), ..meter_config(1) });
    home.stage(1, file.bytes());
    home.run_minutes(10);
    assert_eq!(home.meter().counters().power_cuts, 1);
    assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
    let blocks = home.meter().counters().blocks_received;
    assert!(blocks <= whole + 1024 / 40 + 1, "{blocks} blocks instead of {whole}");
}

fn newer() -> OtaFile {
    let version = firmware_image::FileVersion(NEW.0 + 1);
    Recipe { len: 2500, version, sequence: 8, ..Recipe::new(METER_TYPE) }.signed()
}

/// Replaces a verified image by a newer one on hub and meter; returns the operations before and after.
///
/// At no moment does either say that it holds an image which it does not hold byte for byte.
fn replace_image(meter_fault: Option<FlashFault>, hub_fault: Option<FlashFault>) -> [[u64; 2]; 2] {
    let (old, new) = (small(), newer());
    let query_interval = Duration::from_secs(600);
    let meter = fleet::MeterConfig { flash_faults: meter_fault.into(), query_interval, ..meter_config(1) };
    let mut config = hub_config(std::slice::from_ref(&meter));
    config.flash_faults = hub_fault.into();
    let mut home = Home::new(config, vec![meter], trust());
    let known = [Some(old.bytes().clone()), Some(new.bytes().clone())];
    home.stage(1, old.bytes());
    home.run_minutes(20);
    let before = [home.meter().flash_operations(), home.hub.flash_operations()];
    for _ in 0..3 {
        home.associate_patiently();
        if home.hub.staged_image(&mut home.pool, 1) != known[1] {
            home.try_initiate(1, new.bytes());
        }
        for (number, bytes) in (0..).zip(new.bytes().chunks(1024)) {
            home.try_block(1, number, bytes);
        }
        home.try_verify(1);
        for _ in 0..240 {
            home.run_for(Duration::from_secs(5));
            let held = home.meters[0].staged_image(&mut home.pool);
            assert!(held.is_none() || known.contains(&held), "{meter_fault:?}: a spoilt image on the meter");
            if home.hub.transfer_status(1) == Some(ImageTransferStatus::VerificationSuccessful) {
                let staged = home.hub.staged_image(&mut home.pool, 1);
                assert!(known.contains(&staged), "{hub_fault:?}: a spoilt image on the hub");
            }
        }
    }
    assert_eq!(home.meters[0].staged_image(&mut home.pool), known[1], "{meter_fault:?} {hub_fault:?}");
    let after = [home.meter().flash_operations(), home.hub.flash_operations()];
    [[before[0], after[0]], [before[1], after[1]]]
}

#[test]
fn a_cut_while_one_image_replaces_another_never_leaves_a_spoilt_one() {
    let [meter, hub] = replace_image(None, None);
    for mode in MODES {
        for at_operation in meter[0]..meter[1] {
            replace_image(Some(FlashFault { at_operation, mode }), None);
        }
        for at_operation in hub[0]..hub[1] {
            replace_image(None, Some(FlashFault { at_operation, mode }));
        }
    }
}
