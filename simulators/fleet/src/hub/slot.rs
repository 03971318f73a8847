//! A slot: one ImageTransfer instance with its image, its order and the device it is for.
//!
//! Everything in [`SlotRecord`] survives a reboot; the bitmap does too, as marks in flash.

use firmware_image::{Eui64, HardwareRange, HardwareVersion, ImageIdentity};
use transfer_engine::Moment;
use wire::{BlockBitmap, DeviceChallenge, HanState, ImageKey, ImageTransferStatus};

use super::config::HanDevice;
use super::peer::Peer;
use crate::bank::BankId;
use crate::edges::Edges;
use crate::record::{FieldReader, FieldWriter, RecordLog};

/// The longest image identification that is kept; ours are 32 bytes.
pub(crate) const MAX_IDENTIFICATION_LEN: usize = 128;

/// The longest activation order that is kept; the cap of the signed form itself.
pub(crate) const MAX_ORDER_LEN: usize = 512;

/// One ImageTransfer instance.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Value group B; 0 for the hub itself.
    pub(super) channel: u8,
    pub(super) log: RecordLog,
    pub(super) record: SlotRecord,
    /// Which blocks are stored; one entry per block of the slot's image.
    pub(super) bitmap: Option<BlockBitmap>,
    /// When the verification that is under way ends.
    pub(super) verified_at: Option<Moment>,
    /// The invoke-id of the request that began the image; forgotten with a reboot, and when a client takes its leave.
    pub(super) begun_by: Option<u8>,
    /// What the hub knows of the device only as long as it is up.
    pub(super) peer: Peer,
}

/// What a slot remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotRecord {
    pub(super) status: ImageTransferStatus,
    pub(super) image: Option<SlotImage>,
    /// The signed activation order, as it was written; empty for none.
    pub(super) order: Vec<u8>,
    /// What the device said that its next order must carry; the hub's own is its board's.
    pub(super) challenge: Option<DeviceChallenge>,
    /// What the device had drawn before it fetched its image: it draws anew when the image verifies, so an order that
    /// answers this is obeyed no more.
    pub(super) void_nonce: Option<[u8; 8]>,
    /// How far the search for wrong blocks of this image has come.
    pub(super) repair: Repair,
    /// How the image is offered on the HAN, once verified.
    pub(super) offer: Option<Offer>,
    /// `None` for the hub's own slot and for slots nobody has asked for yet.
    pub(super) device: Option<DeviceRecord>,
}

/// How far the search for wrong blocks of an image has come. See `repair`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Repair {
    /// None were found wrong.
    #[default]
    None,
    /// Blocks were named by their digests, so many times.
    Blocks { rounds: u8 },
    /// The end of the file was asked for again; the first bytes of its digest before that.
    Tail { was: [u8; 8] },
    /// All of it was asked for again.
    Everything,
}

/// The image of a slot; several slots may share a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotImage {
    pub(super) bank: BankId,
    pub(super) size: u32,
    pub(super) identification: Vec<u8>,
}

/// What a Query Next Image is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(super) key: ImageKey,
    pub(super) hardware: Option<HardwareRange>,
}

/// What a hub remembers of a HAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRecord {
    pub(super) channel: u8,
    pub(super) eui: Eui64,
    pub(super) short_address: u16,
    /// Whether it was commissioned; others may be served any image, commissioned ones only their own.
    pub(super) commissioned: bool,
    pub(super) state: HanState,
    /// What it last said it runs.
    pub(super) running_version: Option<u32>,
    /// The image that `state` speaks of.
    pub(super) image: Option<ImageKey>,
    /// Whether it was told, or is to be told, to activate.
    pub(super) released: bool,
}

impl DeviceRecord {
    /// What is known of a device that was just commissioned: who and where it is.
    pub(super) fn commissioned(device: &HanDevice) -> DeviceRecord {
        DeviceRecord {
            channel: device.channel,
            eui: device.eui,
            short_address: device.short_address,
            commissioned: true,
            state: HanState::Idle,
            running_version: None,
            image: None,
            released: false,
        }
    }
}

