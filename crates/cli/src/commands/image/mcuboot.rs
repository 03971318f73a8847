//! What the signing desk says of MCUboot images, bare or as the payload of an OTA file, and how it verifies
//! bare ones. Wrapping a raw payload into one is left to `wrap`.

use std::fmt;
use std::path::Path;

use firmware_image::{
    Attack, McubootImage, McubootKey, McubootParseError, McubootVerifyError, PayloadFormat, TrustStore,
    VerifiedMcuboot,
};
use serde::Serialize;

use super::refusal::{Refusal, Stop};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// The facts of an MCUboot image. That its signature holds is not among them.
#[derive(Debug, Serialize)]
pub(super) struct McubootFacts {
    version: String,
    header_size_bytes: u16,
    image_size_bytes: u32,
    load_address: String,
    flags: String,
    security_counter: Option<u32>,
    dependencies: Vec<DependencyFacts>,
    hash_kind: Option<String>,
    hash: Option<String>,
    /// Whether the hash is that of the image; nothing is said about who made it.
    hash_holds: Option<bool>,
    signature: Option<&'static str>,
    /// Whether the signature is over the image itself instead of its hash.
    pure: bool,
    /// The hash that names the key, as imgtool's `getpubhash` prints it.
    key_hash: Option<String>,
    /// The key itself (SubjectPublicKeyInfo), where the image carries it instead of its hash.
    public_key: Option<String>,
    tlvs: Vec<TlvFacts>,
}

#[derive(Debug, Serialize)]
struct DependencyFacts {
    image: u8,
    min_version: String,
}

#[derive(Debug, Serialize)]
struct TlvFacts {
    #[serde(rename = "type")]
    kind: String,
    name: &'static str,
    protected: bool,
    offset_bytes: usize,
    length_bytes: usize,
}

impl McubootFacts {
    /// Reads an image and takes its facts.
    pub(super) fn read(bytes: &[u8]) -> Result<McubootFacts, McubootParseError> {
        McubootImage::parse(bytes).map(|image| McubootFacts::of(&image))
    }

    fn of(image: &McubootImage<'_>) -> McubootFacts {
        let header = image.header();
        let (key_hash, public_key) = match image.key() {
            Some(key @ McubootKey::Hash(_)) => (Some(key.to_string()), None),
            Some(key @ McubootKey::Whole(_)) => (None, Some(key.to_string())),
            None => (None, None),
        };
        McubootFacts {
            version: header.version.to_string(),
            header_size_bytes: header.header_len,
            image_size_bytes: header.image_len,
            load_address: format!("0x{:08X}", header.load_address),
            flags: header.flags.to_string(),
            security_counter: image.security_counter(),
            dependencies: image
                .dependencies()
                .map(|dependency| DependencyFacts {
                    image: dependency.image,
                    min_version: dependency.version.to_string(),
                })
                .collect(),
            hash_kind: image.hash().map(|hash| hash.kind.to_string()),
            hash: image.hash().map(|hash| hash.to_string()),
            hash_holds: image.hash_holds(),
            signature: image.signature().map(|signature| signature.kind.name()),
            pure: image.is_pure(),
            key_hash,
            public_key,
            tlvs: image
                .tlvs()
                .map(|tlv| TlvFacts {
                    kind: format!("0x{:02X}", tlv.kind.0),
                    name: tlv.kind.name(),
                    protected: tlv.is_protected,
                    offset_bytes: tlv.offset,
                    length_bytes: tlv.value.len(),
                })
                .collect(),
        }
    }

    /// Returns why a boot loader would refuse the image whatever keys it believes.
    pub(super) fn fault(&self) -> Option<String> {
        let kind = self.hash_kind.as_deref().unwrap_or_default();
        (self.hash_holds == Some(false))
            .then(|| format!("the MCUboot image was altered: its {kind} is another one"))
    }

    /// Returns whether anything is signed.
    pub(super) fn is_signed(&self) -> bool {
        self.signature.is_some()
    }
}

impl fmt::Display for McubootFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let McubootFacts { version, image_size_bytes, header_size_bytes, .. } = self;
        writeln!(formatter, "mcuboot       version {version}")?;
        writeln!(formatter, "  image       {image_size_bytes} bytes behind a header of {header_size_bytes}")?;
        writeln!(formatter, "  flags       {}, load address {}", self.flags, self.load_address)?;
        match self.security_counter {
            Some(counter) => writeln!(formatter, "  counter     {counter}")?,
            None => writeln!(formatter, "  counter     none")?,
        }
        for DependencyFacts { image, min_version } in &self.dependencies {
            writeln!(formatter, "  depends on  image {image}, at least {min_version}")?;
        }
        let (kind, hash) = (self.hash_kind.as_deref().unwrap_or("none"), self.hash.as_deref().unwrap_or(""));
        let holds = match self.hash_holds {
            Some(true) => ", holds",
            Some(false) => ", does not hold",
            None => "",
        };
        writeln!(formatter, "  hash        {}{holds}", format!("{kind} {hash}").trim_end())?;
        match (self.signature, self.pure) {
            (Some(signature), true) => {
                writeln!(formatter, "  signature   {signature}, pure: over the image")?
            }
            (Some(signature), false) => writeln!(formatter, "  signature   {signature}, over the {kind}")?,
            (None, _) => writeln!(formatter, "  signature   none")?,
        }
        match (&self.key_hash, &self.public_key) {
            (Some(hash), _) => writeln!(formatter, "  key hash    {hash}"),
            (None, Some(key)) => writeln!(formatter, "  public key  {key}"),
            (None, None) => Ok(()),
        }
    }
}

