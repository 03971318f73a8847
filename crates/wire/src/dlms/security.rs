//! Security suite 0 of DLMS: AES-128-GCM on every APDU, high-level security 5 to open an association
//! (IEC 62056-5-3).
//!
//! ```text
//! head-end                                                  hub
//! SecureClient ──AARQ { title, CtoS, ciphered initiate }──► SecureServer
//!              ◄─AARE { title, StoC, ciphered initiate }───
//!              ──glo-ACTION { f(StoC) }──►   ◄──{ f(CtoS) }──                  own key of the hub
//!              ──glo-GET, -SET, -ACTION──►   ◄──their answers──                own key of the hub
//! BroadcastSealer ──glo-ACTION, unconfirmed blocks, the same for every hub──►  key of all hubs
//! ```
//!
//! Pure: keys, challenges and durable counters come from the caller, who also decides what a refusal means. The
//! integrity of firmware never rests on any of it: that is the signature's.
//!
//! In reading order: `client` and `server` are the two ends, `broadcast` the shared ciphertext; `association` and
//! `hls` are how they meet, `envelope` how APDUs are ciphered, `counters` why none is believed twice; `control`
//! and `keys` lie below, `error` is how they all fail.

mod association;
mod broadcast;
mod client;
mod control;
mod counters;
mod envelope;
mod error;
#[cfg(test)]
mod golden;
mod hls;
mod keys;
mod server;

pub use broadcast::{BroadcastSealer, sealed_block_frame_len};
pub use client::{ClientHeard, SecureClient};
pub use control::{KeySet, SecurityControl};
pub use counters::{BroadcastWindow, CounterLease, LeaseRequest};
pub use envelope::{MAX_SEAL_OVERHEAD, sealed_len};
pub use error::{LinkError, SealError};
pub use hls::Challenge;
pub use keys::{LinkKeys, SystemTitle};
pub use server::{SecureServer, ServerHeard, ServerOffer, SlotWindow};
