//! Block A of the table, row by row, and what stands before it.

use eligibility::{
    ActiveReason, CplStatus, Decision, DeviceChange, DmcMismatch, Exclusion, GateRow, ImageMismatch,
    ImageSize, InstructingParty, MeterStatus, Predecessors, Refusal,
};
use firmware_image::{Eui64, FileVersion, HardwareRange, HardwareVersion, ImageDigest};

use crate::world::{ESME, GSME, HUB, IHD, World, check, combination, id, judge, predecessors, world};

#[track_caller]
fn refusal(world: &World) -> Refusal<'static> {
    let verdict = world.decide();
    match verdict.decision() {
        Decision::Refuse(refusal) => *refusal,
        _ => panic!("{}: {}", verdict.code(), verdict.explain()),
    }
}

#[test]
fn a_device_that_the_inventory_does_not_have_is_refused_as_unknown() {
    let mut world = world();
    world.device = Eui64::from_bytes([9; 8]);
    check(&world, "A0", "REJECT_UNKNOWN_DEVICE");
}

#[test]
fn an_entry_that_the_product_list_does_not_have_is_refused_by_name() {
    let mut target = world();
    target.targets.insert(ESME, id("E9"));
    let mut running = world();
    running.device_mut(ESME).entry = id("E0");
    for (world, entry) in [(target, "E9"), (running, "E0")] {
        let verdict = judge(&world, "A0", "REJECT_UNKNOWN_MODEL");
        assert!(verdict.explain().contains(entry), "{}", verdict.explain());
    }
}

#[test]
fn a_device_that_runs_the_target_has_nothing_left_to_do_even_when_its_meter_became_active() {
    let mut world = world();
    world.device_mut(ESME).entry = id("E2");
    check(&world, "A0", "ALREADY_ON_TARGET");
    world.device_mut(ESME).status = MeterStatus::Active;
    check(&world, "A0", "ALREADY_ON_TARGET");
}

#[test]
fn only_the_dcc_instructs() {
    let mut world = world();
    world.instructed_by = InstructingParty::Other("Supplier Ltd".to_string());
    check(&world, "A1", "REJECT_NOT_DCC");
}

#[test]
fn the_instruction_addresses_the_smso_that_operates_the_installation() {
    let mut world = world();
    world.addressed_smso = id("SMSO-2");
    check(&world, "A1", "REJECT_WRONG_SMSO");
}

#[test]
fn an_active_meter_is_refused() {
    let mut world = world();
    world.device_mut(ESME).status = MeterStatus::Active;
    check(&world, "A2", "REJECT_ACTIVE");
    assert_eq!(refusal(&world), Refusal::Active(ActiveReason::Meter));
}

/// The order brings one device from its first to its second version, and its combination is listed.
fn shared_device(device: Eui64) -> World {
    let mut world = world();
    let (target, listed) = match device {
        HUB => ("C2", combination("E1", "G1", "C2", "I1")),
        _ => ("I2", combination("E1", "G1", "C1", "I2")),
    };
    world.ask(device, target);
    world.list("D3", listed);
    world
}

#[test]
fn an_associated_device_goes_with_a_dormant_meter_of_its_own_home() {
    for device in [HUB, IHD] {
        let mut world = shared_device(device);
        check(&world, "B1", "EPCL");
        world.device_mut(ESME).status = MeterStatus::Active;
        world.device_mut(GSME).status = MeterStatus::Active;
        assert_eq!(refusal(&world), Refusal::Active(ActiveReason::NoDormantMeter));
        check(&world, "A2", "REJECT_ACTIVE");
    }
}

#[test]
fn in_a_mixed_home_shared_devices_wait_for_the_policy_and_the_dormant_meter_does_not() {
    for device in [HUB, IHD] {
        let mut world = shared_device(device);
        world.device_mut(GSME).status = MeterStatus::Active;
        check(&world, "A2", "REJECT_ACTIVE");
        assert_eq!(refusal(&world), Refusal::Active(ActiveReason::SharedInMixed));
        world.config.allow_shared_in_mixed = true;
        check(&world, "B1", "EPCL");
    }
    let mut own_image = world();
    own_image.device_mut(GSME).status = MeterStatus::Active;
    check(&own_image, "B1", "EPCL");
}

#[test]
fn the_policy_for_mixed_homes_never_opens_an_active_meter() {
    let mut world = world();
    world.config.allow_shared_in_mixed = true;
    world.device_mut(ESME).status = MeterStatus::Active;
    check(&world, "A2", "REJECT_ACTIVE");
}

#[test]
fn an_enrolled_device_is_left_to_its_supplier() {
    let mut world = world();
    world.device_mut(ESME).enrolled = true;
    check(&world, "A3", "REJECT_ENROLLED");
}

