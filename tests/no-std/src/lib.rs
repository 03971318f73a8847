//! A hub's or meter's firmware in miniature: the verifying half of `firmware-image` on a bare machine.
//!
//! That it builds is the proof. Should `firmware-image` or a library below it come to need the standard library,
//! this panic handler would be the second one, which the compiler refuses.

#![no_std]
#![forbid(unsafe_code)]

use core::panic::PanicInfo;

use embedded_alloc::LlffHeap;
use firmware_image::{DeviceState, SignedImage, SignedRoot, TrustAnchor, VerifiedImage};

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Does what a device does with an image and with the news of a new trust root.
pub fn take(anchor: &TrustAnchor, state: &DeviceState, image: SignedImage) -> Option<VerifiedImage> {
    let image = anchor.root().images().verify(image).ok()?;
    state.require_acceptable(&image).ok()?;
    Some(image)
}

/// Follows a rotation.
pub fn follow(anchor: &TrustAnchor, next: &[u8]) -> Option<TrustAnchor> {
    anchor.advance(&SignedRoot::from_bytes(next).ok()?).ok()
}

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {}
}
