//! The harness: one hub, its meters, a radio with latency and losses, a head-end that speaks DLMS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, FileDigest, FileVersion, HardwareRange, HardwareVersion,
    ImageDigest, ImageIdentity, ImageType, ManufacturerCode, Nonce, OrderCounter, OtaFile, SequenceNumber,
    SignedImage, SigningKey, TrustStore,
};
use fleet::{DeviceModel, DeviceTrust, HanDevice, Hub, HubConfig, Meter, MeterConfig, MeterKind, SectorPool};
use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId,
    Conformance, Data, GetRequest, HanDeviceStatus, HeldPapers, ImageBlock, ImageInitiate,
    ImageTransferStatus, InvokeId, MethodRef, Obis, SetRequest, WPort, WanFrame,
};

use crate::secured::SecuredLink;

/// 2026-01-01T00:00:00Z.
pub const START: Moment = Moment::from_micros(1_767_225_600_000_000);

pub const HUB: Eui64 = Eui64::from_bytes([0, 0x0D, 0x6F, 0, 0, 0, 0, 0x01]);
pub const MANUFACTURER: ManufacturerCode = ManufacturerCode(0x10E5);
pub const HUB_TYPE: ImageType = ImageType(0x0001);
pub const METER_TYPE: ImageType = ImageType(0x0011);
pub const OLD: FileVersion = FileVersion(0x0102_0303);
pub const NEW: FileVersion = FileVersion(0x0102_0304);

const RADIO_LATENCY: Duration = Duration::from_millis(5);

pub fn image_key() -> SigningKey {
    SigningKey::generate_from_seed([1; 32])
}

pub fn order_key() -> SigningKey {
    SigningKey::generate_from_seed([2; 32])
}

pub fn trust() -> DeviceTrust {
    DeviceTrust::pinned(TrustStore::new(vec![image_key().public()]), vec![order_key().public()])
}

pub fn gullible() -> DeviceTrust {
    trust().accepting_unsigned()
}

pub fn model(image_type: ImageType) -> DeviceModel {
    DeviceModel { manufacturer: MANUFACTURER, image_type, hardware: HardwareVersion(0x0101) }
}

/// An image to make: what matters to the test is named, the rest is usual.
#[derive(Clone)]
pub struct Recipe {
    pub image_type: ImageType,
    pub version: FileVersion,
    pub hardware: Option<HardwareRange>,
    pub sequence: u64,
    pub len: usize,
    pub key: SigningKeySeed,
}

pub type SigningKeySeed = [u8; 32];

impl Recipe {
    pub fn new(image_type: ImageType) -> Recipe {
        Recipe { image_type, version: NEW, hardware: None, sequence: 7, len: 5000, key: [1; 32] }
    }

    pub fn unsigned(&self) -> OtaFile {
        let identity = ImageIdentity {
            manufacturer: MANUFACTURER,
            image_type: self.image_type,
            file_version: self.version,
            hardware: self.hardware,
        };
        let payload: Vec<u8> = (0..self.len).map(|at| (at * 31 + at / 256 + self.len) as u8).collect();
        OtaFile::build(&identity, "test image", &payload).unwrap()
    }

    pub fn signed(&self) -> OtaFile {
        let key = SigningKey::generate_from_seed(self.key);
        SignedImage::sign(&self.unsigned(), SequenceNumber(self.sequence), &key).unwrap().file().clone()
    }
}

pub fn hardware(min: u16, max: u16) -> Option<HardwareRange> {
    Some(HardwareRange { min: HardwareVersion(min), max: HardwareVersion(max) })
}

pub fn meter_eui(number: u8) -> Eui64 {
    Eui64::from_bytes([0, 0x0D, 0x6F, 0, 0, 0, 1, number])
}