impl Offer {
    pub(super) fn of(identity: &ImageIdentity) -> Offer {
        let key = ImageKey {
            manufacturer: identity.manufacturer.0,
            image_type: identity.image_type.0,
            file_version: identity.file_version.0,
        };
        Offer { key, hardware: identity.hardware }
    }

    /// Returns whether the offer is for this manufacturer, type and hardware.
    pub(super) fn fits(&self, asked: &ImageKey, hardware: Option<u16>) -> bool {
        let hardware_fits = match (self.hardware, hardware) {
            (Some(range), Some(version)) => range.contains(HardwareVersion(version)),
            _ => true,
        };
        self.key.manufacturer == asked.manufacturer
            && self.key.image_type == asked.image_type
            && hardware_fits
    }
}

/// Returns whether the life cycle of a transfer has this step (IEC 62056-6-2, image_transfer_status).
///
/// Initiate leads to `Initiated` from everywhere but a running activation.
pub(crate) fn may_become(from: ImageTransferStatus, to: ImageTransferStatus) -> bool {
    use ImageTransferStatus::{
        ActivationFailed, ActivationInitiated, ActivationSuccessful, Initiated, NotInitiated,
        VerificationFailed, VerificationInitiated, VerificationSuccessful,
    };
    match to {
        NotInitiated | Initiated => from != ActivationInitiated,
        VerificationInitiated => from == Initiated,
        VerificationSuccessful | VerificationFailed => from == VerificationInitiated,
        // A failed activation may be ordered again: the image is still there.
        ActivationInitiated => matches!(from, VerificationSuccessful | ActivationFailed),
        ActivationFailed => from == ActivationInitiated,
        // A device that was given up may report later that it runs the image after all.
        ActivationSuccessful => matches!(from, ActivationInitiated | ActivationFailed),
    }
}

impl Slot {
    pub(super) fn new(channel: u8, log: RecordLog, record: SlotRecord) -> Slot {
        Slot { channel, log, record, bitmap: None, verified_at: None, begun_by: None, peer: Peer::default() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.bitmap.as_ref().is_some_and(|bitmap| bitmap.first_missing().is_none())
    }

    /// Takes a step of the life cycle, and notes it among those that the hub has taken.
    pub(super) fn become_status(&mut self, taken: &mut Edges, next: ImageTransferStatus) {
        debug_assert!(may_become(self.record.status, next), "{:?} to {next:?}", self.record.status);
        taken.take(self.record.status as u8, next as u8);
        self.record.status = next;
    }

    /// Forgets the device that was there, and what was meant for it, and takes another. The image stays: whoever takes
    /// the place may fetch it.
    pub(super) fn welcome(&mut self, taken: &mut Edges, device: DeviceRecord) {
        if self.record.status == ImageTransferStatus::ActivationInitiated {
            self.become_status(taken, ImageTransferStatus::ActivationFailed);
        }
        self.peer = Peer::default();
        self.record.order.clear();
        self.record.challenge = None;
        self.record.void_nonce = None;
        self.record.device = Some(device);
    }

    /// Returns whether the image may be offered on the HAN.
    pub(super) fn is_offered(&self) -> bool {
        matches!(
            self.record.status,
            ImageTransferStatus::VerificationSuccessful
                | ImageTransferStatus::ActivationInitiated
                | ImageTransferStatus::ActivationSuccessful
        )
    }
}

impl SlotRecord {
    /// Returns what the device's next order must carry, unless all that is known of it is void.
    pub(super) fn open_challenge(&self) -> Option<DeviceChallenge> {
        self.challenge.filter(|challenge| self.void_nonce != Some(challenge.nonce))
    }

