//! A release: one image, encoded once, of which every session sends slices.
//!
//! ```text
//! image   | block 0 | block 1 | ... | last |
//! frames  |wrapper+ACTION+block 0|wrapper+ACTION+block 1| ... |.. last|   one buffer, equal strides
//! ```
//!
//! Unconfirmed blocks are the same bytes for every hub, so 250 blocks cost one encoding and a slice
//! each, whatever the number of hubs. Confirmed blocks (TCP) carry an invoke-id, which we derive from
//! the block number, so that they too are the same for every hub.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use wire::{BroadcastSealer, ImageBlock, InvokeId, Obis, WPort, block_frame_len, emit_block_frame};

use crate::link_security::seal_for_all;

/// A release as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId(pub u32);

/// The bytes of one image and the name under which hubs know it.
#[derive(Clone, Debug)]
pub struct Release {
    /// The `image_identifier` of class 18: we use the file's SHA-256 (the standard leaves the content open).
    pub identification: Bytes,
    /// The file as it travels.
    pub bytes: Bytes,
}

/// How blocks travel: the two modes of wire.md's "fill a slow pipe inside the standard".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockService {
    /// Unconfirmed ACTION over UDP, repaired from the bitmap.
    Unconfirmed,
    /// The same, sealed once under the key of all hubs.
    Sealed,
    /// Confirmed ACTION over TCP; the invoke-id is the block number modulo 16.
    Confirmed,
}

/// Where a block's frame has its invoke-id: behind the wrapper and the two tags of an ACTION.
const INVOKE_AT: usize = wire::WRAPPER_LEN + 2;

/// Block sizes a hub may ask for. Below 16 B headers dominate beyond reason; above 8 KiB a UDP
/// datagram is cut into so many fragments that one lost fragment loses them all.
pub const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 16..=8_192;

/// All block frames of one image for one slot, block size and service.
#[derive(Debug)]
pub(crate) struct EncodedBlocks {
    frames: Bytes,
    stride: usize,
    count: u32,
    sealed: bool,
}

impl EncodedBlocks {
    fn encode(image: &[u8], channel: u8, block_size: u32, service: BlockService) -> EncodedBlocks {
        let block_size = block_size as usize;
        let stride = block_frame_len(block_size);
        let mut frames = Vec::with_capacity(stride * image.len().div_ceil(block_size));
        let mut count = 0;
        for bytes in image.chunks(block_size) {
            let invoke = match service {
                BlockService::Unconfirmed | BlockService::Sealed => {
                    InvokeId { number: 1, confirmed: false, high_priority: true }
                }
                BlockService::Confirmed => {
                    InvokeId { number: invoke_number(count), confirmed: true, high_priority: true }
                }
            };
            let block = ImageBlock { number: count, bytes };
            emit_block_frame(
                WPort::PUBLIC_CLIENT,
                WPort::MANAGEMENT,
                invoke,
                Obis::image_transfer(channel),
                &block,
                &mut frames,
            );
            count += 1;
        }
        EncodedBlocks { frames: Bytes::from(frames), stride, count, sealed: false }
    }

    /// Seals the blocks for all hubs; `None` when there are not enough counters in hand.
    fn sealed(&self, block_size: u32, sealer: &mut BroadcastSealer) -> Option<EncodedBlocks> {
        let shared = seal_for_all(sealer, &self.frames, block_size).ok()?;
        let (frames, stride) = (shared.frames, shared.stride);
        Some(EncodedBlocks { frames, stride, count: self.count, sealed: true })
    }

    /// Says whether the frames are ciphered already, for all hubs.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Returns the number of blocks.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the length of one frame that is not the last.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Returns how long the frames of a run of blocks are together: all of a stride, but the last of the image.
    pub(crate) fn train_len(&self, run: &Range<u32>) -> usize {
        let end = (run.end as usize * self.stride).min(self.frames.len());
        end - run.start as usize * self.stride
    }

    /// Returns the frame of one block as one that the hub has to confirm, under an invoke-id. A copy: for one block in
    /// many.
    pub(crate) fn confirmed(&self, block: u32, invoke: u8) -> Bytes {
        debug_assert!(!self.sealed, "what is sealed for all cannot be answered by each");
        let mut frame = self.train(block, 1).to_vec();
        frame[INVOKE_AT] = InvokeId { number: invoke, confirmed: true, high_priority: true }.to_byte();
        Bytes::from(frame)
    }

    /// Returns the frames of blocks `first..first + blocks`, which lie side by side.
    pub(crate) fn train(&self, first: u32, blocks: u32) -> Bytes {
        let start = first as usize * self.stride;
        let end = ((first + blocks) as usize * self.stride).min(self.frames.len());
        self.frames.slice(start..end)
    }
}

/// Returns the invoke-id number under which a confirmed block travels.
pub(crate) fn invoke_number(block: u32) -> u8 {
    (block % 16) as u8
}

