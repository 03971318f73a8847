//! The simulated fleet on real UDP and TCP sockets, and single devices for other people's software to talk to.

mod clock; // real time, sped up, and never ahead of those who live by it

pub use clock::{Clock, CompressedClock, Participant, Speed, SteadyClock};