    pub(super) fn empty(device: Option<DeviceRecord>) -> SlotRecord {
        SlotRecord {
            status: ImageTransferStatus::NotInitiated,
            image: None,
            order: Vec::new(),
            challenge: None,
            void_nonce: None,
            repair: Repair::None,
            offer: None,
            device,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        fields.u8(self.status as u8).counted(&self.order);
        write_challenge(&mut fields, self.challenge);
        fields.u8(u8::from(self.void_nonce.is_some())).bytes(&self.void_nonce.unwrap_or_default());
        write_repair(&mut fields, self.repair);
        fields.u8(u8::from(self.image.is_some()));
        if let Some(image) = &self.image {
            fields.u8(image.bank.0).u32(image.size).counted(&image.identification);
        }
        write_key(&mut fields, self.offer.map(|offer| offer.key));
        let hardware = self.offer.and_then(|offer| offer.hardware);
        fields.u8(u8::from(hardware.is_some()));
        if let Some(range) = hardware {
            fields.u16(range.min.0).u16(range.max.0);
        }
        fields.u8(u8::from(self.device.is_some()));
        if let Some(device) = &self.device {
            fields.u8(device.channel).bytes(&device.eui.to_bytes()).u16(device.short_address);
            fields.u8(u8::from(device.commissioned)).u8(device.state as u8);
            fields.u8(u8::from(device.running_version.is_some())).u32(device.running_version.unwrap_or(0));
            write_key(&mut fields, device.image);
            fields.u8(u8::from(device.released));
        }
        fields.finish()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<SlotRecord> {
        let mut fields = FieldReader(bytes);
        let status = *STATUSES.get(usize::from(fields.u8()?))?;
        let order = fields.counted()?.to_vec();
        let challenge = read_challenge(&mut fields)?;
        let void_nonce = (fields.u8()? == 1, fields.array()?);
        let void_nonce = void_nonce.0.then_some(void_nonce.1);
        let repair = read_repair(&mut fields)?;
        let image = match fields.u8()? {
            0 => None,
            _ => Some(SlotImage {
                bank: BankId(fields.u8()?),
                size: fields.u32()?,
                identification: fields.counted()?.to_vec(),
            }),
        };
        let key = read_key(&mut fields)?;
        let hardware = match fields.u8()? {
            0 => None,
            _ => Some(HardwareRange {
                min: HardwareVersion(fields.u16()?),
                max: HardwareVersion(fields.u16()?),
            }),
        };
        let device = match fields.u8()? {
            0 => None,
            _ => Some(read_device(&mut fields)?),
        };
        let offer = key.map(|key| Offer { key, hardware });
        Some(SlotRecord { status, image, order, challenge, void_nonce, repair, offer, device })
    }
}

fn write_challenge(fields: &mut FieldWriter, challenge: Option<DeviceChallenge>) {
    fields.u8(u8::from(challenge.is_some()));
    if let Some(challenge) = challenge {
        fields.bytes(&challenge.nonce).u64(challenge.last_counter).u32(challenge.root_version);
    }
}

/// Reads an optional challenge; the outer `None` means that the record is not one of ours.
fn read_challenge(fields: &mut FieldReader<'_>) -> Option<Option<DeviceChallenge>> {
    if fields.u8()? == 0 {
        return Some(None);
    }
    let (nonce, last_counter) = (fields.array()?, fields.u64()?);
    Some(Some(DeviceChallenge { nonce, last_counter, root_version: fields.u32()? }))
}

fn write_repair(fields: &mut FieldWriter, repair: Repair) {
    match repair {
        Repair::None => fields.u8(0),
        Repair::Blocks { rounds } => fields.u8(1).u8(rounds),
        Repair::Tail { was } => fields.u8(2).bytes(&was),
        Repair::Everything => fields.u8(3),
    };
}

fn read_repair(fields: &mut FieldReader<'_>) -> Option<Repair> {
    match fields.u8()? {
        0 => Some(Repair::None),
        1 => Some(Repair::Blocks { rounds: fields.u8()? }),
        2 => Some(Repair::Tail { was: fields.array()? }),
        3 => Some(Repair::Everything),
        _ => None,
    }
}

fn read_device(fields: &mut FieldReader<'_>) -> Option<DeviceRecord> {
    let channel = fields.u8()?;
    let eui = Eui64::from_bytes(fields.array()?);
    let short_address = fields.u16()?;
    let commissioned = fields.u8()? == 1;
    let state = *STATES.get(usize::from(fields.u8()?))?;
    let running_version = (fields.u8()? == 1, fields.u32()?);
    let image = read_key(fields)?;
    Some(DeviceRecord {
        channel,
        eui,
        short_address,
        commissioned,
        state,
        running_version: running_version.0.then_some(running_version.1),
        image,
        released: fields.u8()? == 1,
    })
}

fn write_key(fields: &mut FieldWriter, key: Option<ImageKey>) {
    fields.u8(u8::from(key.is_some()));
    if let Some(key) = key {
        fields.u16(key.manufacturer).u16(key.image_type).u32(key.file_version);
    }
}

/// Reads an optional key; the outer `None` means that the record is not one of ours.
fn read_key(fields: &mut FieldReader<'_>) -> Option<Option<ImageKey>> {
    if fields.u8()? == 0 {
        return Some(None);
    }
    let (manufacturer, image_type) = (fields.u16()?, fields.u16()?);
    Some(Some(ImageKey { manufacturer, image_type, file_version: fields.u32()? }))
}

const STATUSES: [ImageTransferStatus; 8] = ImageTransferStatus::ALL;

const STATES: [HanState; 11] = HanState::ALL;

#[cfg(test)]
mod tests {
    use super::{DeviceRecord, Offer, Repair, STATES, STATUSES, SlotImage, SlotRecord, may_become};
    use crate::bank::BankId;
    use firmware_image::{Eui64, HardwareRange, HardwareVersion};
    use wire::{DeviceChallenge, HanState, ImageKey, ImageTransferStatus};

    #[test]
    fn the_life_cycle_has_exactly_these_steps() {
        let mut table = String::new();
        for from in STATUSES {
            let next: Vec<String> = STATUSES
                .iter()
                .filter(|to| may_become(from, **to))
                .map(|to| (*to as u8).to_string())
                .collect();
            table += &format!("{}: {}\n", from as u8, next.join(" "));
        }
        let expected = "0: 0 1\n1: 0 1 2\n2: 0 1 3 4\n3: 0 1 5\n4: 0 1\n5: 6 7\n6: 0 1\n7: 0 1 5 6\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn the_tables_follow_the_numbers_on_the_wire() {
        assert!(STATUSES.iter().enumerate().all(|(number, status)| *status as usize == number));
        assert!(STATES.iter().enumerate().all(|(number, state)| *state as usize == number));
    }

    #[test]
    fn the_record_survives_its_bytes() {
        let key = ImageKey { manufacturer: 1, image_type: 2, file_version: 3 };
        let hardware = Some(HardwareRange { min: HardwareVersion(4), max: HardwareVersion(5) });
        let device = DeviceRecord {
            channel: 7,
            eui: Eui64::from_bytes([9; 8]),
            short_address: 0xABCD,
            commissioned: true,
            state: HanState::Verified,
            running_version: Some(0),
            image: Some(key),
            released: true,
        };
        let full = SlotRecord {
            status: ImageTransferStatus::ActivationInitiated,
            image: Some(SlotImage { bank: BankId(2), size: 77, identification: b"ID".to_vec() }),
            order: vec![1, 2, 3],
            challenge: Some(DeviceChallenge { nonce: [5; 8], last_counter: 8, root_version: 2 }),
            void_nonce: Some([4; 8]),
            repair: Repair::Tail { was: [6; 8] },
            offer: Some(Offer { key, hardware }),
            device: Some(device),
        };
        for record in [full, SlotRecord::empty(None)] {
            let bytes = record.to_bytes();
            assert_eq!(SlotRecord::from_bytes(&bytes), Some(record));
            assert_eq!(SlotRecord::from_bytes(&bytes[..bytes.len() - 1]), None);
        }
    }
}
