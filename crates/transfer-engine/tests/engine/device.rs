//! A hub reduced to its DLMS image transfer: what the standard says, in memory. The real one is in the fleet.

use wire::{
    AccessResult, ActionRequest, ActionResponse, Apdu, AssociationResponse, BlockBitmap, Conformance, Data,
    GetRequest, GetResponse, ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, WPort,
    WanFrame, emit_wan,
};

/// One hub with one image slot.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) block_size: u32,
    pub(crate) associated: bool,
    pub(crate) status: ImageTransferStatus,
    pub(crate) image: Option<(Vec<u8>, u32)>,
    pub(crate) bitmap: Option<BlockBitmap>,
    pub(crate) bytes: Vec<u8>,
    /// How often each block was written although it was not there.
    pub(crate) stores: Vec<u32>,
    pub(crate) duplicates: u32,
    pub(crate) initiates: u32,
    /// Blocks that verification finds bad, once each round: their bits are cleared and the status says failed.
    pub(crate) bad_blocks: Vec<Vec<u32>>,
    /// Verification fails although nothing is missing.
    pub(crate) never_verifies: bool,
    /// An attribute of the slot that it does not tell.
    pub(crate) hides: Option<u8>,
    /// How often it was told to activate, which it always refuses.
    pub(crate) activations: u32,
    /// It refuses in silence.
    pub(crate) is_mute: bool,
    /// Confirmed blocks, and how the first so many of them are refused.
    pub(crate) confirmed: u32,
    pub(crate) refuses: Option<(u32, AccessResult)>,
    /// The initiate that began the image: invoke-id, name and size.
    begun_by: Option<(u8, Vec<u8>, u32)>,
    /// Answers far more than it is asked.
    pub(crate) storm: Option<Storm>,
}

/// An error storm: every answer is this many times as long as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Storm {
    /// With junk behind its end.
    Junk(usize),
    /// As a sound answer, with an error or a value that nobody asked for in it.
    Sound(usize),
    /// The same, of what is read about the device on channel 1 alone.
    OfOneDevice(usize),
}

impl Device {
    pub(crate) fn new(block_size: u32) -> Device {
        Device {
            block_size,
            associated: false,
            status: ImageTransferStatus::NotInitiated,
            image: None,
            bitmap: None,
            bytes: Vec::new(),
            stores: Vec::new(),
            duplicates: 0,
            initiates: 0,
            bad_blocks: Vec::new(),
            never_verifies: false,
            hides: None,
            activations: 0,
            is_mute: false,
            confirmed: 0,
            refuses: None,
            begun_by: None,
            storm: None,
        }
    }

    /// Loses what a reboot loses: the association, not the slot.
    pub(crate) fn reboot(&mut self) {
        self.associated = false;
    }

