//! The development keys: public, in the repository, and believed by simulated devices only.

use firmware_image::{PublicKey, SigningKey, TrustStore};

use crate::exit::{ExitCode, Failure, OrFail};

/// The id of a simulated hub that was given no other.
pub(crate) const HUB_EUI: &str = "00-0D-6F-00-00-00-00-01";

/// The id of a simulated meter that was given no other.
pub(crate) const METER_EUI: &str = "00-0D-6F-00-00-00-00-02";

const IMAGE_PUBLIC: &str = include_str!("../../../firmware-images/keys/development-image.pub.pem");
const ORDER_PUBLIC: &str = include_str!("../../../firmware-images/keys/development-order.pub.pem");
const ORDER_KEY: &str = include_str!("../../../firmware-images/keys/development-order.key.pem");

/// Returns what a simulated device believes of images when it is told nothing else.
pub(crate) fn image_trust() -> Result<TrustStore, Failure> {
    trust(IMAGE_PUBLIC)
}

/// Returns what a simulated device believes of activation orders when it is told nothing else.
pub(crate) fn order_trust() -> Result<TrustStore, Failure> {
    trust(ORDER_PUBLIC)
}

fn trust(pem: &str) -> Result<TrustStore, Failure> {
    let key = PublicKey::from_pem(pem).or_fail(ExitCode::Failed, "a built-in development key")?;
    Ok(TrustStore::new(vec![key]))
}

/// Returns the key that signs activation orders for simulated devices.
pub(crate) fn order_key() -> Result<SigningKey, Failure> {
    SigningKey::from_pem(ORDER_KEY).or_fail(ExitCode::Failed, "the built-in development key")
}
