//! What must hold in a home after everything that happens in it, whatever goes wrong: checked when a fleet is watched.
//!
//! Each invariant is a function that says what it means; the first that is broken is kept, with the device and the moment.
//! What spans devices and the head-end, such as what the ledger says of them, is for whoever drives both.
//!
//! Sketch: a look compares a handful of numbers per device with those of the look before; only a device that has come to
//! run something else is hashed from its flash. A fleet that is not watched pays 8 bytes per home.

use crate::board::Board;
use crate::boot::BankImage;
use crate::hub::Hub;
use crate::meter::Meter;
use crate::sector_pool::SectorPool;
use firmware_image::{Eui64, FileDigest, ImageIdentity, OrderMemory, SecurityCounter, VerifiedImage};
use std::sync::Arc;
use std::time::Duration;
use transfer_engine::Moment;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: device {device} at {at}: {detail}")]
pub struct Broken {
    /// Its name.
    pub invariant: &'static str,
    /// The device; the hub for what concerns a link.
    pub device: Eui64,
    /// When it was seen.
    pub at: Moment,
    /// What was found.
    pub detail: String,
}

/// What a watched fleet is measured by.
#[derive(Clone, Debug)]
pub struct WatchRules {
    images: Vec<KnownImage>,
    link_rate_bytes_per_s: u64,
    link_allowance_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct KnownImage {
    identity: ImageIdentity,
    file: FileDigest,
}

impl WatchRules {
    /// Devices may run what they left the factory with, and these images; hubs are sent at this rate, and beyond it at
    /// once no more than the allowance.
    pub fn new<'a>(
        images: impl IntoIterator<Item = &'a VerifiedImage>,
        link_rate_bytes_per_s: u64,
        link_allowance_bytes: u64,
    ) -> WatchRules {
        let known =
            |image: &VerifiedImage| KnownImage { identity: image.identity(), file: image.file_digest() };
        let images = images.into_iter().map(known).collect();
        WatchRules { images, link_rate_bytes_per_s, link_allowance_bytes }
    }
}

/// Who looks at one home after every event.
#[derive(Debug)]
pub(crate) struct HomeWitness {
    rules: Arc<WatchRules>,
    devices: Vec<Seen>,
    link: Fill,
    offered_bytes: u64,
    looks: u64,
    checks: u64,
    broken: Option<Broken>,
    /// When it looked last.
    looked_at: Moment,
}

/// What was seen of a device last time.
#[derive(Clone, Copy, Debug)]
struct Seen {
    device: Eui64,
    running: BankImage,
    counter: SecurityCounter,
    orders: OrderMemory,
    activations: u64,
}

/// One look at a device.
struct Look<'a> {
    board: &'a Board,
    now: Seen,
    before: Seen,
}

/// How many functions [`HomeWitness::judge`] asks.
const INVARIANTS: u64 = 7;