/// What was seen in a bare MCUboot image.
#[derive(Debug, Serialize)]
struct InspectReport {
    file: String,
    size_bytes: usize,
    format: String,
    sound: bool,
    /// Whether there is a signature; nothing is said about whether it holds.
    signed: bool,
    mcuboot: Option<McubootFacts>,
    fault: Option<String>,
}

impl fmt::Display for InspectReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InspectReport { file, size_bytes, format, .. } = self;
        writeln!(formatter, "file          {file} ({size_bytes} bytes, a bare {format} image)")?;
        if let Some(facts) = &self.mcuboot {
            let signature = if self.signed { "present, not verified here" } else { "none" };
            writeln!(formatter, "{facts}signature     {signature}")?;
        }
        if let Some(fault) = &self.fault {
            writeln!(formatter, "odd, refused  {fault}")?;
        }
        writeln!(formatter, "verdict       {}", if self.sound { "sound" } else { "would be refused" })
    }
}

/// Looks into a bare MCUboot image.
pub(super) fn inspect(path: &Path, bytes: &[u8], output: &Output) -> Result<(), Failure> {
    let (mcuboot, fault) = match McubootFacts::read(bytes) {
        Ok(facts) => {
            let fault = facts.fault();
            (Some(facts), fault)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    output.report(&InspectReport {
        file: path.display().to_string(),
        size_bytes: bytes.len(),
        format: PayloadFormat::Mcuboot.to_string(),
        sound: fault.is_none(),
        signed: mcuboot.as_ref().is_some_and(McubootFacts::is_signed),
        mcuboot,
        fault: fault.clone(),
    })?;
    match fault {
        None => Ok(()),
        Some(fault) => {
            let message = format!("{}: would be refused: {fault}", path.display());
            Err(Failure::message(ExitCode::Refused, message))
        }
    }
}

/// What is now known to be true of a bare MCUboot image.
#[derive(Debug, Serialize)]
struct VerifyReport {
    file: String,
    verdict: &'static str,
    size_bytes: usize,
    format: String,
    signer: String,
    mcuboot: McubootFacts,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifyReport { file, size_bytes, format, .. } = self;
        writeln!(formatter, "verified      {file} ({size_bytes} bytes, a bare {format} image)")?;
        write!(formatter, "{}", self.mcuboot)?;
        writeln!(formatter, "signer        {}", self.signer)
    }
}

/// Verifies a bare MCUboot image, as a boot loader that believes these keys would.
pub(super) fn verify(path: &Path, bytes: &[u8], trust: &TrustStore, output: &Output) -> Result<(), Stop> {
    let image = McubootImage::parse(bytes)
        .or_bad_input(format_args!("{}: expected a sound MCUboot image", path.display()))?;
    match image.verify(&trust.keys()) {
        Ok(verified) => Ok(output.report(&verified_report(path, &verified))?),
        Err(error) => {
            let refusal = Refusal::new(path.display(), attack_of(&error), error);
            Err(match error {
                McubootVerifyError::Unsigned => refusal.hint("sign it with `imgtool sign`"),
                _ => refusal,
            }
            .into())
        }
    }
}

/// Returns which attack the image would have been.
fn attack_of(error: &McubootVerifyError) -> Attack {
    match error {
        McubootVerifyError::Unsigned | McubootVerifyError::BadSignature { .. } => Attack::ArbitrarySoftware,
        McubootVerifyError::OtherSignature { .. } | McubootVerifyError::OtherHash { .. } => Attack::Malformed,
        McubootVerifyError::UntrustedKey { .. } => Attack::UntrustedKey,
        McubootVerifyError::Altered { .. } => Attack::Tampering,
    }
}

fn verified_report(path: &Path, verified: &VerifiedMcuboot<'_>) -> VerifyReport {
    VerifyReport {
        file: path.display().to_string(),
        verdict: "verified",
        size_bytes: verified.image().bytes().len(),
        format: PayloadFormat::Mcuboot.to_string(),
        signer: verified.signer().fingerprint().to_string(),
        mcuboot: McubootFacts::of(verified.image()),
    }
}