#[test]
fn the_home_must_end_in_a_known_combination() {
    for alter in [
        |world: &mut World| world.rows.epcl.clear(),
        |world: &mut World| world.targets.extend([(GSME, id("G2"))]),
        |world: &mut World| world.devices.retain(|device| device.id != IHD),
        |world: &mut World| world.devices.iter_mut().for_each(|device| device.group = id("GROUP-2")),
        |world: &mut World| world.devices.iter_mut().for_each(|device| device.comms_provider = id("CSP-2")),
    ] {
        let mut world = world();
        alter(&mut world);
        check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
    }
}

#[test]
fn the_combination_is_that_of_the_whole_order() {
    let mut world = world();
    world.rows.epcl.clear();
    world.list("D9", combination("E2", "G2", "C2", "I1"));
    check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
    world.targets.extend([(GSME, id("G2")), (HUB, id("C2"))]);
    let verdict = judge(&world, "B1", "EPCL");
    assert_eq!(verdict.dmc(), Some(&id("D9")));
    // A companion that has arrived changes nothing for the one that has not.
    world.device_mut(HUB).entry = id("C2");
    check(&world, "B1", "EPCL");
}

#[test]
fn devices_of_other_homes_in_the_order_are_not_looked_at() {
    let mut world = world();
    world.targets.insert(Eui64::from_bytes([7; 8]), id("NOT-LISTED"));
    check(&world, "B1", "EPCL");
}

#[test]
fn a_device_that_the_order_does_not_name_is_refused() {
    let mut world = world();
    world.targets.clear();
    check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
    assert_eq!(refusal(&world), Refusal::FirmwareNotInDmc(DmcMismatch::NotTargeted));
}

#[test]
fn a_companion_that_cannot_be_updated_holds_the_others_back() {
    type Alter = fn(&mut World);
    let cases: [(Alter, GateRow); 6] = [
        (|world| world.device_mut(GSME).status = MeterStatus::Active, GateRow::A2),
        (|world| world.device_mut(GSME).enrolled = true, GateRow::A3),
        (|world| world.device_mut(GSME).exclusion = Some(Exclusion::GasMeterHanError), GateRow::A5),
        (|world| world.entry_mut("G2").status = CplStatus::Withdrawn, GateRow::A9),
        (|world| world.entry_mut("G2").predecessors = Predecessors::These([].into()), GateRow::A10),
        (|world| world.device_mut(GSME).entry = id("G0"), GateRow::A0),
    ];
    for (alter, row) in cases {
        let mut world = world();
        world.targets.insert(GSME, id("G2"));
        world.list("D3", combination("E2", "G2", "C1", "I1"));
        check(&world, "B1", "EPCL");
        alter(&mut world);
        check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
        let companion = DmcMismatch::Companion { device: GSME, row };
        assert_eq!(refusal(&world), Refusal::FirmwareNotInDmc(companion));
    }
}

#[test]
fn an_excluded_installation_is_skipped_with_its_reason() {
    let other = Exclusion::Other(id("no access, see ticket 4"));
    for exclusion in [Exclusion::MissingMasterKeys, Exclusion::NoWanBeforeMigration, other] {
        for excluded in [ESME, GSME, HUB] {
            let mut world = world();
            world.device_mut(excluded).exclusion = Some(exclusion.clone());
            let verdict = judge(&world, "A5", "SKIP_EXCLUDED");
            assert!(verdict.explain().contains(exclusion.as_str()), "{}", verdict.explain());
        }
    }
}

#[test]
fn a_gas_meter_left_out_for_its_han_does_not_exclude_the_electricity_side() {
    let mut world = world();
    world.device_mut(GSME).exclusion = Some(Exclusion::GasMeterHanError);
    check(&world, "B1", "EPCL");
    world.ask(GSME, "G2");
    world.list("D3", combination("E1", "G2", "C1", "I1"));
    check(&world, "A5", "SKIP_EXCLUDED");
}

