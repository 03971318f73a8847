//! What a value of a world file must be beyond its type: ranges, and shares that add up.
//!
//! Each function reads one key or one table for [`super::spec`], so that what is refused is named where it stands.

use super::spec::{CampaignSpec, EvidenceSpec, LinkSpec, StandingSpec, TroubleSpec};
use super::words::START;
use crate::random::Share;
use firmware_image::MAX_FILE_LEN;
use serde::{Deserialize, Deserializer, de::Error};
use std::num::NonZeroU32;
use transfer_engine::Moment;

/// The most installations a world may have: every hub has its own loopback address, and these are the usable
/// ones of 127.16.0.0 to 127.255.255.255.
pub const MOST_INSTALLATIONS: u32 = 240 * 256 * 254;

/// The longest payload: what a file of the largest size leaves when a 64th of it is kept for block digests (16 bytes for
/// each KiB) and 64 KiB for header and manifest.
const MOST_IMAGE_BYTES: u32 = (MAX_FILE_LEN - MAX_FILE_LEN / 64 - 64 * 1024) as u32;

pub(super) fn all() -> Share {
    Share::ALL
}

pub(super) fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

pub(super) fn image_bytes<'de, D: Deserializer<'de>>(source: D) -> Result<Option<NonZeroU32>, D::Error> {
    let len = NonZeroU32::deserialize(source)?;
    if len.get() > MOST_IMAGE_BYTES {
        return Err(D::Error::custom(format_args!("expected at most {MOST_IMAGE_BYTES} bytes")));
    }
    Ok(Some(len))
}

pub(super) fn installations<'de, D: Deserializer<'de>>(source: D) -> Result<NonZeroU32, D::Error> {
    let count = NonZeroU32::deserialize(source)?;
    if count.get() > MOST_INSTALLATIONS {
        return Err(D::Error::custom(format_args!("expected at most {MOST_INSTALLATIONS} installations")));
    }
    Ok(count)
}

/// The last year in which a world may begin; the calendar ends with the next.
const LAST_YEAR: u16 = 9_998;

/// What is asked of `start` beyond its format.
const SPAN: &str = "not before 1970 nor after 9998, seconds 00 to 59";

pub(super) fn start<'de, D: Deserializer<'de>>(source: D) -> Result<Moment, D::Error> {
    // Campaigns of months after it must be moments that a calendar has, and no clock here counts leap seconds.
    let refused = || D::Error::custom(format_args!("expected a {START}, {SPAN}"));
    let written = toml::value::Datetime::deserialize(source)?;
    let has_leap_second = written.time.is_some_and(|time| time.second.is_some_and(|second| second > 59));
    let is_too_late = written.date.is_some_and(|date| date.year > LAST_YEAR);
    if has_leap_second || is_too_late {
        return Err(refused());
    }
    let instant: jiff::Timestamp = written.to_string().parse().map_err(|_| refused())?;
    let micros = u64::try_from(instant.as_microsecond()).map_err(|_| refused())?;
    Ok(Moment::from_micros(micros))
}

/// Shares in a file are decimal fractions; this much is forgiven when they should add up to 1.
const ROUNDING: f64 = 1e-6;

fn is_whole(sum: f64) -> bool {
    (sum - 1.0).abs() < ROUNDING
}

pub(super) fn links<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<LinkSpec>, D::Error> {
    let links = Vec::<LinkSpec>::deserialize(source)?;
    if links.is_empty() {
        return Err(D::Error::custom("expected at least one `[[link]]` table, found none"));
    }
    let sum: f64 = links.iter().map(|link| link.share.value()).sum();
    if !is_whole(sum) {
        return Err(D::Error::custom(format_args!("expected link shares that add up to 1, found {sum:.3}")));
    }
    Ok(links)
}

pub(super) fn standing<'de, D: Deserializer<'de>>(source: D) -> Result<StandingSpec, D::Error> {
    let spec = StandingSpec::deserialize(source)?;
    let parts = [spec.active_share, spec.mixed_share, spec.enrolled_share, spec.excluded_share];
    at_most_one(&parts).map_err(D::Error::custom)?;
    Ok(spec)
}

pub(super) fn evidence<'de, D: Deserializer<'de>>(source: D) -> Result<EvidenceSpec, D::Error> {
    let spec = EvidenceSpec::deserialize(source)?;
    let sum = spec.weights().iter().sum::<f64>();
    if !is_whole(sum) {
        return Err(D::Error::custom(format_args!(
            "expected evidence shares that add up to 1, found {sum:.3}"
        )));
    }
    Ok(spec)
}

pub(super) fn trouble<'de, D: Deserializer<'de>>(source: D) -> Result<TroubleSpec, D::Error> {
    let spec = TroubleSpec::deserialize(source)?;
    let parts = [
        spec.already_current_share,
        spec.wrong_hardware_share,
        spec.does_not_come_up_share,
        spec.flash_defect_share,
        spec.unreachable_share,
        spec.low_battery_share,
        spec.fails_later_share,
        spec.silences_others_share,
    ];
    at_most_one(&parts).map_err(D::Error::custom)?;
    Ok(spec)
}

pub(super) fn campaign<'de, D: Deserializer<'de>>(source: D) -> Result<CampaignSpec, D::Error> {
    let spec = CampaignSpec::deserialize(source)?;
    let sum = spec.pilot_share.value() + spec.wave_shares.iter().map(|share| share.value()).sum::<f64>();
    if !is_whole(sum) {
        return Err(D::Error::custom(format_args!(
            "expected pilot_share and wave_shares that add up to 1, found {sum:.3}"
        )));
    }
    Ok(spec)
}

fn at_most_one(parts: &[Share]) -> Result<(), String> {
    let sum: f64 = parts.iter().map(|part| part.value()).sum();
    if sum > 1.0 + ROUNDING {
        return Err(format!("expected shares that add up to at most 1, found {sum:.3}"));
    }
    Ok(())
}

/// 50 ms, as of a head-end that is configured no further.
pub(super) fn burst() -> NonZeroU32 {
    NonZeroU32::new(50).expect("50 is not zero")
}