/// Meter `number` lives on channel `number` at short address `number`.
pub fn meter_config(number: u8) -> MeterConfig {
    let model = model(METER_TYPE);
    let mut config = MeterConfig::new(meter_eui(number), model, OLD, u16::from(number));
    config.block_period = Duration::from_millis(20);
    config.first_query = Duration::from_secs(24 * 3600);
    config
}

pub fn hub_config(meters: &[MeterConfig]) -> HubConfig {
    let mut config = HubConfig::new(HUB, OLD);
    config.model = Some(model(HUB_TYPE));
    config.devices = meters
        .iter()
        .map(|meter| HanDevice {
            channel: meter.short_address as u8,
            eui: meter.eui,
            short_address: meter.short_address,
            sleeps: matches!(meter.kind, MeterKind::Gas { .. }),
        })
        .collect();
    config
}

/// A frame under way on the radio.
struct Flight {
    arrives: Moment,
    from: Option<u16>,
    to: u16,
    zcl: Vec<u8>,
}

/// Judges a frame: true loses it. Arguments: the number of the frame, whether the hub sent it, the frame.
pub type Judge = Box<dyn FnMut(u64, bool, &[u8]) -> bool>;

pub struct Home {
    pub now: Moment,
    pub pool: SectorPool,
    pub hub: Hub,
    pub meters: Vec<Meter>,
    pub loses: Judge,
    pub frames: u64,
    /// Every frame the hub sent, for those tests that look.
    pub heard: Vec<(u16, Vec<u8>)>,
    pub keep_heard: bool,
    /// The head-end's end of a secured link, for hubs that have keys.
    pub link: Option<SecuredLink>,
    flights: Vec<Flight>,
    /// Methods called so far.
    acts: u8,
}

impl Home {
    pub fn new(hub: HubConfig, meters: Vec<MeterConfig>, trust: DeviceTrust) -> Home {
        let trust = Arc::new(trust);
        let meters = meters.into_iter().map(|config| Meter::new(config, Arc::clone(&trust), START)).collect();
        Home {
            now: START,
            pool: SectorPool::new(),
            hub: Hub::new(hub, trust, START),
            meters,
            loses: Box::new(|_, _, _| false),
            frames: 0,
            heard: Vec::new(),
            keep_heard: false,
            link: None,
            flights: Vec::new(),
            acts: 0,
        }
    }

    /// A home with one electricity meter.
    pub fn usual() -> Home {
        Home::with_meter(meter_config(1))
    }

    pub fn with_meter(meter: MeterConfig) -> Home {
        Home::new(hub_config(std::slice::from_ref(&meter)), vec![meter], trust())
    }

    pub fn meter(&self) -> &Meter {
        &self.meters[0]
    }

