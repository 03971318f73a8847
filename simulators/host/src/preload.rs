//! Puts an image into a hub without a head-end: the hub is spoken to in DLMS, as anybody would, within the process.
//!
//! So a reloaded image passes the same checks as one that came over the WAN.

use firmware_image::FileDigest;
use fleet::{Hub, SectorPool};
use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, Apdu, ApplicationContext, AssociationRequest, ClassId, Conformance,
    ImageBlock, ImageInitiate, InvokeId, MethodRef, Obis, WPort, WanFrame, emit_wan,
};

/// Starts an image on a slot, hands over all blocks and asks for verification; `false` when the hub refuses.
pub(crate) fn preload(hub: &mut Hub, pool: &mut SectorPool, now: Moment, channel: u8, image: &[u8]) -> bool {
    let mut client = Client { hub, pool, now, instance: Obis::image_transfer(channel) };
    client.associate();
    let done = client.transfer(image).is_some();
    client.ask(&Apdu::ReleaseRequest);
    done
}

struct Client<'a> {
    hub: &'a mut Hub,
    pool: &'a mut SectorPool,
    now: Moment,
    instance: Obis,
}

impl Client<'_> {
    fn associate(&mut self) {
        self.ask(&Apdu::AssociationRequest(AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
            max_pdu: u16::MAX,
            wants_authentication: false,
        }));
    }

    fn transfer(&mut self, image: &[u8]) -> Option<()> {
        let identification = FileDigest::of(image);
        let mut parameter = Vec::new();
        let size = u32::try_from(image.len()).ok()?;
        ImageInitiate { identification: identification.as_bytes(), size }.emit_parameter(&mut parameter);
        self.act(1, &parameter)?;
        let block_size = self.hub.block_size();
        for (number, bytes) in (0..).zip(image.chunks(block_size as usize)) {
            parameter.clear();
            ImageBlock { number, bytes }.emit_parameter(&mut parameter);
            self.act(2, &parameter)?;
        }
        // Methods 3 and 4 take integer(0) (IEC 62056-6-2, 4.4.6).
        self.act(3, &[0x0F, 0x00])
    }

    /// Invokes a method; a verification that goes on by itself answers "temporary failure" and is under way.
    fn act(&mut self, index: u8, parameter: &[u8]) -> Option<()> {
        let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance: self.instance, index };
        let invoke = InvokeId { number: 1, confirmed: true, high_priority: false };
        let request = Apdu::ActionRequest(ActionRequest { invoke, method, parameter: Some(parameter) });
        let reply = self.ask(&request);
        let frame = WanFrame::parse_datagram(&reply).ok()?;
        match Apdu::parse(frame.apdu).ok()? {
            Apdu::ActionResponse(response) => {
                let fine = [AccessResult::Success, AccessResult::TemporaryFailure];
                fine.contains(&response.result).then_some(())
            }
            _ => None,
        }
    }

    fn ask(&mut self, request: &Apdu<'_>) -> Vec<u8> {
        let (mut frame, mut reply) = (Vec::new(), Vec::new());
        emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, request, &mut frame);
        self.hub.receive_wan(self.now, self.pool, &frame, &mut reply);
        reply
    }
}
