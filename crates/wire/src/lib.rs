//! DLMS image transfer and ZCL OTA frames: parse and emit.
//!
//! ```text
//!  head-end                        hub                              meter
//!     │  WAN: UDP or TCP 4059       │  HAN: UDP 17754                │
//!     │  ┌──────────────────────┐   │  ┌──────────────────────────┐  │
//!     ├──│ WanFrame  (wrapper)  │───┤  │ HanFrame (ZEP, MAC, NWK, │──┤
//!     │  │ └ Apdu    (service)  │   ├──│ │         APS)           │  │
//!     │  │   └ Data, ImageBlock │   │  │ └ ZclFrame               │  │
//!     │  │     BlockBitmap ...  │   │  │   └ OtaCommand           │  │
//!     │  └──────────────────────┘   │  └──────────────────────────┘  │
//! ```
//!
//! Parsing takes a slice and gives values that refer to it; emitting appends to the caller's buffer. What is
//! sent per block neither allocates when it is parsed nor when it is emitted into a buffer with room. Parsers
//! take any bytes whatsoever: they return a [`WireError`] and never panic, and no length that a peer claims
//! is believed further than there are bytes. Emitters panic when the caller asks for a frame that cannot be.
//!
//! Strict in what is sent, which is byte for byte what other implementations send; liberal in what is legal
//! to receive, and each module says where. When to send what is for others to know.
//!
//! Sources, cited where they are used: IEC 62056-5-3 (services), 62056-6-1 (names), 62056-6-2 (objects),
//! 62056-4-7 (wrapper), IEC 61334-6 (A-XDR); ZCL revision 8, 11 (OTA upgrade); IEEE 802.15.4; Zigbee
//! 05-3474. "Ours" is what no standard knows.
//!
//! In reading order: `dlms` is the WAN, `zcl` the HAN's application, `han` the layers below it; `reader` is
//! how they all read, `error` how they all fail.

mod dlms;
mod error;
mod han;
mod reader;
mod zcl;

pub use dlms::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ApplicationContext, AssociationRequest,
    AssociationResponse, AttributeRef, BlockBitmap, BroadcastSealer, BroadcastWindow, Challenge, ClassId,
    ClientHeard, Conformance, CounterLease, Data, GetRequest, GetResponse, HanDeviceStatus, HanState,
    HeldPapers, ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, InvokeId, KeySet,
    LeaseRequest, LinkError, LinkKeys, MAX_APDU_LEN, MAX_BLOCKS, MAX_DATA_DEPTH, MAX_DATA_ELEMENTS,
    MAX_SEAL_OVERHEAD, MethodRef, Obis, OrderChallenge, SealError, SecureClient, SecureServer,
    SecurityControl, ServerHeard, ServerOffer, SetRequest, SetResponse, SlotWindow, SystemTitle, WPort,
    WRAPPER_LEN, WanFrame, block_frame_len, check_trigger_parameter, emit_block_frame, emit_wan,
    sealed_block_frame_len, sealed_len,
};
pub use error::WireError;
pub use han::{FIRST_BROADCAST, HanFrame, MAX_HAN_PAYLOAD, OTA_CLUSTER, SE_PROFILE};
pub use zcl::{
    AttributeId, AttributeList, AttributeRecord, AttributeValue, CHALLENGE_COMMAND, DeviceChallenge,
    DocumentFragment, DocumentKind, ImageBlockRequest, ImageBlockResponse, ImageKey, ImageNotify,
    ImagePageRequest, MAX_ATTRIBUTES, NotifyScope, ORDER_COMMAND, ORDER_MANUFACTURER, OtaCommand,
    QueryDeviceSpecificFileRequest, QueryNextImageRequest, QueryNextImageResponse, ROOT_COMMAND,
    UPGRADE_WHEN_TOLD, UpgradeEndRequest, UpgradeEndResponse, ZclFrame, ZclStatus,
};
