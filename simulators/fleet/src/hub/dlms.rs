//! The WAN side: a DLMS server on the management port; [`super::secured`] ciphers what it hears and says.
//!
//! | object | class | attributes | whose |
//! |---|--:|---|---|
//! | 0.b.44.0.0.255 image transfer | 18 | 1..=7, methods 1..=4 | standard; b as a channel is ours |
//! | 1.b.0.2.0.255 active firmware identifier | 1 | 2: four octets, most significant first | standard; the content is ours |
//! | 0.b.128.0.0.255 activation order | 1 | 2: octets, writable | ours |
//! | 0.0.128.1.0.255 HAN status | 1 | 2: array of structures | ours |
//! | 0.b.128.2.0.255 papers | 1 | 2: written as octets, one paper; read as a structure | ours |
//!
//! What the methods do is left to [`super::transfer`].

use std::time::Duration;

use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ApplicationContext, AssociationRequest,
    AssociationResponse, AttributeRef, ClassId, Conformance, Data, GetRequest, GetResponse, ImageToActivate,
    ImageTransferStatus, InvokeId, Obis, SetRequest, SetResponse, WPort, WanFrame, emit_wan,
};

use firmware_image::Attack;

use super::Hub;
use super::outgoing::Message;
use super::slot::MAX_ORDER_LEN;
use crate::flash::FlashError;
use crate::said::Act;
use crate::sector_pool::SectorPool;

/// The services of this server.
pub(super) const OFFERED: Conformance =
    Conformance(Conformance::GET.0 | Conformance::SET.0 | Conformance::ACTION.0);

/// How many clients are associated at once; one more pushes the oldest out.
const MAX_CLIENTS: usize = 8;

/// What a device runs is news for so long (ours: half the time from one wake of a gas meter to the next).
const ASK_ANEW_AFTER: Duration = Duration::from_secs(900);

/// The longest APDU beyond a block: 25 bytes of request and parameter, 21 of ciphering (IEC 62056-5-3), rounded up.
const REQUEST_OVERHEAD: u32 = 64;

/// The smallest limit announced; a UDP packet's worth.
const MIN_PDU: u32 = 1400;

/// Diagnostics of a refused association (IEC 62056-5-3, associate-source-diagnostic).
const CONTEXT_NOT_SUPPORTED: u8 = 2;
const MECHANISM_NOT_RECOGNISED: u8 = 11;

/// What is answered to requests before an association, and to services that are not spoken.
const NOT_ALLOWED: Apdu<'static> = Apdu::ExceptionResponse { state_error: 1, service_error: 1 };

/// What an object is to this server.
enum Object {
    ImageTransfer(usize),
    ActiveFirmware(usize),
    ActivationOrder(usize),
    HanStatus,
    Papers(usize),
}

impl Hub {
    /// Serves one wrapped APDU and appends the answer, if there is one.
    pub(super) fn serve_wan(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        frame: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), FlashError> {
        let Ok(frame) = WanFrame::parse_datagram(frame) else {
            self.counters.malformed_frames += 1;
            return Ok(());
        };
        let addressed = matches!(frame.destination, WPort::MANAGEMENT | WPort::ALL_STATIONS);
        if let Some(secured) = self.secured.take_if(|_| addressed) {
            return self.serve_secured(now, pool, secured, frame, reply);
        }
        let Some(apdu) = Apdu::parse(frame.apdu).ok().filter(|_| addressed) else {
            self.counters.malformed_frames += 1;
            return Ok(());
        };
        let mut value = std::mem::take(&mut self.scratch);
        value.clear();
        let answer = self.answer(now, pool, frame.source, &apdu, &mut value);
        if let Ok(Some(answer)) = &answer
            && frame.destination == WPort::MANAGEMENT
        {
            emit_wan(WPort::MANAGEMENT, frame.source, answer, reply);
        }
        let outcome = answer.map(|_| ());
        self.scratch = value;
        outcome
    }