    /// Steps until `end`.
    pub fn run_until(&mut self, end: Moment) {
        loop {
            self.exchange();
            let timeouts = self.meters.iter().map(Meter::poll_timeout).chain([self.hub.poll_timeout()]);
            let arrivals = self.flights.iter().map(|flight| Some(flight.arrives));
            let next = timeouts.chain(arrivals).flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            assert!(self.frames < 4_000_000, "the home does not come to rest");
            self.now = self.now.max(next);
            self.deliver();
            self.hub.advance(self.now, &mut self.pool);
            for meter in &mut self.meters {
                meter.advance(self.now, &mut self.pool);
            }
        }
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    pub fn run_minutes(&mut self, minutes: u64) {
        self.run_for(Duration::from_secs(60 * minutes));
    }

    fn exchange(&mut self) {
        let arrives = self.now + RADIO_LATENCY;
        let mut frame = Vec::new();
        while let Some(to) = self.hub.poll_han(&mut frame) {
            let zcl = std::mem::take(&mut frame);
            if self.keep_heard {
                self.heard.push((to, zcl.clone()));
            }
            self.launch(Flight { arrives, from: None, to, zcl });
        }
        for index in 0..self.meters.len() {
            while self.meters[index].poll_han(&mut frame) {
                let from = Some(self.meters[index].short_address());
                let zcl = std::mem::take(&mut frame);
                self.launch(Flight { arrives, from, to: 0, zcl });
            }
        }
    }

    fn launch(&mut self, flight: Flight) {
        self.frames += 1;
        if !(self.loses)(self.frames, flight.from.is_none(), &flight.zcl) {
            self.flights.push(flight);
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (arrived, under_way): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.arrives <= now);
        self.flights = under_way;
        for Flight { from, to, zcl, .. } in arrived {
            match from {
                Some(from) => self.hub.receive_han(now, &mut self.pool, from, &zcl),
                None => {
                    for meter in &mut self.meters {
                        if to == 0xFFFF {
                            meter.receive_han_broadcast(now, &mut self.pool, &zcl);
                        } else if meter.short_address() == to {
                            meter.receive_han(now, &mut self.pool, &zcl);
                        }
                    }
                }
            }
        }
    }
}

/// The head-end's side.
impl Home {
    /// Sends a request and returns the APDU that came back; ciphered, where there is a secured link.
    pub fn ask(&mut self, request: &Apdu<'_>) -> Option<Vec<u8>> {
        let mut apdu = Vec::new();
        request.emit(&mut apdu);
        let Some(mut link) = self.link.take() else { return self.ask_bytes(&apdu) };
        let answer = link.ask(request, |apdu| self.ask_bytes(apdu));
        self.link = Some(link);
        answer
    }

    /// Sends an APDU as it is and returns the one that came back.
    pub fn ask_bytes(&mut self, apdu: &[u8]) -> Option<Vec<u8>> {
        let (source, destination) = (WPort::PUBLIC_CLIENT, WPort::MANAGEMENT);
        let (mut frame, mut reply) = (Vec::new(), Vec::new());
        WanFrame { source, destination, apdu }.emit(&mut frame);
        self.hub.receive_wan(self.now, &mut self.pool, &frame, &mut reply);
        if reply.is_empty() {
            return None;
        }
        let frame = WanFrame::parse_datagram(&reply).unwrap();
        assert_eq!((frame.source, frame.destination), (destination, source));
        Some(frame.apdu.to_vec())
    }

    pub fn associate(&mut self) {
        let request = AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance(Conformance::GET.0 | Conformance::SET.0 | Conformance::ACTION.0),
            max_pdu: 2048,
            wants_authentication: false,
        };
        let answer = self.ask(&Apdu::AssociationRequest(request)).unwrap();
        let Apdu::AssociationResponse(answer) = Apdu::parse(&answer).unwrap() else { panic!("no AARE") };
        assert!(answer.accepted);
    }

    pub fn get(&mut self, class: ClassId, instance: Obis, index: u8) -> Result<Vec<u8>, AccessResult> {
        let attribute = AttributeRef { class, instance, index };
        let answer = self.ask(&Apdu::GetRequest(GetRequest { invoke: invoke(true), attribute })).unwrap();
        match Apdu::parse(&answer).unwrap() {
            Apdu::GetResponse(response) => response.result.map(<[u8]>::to_vec),
            other => panic!("no GET response: {other:?}"),
        }
    }

    pub fn transfer_attribute(&mut self, channel: u8, index: u8) -> Vec<u8> {
        self.get(ClassId::IMAGE_TRANSFER, Obis::image_transfer(channel), index).unwrap()
    }

    pub fn status(&mut self, channel: u8) -> ImageTransferStatus {
        ImageTransferStatus::from_data(&self.transfer_attribute(channel, 6)).unwrap()
    }

    pub fn set_order(&mut self, channel: u8, order: &[u8]) -> AccessResult {
        self.set_octets(Obis::activation_order(channel), order)
    }