/// Sealed encodings that are kept: electricity, gas, hub and display of one campaign, 10 MB each at the very most.
const SEALED_KEPT: usize = 4;

/// What all encodings in use may take, bytes: some three hundred images at once, each in one block size. Hubs choose
/// block sizes, and a crowd that each chose another could take as many gigabytes.
const ENCODED_AT_ONCE: usize = 256 << 20;

/// What tells two encodings of an image apart.
type EncodingKey = (ReleaseId, u8, u32, BlockService);

/// The releases of an engine. Encodings live as long as some session uses them.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    releases: Vec<Release>,
    encodings: BTreeMap<EncodingKey, Weak<EncodedBlocks>>,
    /// The latest that were sealed: to do it again takes new counters, and hubs would drop what they hear of the old.
    sealed: VecDeque<Arc<EncodedBlocks>>,
    /// Sealed under keys of before: not sent any more, and held until their sessions have looked what their hubs hold.
    outdated: Vec<Weak<EncodedBlocks>>,
    /// Seals images once for all hubs.
    pub(crate) sealer: Option<BroadcastSealer>,
}

impl Releases {
    pub(crate) fn add(&mut self, release: Release) -> ReleaseId {
        let id = ReleaseId(self.releases.len() as u32);
        self.releases.push(release);
        id
    }

    pub(crate) fn release(&self, id: ReleaseId) -> &Release {
        &self.releases[id.0 as usize]
    }

    pub(crate) fn contains(&self, id: ReleaseId) -> bool {
        (id.0 as usize) < self.releases.len()
    }

    /// Takes another sealer, or none. What was sealed before is given to nobody any more.
    pub(crate) fn set_sealer(&mut self, sealer: Option<BroadcastSealer>) {
        self.sealer = sealer;
        self.sealed.clear();
        let outdated = &mut self.outdated;
        outdated.retain(|weak| weak.strong_count() > 0);
        self.encodings.retain(|(_, _, _, service), weak| {
            let stays = *service != BlockService::Sealed;
            if !stays && weak.strong_count() > 0 {
                outdated.push(weak.clone());
            }
            stays
        });
    }

    /// Keeps a sealed encoding while nobody uses it, as between two waves.
    fn keep(&mut self, sealed: Arc<EncodedBlocks>) -> Arc<EncodedBlocks> {
        if self.sealed.len() >= SEALED_KEPT {
            self.sealed.pop_front();
        }
        self.sealed.push_back(sealed.clone());
        sealed
    }

    /// Returns whether another encoding of so many bytes may be made beside those in use.
    fn has_room_for(&self, bytes: usize) -> bool {
        let held = self.encodings.values().chain(&self.outdated);
        let in_use = held.filter_map(Weak::upgrade).map(|encoded| encoded.frames.len());
        in_use.sum::<usize>() + bytes <= ENCODED_AT_ONCE
    }

