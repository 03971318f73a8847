//! A home under virtual time: one hub, its meter, the radio between them, and a head-end that speaks DLMS. Who that
//! head-end is, and what it wants, is left to the suites.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firmware_image::{
    DeviceModel, Eui64, FileDigest, FileVersion, HardwareVersion, ImageType, ManufacturerCode,
};
use fleet::{DeviceTrust, HanDevice, Hub, HubConfig, Meter, MeterConfig, SectorPool};
use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId,
    Conformance, Data, GetRequest, HeldPapers, ImageBlock, ImageInitiate, ImageTransferStatus, InvokeId,
    MethodRef, Obis, SetRequest, WPort, WanFrame, emit_wan,
};

use crate::recipes::{HUB_TYPE, MANUFACTURER, METER_TYPE, NOW, OLD};

pub const START: Moment = Moment::from_micros(NOW * 1_000_000);
pub const HUB: Eui64 = Eui64::from_bytes([0, 0x0D, 0x6F, 0, 0, 0, 0, 0x01]);
pub const METER: Eui64 = Eui64::from_bytes([0, 0x0D, 0x6F, 0, 0, 0, 1, 1]);

const RADIO_LATENCY: Duration = Duration::from_millis(5);
/// More turns than any suite takes; a home that does not come to rest is a bug.
const MOST_FRAMES: u64 = 4_000_000;

fn model(image_type: u16) -> DeviceModel {
    DeviceModel {
        manufacturer: ManufacturerCode(MANUFACTURER),
        image_type: ImageType(image_type),
        hardware: HardwareVersion(0x0101),
    }
}

/// The meter on channel 1, which asks for images when it is told to.
pub fn meter_config() -> MeterConfig {
    let mut config = MeterConfig::new(METER, model(METER_TYPE), FileVersion(OLD), 1);
    config.block_period = Duration::from_millis(20);
    config.first_query = Duration::from_secs(24 * 3600);
    config.nonce_secret = 9;
    config
}

pub fn hub_config(meters: &[MeterConfig]) -> HubConfig {
    let mut config = HubConfig::new(HUB, FileVersion(OLD));
    config.model = Some(model(HUB_TYPE));
    config.nonce_secret = 7;
    config.devices = meters
        .iter()
        .map(|meter| HanDevice {
            channel: 1,
            eui: meter.eui,
            short_address: meter.short_address,
            sleeps: false,
        })
        .collect();
    config
}

/// A frame on the radio.
struct Flight {
    arrives: Moment,
    /// `None` for the hub.
    from: Option<u16>,
    to: u16,
    zcl: Vec<u8>,
}

pub struct Home {
    pub now: Moment,
    pub pool: SectorPool,
    pub hub: Hub,
    pub meters: Vec<Meter>,
    frames: u64,
    flights: Vec<Flight>,
}