type Judged = Result<(), (&'static str, String)>;

impl HomeWitness {
    pub(crate) fn new(rules: Arc<WatchRules>) -> HomeWitness {
        let (devices, link) = (Vec::new(), Fill::default());
        HomeWitness {
            rules,
            devices,
            link,
            offered_bytes: 0,
            looks: 0,
            checks: 0,
            broken: None,
            looked_at: Moment::default(),
        }
    }

    /// Looks at all devices of the home.
    pub(crate) fn look<'a>(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        hub: &Hub,
        meters: impl Iterator<Item = &'a Meter>,
    ) {
        self.looks += 1;
        self.checks += 1;
        if now < self.looked_at && self.broken.is_none() {
            let detail = format!("after an event at {}", self.looked_at);
            let invariant = "time goes on in a home";
            self.broken = Some(Broken { invariant, device: hub.eui(), at: now, detail });
        }
        self.looked_at = now;
        self.look_at(now, pool, hub.board(), hub.counters().activations);
        for meter in meters {
            self.look_at(now, pool, meter.board(), meter.counters().activations);
        }
    }

    /// Notes a datagram that the head-end offered to the home's link.
    pub(crate) fn offered(&mut self, now: Moment, hub: Eui64, len: u64) {
        self.offered_bytes += len;
        self.checks += 1;
        let rules = Arc::clone(&self.rules);
        let above = self.link.add(now, len, rules.link_rate_bytes_per_s);
        if above > rules.link_allowance_bytes && self.broken.is_none() {
            let detail = format!(
                "{above} bytes above a rate of {} B/s, expected at most {}",
                rules.link_rate_bytes_per_s, rules.link_allowance_bytes
            );
            let invariant = "a link is sent no more than its rate in any window";
            self.broken = Some(Broken { invariant, device: hub, at: now, detail });
        }
    }

    /// Returns how many bytes were offered to the home, headers included.
    pub(crate) fn offered_bytes(&self) -> u64 {
        self.offered_bytes
    }

    /// Returns how often the home was looked at.
    pub(crate) fn looks(&self) -> u64 {
        self.looks
    }

    /// Returns how often an invariant of a device, or the budget of the link, was checked.
    pub(crate) fn checks(&self) -> u64 {
        self.checks
    }

    /// Returns the first invariant that did not hold.
    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    fn look_at(&mut self, at: Moment, pool: &mut SectorPool, board: &Board, activations: u64) {
        let (boot, device) = (board.boot(), board.eui());
        let now = Seen {
            device,
            running: *boot.running(),
            counter: *boot.counter(),
            orders: *boot.orders(),
            activations,
        };
        let place = match self.devices.iter().position(|seen| seen.device == device) {
            Some(place) => place,
            None => {
                self.devices.push(now);
                self.devices.len() - 1
            }
        };
        let look = Look { board, now, before: self.devices[place] };
        if board.is_up() {
            self.devices[place] = now;
        }
        self.checks += if board.is_up() { INVARIANTS } else { 1 };
        let judged = if board.is_up() { self.judge(&look, pool) } else { there_is_something_to_boot(&look) };
        if let (Err((invariant, detail)), None) = (judged, &self.broken) {
            self.broken = Some(Broken { invariant, device, at, detail });
        }
    }

    /// Judges a device that is up: while it boots, what it has in mind is not yet what its flash says.
    fn judge(&self, look: &Look<'_>, pool: &mut SectorPool) -> Judged {
        there_is_something_to_boot(look)
            .and_then(|()| what_runs_was_signed_for_its_model(look, &self.rules))
            .and_then(|()| what_runs_is_whole(look, pool))
            .and_then(|()| what_was_confirmed_stays(look))
            .and_then(|()| the_counter_rises_only_with_what_is_confirmed(look))
            .and_then(|()| an_activation_spends_an_order(look))
            .and_then(|()| a_device_activates_once_at_most(look))
    }
}

/// No brick: whatever was cut, torn or refused, some bank holds an image that boots.
fn there_is_something_to_boot(look: &Look<'_>) -> Judged {
    let name = "there is always something to boot";
    if look.board.is_dead() { Err((name, "no bank holds a genuine image".to_owned())) } else { Ok(()) }
}

/// A device runs what it left the factory with, or an image that was signed for its model.
fn what_runs_was_signed_for_its_model(look: &Look<'_>, rules: &WatchRules) -> Judged {
    let Some(extent) = look.now.running.stored else { return Ok(()) };
    let known = rules.images.iter().find(|image| image.file == extent.file);
    let fits = known.is_some_and(|image| {
        let for_model = look.board.model().is_none_or(|model| {
            model.manufacturer == image.identity.manufacturer
                && model.image_type == image.identity.image_type
                && image.identity.hardware.is_none_or(|range| range.contains(model.hardware))
        });
        for_model && image.identity.file_version == look.now.running.version
    });
    if fits {
        return Ok(());
    }
    let name = "what runs was signed for the model that runs it";
    Err((name, format!("version {} of {}", look.now.running.version, extent.file)))
}