    pub fn set_octets(&mut self, instance: Obis, octets: &[u8]) -> AccessResult {
        let mut data = Vec::new();
        Data::Octets(octets).emit(&mut data);
        let attribute = AttributeRef { class: ClassId::DATA, instance, index: 2 };
        let request = SetRequest { invoke: invoke(true), attribute, data: &data };
        match Apdu::parse(&self.ask(&Apdu::SetRequest(request)).unwrap()).unwrap() {
            Apdu::SetResponse(response) => response.result,
            other => panic!("no SET response: {other:?}"),
        }
    }

    pub fn act(&mut self, channel: u8, index: u8, parameter: &[u8]) -> AccessResult {
        self.acts = self.acts.wrapping_add(1);
        self.act_again(channel, index, parameter)
    }

    /// Calls a method under the invoke-id of the call before, as a network does that doubles datagrams.
    pub fn act_again(&mut self, channel: u8, index: u8, parameter: &[u8]) -> AccessResult {
        let method =
            MethodRef { class: ClassId::IMAGE_TRANSFER, instance: Obis::image_transfer(channel), index };
        let invoke = InvokeId { number: self.acts % 16, ..invoke(true) };
        let request = ActionRequest { invoke, method, parameter: Some(parameter) };
        match Apdu::parse(&self.ask(&Apdu::ActionRequest(request)).unwrap()).unwrap() {
            Apdu::ActionResponse(response) => response.result,
            other => panic!("no ACTION response: {other:?}"),
        }
    }

    pub fn initiate(&mut self, channel: u8, file: &[u8]) -> AccessResult {
        let digest = FileDigest::of(file);
        let mut parameter = Vec::new();
        let size = file.len() as u32;
        ImageInitiate { identification: digest.as_bytes(), size }.emit_parameter(&mut parameter);
        self.act(channel, 1, &parameter)
    }

    pub fn block(&mut self, channel: u8, number: u32, bytes: &[u8]) -> AccessResult {
        let mut parameter = Vec::new();
        ImageBlock { number, bytes }.emit_parameter(&mut parameter);
        self.act(channel, 2, &parameter)
    }

    pub fn verify(&mut self, channel: u8) -> AccessResult {
        self.act(channel, 3, &[0x0F, 0])
    }

    pub fn activate(&mut self, channel: u8) -> AccessResult {
        self.act(channel, 4, &[0x0F, 0])
    }

    /// Carries a file into a slot and has it verified; returns the status that came of it.
    pub fn stage(&mut self, channel: u8, file: &Bytes) -> ImageTransferStatus {
        self.associate();
        assert_eq!(self.initiate(channel, file), AccessResult::Success);
        for (number, bytes) in (0..).zip(file.chunks(1024)) {
            assert_eq!(self.block(channel, number, bytes), AccessResult::Success);
        }
        assert_eq!(self.verify(channel), AccessResult::TemporaryFailure);
        self.run_for(Duration::from_secs(2));
        self.status(channel)
    }

    pub fn order_activation(&mut self, channel: u8, order: &[u8]) -> AccessResult {
        self.associate();
        assert_eq!(self.set_order(channel, order), AccessResult::Success);
        self.activate(channel)
    }

    /// Reads the rows of all devices, the hub's own first.
    pub fn rows(&mut self) -> Vec<HanDeviceStatus> {
        self.associate();
        HanDeviceStatus::parse_list(&self.get(ClassId::DATA, Obis::han_status(), 2).unwrap()).unwrap()
    }

    /// Reads the rows of the devices behind the hub.
    pub fn han_status(&mut self) -> Vec<HanDeviceStatus> {
        let mut rows = self.rows();
        assert_eq!((rows[0].channel, rows[0].device), (0, self.hub.eui().to_bytes()));
        rows.remove(0);
        rows
    }

    /// Writes a paper for the hub or for the device of a channel.
    pub fn set_paper(&mut self, channel: u8, paper: &[u8]) -> AccessResult {
        self.associate();
        self.set_octets(Obis::papers(channel), paper)
    }

