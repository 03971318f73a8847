//! End-to-end scenarios through the whole house, and the architecture's rules as tests.

#![allow(clippy::unwrap_used)]

mod acts;
mod approvals;
mod architecture;
mod campaigns;
mod caps;
#[expect(dead_code, reason = "the devices' tests use more of it")]
#[path = "../simulators/fleet/tests/devices/chain.rs"]
mod chain;
mod companions;
mod explaining;
mod fidelities;
mod floors;
mod forecasts;
mod giving_up;
mod halts;
mod hash_backend;
mod hours;
mod link_keys;
mod lists;
mod notices;
mod onlookers;
mod paths;
mod pauses;
mod restarts;
mod rig;
mod rotations;
mod shares;
mod soaks;
mod storms;
mod strangers;
mod street;
mod turns;
mod unheard;
mod withdrawals;
mod worlds;