/// What has come to run is one image as it was signed, from the first byte to the last, read back from flash: never a
/// mixture of two.
fn what_runs_is_whole(look: &Look<'_>, pool: &mut SectorPool) -> Judged {
    let running = look.now.running;
    let (Some(extent), true) = (running.stored, running != look.before.running) else { return Ok(()) };
    let stored = look.board.bank(running.bank).image(&look.board.flash, pool, extent.size);
    if FileDigest::of(&stored.bytes) == extent.file {
        return Ok(());
    }
    Err(("what runs is one whole image", format!("flash does not hold {}", extent.file)))
}

/// A new image that has confirmed itself goes on running; it never gives way to the old one again.
fn what_was_confirmed_stays(look: &Look<'_>) -> Judged {
    let (before, now) = (look.before.running, look.now.running);
    if before.stored.is_some() && now != before {
        let detail = format!("{} gave way to {}", before.version, now.version);
        return Err(("what was confirmed stays", detail));
    }
    Ok(())
}

/// The security counter never falls, and rises only when the image that it is of has confirmed itself.
fn the_counter_rises_only_with_what_is_confirmed(look: &Look<'_>) -> Judged {
    let name = "the security counter rises only at confirm";
    let (before, now) = (look.before.counter, look.now.counter);
    if now == before {
        return Ok(());
    }
    if now.sequence < before.sequence {
        return Err((name, format!("it fell from {} to {}", before.sequence.0, now.sequence.0)));
    }
    let runs = look.now.running.stored.map(|extent| extent.image);
    if runs == now.image {
        return Ok(());
    }
    Err((name, format!("it rose to {} for an image that does not run", now.sequence.0)))
}

/// No activation without an order that was made for this device: its counter is remembered by the same write.
fn an_activation_spends_an_order(look: &Look<'_>) -> Judged {
    let changed = look.now.running.stored.is_some() && look.now.running != look.before.running;
    if !changed || look.board.trust().accepts_unsigned() || look.now.orders.counter.0 > 0 {
        return Ok(());
    }
    Err(("an activation spends an order", "it runs a new image and remembers no order".to_owned()))
}

/// A campaign activates a device once at most.
fn a_device_activates_once_at_most(look: &Look<'_>) -> Judged {
    if look.now.activations <= 1 {
        return Ok(());
    }
    Err(("a device activates once at most", format!("{} activations", look.now.activations)))
}

/// How far what was sent lies above a rate: bytes come in, and drain at the rate. Its highest level is the most that any
/// window has held beyond the rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    /// Millionths of a byte, so that every microsecond drains a whole number of them.
    level: u128,
    at: Moment,
}

impl Fill {
    /// Adds bytes that were sent at `now`, and returns how many lie above the rate then.
    pub fn add(&mut self, now: Moment, bytes: u64, rate_bytes_per_s: u64) -> u64 {
        let passed: Duration = now.saturating_since(self.at);
        self.level = self.level.saturating_sub(passed.as_micros() * u128::from(rate_bytes_per_s));
        self.level += u128::from(bytes) * 1_000_000;
        self.at = self.at.max(now);
        u64::try_from(self.level / 1_000_000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_at_the_rate_never_lies_above_it_by_more_than_a_piece() {
        let mut fill = Fill::default();
        let second = |count: u64| Moment::default() + Duration::from_secs(count);
        for count in 0..100 {
            assert_eq!(fill.add(second(count), 1_000, 1_000), 1_000);
        }
        assert_eq!(fill.add(second(100), 3_000, 1_000), 3_000);
        assert_eq!(fill.add(second(101), 1_000, 1_000), 3_000, "what was too much stays too much");
        assert_eq!(fill.add(second(200), 10, 1_000), 10);
    }
}
