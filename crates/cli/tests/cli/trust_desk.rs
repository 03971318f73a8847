//! A desk with a chain of trust, and with an image released under it.

use std::fs;

use firmware_image::{ActivationOrder, CounterEpoch, Eui64, ImageDigest, Nonce, OrderCounter, SigningKey};

use crate::desk::{Desk, IDENTITY};

/// The moment at which everything is made.
pub(crate) const AT: &str = "--at 2026-11-23T12:00:00Z";
/// An hour later.
pub(crate) const LATER: &str = "--at 2026-11-23T13:00:00Z";
/// Two root keys that sign.
pub(crate) const ROOT_KEYS: &str = "--key keys/root-a.key.pem --key keys/root-b.key.pem";
/// Everything but the root keys of a first root.
pub(crate) const DUTIES: &str = "--maker 0x10E5=keys/maker.pub.pem --operator alice=keys/alice.pub.pem \
    --operator bob=keys/bob.pub.pem --operator carol=keys/carol.pub.pem --status keys/status.pub.pem \
    --order keys/order.pub.pem";
/// The device that the image is for.
pub(crate) const DEVICE: &str =
    "--device-manufacturer 0x10E5 --device-type 0x0011 --device-hardware 0x0100 --running 0x01010000";

const NAMES: [&str; 11] =
    ["root-a", "root-b", "root-c", "root-d", "maker", "maker-2", "alice", "bob", "carol", "status", "order"];

impl Desk {
    /// A desk with `keys/NAME.key.pem` and `keys/NAME.pub.pem` of everybody.
    pub(crate) fn with_keys() -> Desk {
        let desk = Desk::empty();
        for name in NAMES {
            desk.run(&format!("image keygen --out keys --name {name}")).succeeded();
        }
        desk
    }

    /// The same with `trust/1.root`.
    pub(crate) fn with_chain() -> Desk {
        let desk = Desk::with_keys();
        let line = format!(
            "image trust init --out trust --root-key keys/root-a.key.pem --root-key keys/root-b.key.pem \
             --root-key keys/root-c.pub.pem {DUTIES} {AT}"
        );
        desk.run(&line).succeeded();
        desk
    }

    /// The same with `signed.ota`, `full.release` (approved by two), `half.release` (by one) and `s1.status`.
    pub(crate) fn with_release() -> Desk {
        let desk = Desk::with_chain();
        desk.write("meter.bin", &[7; 3_000]);
        desk.write("targets.csv", b"device_id,note\n00-0D-6F-00-00-00-00-02,x\n00-0D-6F-00-00-00-00-03,y\n");
        desk.write("policy.toml", b"waves = []\n");
        let build =
            format!("image build --payload meter.bin {IDENTITY} --hardware 0x0100..0x01FF --out meter.ota");
        desk.run(&build).succeeded();
        desk.run(&format!("{SIGN} --key keys/maker.key.pem --out signed.ota")).succeeded();
        desk.run(&format!("{RELEASE} --serial 1 --key keys/alice.key.pem --out half.release {AT}"))
            .succeeded();
        fs::copy(desk.path("half.release"), desk.path("full.release")).unwrap();
        desk.run(&format!("image approve full.release --root trust --key keys/bob.key.pem {AT}")).succeeded();
        desk.run(&format!("{STATUS} --serial 1 --out s1.status {AT}")).succeeded();
        desk
    }

    /// Rotates the chain once, changing what `options` say.
    pub(crate) fn rotate(&self, chain: &str, options: &str) {
        self.run(&format!("image trust rotate {chain} {options} {ROOT_KEYS} {AT}")).succeeded();
    }

    /// Writes `order` with counter and epoch for the device, signed by the key of that name.
    pub(crate) fn write_order(&self, key: &str, counter: u64, epoch: u32) {
        let pem = String::from_utf8(self.read(&format!("keys/{key}.key.pem"))).unwrap();
        let order = ActivationOrder {
            device: ORDERED_DEVICE.parse::<Eui64>().unwrap(),
            image: ImageDigest::of(&[7; 3_000]),
            epoch: CounterEpoch(epoch),
            counter: OrderCounter(counter),
            nonce: ORDERED_NONCE.parse::<Nonce>().unwrap(),
        };
        self.write("order", order.sign(&SigningKey::from_pem(&pem).unwrap()).unwrap().bytes());
    }

    /// The options that describe the device of [`Desk::write_order`].
    pub(crate) fn ordered(&self) -> String {
        let image = ImageDigest::of(&[7; 3_000]);
        format!("--device {ORDERED_DEVICE} --image {image} --nonce {ORDERED_NONCE}")
    }
}

/// Signs the image under promises.
pub(crate) const SIGN: &str =
    "image sign meter.ota --sequence 100 --min-root 1 --predecessors 0x01000000..0x0102FFFF";
/// Releases the image.
pub(crate) const RELEASE: &str =
    "image release signed.ota --root trust --campaign autumn --targets targets.csv --policy policy.toml";
/// Makes a status.
pub(crate) const STATUS: &str = "image status --root trust --key keys/status.key.pem";

const ORDERED_DEVICE: &str = "00-0D-6F-00-00-00-00-02";
const ORDERED_NONCE: &str = "0123456789abcdef";
