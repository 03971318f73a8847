//! Blocks that arrive wrong: none of them goes on to the home, and only they are sent again.

use std::collections::BTreeSet;

use firmware_image::{BlockDigests, OtaFile};
use fleet::{CutMode, FlashFault};
use wire::{AccessResult, BlockBitmap, ImageTransferStatus};

use crate::home::{HUB_TYPE, Home, METER_TYPE, Recipe, hub_config, meter_config, trust};

/// What happens to a block on its way.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Swap,
    Zero,
}

const DAMAGES: [Damage; 3] = [Damage::Flip, Damage::Swap, Damage::Zero];

fn blocks(file: &OtaFile) -> Vec<Vec<u8>> {
    file.bytes().chunks(1024).map(<[u8]>::to_vec).collect()
}

fn damaged(blocks: &[Vec<u8>], number: usize, damage: Damage) -> Vec<u8> {
    let mut block = blocks[number].clone();
    match damage {
        Damage::Flip => {
            let middle = block.len() / 2;
            block[middle] ^= 0x10;
        }
        Damage::Swap => {
            let other = &blocks[if number == 0 { 1 } else { 0 }];
            block.iter_mut().zip(other).for_each(|(byte, other)| *byte = *other);
        }
        Damage::Zero => block.fill(0),
    }
    block
}

fn missing(home: &mut Home, channel: u8) -> BTreeSet<u32> {
    let bitmap = BlockBitmap::from_data(&home.transfer_attribute(channel, 3)).unwrap();
    let missing: BTreeSet<u32> = bitmap.missing_runs().flatten().collect();
    let first = missing.first().copied().unwrap_or(bitmap.len());
    let mut data = Vec::new();
    wire::Data::Unsigned32(first).emit(&mut data);
    assert_eq!(home.transfer_attribute(channel, 4), data);
    missing
}

fn verify(home: &mut Home, channel: u8) -> ImageTransferStatus {
    assert_eq!(home.verify(channel), AccessResult::TemporaryFailure);
    home.run_minutes(1);
    home.status(channel)
}

fn send(home: &mut Home, channel: u8, number: u32, bytes: &[u8]) {
    assert_eq!(home.block(channel, number, bytes), AccessResult::Success);
}

#[test]
fn every_wrong_block_is_named_kept_from_the_home_and_sent_again_alone() {
    let file = Recipe { len: 9_000, ..Recipe::new(METER_TYPE) }.signed();
    let blocks = blocks(&file);
    let tail = BlockDigests::earliest_start(file.bytes().len()) / 1024;
    for damage in DAMAGES {
        for wrong in 0..blocks.len() {
            let mut home = Home::usual();
            home.associate();
            assert_eq!(home.initiate(1, file.bytes()), AccessResult::Success);
            for (number, block) in (0..).zip(&blocks) {
                let block = if number == wrong { damaged(&blocks, wrong, damage) } else { block.clone() };
                send(&mut home, 1, number as u32, &block);
            }
            assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationFailed);
            let named = missing(&mut home, 1);
            let alone = BTreeSet::from([wrong as u32]);
            let end: BTreeSet<u32> = (tail as u32..blocks.len() as u32).collect();
            let is_told = named == alone || (wrong >= tail && named == end);
            assert!(is_told, "{damage:?} {wrong}: {named:?}");
            home.run_minutes(60);
            assert_eq!(home.hub.counters().blocks_served, 0, "{damage:?} {wrong}");
            for number in &named {
                send(&mut home, 1, *number, &blocks[*number as usize]);
            }
            assert_eq!(
                verify(&mut home, 1),
                ImageTransferStatus::VerificationSuccessful,
                "{damage:?} {wrong}"
            );
            assert_eq!(home.hub.staged_image(&mut home.pool, 1).as_ref(), Some(file.bytes()));
            assert_eq!(home.hub.counters().blocks_cleared, named.len() as u64);
        }
    }
}

#[test]
fn many_wrong_blocks_are_named_at_once() {
    let file = Recipe { len: 20_000, ..Recipe::new(METER_TYPE) }.signed();
    let blocks = blocks(&file);
    let wrong = BTreeSet::from([0, 3, 4, 7, 11, 12, 13]);
    let mut home = Home::usual();
    home.associate();
    home.initiate(1, file.bytes());
    for (number, block) in (0..).zip(&blocks) {
        let is_wrong = wrong.contains(&number);
        let block = if is_wrong { damaged(&blocks, number as usize, Damage::Flip) } else { block.clone() };
        send(&mut home, 1, number, &block);
    }
    assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationFailed);
    assert_eq!(missing(&mut home, 1), wrong);
    // The marks in flash say the same after a reboot.
    home.hub.reboot(home.now);
    home.run_minutes(1);
    home.associate();
    assert_eq!(home.status(1), ImageTransferStatus::VerificationFailed);
    assert_eq!(missing(&mut home, 1), wrong);
    for number in wrong {
        send(&mut home, 1, number, &blocks[number as usize]);
    }
    assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationSuccessful);
}