impl Home {
    pub fn new(hub: HubConfig, meters: Vec<MeterConfig>, trust: DeviceTrust) -> Home {
        let trust = Arc::new(trust);
        Home {
            now: START,
            pool: SectorPool::new(),
            meters: meters.into_iter().map(|meter| Meter::new(meter, Arc::clone(&trust), START)).collect(),
            hub: Hub::new(hub, trust, START),
            frames: 0,
            flights: Vec::new(),
        }
    }

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
            assert!(self.frames < MOST_FRAMES, "the home does not come to rest");
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
        let mut zcl = Vec::new();
        while let Some(to) = self.hub.poll_han(&mut zcl) {
            self.flights.push(Flight { arrives, from: None, to, zcl: std::mem::take(&mut zcl) });
            self.frames += 1;
        }
        for meter in &mut self.meters {
            while meter.poll_han(&mut zcl) {
                let from = Some(meter.short_address());
                self.flights.push(Flight { arrives, from, to: 0, zcl: std::mem::take(&mut zcl) });
                self.frames += 1;
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let flights = std::mem::take(&mut self.flights);
        let (arrived, under_way) = flights.into_iter().partition(|flight| flight.arrives <= now);
        self.flights = under_way;
        for Flight { from, to, zcl, .. } in Vec::<Flight>::from_iter(arrived) {
            if let Some(from) = from {
                self.hub.receive_han(now, &mut self.pool, from, &zcl);
                continue;
            }
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

/// The side of the WAN.
impl Home {
    fn ask(&mut self, request: &Apdu<'_>) -> Vec<u8> {
        let (mut frame, mut reply) = (Vec::new(), Vec::new());
        emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, request, &mut frame);
        self.hub.receive_wan(self.now, &mut self.pool, &frame, &mut reply);
        WanFrame::parse_datagram(&reply).expect("the hub answers").apdu.to_vec()
    }

    pub fn associate(&mut self) {
        let request = AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance(Conformance::GET.0 | Conformance::SET.0 | Conformance::ACTION.0),
            max_pdu: 2048,
            wants_authentication: false,
        };
        let answer = self.ask(&Apdu::AssociationRequest(request));
        let Ok(Apdu::AssociationResponse(answer)) = Apdu::parse(&answer) else { panic!("no AARE") };
        assert!(answer.accepted);
    }

    fn get(&mut self, class: ClassId, instance: Obis, index: u8) -> Vec<u8> {
        let attribute = AttributeRef { class, instance, index };
        let answer = self.ask(&Apdu::GetRequest(GetRequest { invoke: INVOKE, attribute }));
        match Apdu::parse(&answer) {
            Ok(Apdu::GetResponse(response)) => response.result.expect("the attribute is there").to_vec(),
            other => panic!("no GET response: {other:?}"),
        }
    }

    pub fn status(&mut self, channel: u8) -> ImageTransferStatus {
        let data = self.get(ClassId::IMAGE_TRANSFER, Obis::image_transfer(channel), 6);
        ImageTransferStatus::from_data(&data).expect("a status")
    }

    pub fn held_papers(&mut self) -> HeldPapers {
        self.associate();
        HeldPapers::parse(&self.get(ClassId::DATA, Obis::papers(0), 2)).expect("papers")
    }

    pub fn set_order(&mut self, channel: u8, order: &[u8]) -> AccessResult {
        self.set_octets(Obis::activation_order(channel), order)
    }

    /// Writes a paper for the hub or for the device of a channel.
    pub fn set_paper(&mut self, channel: u8, paper: &[u8]) -> AccessResult {
        self.associate();
        self.set_octets(Obis::papers(channel), paper)
    }

    fn set_octets(&mut self, instance: Obis, octets: &[u8]) -> AccessResult {
        let mut data = Vec::new();
        Data::Octets(octets).emit(&mut data);
        let attribute = AttributeRef { class: ClassId::DATA, instance, index: 2 };
        let answer = self.ask(&Apdu::SetRequest(SetRequest { invoke: INVOKE, attribute, data: &data }));
        match Apdu::parse(&answer) {
            Ok(Apdu::SetResponse(response)) => response.result,
            other => panic!("no SET response: {other:?}"),
        }
    }

    pub fn act(&mut self, channel: u8, index: u8, parameter: &[u8]) -> AccessResult {
        let instance = Obis::image_transfer(channel);
        let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance, index };
        let parameter = Some(parameter);
        let answer = self.ask(&Apdu::ActionRequest(ActionRequest { invoke: INVOKE, method, parameter }));
        match Apdu::parse(&answer) {
            Ok(Apdu::ActionResponse(response)) => response.result,
            other => panic!("no ACTION response: {other:?}"),
        }
    }

    pub fn initiate(&mut self, channel: u8, identification: &[u8], size: usize) -> AccessResult {
        let mut parameter = Vec::new();
        let size = u32::try_from(size).expect("a small file");
        ImageInitiate { identification, size }.emit_parameter(&mut parameter);
        self.act(channel, 1, &parameter)
    }

    pub fn activate(&mut self, channel: u8) -> AccessResult {
        self.act(channel, 4, &TRIGGER)
    }

    /// Carries a file into a slot and has it verified; false when it was refused on the way.
    pub fn stage(&mut self, channel: u8, identification: &[u8], file: &Bytes) -> bool {
        self.associate();
        if self.initiate(channel, identification, file.len()) != AccessResult::Success {
            return false;
        }
        for (number, bytes) in (0..).zip(file.chunks(1024)) {
            let mut parameter = Vec::new();
            ImageBlock { number, bytes }.emit_parameter(&mut parameter);
            assert_eq!(self.act(channel, 2, &parameter), AccessResult::Success);
        }
        assert_eq!(self.act(channel, 3, &TRIGGER), AccessResult::TemporaryFailure);
        self.run_for(Duration::from_secs(1 + file.len() as u64 / 1_000_000));
        self.status(channel) == ImageTransferStatus::VerificationSuccessful
    }

    /// Does the same under the file's own digest.
    pub fn stage_file(&mut self, channel: u8, file: &Bytes) -> bool {
        self.stage(channel, FileDigest::of(file).as_bytes(), file)
    }

    /// Writes an order and has it activated.
    pub fn order_activation(&mut self, channel: u8, order: &[u8]) -> AccessResult {
        self.associate();
        match self.set_order(channel, order) {
            AccessResult::Success => self.activate(channel),
            refused => refused,
        }
    }
}

const INVOKE: InvokeId = InvokeId { number: 1, confirmed: true, high_priority: true };
/// The parameter of verify and activate: the integer 0.
const TRIGGER: [u8; 2] = [0x0F, 0];
