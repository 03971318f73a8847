//! The third consumer: the simulated meter, spoken to over its ZCL frames by a hub that is the attacker's. It offers
//! whatever it likes under the meter's own name, and passes on whatever it is given.

use std::sync::Arc;
use std::time::Duration;

use firmware_image::{FileVersion, TrustAnchor};
use fleet::{ActivationOutcome, AttackCounts, DeviceTrust, Meter, SectorPool};
use transfer_engine::Moment;
use wire::{
    DocumentFragment, DocumentKind, ImageBlockResponse, ImageKey, ImageNotify, NotifyScope, OtaCommand,
    QueryNextImageResponse, UPGRADE_WHEN_TOLD, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use crate::craft::{self, Target};
use crate::craft_image::{image, payload_of};
use crate::home::{METER, START, meter_config};
use crate::pen::sha256;
use crate::recipes::{MANUFACTURER, METER_TYPE, NEW, OrderRecipe, State, Vector};
use crate::world::{HELD, IGNORED, Kind, Outcome, TAKEN, companion, counted, document};

/// A meter in the state of a vector, and the hub that speaks to it.
pub struct Bench {
    pub now: Moment,
    pub pool: SectorPool,
    pub meter: Meter,
}

impl Bench {
    pub fn new(state: &State) -> Bench {
        let anchors = state.anchors();
        let mut config = meter_config();
        config.model = state.model(METER_TYPE);
        let ran = state.obeyed > 0;
        config.running_version = FileVersion(state.running - u32::from(ran));
        config.factory_sequence = state.confirmed - u64::from(ran);
        let trust = Arc::new(DeviceTrust::rooted(anchors[0].clone()));
        let meter = Meter::new(config, trust, START);
        let mut bench = Bench { now: START, pool: SectorPool::new(), meter };
        if ran {
            bench.obey_earlier(state, &anchors[0]);
        }
        for anchor in &anchors[1..] {
            bench.tell(DocumentKind::Root, anchor.signed().bytes());
            assert_eq!(bench.meter.root_version(), anchor.root().version);
        }
        bench
    }

    fn obey_earlier(&mut self, state: &State, anchor: &TrustAnchor) {
        let recipe = state.earlier();
        let file = image(&recipe, METER_TYPE).bytes;
        assert_eq!(self.offer(&file), Some(ZclStatus::Success));
        let target = self.target(sha256(&payload_of(&recipe)), anchor);
        let order = OrderRecipe { counter: Some(state.obeyed), ..OrderRecipe::default() };
        self.order(&craft::order(&order, &target).bytes);
        assert_eq!(self.meter.running_version().0, recipe.version);
    }

    pub fn target(&self, image: [u8; 32], anchor: &TrustAnchor) -> Target {
        let challenge = self.meter.challenge();
        Target {
            image_type: METER_TYPE,
            eui: METER.to_bytes(),
            image,
            nonce: challenge.nonce,
            last_counter: challenge.last_counter,
            epoch: anchor.root().epoch.0.into(),
            root: anchor.root().version.0,
        }
    }

    fn hear(&mut self, command: OtaCommand<'_>) {
        let mut zcl = Vec::new();
        ZclFrame { transaction: 77, from_server: true, disable_default_response: false, command }
            .emit(&mut zcl);
        self.meter.receive_han(self.now, &mut self.pool, &zcl);
    }

    fn said(&mut self) -> Option<Vec<u8>> {
        let mut zcl = Vec::new();
        self.meter.poll_han(&mut zcl).then_some(zcl)
    }

    pub fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.meter.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.meter.advance(self.now, &mut self.pool);
            while self.said().is_some() {}
        }
        self.now = end;
    }

    /// Offers a file under the meter's own name and serves it; returns how the meter ends the download, `None` when
    /// it does not even fetch.
    pub fn offer(&mut self, file: &[u8]) -> Option<ZclStatus> {
        let stated =
            file.get(14..18).map_or(NEW, |bytes| u32::from_le_bytes(bytes.try_into().expect("four")));
        let running = self.meter.running_version().0;
        let file_version = if stated == running { running + 1 } else { stated };
        let key = ImageKey { manufacturer: MANUFACTURER, image_type: METER_TYPE, file_version };
        self.hear(OtaCommand::ImageNotify(ImageNotify { query_jitter: 100, scope: NotifyScope::Everybody }));
        let mut silent = 0;
        while silent < 3 {
            let Some(zcl) = self.said() else {
                silent += 1;
                self.now = self.meter.poll_timeout().unwrap_or(self.now).max(self.now);
                self.meter.advance(self.now, &mut self.pool);
                continue;
            };
            match ZclFrame::parse(&zcl).expect("the meter's own frame").command {
                OtaCommand::QueryNextImageRequest(_) => {
                    let image_size = u32::try_from(file.len()).expect("a small file");
                    let offer = QueryNextImageResponse::Success { key, image_size };
                    self.hear(OtaCommand::QueryNextImageResponse(offer));
                }
                OtaCommand::ImageBlockRequest(request) => {
                    silent = 0;
                    let start = request.offset as usize;
                    let end = (start + usize::from(request.maximum_data_size)).min(file.len());
                    let (offset, data) = (request.offset, &file[start..end]);
                    let block = ImageBlockResponse::Success { key, offset, data };
                    self.hear(OtaCommand::ImageBlockResponse(block));
                }
                OtaCommand::UpgradeEndRequest(request) => {
                    if request.status == ZclStatus::Success {
                        let upgrade_time = UPGRADE_WHEN_TOLD;
                        let later = UpgradeEndResponse { key, current_time: 0, upgrade_time };
                        self.hear(OtaCommand::UpgradeEndResponse(later));
                    }
                    return Some(request.status);
                }
                _ => {}
            }
        }
        None
    }

    /// Passes a document on in pieces.
    pub fn tell(&mut self, kind: DocumentKind, document: &[u8]) {
        for (number, bytes) in document.chunks(48).enumerate() {
            let (total_len, offset) = (document.len(), 48 * number);
            let (Ok(total_len), Ok(offset)) = (u16::try_from(total_len), u16::try_from(offset)) else {
                return;
            };
            self.hear(OtaCommand::DocumentFragment(DocumentFragment { kind, total_len, offset, bytes }));
        }
        while self.said().is_some() {}
    }

    /// Passes an order on, says "now", and waits for what comes of it.
    pub fn order(&mut self, order: &[u8]) {
        self.tell(DocumentKind::Order, order);
        let key = ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
        self.hear(OtaCommand::UpgradeEndResponse(UpgradeEndResponse {
            key,
            current_time: 0,
            upgrade_time: 0,
        }));
        self.wait(Duration::from_secs(120));
    }

    pub fn attacks(&self) -> AttackCounts {
        self.meter.counters().attacks
    }

    fn refused(&self, before: &AttackCounts) -> Outcome {
        counted(before, &self.attacks()).unwrap_or_else(|| IGNORED.to_owned())
    }

    /// Says what came of an order by what runs afterwards.
    fn conclude(&self, before: &AttackCounts, version: u32) -> Outcome {
        match self.meter.last_outcome() {
            Some(ActivationOutcome::Success) if self.meter.running_version().0 == version => TAKEN.to_owned(),
            Some(ActivationOutcome::HashMismatch) => "tampering".to_owned(),
            _ => self.refused(before),
        }
    }
}