#[test]
fn an_image_that_nobody_trusted_signed_is_asked_for_once_more_at_its_end_and_then_stays_refused() {
    let file = Recipe { key: [9; 32], ..Recipe::new(METER_TYPE) }.signed();
    let blocks = blocks(&file);
    let mut home = Home::usual();
    assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationFailed);
    let end = missing(&mut home, 1);
    assert!(!end.is_empty() && end.len() <= 3, "{end:?}");
    for number in end {
        send(&mut home, 1, number, &blocks[number as usize]);
    }
    assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationFailed);
    assert_eq!(missing(&mut home, 1), BTreeSet::new(), "it came as it was sent: nothing more to ask for");
    assert_eq!(home.verify(1), AccessResult::OtherReason);
}

#[test]
fn an_end_that_comes_wrong_again_costs_the_whole_image_once_and_no_more() {
    let file = Recipe { len: 9_000, ..Recipe::new(METER_TYPE) }.signed();
    let blocks = blocks(&file);
    let last = blocks.len() - 1;
    let mut home = Home::usual();
    home.associate();
    home.initiate(1, file.bytes());
    for round in 0..3u8 {
        let asked = missing(&mut home, 1);
        let all: BTreeSet<u32> = (0..blocks.len() as u32).collect();
        assert_eq!(asked == all, round != 1, "round {round}");
        for number in asked {
            let mut block = blocks[number as usize].clone();
            if number as usize == last {
                block[10] ^= 1 << round;
            }
            send(&mut home, 1, number, &block);
        }
        assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationFailed);
    }
    assert_eq!(missing(&mut home, 1), BTreeSet::new());
}

/// Sends until the hub has verified the image, whatever comes between; the first time with one wrong block.
fn stage_through_a_cut(file: &OtaFile, fault: Option<FlashFault>) -> u64 {
    let blocks = blocks(file);
    let mut config = hub_config(&[]);
    config.flash_faults = fault.into();
    let mut home = Home::new(config, Vec::new(), trust());
    for round in 0..8 {
        home.associate_patiently();
        let status = home.hub.transfer_status(0).unwrap();
        if status == ImageTransferStatus::VerificationSuccessful {
            assert_eq!(home.hub.staged_image(&mut home.pool, 0).as_ref(), Some(file.bytes()), "{fault:?}");
            return home.hub.flash_operations();
        }
        if status == ImageTransferStatus::NotInitiated {
            home.try_initiate(0, file.bytes());
        }
        for (number, block) in (0..).zip(&blocks) {
            let is_wrong = round == 0 && number == 2;
            let block = if is_wrong { damaged(&blocks, 2, Damage::Zero) } else { block.clone() };
            home.try_block(0, number, &block);
        }
        home.try_verify(0);
        home.run_minutes(1);
    }
    panic!("{fault:?}: the image never got through");
}

#[test]
fn a_cut_at_any_operation_of_a_repair_loses_blocks_and_never_invents_them() {
    let file = Recipe { len: 6_000, ..Recipe::new(HUB_TYPE) }.signed();
    let operations = stage_through_a_cut(&file, None);
    assert!(operations > 30, "{operations}");
    for mode in [CutMode::Before, CutMode::Torn, CutMode::After] {
        for at_operation in 0..operations {
            stage_through_a_cut(&file, Some(FlashFault { at_operation, mode }));
        }
    }
}

#[test]
fn a_block_that_decays_in_flash_is_named_like_one_that_arrived_wrong() {
    let file = Recipe { len: 9_000, ..Recipe::new(METER_TYPE) }.signed();
    let mut home = Home::with_meter(meter_config(1));
    home.associate();
    home.initiate(1, file.bytes());
    for (number, block) in (0..).zip(blocks(&file)) {
        send(&mut home, 1, number, &block);
    }
    home.hub.decay_staged(1, 3 * 1024 + 5, 2);
    assert_eq!(verify(&mut home, 1), ImageTransferStatus::VerificationFailed);
    assert_eq!(missing(&mut home, 1), BTreeSet::from([3]));
}
