//! What a home promises: whoever runs it, and in whatever steps, the same happens in it.

use super::*;
use crate::build::build_home;
use crate::device_trust::DeviceTrust;
use crate::random::Share;
use crate::world::{DeviceKind, WorldSpec, draw_homes};
use firmware_image::{OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore};
use std::sync::Arc;
use std::time::Duration;

const STREET: &str = include_str!("../../../fleets/street.toml");

fn street(han_loss: f64) -> WorldSpec {
    let mut spec = WorldSpec::parse(STREET).expect("street.toml is sound");
    spec.display_share = Share::ALL;
    spec.trouble.already_current_share = Share::NONE;
    spec.trouble.wrong_hardware_share = Share::NONE;
    spec.trouble.does_not_come_up_share = Share::NONE;
    spec.han.loss = Share::new(han_loss).expect("a share");
    spec
}

/// A home whose hub holds an image of `payload_len` bytes for each of its meters.
fn home_with_images(spec: &WorldSpec, payload_len: usize, commons: &mut Commons) -> Home {
    let key = SigningKey::generate_from_seed([3; 32]);
    let keys = TrustStore::new(vec![key.public()]);
    let trust = Arc::new(DeviceTrust::pinned(keys.clone(), keys.keys()));
    let plan = draw_homes(spec, 5).remove(0);
    let mut home = build_home(spec, 5, plan, &trust, spec.start, None).home;
    for kind in [DeviceKind::Electricity, DeviceKind::Gas, DeviceKind::Display] {
        let payload: Vec<u8> = (0..payload_len as u32).map(|k| ((k * 31) >> 3) as u8).collect();
        let file = OtaFile::build(&spec.device.of(kind).target(), "test", &payload).expect("it builds");
        let signed = SignedImage::sign(&file, SequenceNumber(9), &key).expect("it signs");
        home.hub
            .stage(spec.start, &mut commons.pool, kind.channel(), signed.file().bytes())
            .expect("the hub has a slot for each meter");
    }
    home.collect_from_hub(spec.start, commons);
    home
}

fn downloads(home: &Home) -> Vec<u64> {
    home.meters().map(|meter| meter.counters().downloads).collect()
}

#[test]
fn every_meter_of_a_home_fetches_its_image_over_a_lossy_radio() {
    let spec = street(0.02);
    let mut commons = Commons::default();
    let mut home = home_with_images(&spec, 20_000, &mut commons);
    home.run(spec.start + Duration::from_secs(2 * 86_400), &mut commons);
    assert_eq!(downloads(&home), [1, 1, 1]);
    assert!(home.traffic().lost_frames > 0);
    for meter in home.meters() {
        assert!(meter.staged_image(&mut commons.pool).is_some());
        assert_eq!(meter.counters().activations, 0, "nothing activates without an order");
    }
}

#[test]
fn running_a_home_in_one_step_or_in_many_gives_the_same() {
    let spec = street(0.05);
    let end = Duration::from_secs(86_400);
    let mut once = Commons::default();
    let mut in_one_step = home_with_images(&spec, 5_000, &mut once);
    in_one_step.run(spec.start + end, &mut once);
    let mut often = Commons::default();
    let mut in_many_steps = home_with_images(&spec, 5_000, &mut often);
    for second in (0..=end.as_secs()).step_by(7) {
        in_many_steps.run(spec.start + Duration::from_secs(second), &mut often);
    }
    in_many_steps.run(spec.start + end, &mut often);
    assert_eq!(in_one_step.traffic(), in_many_steps.traffic());
    for (one, many) in in_one_step.meters().zip(in_many_steps.meters()) {
        assert_eq!(one.counters(), many.counters());
    }
}

#[test]
fn a_home_run_in_leaps_stands_where_one_run_frame_by_frame_stands() {
    for (seed_of_loss, loss) in [0.0, 0.001, 0.02, 0.2].into_iter().enumerate() {
        let mut spec = street(loss);
        spec.device.electricity.block_period_ms = [0, 7, 0, 30][seed_of_loss];
        spec.device.gas.blocks_per_wake = 90.try_into().expect("positive");
        let mut commons =
            [Fidelity::Exact, Fidelity::Batched].map(|fidelity| Commons { fidelity, ..Commons::default() });
        let mut homes = [0, 1].map(|which: usize| home_with_images(&spec, 20_000, &mut commons[which]));
        for step in 1..200 {
            let now = spec.start + Duration::from_millis(437_123) * step;
            for (home, commons) in homes.iter_mut().zip(&mut commons) {
                home.run(now, commons);
            }
            let [exact, batched] = &homes;
            assert_eq!(exact.traffic(), batched.traffic(), "loss {loss}, {now}");
            assert_eq!(exact.hub().counters(), batched.hub().counters(), "loss {loss}, {now}");
            for (one, other) in exact.meters().zip(batched.meters()) {
                assert_eq!(one.counters(), other.counters(), "loss {loss}, {now}");
                assert_eq!(one.flash_operations(), other.flash_operations(), "loss {loss}, {now}");
                assert_eq!(one.poll_timeout(), other.poll_timeout(), "loss {loss}, {now}");
            }
        }
        assert_eq!(downloads(&homes[1]), [1, 1, 1], "loss {loss}");
        let [exact, batched] = &homes;
        for (one, other) in exact.meters().zip(batched.meters()) {
            assert!(one.staged_image(&mut commons[0].pool).is_some());
            assert_eq!(one.staged_image(&mut commons[0].pool), other.staged_image(&mut commons[1].pool));
        }
    }
}

/// Prints how many frames of a home's radio one core simulates in a second; run it in a release build.
#[test]
#[ignore = "a measurement, not a promise"]
fn frames_per_second_of_one_core() {
    let spec = street(0.002);
    let mut commons = Commons::default();
    let mut homes: Vec<Home> = (0..40).map(|_| home_with_images(&spec, 240_000, &mut commons)).collect();
    let began = std::time::Instant::now();
    let mut frames = 0;
    for home in &mut homes {
        home.run(spec.start + Duration::from_secs(2 * 86_400), &mut commons);
        frames += home.traffic().frames;
        assert_eq!(downloads(home), [1, 1, 1]);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{frames} frames in {seconds:.2} s: {:.2} M frames/s", frames as f64 / seconds / 1e6);
}
