//! Every bit turned over, every truncation, every extension by 1 to 16 bytes of every kind of signed document: none is
//! believed.

use bytes::Bytes;
use firmware_image::{SignedOrder, SignedRelease, SignedRoot, SignedStatus};

use crate::craft;
use crate::craft_image::image;
use crate::recipes::{ImageRecipe, METER_TYPE, OrderRecipe, ReleaseRecipe, RootRecipe, StatusRecipe, Vector};
use crate::table::Tally;
use crate::verifier;

/// A document and who judges it.
type Subject<'a> = (&'static str, Vec<u8>, Box<dyn Fn(&[u8]) -> bool + Sync + 'a>);

/// The fewest mutations; documents that shrink must not pass unseen.
const MUTATIONS: u64 = 18_000;

pub fn run() -> Tally {
    let vector: Vector = toml::from_str("name = 'mutations'\nexpect = 'taken'\norder = {}").unwrap();
    let target = verifier::target(&vector);
    let anchor = vector.state.anchors().swap_remove(0);
    let root = anchor.root();
    let images = root.images();
    let named = craft::names_of(b"file", target.image);
    let subjects: [Subject<'_>; 5] = [
        (
            "image",
            image(&ImageRecipe { len: 512, ..ImageRecipe::default() }, METER_TYPE).bytes,
            Box::new(|bytes| images.verify_bytes(Bytes::copy_from_slice(bytes)).is_ok()),
        ),
        (
            "order",
            craft::order(&OrderRecipe::default(), &target).bytes,
            Box::new(|bytes| {
                SignedOrder::from_bytes(bytes).and_then(|order| order.verify(&root.order.keys())).is_ok()
            }),
        ),
        (
            "root",
            craft::root(&RootRecipe::default(), 2).bytes,
            Box::new(|bytes| SignedRoot::from_bytes(bytes).and_then(|root| anchor.advance(&root)).is_ok()),
        ),
        (
            "release",
            craft::release(&ReleaseRecipe::default(), &target, named).bytes,
            Box::new(|bytes| {
                SignedRelease::from_bytes(bytes).and_then(|release| release.verify(root)).is_ok()
            }),
        ),
        (
            "status",
            craft::status(&StatusRecipe::default(), &target).bytes,
            Box::new(|bytes| SignedStatus::from_bytes(bytes).and_then(|status| status.verify(root)).is_ok()),
        ),
    ];
    let mut tally = Tally::default();
    for (kind, original, believed) in &subjects {
        if !believed(original) {
            tally.failures.push(format!("the {kind} itself is not believed"));
        }
        mutate(kind, original, believed.as_ref(), &mut tally);
    }
    if tally.cases < MUTATIONS {
        tally.failures.push(format!("expected {MUTATIONS} mutations, found {}", tally.cases));
    }
    tally
}

fn mutate(kind: &str, original: &[u8], believed: &(dyn Fn(&[u8]) -> bool + Sync), tally: &mut Tally) {
    let bits = 0..original.len() * 8;
    let middle = bits.len() / 2;
    let flip = |bits: std::ops::Range<usize>| -> Vec<usize> {
        let mut bytes = original.to_vec();
        let mut taken = Vec::new();
        for bit in bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if believed(&bytes) {
                taken.push(bit);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        taken
    };
    let taken = std::thread::scope(|scope| {
        let other = scope.spawn(|| flip(middle..bits.end));
        let mut taken = flip(0..middle);
        taken.extend(other.join().expect("no mutation makes the verifier panic"));
        taken
    });
    tally.cases += bits.len() as u64;
    tally.failures.extend(taken.iter().map(|bit| format!("{kind}: bit {} of byte {}", bit % 8, bit / 8)));
    for len in 0..original.len() {
        tally.check(!believed(&original[..len]), || format!("{kind}: cut to {len} bytes"));
    }
    for len in 1..=16 {
        let tails = [vec![0; len], vec![0xFF; len], original[original.len() - len..].to_vec()];
        for tail in tails {
            let longer = [original, &tail[..]].concat();
            tally.check(!believed(&longer), || format!("{kind}: extended by {tail:02x?}"));
        }
    }
}
