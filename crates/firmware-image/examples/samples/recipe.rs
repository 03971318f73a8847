//! How a sample image is made: pseudo-firmware from SHA-256 in counter mode, signed with a public key.
//! Nothing in it comes from any vendor's firmware.

use std::fmt::Write;

use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile,
    SequenceNumber, SignedImage, SigningKey,
};
use sha2::{Digest, Sha256};

/// One sample image.
pub struct Sample {
    pub name: &'static str,
    pub device_type: &'static str,
    pub model: &'static str,
    pub image_type: ImageType,
    pub payload_len: usize,
}

/// The sizes are those of real images of the kind (median 241 kB, 90th percentile 408 kB); the hub's is larger
/// because it runs a system of its own (assumption).
pub const SAMPLES: [Sample; 4] = [
    Sample {
        name: "hub",
        device_type: "hub",
        model: "Lamplighter sample communications hub",
        image_type: ImageType(0x0010),
        payload_len: 1_199_616,
    },
    Sample {
        name: "esme",
        device_type: "esme",
        model: "Lamplighter sample electricity meter",
        image_type: ImageType(0x0011),
        payload_len: 240_640,
    },
    Sample {
        name: "gsme",
        device_type: "gsme",
        model: "Lamplighter sample gas meter",
        image_type: ImageType(0x0012),
        payload_len: 186_880,
    },
    Sample {
        name: "ppmid",
        device_type: "ppmid",
        model: "Lamplighter sample in-home display",
        image_type: ImageType(0x0013),
        payload_len: 291_840,
    },
];

impl Sample {
    pub fn file_name(&self) -> String {
        format!("{}.ota", self.name)
    }

    pub fn descriptor_name(&self) -> String {
        format!("{}.toml", self.name)
    }

    pub fn signed(&self) -> SignedImage {
        let text = format!("lamplighter sample {}", self.name);
        let payload = pseudo_firmware(self.name, self.payload_len);
        let file = OtaFile::build(&self.identity(), &text, &payload).expect("a sample is a sound file");
        SignedImage::sign(&file, SEQUENCE, &development_image_key()).expect("a sample is not signed yet")
    }

    pub fn descriptor(&self, image: &SignedImage) -> String {
        let file = image.file();
        let identity = self.identity();
        let mut text = String::new();
        let mut line = |key: &str, value: String| {
            writeln!(text, "{key} = {value}").expect("writing to memory cannot fail");
        };
        line("file", quoted(&self.file_name()));
        line("device_type", quoted(self.device_type));
        line("model", quoted(self.model));
        line("manufacturer_code", identity.manufacturer.to_string());
        line("image_type", identity.image_type.to_string());
        line("file_version", format!("0x{}", identity.file_version));
        line("hardware_min", HARDWARE.min.to_string());
        line("hardware_max", HARDWARE.max.to_string());
        line("sequence", SEQUENCE.to_string());
        line("payload_sha256", quoted(&file.image_digest().to_string()));
        line("payload_size", file.payload().len().to_string());
        line("file_sha256", quoted(&file.file_digest().to_string()));
        line("file_size", file.bytes().len().to_string());
        line("signer", quoted(&development_image_key().public().fingerprint().to_string()));
        line("provenance", quoted("generated, not any vendor's firmware"));
        text
    }

    fn identity(&self) -> ImageIdentity {
        ImageIdentity {
            manufacturer: MANUFACTURER,
            image_type: self.image_type,
            file_version: FileVersion(0x0102_0304),
            hardware: Some(HARDWARE),
        }
    }
}

/// The key of the sample images. Public with this file: never to be trusted outside of simulations.
pub fn development_image_key() -> SigningKey {
    SigningKey::generate_from_seed(Sha256::digest("lamplighter development image key, public").into())
}

/// The key of simulated activation orders. As public as the other.
pub fn development_order_key() -> SigningKey {
    SigningKey::generate_from_seed(Sha256::digest("lamplighter development order key, public").into())
}

/// Makes bytes of the shape of a microcontroller's firmware: a vector table, code, tables, texts, erased
/// flash. It compresses somewhat, as firmware does; nothing in it runs.
fn pseudo_firmware(name: &str, len: usize) -> Vec<u8> {
    let mut noise = Noise::new(name);
    let mut image = Vec::with_capacity(len);
    image.extend_from_slice(&0x2000_8000_u32.to_le_bytes());
    for _ in 1..VECTORS {
        // Handlers lie somewhere in the code, at odd addresses, as Thumb wants them.
        let handler = u32::from(noise.halfword()) << 2 | 1;
        image.extend_from_slice(&handler.to_le_bytes());
    }
    let opcodes: Vec<u16> = (0..OPCODES).map(|_| noise.halfword()).collect();
    while image.len() < len / 10 * 8 {
        // Three in four halfwords are one of a few instructions, the fourth an operand.
        let choice = noise.halfword();
        let common = opcodes[usize::from(choice >> 8) % OPCODES];
        let word = if choice.is_multiple_of(4) { noise.halfword() } else { common };
        image.extend_from_slice(&word.to_le_bytes());
    }
    while image.len() < len / 10 * 9 {
        let word = WORDS[usize::from(noise.halfword()) % WORDS.len()];
        let number = noise.halfword() % 1_000;
        image.extend_from_slice(format!("{word} {number}\0").as_bytes());
    }
    image.resize(len, 0xff);
    image
}

/// SHA-256 in counter mode: the same bytes on every machine, in every release of every library.
struct Noise {
    seed: String,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Noise {
    fn new(name: &str) -> Noise {
        Noise { seed: format!("lamplighter sample firmware, {name}"), counter: 0, block: [0; 32], used: 32 }
    }

    fn halfword(&mut self) -> u16 {
        if self.used == self.block.len() {
            let seed = Sha256::new().chain_update(&self.seed);
            self.block = seed.chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let pair = [self.block[self.used], self.block[self.used + 1]];
        self.used += 2;
        u16::from_le_bytes(pair)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

const MANUFACTURER: ManufacturerCode = ManufacturerCode(0x10E5);
const HARDWARE: HardwareRange = HardwareRange { min: HardwareVersion(0x0100), max: HardwareVersion(0x01FF) };
const SEQUENCE: SequenceNumber = SequenceNumber(4);
const VECTORS: usize = 64;
const OPCODES: usize = 24;
const WORDS: [&str; 12] = [
    "tariff", "register", "clock", "valve", "supply", "relay", "display", "battery", "joined", "lost",
    "flash", "counter",
];
