//! What a head-end says to a hub: association, image, blocks, verify, order, activate.

use firmware_image::FileDigest;
use fleet::{ActivationOutcome, SectorPool};
use wire::{
    AccessResult, ActionRequest, Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId,
    Conformance, Data, ImageBlock, ImageInitiate, ImageTransferStatus, InvokeId, MethodRef, Obis, SetRequest,
    WPort, WanFrame,
};

use crate::bench::Bench;
use crate::device::Device;
use crate::images::OrderDesk;

/// What the head-end knows of the conversation; a hub that comes up begins a new one.
#[derive(Clone, Debug, Default)]
pub struct HubTalk {
    associated: bool,
    /// The next block of the image; all of them are said again after a boot.
    block: u32,
    ordered: bool,
    invoke: u8,
}

impl Bench<'_> {
    /// Says the next thing that the transfer needs.
    pub fn step_hub(&mut self, pool: &mut SectorPool, desk: &mut OrderDesk) -> bool {
        if self.wait(pool) {
            return true;
        }
        if self.is_done() {
            return false;
        }
        if !self.hub_talk.associated {
            self.hub_talk.associated = true;
            self.tell(pool, &association());
            return true;
        }
        let Device::Hub(hub) = &self.device else { unreachable!("a hub is on the bench") };
        let spoilt = hub.last_outcome() == Some(ActivationOutcome::HashMismatch);
        match hub.transfer_status(0).unwrap() {
            ImageTransferStatus::ActivationFailed if spoilt => self.initiate(pool),
            ImageTransferStatus::NotInitiated | ImageTransferStatus::ActivationSuccessful => {
                self.initiate(pool)
            }
            ImageTransferStatus::Initiated | ImageTransferStatus::VerificationFailed => {
                self.send_block_or_verify(pool);
            }
            ImageTransferStatus::VerificationSuccessful | ImageTransferStatus::ActivationFailed => {
                self.order_or_activate(pool, desk);
            }
            ImageTransferStatus::VerificationInitiated | ImageTransferStatus::ActivationInitiated => {
                panic!("a hub that is at work has a timer");
            }
        }
        true
    }

    fn initiate(&mut self, pool: &mut SectorPool) {
        let digest = FileDigest::of(&self.target.bytes);
        let size = u32::try_from(self.target.bytes.len()).unwrap();
        let mut parameter = Vec::new();
        ImageInitiate { identification: digest.as_bytes(), size }.emit_parameter(&mut parameter);
        self.hub_talk.block = 0;
        self.act(pool, 1, &parameter);
    }

    fn send_block_or_verify(&mut self, pool: &mut SectorPool) {
        let unit = self.scene.layout.program_unit() as u32;
        let block_len = (self.scene.block_len - self.scene.block_len % unit) as usize;
        let number = self.hub_talk.block;
        let bytes = self.target.bytes.clone();
        match bytes.chunks(block_len).nth(number as usize) {
            Some(bytes) => {
                let mut parameter = Vec::new();
                ImageBlock { number, bytes }.emit_parameter(&mut parameter);
                self.hub_talk.block += 1;
                self.act(pool, 2, &parameter);
            }
            None => {
                self.hub_talk.block = 0;
                self.act(pool, 3, &[0x0F, 0]);
            }
        }
    }

    fn order_or_activate(&mut self, pool: &mut SectorPool, desk: &mut OrderDesk) {
        self.hub_talk.ordered = !self.hub_talk.ordered;
        if !self.hub_talk.ordered {
            return self.act(pool, 4, &[0x0F, 0]);
        }
        let mut data = Vec::new();
        Data::Octets(desk.order(self.target, self.device.challenge())).emit(&mut data);
        let attribute = AttributeRef { class: ClassId::DATA, instance: Obis::activation_order(0), index: 2 };
        let invoke = self.next_invoke();
        self.tell(pool, &Apdu::SetRequest(SetRequest { invoke, attribute, data: &data }));
    }

    fn next_invoke(&mut self) -> InvokeId {
        self.hub_talk.invoke = (self.hub_talk.invoke + 1) % 16;
        InvokeId { number: self.hub_talk.invoke, confirmed: true, high_priority: true }
    }

    fn act(&mut self, pool: &mut SectorPool, index: u8, parameter: &[u8]) {
        let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance: Obis::image_transfer(0), index };
        let invoke = self.next_invoke();
        let request = ActionRequest { invoke, method, parameter: Some(parameter) };
        self.tell(pool, &Apdu::ActionRequest(request));
    }

    fn tell(&mut self, pool: &mut SectorPool, request: &Apdu<'_>) {
        let (mut apdu, mut frame, mut reply) = (Vec::new(), Vec::new(), Vec::new());
        request.emit(&mut apdu);
        let (source, destination) = (WPort::PUBLIC_CLIENT, WPort::MANAGEMENT);
        WanFrame { source, destination, apdu: &apdu }.emit(&mut frame);
        let Device::Hub(hub) = &mut self.device else { unreachable!("a hub is on the bench") };
        hub.receive_wan(self.now, pool, &frame, &mut reply);
        if !reply.is_empty() {
            let answer = Apdu::parse(WanFrame::parse_datagram(&reply).unwrap().apdu).unwrap();
            let refused =
                matches!(answer, Apdu::SetResponse(response) if response.result != AccessResult::Success);
            assert!(!refused, "an order may always be written");
        }
    }
}

fn association() -> Apdu<'static> {
    Apdu::AssociationRequest(AssociationRequest {
        context: ApplicationContext::LnNoCiphering,
        conformance: Conformance(Conformance::GET.0 | Conformance::SET.0 | Conformance::ACTION.0),
        max_pdu: 2048,
        wants_authentication: false,
    })
}
