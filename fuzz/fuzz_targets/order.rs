//! Any bytes as a signed activation order, and the same bytes as an order that a trusted key has signed.

#![no_main]

use firmware_image::{ActivationOrder, OrderError, SignedOrder};
use fuzz::{READING, bounded, order_around, seeds, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: check(), |data: &[u8]| {
    // Nobody can make another signature: the orders that are obeyed are those of the seeds.
    if let Ok(order) = obey(data) {
        assert_eq!(ActivationOrder { counter: seeds::order().counter, ..order }, seeds::order());
    }
    let signed = order_around(data);
    match obey(&signed) {
        Ok(order) => assert_eq!(seeds::sealed(&order), signed, "an order has one encoding"),
        Err(OrderError::BadSignature | OrderError::UntrustedKey { .. }) => {
            panic!("the signature made here is not the one that is looked for")
        }
        Err(_) => {}
    }
});

fn obey(bytes: &[u8]) -> Result<ActivationOrder, OrderError> {
    let keys = trust().keys();
    bounded("verification", bytes.len(), READING, || SignedOrder::from_bytes(bytes)?.verify(&keys))
}

/// Makes sure that the seeds are orders to be obeyed.
fn check() {
    seeds::check("order");
    assert_eq!(obey(&seeds::sealed(&seeds::order())), Ok(seeds::order()), "the honest order is refused");
}