    pub fn held_papers(&mut self, channel: u8) -> HeldPapers {
        self.associate();
        HeldPapers::parse(&self.get(ClassId::DATA, Obis::papers(channel), 2).unwrap()).unwrap()
    }

    pub fn active_version(&mut self, channel: u8) -> Result<Vec<u8>, AccessResult> {
        self.associate();
        let data = self.get(ClassId::DATA, Obis::active_firmware(channel), 2)?;
        match Data::parse(&data).unwrap() {
            Data::Octets(octets) => Ok(octets.to_vec()),
            other => panic!("no octets: {other:?}"),
        }
    }
}

pub fn invoke(confirmed: bool) -> InvokeId {
    InvokeId { number: 1, confirmed, high_priority: true }
}

/// The orders that the head-end signs.
impl Home {
    /// An order of epoch 0 that answers what the device drew.
    pub fn order(&self, device: Eui64, image: ImageDigest, counter: u64) -> Vec<u8> {
        self.order_by(&order_key(), device, image, counter)
    }

    pub fn order_by(&self, key: &SigningKey, device: Eui64, image: ImageDigest, counter: u64) -> Vec<u8> {
        let (epoch, nonce) = (CounterEpoch(0), Nonce::from_bytes(self.nonce_of(device)));
        let order = ActivationOrder { device, image, epoch, counter: OrderCounter(counter), nonce };
        order.sign(key).unwrap().bytes().to_vec()
    }

    /// What a device drew; zeros for one that is not here.
    pub fn nonce_of(&self, device: Eui64) -> [u8; 8] {
        let meter = self.meters.iter().find(|meter| meter.eui() == device);
        match meter {
            Some(meter) => meter.challenge().nonce,
            None if device == self.hub.eui() => self.hub.challenge().nonce,
            None => [0; 8],
        }
    }
}

/// A head-end that expects the hub to go away at any moment.
impl Home {
    pub fn associate_patiently(&mut self) {
        for _ in 0..30 {
            if self.hub.is_up(self.now) {
                self.associate();
                return;
            }
            self.run_for(Duration::from_secs(5));
        }
        panic!("the hub stays away");
    }

    fn try_act(&mut self, channel: u8, index: u8, parameter: &[u8]) {
        let method =
            MethodRef { class: ClassId::IMAGE_TRANSFER, instance: Obis::image_transfer(channel), index };
        self.acts = self.acts.wrapping_add(1);
        let invoke = InvokeId { number: self.acts % 16, ..invoke(true) };
        let request = ActionRequest { invoke, method, parameter: Some(parameter) };
        self.ask(&Apdu::ActionRequest(request));
    }

    pub fn try_initiate(&mut self, channel: u8, file: &[u8]) {
        let mut parameter = Vec::new();
        let digest = FileDigest::of(file);
        let size = file.len() as u32;
        ImageInitiate { identification: digest.as_bytes(), size }.emit_parameter(&mut parameter);
        self.try_act(channel, 1, &parameter);
    }

    pub fn try_block(&mut self, channel: u8, number: u32, bytes: &[u8]) {
        let mut parameter = Vec::new();
        ImageBlock { number, bytes }.emit_parameter(&mut parameter);
        self.try_act(channel, 2, &parameter);
    }

    pub fn try_verify(&mut self, channel: u8) {
        self.try_act(channel, 3, &[0x0F, 0]);
    }

    /// Writes the order and activates, whatever comes back.
    pub fn try_order(&mut self, channel: u8, order: &[u8]) {
        let mut data = Vec::new();
        Data::Octets(order).emit(&mut data);
        let instance = Obis::activation_order(channel);
        let attribute = AttributeRef { class: ClassId::DATA, instance, index: 2 };
        self.ask(&Apdu::SetRequest(SetRequest { invoke: invoke(true), attribute, data: &data }));
        self.try_act(channel, 4, &[0x0F, 0]);
    }
}