pub fn judge(vector: &Vector) -> Outcome {
    let mut bench = Bench::new(&vector.state);
    let anchor = vector.state.anchors().pop().expect("a state has a root");
    let companion = companion();
    let target = bench.target(sha256(&payload_of(&companion)), &anchor);
    let before = bench.attacks();
    match vector.kind() {
        Kind::Image => {
            let recipe = vector.image.as_ref().expect("an image");
            if bench.offer(&document(vector, &target)) != Some(ZclStatus::Success) {
                return bench.refused(&before);
            }
            if let Some(at) = vector.state.decay {
                bench.meter.decay_spare(at, 0);
            }
            let target = bench.target(sha256(&payload_of(recipe)), &anchor);
            bench.order(&craft::order(&OrderRecipe::default(), &target).bytes);
            bench.conclude(&before, recipe.version)
        }
        Kind::Order => {
            let file = image(&companion, METER_TYPE).bytes;
            assert_eq!(bench.offer(&file), Some(ZclStatus::Success), "{}", vector.name);
            let target = bench.target(target.image, &anchor);
            bench.order(&document(vector, &target));
            bench.conclude(&before, companion.version)
        }
        Kind::Root => {
            bench.tell(DocumentKind::Root, &document(vector, &target));
            let moved = bench.meter.root_version().0 != target.root;
            if moved { TAKEN.to_owned() } else { bench.refused(&before) }
        }
        Kind::Release | Kind::Status => judge_foreign(vector, &mut bench, &target),
    }
}

/// Offers a paper of hubs as both kinds that a meter takes. What it is worth as a root is the outcome; as an order it
/// must be worth nothing.
fn judge_foreign(vector: &Vector, bench: &mut Bench, target: &Target) -> Outcome {
    let file = image(&companion(), METER_TYPE).bytes;
    assert_eq!(bench.offer(&file), Some(ZclStatus::Success), "{}", vector.name);
    let (running, root) = (bench.meter.running_version(), bench.meter.root_version());
    let before = bench.attacks();
    let paper = document(vector, target);
    bench.tell(DocumentKind::Root, &paper);
    let outcome = bench.refused(&before);
    bench.order(&paper);
    let unmoved = bench.meter.running_version() == running && bench.meter.root_version() == root;
    if unmoved { outcome } else { HELD.to_owned() }
}
