//! The head-end: drives the conductor with sockets, timers, a clock and a disk.
//!
//! ```text
//!   HeadEndHandle ──commands──►┌────────┐──records──► Keeper (thread) ──► ledger
//!                              │ driver │◄─durable──────┘
//!        hubs ◄──── Wires ────►└────────┘◄── Clock
//! ```
//!
//! Nothing here decides anything: one loop waits, feeds the conductor and carries out what it says, with
//! bounded work per turn. [`deliver`] is the same for a single device and without a campaign.

mod clock; // where the time comes from
mod counter_disk; // where invocation counters lie
mod counters; // no counter is used before it is durable that it may be
mod datagrams; // UDP, in trains and batches, from one thread or several
mod day_counts; // what carriers have carried today, over a restart
mod delivery; // one image to one device
mod driver; // the loop
mod keeper; // the ledger's thread
mod keyring; // link keys, and what is different between two sets of them
mod links; // ciphered links to hubs
mod one_link; // the ciphered link of one delivery
mod streams; // TCP, for hubs that are reached so
mod wires; // UDP and TCP behind one door

pub use clock::{Clock, WallClock};
pub use counter_disk::{CounterFile, Disk};
pub use counters::{CounterError, Counters, KeyName};
pub use day_counts::{DayCountError, DayCounts};
pub use delivery::{Delivery, DeliveryError, DeliveryReport, Progress, SignOrder, Silence, deliver};
pub use driver::{HeadEnd, HeadEndError, HeadEndHandle, Pulse, Stopped};
pub use keyring::{HubKeys, Keyring, Rekeying};
pub use links::SecuredLinks;
pub use one_link::OneLink;
pub use wires::{Incoming, SENDING_THREADS_MOST, Wires};