    /// Returns the encoding, making it at the first use; `None` while those in use leave no room for it.
    pub(crate) fn encoding(
        &mut self,
        id: ReleaseId,
        channel: u8,
        block_size: u32,
        service: BlockService,
    ) -> Option<Arc<EncodedBlocks>> {
        let key = (id, channel, block_size, service);
        if let Some(encoded) = self.encodings.get(&key).and_then(Weak::upgrade) {
            return Some(encoded);
        }
        // Hubs choose block sizes: forget encodings that nobody uses, so that odd ones cannot pile up.
        self.encodings.retain(|_, weak| weak.strong_count() > 0);
        let image = &self.releases[id.0 as usize].bytes;
        let blocks = image.len().div_ceil(block_size as usize);
        if !self.has_room_for(blocks * block_frame_len(block_size as usize)) {
            return None;
        }
        let plain = EncodedBlocks::encode(image, channel, block_size, service);
        let encoded = match (service, &mut self.sealer) {
            (BlockService::Sealed, Some(sealer)) => match plain.sealed(block_size, sealer) {
                Some(sealed) => self.keep(Arc::new(sealed)),
                // Plain blocks are ciphered for each hub on their way out.
                None => return self.encoding(id, channel, block_size, BlockService::Unconfirmed),
            },
            _ => Arc::new(plain),
        };
        self.encodings.insert(key, Arc::downgrade(&encoded));
        Some(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Apdu, CounterLease, LinkKeys, SystemTitle, WanFrame};

    fn release(len: usize) -> Release {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        Release { identification: Bytes::from_static(b"id"), bytes: bytes.into() }
    }

    #[test]
    fn every_frame_of_a_train_parses_to_its_block() {
        for service in [BlockService::Unconfirmed, BlockService::Confirmed] {
            let mut releases = Releases::default();
            let id = releases.add(release(1_000));
            let encoded = releases.encoding(id, 2, 64, service).expect("room");
            assert_eq!(encoded.count(), 16);
            let train = encoded.train(13, 3);
            for (offset, frame) in train.chunks(encoded.stride()).enumerate() {
                let frame = WanFrame::parse_datagram(frame).expect("a sound frame");
                let Ok(Apdu::ActionRequest(action)) = Apdu::parse(frame.apdu) else { panic!("an ACTION") };
                assert_eq!(action.method.instance, Obis::image_transfer(2));
                assert_eq!(action.invoke.confirmed, service == BlockService::Confirmed);
                let block = ImageBlock::parse_parameter(action.parameter.expect("a block")).expect("a block");
                assert_eq!(block.number, 13 + offset as u32);
                let start = block.number as usize * 64;
                assert_eq!(block.bytes, &release(1_000).bytes[start..(start + 64).min(1_000)]);
            }
        }
    }

    #[test]
    fn an_encoding_is_made_once_while_somebody_uses_it() {
        let mut releases = Releases::default();
        let id = releases.add(release(5_000));
        let first = releases.encoding(id, 1, 128, BlockService::Unconfirmed).expect("room");
        let second = releases.encoding(id, 1, 128, BlockService::Unconfirmed).expect("room");
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        releases.encoding(id, 1, 256, BlockService::Unconfirmed).expect("room");
        assert_eq!(releases.encodings.len(), 1, "the unused one was forgotten");
    }

    #[test]
    fn an_image_is_sealed_once_for_all_hubs_and_goes_to_each_alone_when_counters_are_short() {
        let mut lease = CounterLease::after(0);
        lease.grant(lease.request(10).expect("room"));
        let keys = LinkKeys::new([1; 16], [2; 16]);
        let sealer = Some(BroadcastSealer::new(keys, SystemTitle([3; 8]), lease));
        let mut releases = Releases { sealer, ..Releases::default() };
        let id = releases.add(release(500));
        let sealed = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        assert_eq!((sealed.is_sealed(), sealed.count()), (true, 8));
        assert_eq!(sealed.stride(), wire::sealed_block_frame_len(64));
        let frames = sealed.train(0, 8);
        let last =
            WanFrame::parse_datagram(&frames[7 * sealed.stride()..]).expect("the last is a frame, too");
        assert_eq!(last.apdu[0], 0xCB);
        let again = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        assert!(Arc::ptr_eq(&sealed, &again), "the same bytes for the next hub");
        let bytes = sealed.train(0, 8);
        drop((sealed, again));
        let later = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        assert_eq!(later.train(0, 8), bytes, "and for one that comes when nobody used it for a while");
        let plain = releases.encoding(id, 2, 64, BlockService::Sealed).expect("room");
        assert!(!plain.is_sealed(), "two counters are left");
        assert_eq!(plain.stride(), block_frame_len(64));
    }

    #[test]
    fn what_was_sealed_before_is_given_to_nobody_under_another_sealer_and_counts_while_somebody_holds_it() {
        let sealer = |key: u8| {
            let mut lease = CounterLease::after(0);
            lease.grant(lease.request(1_000).expect("room"));
            Some(BroadcastSealer::new(LinkKeys::new([key; 16], [2; 16]), SystemTitle([3; 8]), lease))
        };
        let mut releases = Releases { sealer: sealer(1), ..Releases::default() };
        let id = releases.add(release(500));
        let plain = releases.encoding(id, 1, 64, BlockService::Unconfirmed).expect("room");
        let before = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        releases.set_sealer(sealer(4));
        let after = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        assert!(after.is_sealed() && !Arc::ptr_eq(&before, &after));
        assert_ne!(after.train(0, 8), before.train(0, 8), "sealed under the other key");
        let same = releases.encoding(id, 1, 64, BlockService::Unconfirmed).expect("room");
        assert!(Arc::ptr_eq(&plain, &same), "what every hub's own key ciphers is as before");
        let in_use = |releases: &Releases| releases.outdated.iter().filter_map(Weak::upgrade).count();
        assert_eq!(in_use(&releases), 1);
        releases.set_sealer(None);
        assert_eq!(in_use(&releases), 2);
        drop((before, after));
        assert_eq!(in_use(&releases), 0);
        let alone = releases.encoding(id, 1, 64, BlockService::Sealed).expect("room");
        assert!(!alone.is_sealed(), "nobody seals for all");
    }

    /// Hubs that each asked for another block size could have had us encode the image thousands of times over.
    #[test]
    fn a_crowd_of_odd_block_sizes_takes_no_more_memory_than_is_allowed() {
        let mut releases = Releases::default();
        let id = releases.add(release(4 << 20));
        let mut held = Vec::new();
        while let Some(encoded) =
            releases.encoding(id, 1, 1_000 + held.len() as u32, BlockService::Unconfirmed)
        {
            held.push(encoded);
        }
        let bytes: usize = held.iter().map(|encoded| encoded.frames.len()).sum();
        assert!(bytes <= ENCODED_AT_ONCE && held.len() > 40, "{} encodings, {bytes} bytes", held.len());
        held.clear();
        assert!(releases.encoding(id, 1, 2_000, BlockService::Unconfirmed).is_some(), "there is room again");
    }
}