    /// Takes one frame and gives the answer, if there is one.
    pub(crate) fn serve(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = WanFrame::parse_datagram(frame).expect("the engine's frames are sound");
        let apdu = Apdu::parse(frame.apdu).expect("the engine's APDUs are sound");
        let mut value = Vec::new();
        let reply = match &apdu {
            Apdu::AssociationRequest(_) => {
                self.associated = true;
                Apdu::AssociationResponse(AssociationResponse {
                    accepted: true,
                    diagnostic: 0,
                    conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
                    max_pdu: u16::MAX,
                })
            }
            _ if !self.associated => match &apdu {
                Apdu::ActionRequest(action) if !action.invoke.confirmed => return None,
                _ => Apdu::ExceptionResponse { state_error: 1, service_error: 2 },
            },
            Apdu::GetRequest(get) => {
                let result = self.get(get, &mut value).map(|()| value.as_slice());
                Apdu::GetResponse(GetResponse { invoke: get.invoke, result })
            }
            Apdu::ActionRequest(action) => {
                let result = self.act(action);
                if !action.invoke.confirmed || (action.method.index == 4 && self.is_mute) {
                    return None;
                }
                Apdu::ActionResponse(ActionResponse { invoke: action.invoke, result, data: None })
            }
            _ => return None,
        };
        let mut out = Vec::new();
        emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, &reply, &mut out);
        match self.storm {
            None => {}
            Some(Storm::Junk(times)) => out.resize(out.len() * times, 0xA5),
            Some(Storm::OfOneDevice(times)) => {
                let about = matches!(&apdu, Apdu::GetRequest(get) if get.attribute.instance.0[1] == 1);
                if about {
                    out = swollen(&reply, out.len() * times);
                }
            }
            Some(Storm::Sound(times)) => out = swollen(&reply, out.len() * times),
        }
        Some(out)
    }

    fn get(&self, get: &GetRequest, value: &mut Vec<u8>) -> Result<(), AccessResult> {
        if get.attribute.class.0 == 1 {
            Data::Octets(&[1, 2, 3, 4]).emit(value);
            return Ok(());
        }
        match get.attribute.index {
            hidden if self.hides == Some(hidden) => return Err(AccessResult::TemporaryFailure),
            2 => Data::Unsigned32(self.block_size).emit(value),
            3 => self.bitmap.as_ref().ok_or(AccessResult::OtherReason)?.emit_data(value),
            4 => {
                let first = self.bitmap.as_ref().map_or(0, |map| map.first_missing().unwrap_or(map.len()));
                Data::Unsigned32(first).emit(value);
            }
            5 => Data::Boolean(true).emit(value),
            6 => value.extend_from_slice(&self.status.to_data()),
            7 => {
                let image = self.image.as_ref().map(|(identification, size)| ImageToActivate {
                    size: *size,
                    identification: identification.clone(),
                    signature: Vec::new(),
                });
                ImageToActivate::emit_list(image.as_slice(), value);
            }
            _ => return Err(AccessResult::ObjectUndefined),
        }
        Ok(())
    }

    fn act(&mut self, action: &ActionRequest<'_>) -> AccessResult {
        match (action.method.index, action.parameter) {
            (1, Some(parameter)) => {
                let initiate = ImageInitiate::parse_parameter(parameter).expect("sound");
                let named = (action.invoke.number, initiate.identification.to_vec(), initiate.size);
                if self.begun_by.as_ref() == Some(&named)
                    && self.status != ImageTransferStatus::VerificationFailed
                {
                    // The same request once more, as the network may double it.
                    return AccessResult::Success;
                }
                self.begun_by = Some(named);
                let count = initiate.size.div_ceil(self.block_size);
                self.image = Some((initiate.identification.to_vec(), initiate.size));
                self.bitmap = Some(BlockBitmap::new(count));
                self.bytes = vec![0; initiate.size as usize];
                self.stores = vec![0; count as usize];
                self.status = ImageTransferStatus::Initiated;
                self.initiates += 1;
                AccessResult::Success
            }
            (2, Some(_)) if action.invoke.confirmed && self.is_refused() => {
                self.refuses.expect("it was looked for").1
            }
            (2, Some(parameter)) => self.store(&ImageBlock::parse_parameter(parameter).expect("sound")),
            (3, _) => self.verify(),
            (4, _) => {
                self.activations += 1;
                AccessResult::ReadWriteDenied
            }
            _ => AccessResult::OtherReason,
        }
    }

    /// Counts a confirmed block, and says whether it is one of those that are refused.
    fn is_refused(&mut self) -> bool {
        self.confirmed += 1;
        self.refuses.is_some_and(|(refused, _)| self.confirmed <= refused)
    }

    fn store(&mut self, block: &ImageBlock<'_>) -> AccessResult {
        let Some(bitmap) = &mut self.bitmap else { return AccessResult::OtherReason };
        if !bitmap.set(block.number) {
            self.duplicates += 1;
            return AccessResult::Success;
        }
        let start = block.number as usize * self.block_size as usize;
        self.bytes[start..start + block.bytes.len()].copy_from_slice(block.bytes);
        self.stores[block.number as usize] += 1;
        self.status = ImageTransferStatus::Initiated;
        AccessResult::Success
    }

    fn verify(&mut self) -> AccessResult {
        let Some(bitmap) = &self.bitmap else { return AccessResult::OtherReason };
        if bitmap.first_missing().is_some() || self.never_verifies {
            self.status = ImageTransferStatus::VerificationFailed;
            return AccessResult::OtherReason;
        }
        if let Some(bad) = self.bad_blocks.pop() {
            let mut kept = BlockBitmap::new(bitmap.len());
            for block in (0..bitmap.len()).filter(|block| !bad.contains(block)) {
                kept.set(block);
            }
            self.bitmap = Some(kept);
            self.status = ImageTransferStatus::VerificationFailed;
            return AccessResult::OtherReason;
        }
        self.status = ImageTransferStatus::VerificationSuccessful;
        AccessResult::Success
    }
}

/// Makes a sound answer of about so many bytes: the value or the data returned is an octet string of that length.
fn swollen(reply: &Apdu<'_>, len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    Data::Octets(&vec![b'E'; len]).emit(&mut text);
    let swollen = match reply {
        Apdu::GetResponse(get) => Apdu::GetResponse(GetResponse { invoke: get.invoke, result: Ok(&text) }),
        Apdu::ActionResponse(action) => {
            let result = AccessResult::OtherReason;
            Apdu::ActionResponse(ActionResponse { invoke: action.invoke, result, data: Some(&text) })
        }
        other => *other,
    };
    let mut out = Vec::new();
    emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, &swollen, &mut out);
    out
}
