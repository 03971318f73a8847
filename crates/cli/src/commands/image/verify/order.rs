//! Verifying an order to activate: the seal, then the memory of the device it is for, when that is described.

use std::fmt;

use clap::Args;
use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, Expected, ImageDigest, Nonce, OrderCounter, OrderMemory,
    SignedOrder,
};
use serde::Serialize;

use super::super::refusal::{OrRefuse, Stop};
use super::Arguments;
use super::document::DocumentReport;
use crate::exit::{ExitCode, Failure};
use crate::keys;
use crate::output::Output;

/// The device that an order is meant for.
#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// Device that an order must be for.
    #[arg(long, value_name = "EUI-64", requires_all = ["image", "nonce"])]
    device: Option<Eui64>,
    /// Image digest that an order must name.
    #[arg(long, value_name = "SHA", requires = "device")]
    image: Option<ImageDigest>,
    /// Nonce that the device drew for the order.
    #[arg(long, value_name = "HEX", requires = "device")]
    nonce: Option<Nonce>,
    /// Counter of the last order that the device obeyed [default: 0].
    #[arg(long, value_name = "N", requires = "device")]
    last_counter: Option<u64>,
    /// Counter epoch of that order [default: that of the trust root, 0 without one].
    #[arg(long, value_name = "N", requires = "device")]
    last_epoch: Option<u32>,
}

impl OrderArguments {
    pub(super) fn is_given(&self) -> bool {
        self.device.is_some()
    }

    fn expected(&self) -> Option<Expected> {
        Some(Expected { device: self.device?, image: self.image?, nonce: self.nonce? })
    }
}

/// What an order says.
#[derive(Debug, Serialize)]
pub(in super::super) struct OrderFacts {
    device: String,
    image_digest: String,
    epoch: u32,
    counter: u64,
    nonce: String,
}

impl From<&ActivationOrder> for OrderFacts {
    fn from(order: &ActivationOrder) -> OrderFacts {
        OrderFacts {
            device: order.device.to_string(),
            image_digest: order.image.to_string(),
            epoch: order.epoch.0,
            counter: order.counter.0,
            nonce: order.nonce.to_string(),
        }
    }
}

impl fmt::Display for OrderFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "device        {}", self.device)?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "counter       {}, epoch {}", self.counter, self.epoch)?;
        writeln!(formatter, "nonce         {}", self.nonce)
    }
}

/// An order that is believed, and whether the device that was described would obey it.
#[derive(Debug, Serialize)]
struct BelievedOrder {
    #[serde(flatten)]
    order: OrderFacts,
    obeyed_by_device: Option<bool>,
}

impl fmt::Display for BelievedOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.order)?;
        match self.obeyed_by_device {
            Some(true) => writeln!(formatter, "device        would obey it"),
            _ => Ok(()),
        }
    }
}

pub(super) fn verify(arguments: &Arguments, bytes: &[u8], output: &Output) -> Result<(), Stop> {
    let name = arguments.name();
    // Keys given one by one know no epochs: what the device counts in is what holds.
    let (keys, epoch) = match &arguments.orders[..] {
        [] if arguments.root.is_none() => {
            let message = format!("{name}: is an order, expected --orders or --root");
            return Err(Failure::message(ExitCode::BadInput, message).into());
        }
        [] => {
            let anchor = arguments.anchor("order")?;
            (anchor.root().order.keys(), anchor.root().epoch)
        }
        paths => (keys::read_trust(paths)?.keys(), CounterEpoch(arguments.order.last_epoch.unwrap_or(0))),
    };
    let order = SignedOrder::from_bytes(bytes).and_then(|order| order.verify(&keys)).or_refuse(&name)?;
    let expected = arguments.order.expected();
    if let Some(expected) = &expected {
        let memory = OrderMemory {
            epoch: arguments.order.last_epoch.map_or(epoch, CounterEpoch),
            counter: OrderCounter(arguments.order.last_counter.unwrap_or(0)),
        };
        memory.require_acceptable(&order, epoch, expected).or_refuse(&name)?;
    }
    let facts = BelievedOrder { order: OrderFacts::from(&order), obeyed_by_device: expected.map(|_| true) };
    Ok(output.report(&DocumentReport::verified(name, "order", facts))?)
}
