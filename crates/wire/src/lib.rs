//! DLMS image transfer and ZCL OTA frames: parse and emit.

mod dlms;
mod error;
mod reader;
mod zcl;

pub use dlms::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ApplicationContext, AssociationRequest,
    AssociationResponse, AttributeRef, BlockBitmap, ClassId, Conformance, Data, GetRequest, GetResponse,
    HanDeviceStatus, HanState, ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, InvokeId,
    MAX_APDU_LEN, MAX_BLOCKS, MAX_DATA_DEPTH, MAX_DATA_ELEMENTS, MethodRef, Obis, SetRequest, SetResponse,
    WPort, WRAPPER_LEN, WanFrame, block_frame_len, check_trigger_parameter, emit_block_frame, emit_wan,
};
pub use error::WireError;
pub use zcl::{
    AttributeId, AttributeList, AttributeRecord, AttributeValue, ImageBlockRequest, ImageBlockResponse,
    ImageKey, ImageNotify, ImagePageRequest, MAX_ATTRIBUTES, NotifyScope, ORDER_COMMAND, ORDER_MANUFACTURER,
    OrderFragment, OtaCommand, QueryDeviceSpecificFileRequest, QueryNextImageRequest, QueryNextImageResponse,
    UPGRADE_WHEN_TOLD, UpgradeEndRequest, UpgradeEndResponse, ZclFrame, ZclStatus,
};