#[test]
fn an_image_that_differs_from_the_registered_one_is_refused_by_the_field() {
    type Alter = fn(&mut World);
    let other = HardwareVersion(0x0200);
    let cases: [(Alter, ImageMismatch); 10] = [
        (
            |world| world.entry_mut("E2").status = CplStatus::Cancelled,
            ImageMismatch::CplStatus(CplStatus::Cancelled),
        ),
        (
            |world| world.entry_mut("E2").status = CplStatus::Expired,
            ImageMismatch::CplStatus(CplStatus::Expired),
        ),
        (
            |world| world.entry_mut("E2").status = CplStatus::Withdrawn,
            ImageMismatch::CplStatus(CplStatus::Withdrawn),
        ),
        (
            |world| {
                let (e1, e2) = ("E1", "E2");
                world.entry_mut(e2).predecessors = Predecessors::Any;
                world.entry_mut(e1).model = id("an older model");
            },
            ImageMismatch::Model,
        ),
        (
            |world| world.entry_mut("E2").hardware = HardwareVersion(0x0200),
            ImageMismatch::CplHardware { device: HardwareVersion(0x0101), entry: other },
        ),
        (|world| world.entry_mut("E2").image = None, ImageMismatch::NotRegistered),
        (|world| world.image.digest = ImageDigest::of(b"another payload"), ImageMismatch::Digest),
        (|world| world.image.size = ImageSize(1001), ImageMismatch::Size),
        (|world| world.image.identity.file_version = FileVersion(3), ImageMismatch::FirmwareVersion),
        (
            |world| {
                let later = HardwareRange { min: HardwareVersion(0x0102), max: HardwareVersion(0x01FF) };
                world.image.identity.hardware = Some(later);
            },
            ImageMismatch::HardwareRange { device: HardwareVersion(0x0101) },
        ),
    ];
    for (alter, mismatch) in cases {
        let mut world = world();
        alter(&mut world);
        check(&world, "A9", "REJECT_IMAGE");
        assert_eq!(refusal(&world), Refusal::Image(mismatch), "{}", mismatch.field());
    }
}

#[test]
fn an_image_for_another_type_of_device_is_refused() {
    let mut world = world();
    // No combination can hold a gas meter's entry in the electricity meter's place, so A4 speaks first.
    world.targets.insert(ESME, id("G2"));
    check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
}

#[test]
fn an_image_without_a_hardware_range_is_judged_by_the_product_list() {
    let mut world = world();
    world.image.identity.hardware = None;
    check(&world, "B1", "EPCL");
}

#[test]
fn the_running_version_must_be_a_permitted_predecessor() {
    let mut world = world();
    world.list("D3", combination("E3", "G1", "C1", "I1"));
    world.ask(ESME, "E3");
    let verdict = judge(&world, "A10", "REJECT_PATH");
    assert!(
        verdict.explain().contains("E3 may be installed over E2, and it runs E1"),
        "{}",
        verdict.explain()
    );
    for (permitted, row) in [
        (Predecessors::Any, "B1"),
        (predecessors("E1"), "B1"),
        (predecessors("E2"), "A10"),
        (Predecessors::These([].into()), "A10"),
    ] {
        world.entry_mut("E3").predecessors = permitted;
        assert_eq!(world.decide().row().as_str(), row);
    }
}

#[test]
fn a_claim_that_fails_several_rows_is_told_the_first() {
    let mut world = world();
    world.image.size = ImageSize(1);
    check(&world, "A9", "REJECT_IMAGE");
    world.rows.epcl.clear();
    check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
    world.device_mut(HUB).exclusion = Some(Exclusion::SupplierBelief);
    check(&world, "A5", "SKIP_EXCLUDED");
    world.device_mut(ESME).enrolled = true;
    check(&world, "A3", "REJECT_ENROLLED");
    world.device_mut(ESME).status = MeterStatus::Active;
    check(&world, "A2", "REJECT_ACTIVE");
    world.addressed_smso = id("SMSO-2");
    check(&world, "A1", "REJECT_WRONG_SMSO");
}

#[test]
fn what_is_noted_about_a_device_changes_its_next_verdict() {
    let world = world();
    let (register, mut inventory) = (world.register(), world.inventory());
    let targets = world.targets();
    let claim = world.claim(&targets);
    let mut after = |change: DeviceChange| {
        inventory.note(ESME, change).expect("the change fits");
        eligibility::decide(&claim, &register, &inventory, world.today, &world.config).code()
    };
    assert_eq!(after(DeviceChange::Status(MeterStatus::Active)), "REJECT_ACTIVE");
    assert_eq!(after(DeviceChange::Status(MeterStatus::Dormant)), "EPCL");
    assert_eq!(after(DeviceChange::Enrolled(true)), "REJECT_ENROLLED");
    assert_eq!(after(DeviceChange::Enrolled(false)), "EPCL");
    assert_eq!(after(DeviceChange::Exclusion(Some(Exclusion::FiveFailedAttempts))), "SKIP_EXCLUDED");
    assert_eq!(after(DeviceChange::Exclusion(None)), "EPCL");
    assert_eq!(after(DeviceChange::Runs(id("E2"))), "ALREADY_ON_TARGET");
    assert!(inventory.note(HUB, DeviceChange::Status(MeterStatus::Dormant)).is_err());
    assert!(inventory.note(Eui64::from_bytes([9; 8]), DeviceChange::Enrolled(true)).is_err());
}
