//! The WAN: DLMS/COSEM image transfer (IEC 62056-5-3, 62056-6-2) in the TCP-UDP wrapper (IEC 62056-4-7).
//!
//! In reading order: `wrapper` around `apdu`, which is one of `association` and `services`; `objects` names
//! what services speak of, `access_result` how they end, `data` what they carry; `image_transfer`, `bitmap`,
//! `han_status` and `held_papers` are the contents of the objects we use; `security` ciphers all of it.

mod access_result;
mod apdu;
mod association;
mod bitmap;
mod conformance;
mod data;
mod han_status;
mod held_papers;
mod image_transfer;
mod objects;
mod security;
mod services;
mod typed;
mod wrapper;

pub use access_result::AccessResult;
pub use apdu::Apdu;
pub use association::{ApplicationContext, AssociationRequest, AssociationResponse};
pub use bitmap::{BlockBitmap, MAX_BLOCKS};
pub use conformance::Conformance;
pub use data::{Data, MAX_DATA_DEPTH, MAX_DATA_ELEMENTS};
pub use han_status::{HanDeviceStatus, HanState, OrderChallenge};
pub use held_papers::HeldPapers;
pub use image_transfer::{
    ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, block_frame_len,
    check_trigger_parameter, emit_block_frame,
};
pub use objects::{AttributeRef, ClassId, InvokeId, MethodRef, Obis, WPort};
pub use security::{
    BroadcastSealer, BroadcastWindow, Challenge, ClientHeard, CounterLease, KeySet, LeaseRequest, LinkError,
    LinkKeys, MAX_SEAL_OVERHEAD, SealError, SecureClient, SecureServer, SecurityControl, ServerHeard,
    ServerOffer, SlotWindow, SystemTitle, sealed_block_frame_len, sealed_len,
};
pub use services::{ActionRequest, ActionResponse, GetRequest, GetResponse, SetRequest, SetResponse};
pub use wrapper::{MAX_APDU_LEN, WRAPPER_LEN, WanFrame, emit_wan};
