//! The first consumer: the judgements of `firmware-image`, in the order in which head-end and devices ask them.

use firmware_image::{
    Attack, Expected, FileDigest, HubGate, ImageDigest, Nonce, OrderCounter, OrderMemory, SignedOrder,
    SignedRelease, SignedRoot, SignedStatus, TrustAnchor, UtcSeconds,
};

use crate::craft::Target;
use crate::craft_image::payload_of;
use crate::pen::sha256;
use crate::recipes::{METER_TYPE, Vector};
use crate::world::{Kind, Outcome, Papers, TAKEN, companion, document};

/// The device that the verifier, the meter and the command judge for.
pub const METER_EUI: [u8; 8] = [0, 0x0D, 0x6F, 0, 0, 0, 1, 1];
/// What it drew, where no simulated device draws.
pub const NONCE: [u8; 8] = *b"drawn 01";

pub fn target(vector: &Vector) -> Target {
    let held = vector.state.anchors().pop().expect("a state has a root");
    let same_epoch = vector.state.roots[0].epoch == u64::from(held.root().epoch.0);
    Target {
        image_type: METER_TYPE,
        eui: METER_EUI,
        image: sha256(&payload_of(&companion())),
        nonce: NONCE,
        last_counter: if same_epoch { vector.state.obeyed } else { 0 },
        epoch: held.root().epoch.0.into(),
        root: held.root().version.0,
    }
}

pub fn judge(vector: &Vector) -> Outcome {
    match try_judge(vector) {
        Ok(()) => TAKEN.to_owned(),
        Err(attack) => attack.word().to_owned(),
    }
}

fn try_judge(vector: &Vector) -> Result<(), Attack> {
    let target = target(vector);
    let anchor = vector.state.anchors().pop().expect("a state has a root");
    let bytes = document(vector, &target);
    match vector.kind() {
        Kind::Root => SignedRoot::from_bytes(&bytes)
            .and_then(|root| anchor.advance(&root))
            .map(drop)
            .map_err(|error| error.attack()),
        Kind::Order => judge_order(vector, &target, &anchor, &bytes),
        Kind::Image | Kind::Release | Kind::Status => judge_at_gate(vector, &target, anchor, &bytes),
    }
}

fn judge_order(vector: &Vector, target: &Target, anchor: &TrustAnchor, bytes: &[u8]) -> Result<(), Attack> {
    let root = anchor.root();
    let order = SignedOrder::from_bytes(bytes)
        .and_then(|order| order.verify(&root.order.keys()))
        .map_err(|error| error.attack())?;
    let memory = match vector.state.obeyed {
        0 => OrderMemory::default(),
        obeyed => OrderMemory {
            epoch: firmware_image::CounterEpoch(vector.state.roots[0].epoch as u32),
            counter: OrderCounter(obeyed),
        },
    };
    let expected = Expected {
        device: firmware_image::Eui64::from_bytes(target.eui),
        image: ImageDigest::from_bytes(target.image),
        nonce: Nonce::from_bytes(target.nonce),
    };
    memory.require_acceptable(&order, root.epoch, &expected).map_err(|error| error.attack())
}

fn judge_at_gate(vector: &Vector, target: &Target, anchor: TrustAnchor, bytes: &[u8]) -> Result<(), Attack> {
    let (now, papers) = (vector.state.now(), Papers::of(vector, target));
    let images = anchor.root().images();
    let mut gate = HubGate::new(anchor);
    for status in &papers.statuses {
        take_status(&mut gate, now, status)?;
    }
    for release in &papers.releases {
        take_release(&mut gate, now, release)?;
    }
    match vector.kind() {
        Kind::Status => take_status(&mut gate, now, bytes)?,
        Kind::Release => take_release(&mut gate, now, bytes)?,
        _ => {}
    }
    let named = FileDigest::from_bytes(papers.identification);
    gate.require_released(now, &named).map_err(|error| error.attack())?;
    if vector.kind() != Kind::Image {
        return Ok(());
    }
    let mut bytes = bytes.to_vec();
    let image = images.verify_bytes(bytes.clone().into()).map_err(|error| error.attack())?;
    gate.require_current(now, &image).map_err(|error| error.attack())?;
    vector.state.device(METER_TYPE).require_acceptable(&image).map_err(|error| error.attack())?;
    if let Some(at) = vector.state.decay {
        bytes[at as usize] ^= 1;
        images.verify_bytes(bytes.into()).map_err(|error| error.attack())?;
    }
    Ok(())
}

fn take_status(gate: &mut HubGate, now: UtcSeconds, bytes: &[u8]) -> Result<(), Attack> {
    let signed = SignedStatus::from_bytes(bytes).map_err(|error| error.attack())?;
    gate.take_status(now, &signed).map_err(|error| error.attack())
}

fn take_release(gate: &mut HubGate, now: UtcSeconds, bytes: &[u8]) -> Result<(), Attack> {
    let signed = SignedRelease::from_bytes(bytes).map_err(|error| error.attack())?;
    gate.take_release(now, &signed).map_err(|error| error.attack())
}