    fn answer<'v>(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        client: WPort,
        apdu: &Apdu<'_>,
        value: &'v mut Vec<u8>,
    ) -> Result<Option<Apdu<'v>>, FlashError> {
        match apdu {
            Apdu::AssociationRequest(request) => {
                return Ok(Some(Apdu::AssociationResponse(self.associate(client, request))));
            }
            Apdu::ReleaseRequest => {
                self.clients.retain(|known| *known != client);
                // Who has said goodbye repeats nothing: its next initiate is a new one, whatever its invoke-id.
                self.slots.iter_mut().for_each(|slot| slot.begun_by = None);
                return Ok(Some(Apdu::ReleaseResponse));
            }
            Apdu::GetRequest(_) | Apdu::SetRequest(_) | Apdu::ActionRequest(_) => {}
            Apdu::AssociationResponse(_)
            | Apdu::ReleaseResponse
            | Apdu::GetResponse(_)
            | Apdu::SetResponse(_)
            | Apdu::ActionResponse(_)
            | Apdu::ExceptionResponse { .. } => {
                self.counters.malformed_frames += 1;
                return Ok(None);
            }
        }
        let associated = self.clients.contains(&client);
        if !associated {
            self.counters.unassociated_requests += 1;
        }
        match apdu {
            Apdu::GetRequest(_) if !associated => Ok(Some(self.exception())),
            Apdu::SetRequest(SetRequest { invoke, .. })
            | Apdu::ActionRequest(ActionRequest { invoke, .. })
                if !associated =>
            {
                Ok(invoke.confirmed.then(|| self.exception()))
            }
            request => self.serve_request(now, pool, request, value),
        }
    }

    fn exception(&mut self) -> Apdu<'static> {
        self.counters.said.act(Act::Exception);
        NOT_ALLOWED
    }

    /// Serves a GET, SET or ACTION of an associated client; `value` is where the value of a GET is put together.
    pub(super) fn serve_request<'v>(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        request: &Apdu<'_>,
        value: &'v mut Vec<u8>,
    ) -> Result<Option<Apdu<'v>>, FlashError> {
        Ok(match request {
            Apdu::GetRequest(GetRequest { invoke, attribute }) => {
                let result = self.get(now, attribute, value);
                self.counters.said.result(result.err().unwrap_or(AccessResult::Success));
                let result = result.map(|()| value.as_slice());
                Some(Apdu::GetResponse(GetResponse { invoke: *invoke, result }))
            }
            Apdu::SetRequest(request) => {
                let result = self.set(now, pool, request)?;
                let answer = SetResponse { invoke: request.invoke, result };
                self.note_result(request.invoke, result);
                request.invoke.confirmed.then_some(Apdu::SetResponse(answer))
            }
            Apdu::ActionRequest(request) => {
                let result = self.act(now, pool, request)?;
                let answer = ActionResponse { invoke: request.invoke, result, data: None };
                self.note_result(request.invoke, result);
                request.invoke.confirmed.then_some(Apdu::ActionResponse(answer))
            }
            _ => None,
        })
    }

    /// Notes a result that is told; whoever did not ask for one hears none.
    fn note_result(&mut self, invoke: InvokeId, result: AccessResult) {
        if invoke.confirmed {
            self.counters.said.result(result);
        }
    }

    /// Grants an association; a repeated request is granted again, for the first answer may be lost.
    fn associate(&mut self, client: WPort, request: &AssociationRequest) -> AssociationResponse {
        let refusal = match request.context {
            ApplicationContext::Other => Some((CONTEXT_NOT_SUPPORTED, Act::Context)),
            ApplicationContext::LnNoCiphering if request.wants_authentication => {
                Some((MECHANISM_NOT_RECOGNISED, Act::Mechanism))
            }
            ApplicationContext::LnNoCiphering => None,
        };
        if let Some((diagnostic, refusal)) = refusal {
            self.counters.said.act(refusal);
            let conformance = Conformance::NONE;
            return AssociationResponse { accepted: false, diagnostic, conformance, max_pdu: 0 };
        }
        self.clients.retain(|known| *known != client);
        if self.clients.len() >= MAX_CLIENTS {
            self.clients.remove(0);
        }
        self.clients.push(client);
        let conformance = OFFERED.intersection(request.conformance);
        AssociationResponse { accepted: true, diagnostic: 0, conformance, max_pdu: self.max_pdu() }
    }

    /// Returns the longest APDU this hub takes: a block's, plain or ciphered.
    pub(super) fn max_pdu(&self) -> u16 {
        let limit = MIN_PDU.max(self.block_size + REQUEST_OVERHEAD);
        u16::try_from(limit).unwrap_or(u16::MAX)
    }

    /// Finds the object of a logical name, and checks that the class is right.
    fn object(&self, instance: Obis, class: ClassId) -> Result<Object, AccessResult> {
        let channel = instance.channel();
        let (object, own_class) = if instance == Obis::han_status() {
            (Object::HanStatus, ClassId::DATA)
        } else {
            let slot = self.slot_of(channel).ok_or(AccessResult::ObjectUndefined)?;
            if instance == Obis::image_transfer(channel) {
                (Object::ImageTransfer(slot), ClassId::IMAGE_TRANSFER)
            } else if instance == Obis::active_firmware(channel) {
                (Object::ActiveFirmware(slot), ClassId::DATA)
            } else if instance == Obis::activation_order(channel) {
                (Object::ActivationOrder(slot), ClassId::DATA)
            } else if instance == Obis::papers(channel) {
                (Object::Papers(slot), ClassId::DATA)
            } else {
                return Err(AccessResult::ObjectUndefined);
            }
        };
        if class == own_class { Ok(object) } else { Err(AccessResult::ObjectClassInconsistent) }
    }

    /// Who asks what a device runs is told what is known; a device that was not heard of lately is asked anew, so that a
    /// second look tells whether it is there.
    fn ask_anew(&mut self, now: Moment, slot: usize) {
        let known = self.slots[slot].record.device.is_some_and(|device| device.commissioned);
        let heard = self.slots[slot].peer.last_heard;
        let is_news = heard.is_some_and(|heard| now.saturating_since(heard) < ASK_ANEW_AFTER);
        if known && !is_news {
            self.send(self.address_of(slot), Message::ReadVersion);
        }
    }

    fn get(
        &mut self,
        now: Moment,
        attribute: &AttributeRef,
        value: &mut Vec<u8>,
    ) -> Result<(), AccessResult> {
        let object = self.object(attribute.instance, attribute.class)?;
        if attribute.index == 1 {
            Data::Octets(&attribute.instance.0).emit(value);
            return Ok(());
        }
        match object {
            Object::ImageTransfer(slot) => self.get_image_transfer(slot, attribute.index, value),
            _ if attribute.index != 2 => Err(AccessResult::ObjectUndefined),
            Object::ActiveFirmware(slot) => {
                self.ask_anew(now, slot);
                let version = match &self.slots[slot].record.device {
                    None => self.running_version().0,
                    Some(device) => device.running_version.ok_or(AccessResult::ObjectUnavailable)?,
                };
                Data::Octets(&version.to_be_bytes()).emit(value);
                Ok(())
            }
            Object::ActivationOrder(slot) => {
                Data::Octets(&self.slots[slot].record.order).emit(value);
                Ok(())
            }
            Object::HanStatus => {
                wire::HanDeviceStatus::emit_list(&self.han_status(now), value);
                Ok(())
            }
            Object::Papers(slot) => {
                self.held_papers(slot).emit(value);
                Ok(())
            }
        }
    }

    fn get_image_transfer(&self, slot: usize, index: u8, value: &mut Vec<u8>) -> Result<(), AccessResult> {
        let slot = &self.slots[slot];
        match index {
            2 => Data::Unsigned32(self.block_size).emit(value),
            3 => match &slot.bitmap {
                Some(bitmap) => bitmap.emit_data(value),
                None => Data::BitString { bits: &[], len: 0 }.emit(value),
            },
            4 => {
                let first =
                    slot.bitmap.as_ref().map_or(0, |bitmap| bitmap.first_missing().unwrap_or(bitmap.len()));
                Data::Unsigned32(first).emit(value);
            }
            5 => Data::Boolean(true).emit(value),
            6 => value.extend_from_slice(&slot.record.status.to_data()),
            7 => {
                let image = slot.record.image.as_ref().map(|image| ImageToActivate {
                    size: image.size,
                    identification: image.identification.clone(),
                    signature: Vec::new(),
                });
                ImageToActivate::emit_list(image.as_slice(), value);
            }
            _ => return Err(AccessResult::ObjectUndefined),
        }
        Ok(())
    }

    fn set(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        request: &SetRequest<'_>,
    ) -> Result<AccessResult, FlashError> {
        let attribute = request.attribute;
        let object = match self.object(attribute.instance, attribute.class) {
            Ok(object) if attribute.index == 2 => object,
            Ok(_) => return Ok(AccessResult::ReadWriteDenied),
            Err(result) => return Ok(result),
        };
        let Ok(Data::Octets(octets)) = Data::parse(request.data) else {
            return Ok(match object {
                Object::ActivationOrder(_) | Object::Papers(_) => AccessResult::TypeUnmatched,
                _ => AccessResult::ReadWriteDenied,
            });
        };
        match object {
            Object::ActivationOrder(slot) => self.set_order(pool, slot, octets),
            Object::Papers(slot) => self.take_paper(now, pool, slot, octets),
            Object::ImageTransfer(_) | Object::ActiveFirmware(_) | Object::HanStatus => {
                Ok(AccessResult::ReadWriteDenied)
            }
        }
    }

    fn set_order(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        order: &[u8],
    ) -> Result<AccessResult, FlashError> {
        if order.len() > MAX_ORDER_LEN {
            return Ok(self.refuse_paper(Attack::EndlessData, "longer than any order"));
        }
        if self.slots[slot].record.order != order {
            // An order that is on its way to the device is not exchanged under it.
            if self.slots[slot].record.status == ImageTransferStatus::ActivationInitiated {
                return Ok(AccessResult::TemporaryFailure);
            }
            self.slots[slot].record.order = order.to_vec();
            self.store_slot(pool, slot)?;
        }
        Ok(AccessResult::Success)
    }

    fn act(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        request: &ActionRequest<'_>,
    ) -> Result<AccessResult, FlashError> {
        let slot = match self.object(request.method.instance, request.method.class) {
            Ok(Object::ImageTransfer(slot)) => slot,
            Ok(_) => return Ok(AccessResult::ObjectUndefined),
            Err(result) => return Ok(result),
        };
        match request.method.index {
            1 => self.initiate(now, pool, slot, request),
            2 => self.take_block(pool, slot, request.parameter),
            3 | 4 if wire::check_trigger_parameter(request.parameter).is_err() => {
                Ok(AccessResult::TypeUnmatched)
            }
            3 => self.verify(now, pool, slot),
            4 if slot == 0 => self.activate_self(now, pool),
            4 => self.activate_device(now, pool, slot),
            _ => Ok(AccessResult::ObjectUndefined),
        }
    }
}
