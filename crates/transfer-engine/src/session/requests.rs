//! The request of each step, as bytes. What the answers mean is for `answers`.

use wire::{
    ActionRequest, Apdu, ApplicationContext, AssociationRequest, AttributeRef, ClassId, Conformance, Data,
    GetRequest, ImageInitiate, InvokeId, MethodRef, Obis, SetRequest, WPort, emit_wan,
};

use super::errand::Errand;
use super::step::Step;
use crate::budget::DATAGRAM_OVERHEAD;
use crate::release::Releases;

/// The most that a request takes on the line, headers included: the activation order is the largest,
/// capped at 512 B, and 128 B hold every header around it.
pub(crate) const CONTROL_ALLOWANCE: usize = 512 + 128 + DATAGRAM_OVERHEAD;

/// Returns the most that the request of a step takes on the line: a paper may be longer than an order.
pub(crate) fn request_allowance(task: &Errand, step: Step) -> usize {
    match task {
        Errand::WritePapers(papers) if step == Step::WritePaper => CONTROL_ALLOWANCE + papers.current().len(),
        _ => CONTROL_ALLOWANCE,
    }
}

/// The largest APDU we are ready to receive: the bitmap of a 10 MB image in 64 B blocks is 20 kB.
const MAX_PDU: u16 = 0xFFFF;

/// Emits the request of a step of a task.
pub(crate) fn emit_step(task: &Errand, step: Step, invoke: u8, releases: &Releases, frame: &mut Vec<u8>) {
    let invoke = InvokeId { number: invoke, confirmed: true, high_priority: true };
    let channel = channel_of(task);
    let slot = Obis::image_transfer(channel);
    let get = |class, instance, index| {
        Apdu::GetRequest(GetRequest { invoke, attribute: AttributeRef { class, instance, index } })
    };
    let mut parameter = Vec::new();
    let apdu = match step {
        Step::Associate => Apdu::AssociationRequest(AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
            max_pdu: MAX_PDU,
            wants_authentication: false,
        }),
        Step::Confirm => get(ClassId::IMAGE_TRANSFER, slot, 7),
        Step::AwaitVerify | Step::ReconcileActivation => get(ClassId::IMAGE_TRANSFER, slot, 6),
        Step::ReadFirstMissing => get(ClassId::IMAGE_TRANSFER, slot, 4),
        Step::ReadBitmap => get(ClassId::IMAGE_TRANSFER, slot, 3),
        Step::ReadHanStatus => get(ClassId::DATA, Obis::han_status(), 2),
        Step::ReadVersion => get(ClassId::DATA, Obis::active_firmware(channel), 2),
        Step::Initiate => {
            if let Errand::Stage { release, .. } = task {
                let release = releases.release(*release);
                ImageInitiate { identification: &release.identification, size: release.bytes.len() as u32 }
                    .emit_parameter(&mut parameter);
            }
            action(invoke, slot, 1, &parameter)
        }
        Step::Verify | Step::Activate => {
            Data::Integer8(0).emit(&mut parameter);
            action(invoke, slot, if step == Step::Verify { 3 } else { 4 }, &parameter)
        }
        Step::WriteOrder => {
            if let Errand::Activate { order: Some(order), .. } = task {
                Data::Octets(order).emit(&mut parameter);
            }
            let attribute =
                AttributeRef { class: ClassId::DATA, instance: Obis::activation_order(channel), index: 2 };
            Apdu::SetRequest(SetRequest { invoke, attribute, data: &parameter })
        }
        Step::WritePaper => {
            if let Errand::WritePapers(papers) = task {
                Data::Octets(papers.current()).emit(&mut parameter);
            }
            let attribute = AttributeRef { class: ClassId::DATA, instance: Obis::papers(channel), index: 2 };
            Apdu::SetRequest(SetRequest { invoke, attribute, data: &parameter })
        }
        Step::Survey | Step::SendBlocks => unreachable!("they are more than one request"),
    };
    emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &apdu, frame);
}

/// Returns the first step of a task once the association stands.
pub(crate) fn first_step(task: &Errand) -> Step {
    match task {
        Errand::Stage { .. } => Step::Survey,
        Errand::Activate { order: Some(_), .. } => Step::WriteOrder,
        Errand::Activate { order: None, .. } => Step::Activate,
        Errand::ReadHanStatus => Step::ReadHanStatus,
        Errand::ReadVersion { .. } => Step::ReadVersion,
        Errand::WritePapers(_) => Step::WritePaper,
    }
}

/// Returns the slot a task is about.
pub(crate) fn channel_of(task: &Errand) -> u8 {
    match task {
        Errand::Stage { channel, .. }
        | Errand::Activate { channel, .. }
        | Errand::ReadVersion { channel } => *channel,
        Errand::WritePapers(papers) => papers.channel,
        Errand::ReadHanStatus => 0,
    }
}

fn action(invoke: InvokeId, slot: Obis, index: u8, parameter: &[u8]) -> Apdu<'_> {
    let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance: slot, index };
    Apdu::ActionRequest(ActionRequest { invoke, method, parameter: Some(parameter) })
}
