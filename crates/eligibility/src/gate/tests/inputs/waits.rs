//! What an update that the evidence allows waits for: the day of its rule, a notice, a slot, the WAN.

use super::super::world::{day, id};
use super::{Axis, axis, evidence};
use crate::{Circumstances, Notice, NoticePolicy, Slot, WanContact};
use firmware_image::{Eui64, FileVersion};

pub(super) const AXES: [Axis; 5] = [
    axis("notices", &[('-', "not asked for"), ('n', "asked for, 14 days before")]),
    axis(
        "notice",
        &[
            ('-', "none"),
            ('c', "covers the day"),
            ('s', "to another supplier"),
            ('f', "from another version"),
            ('t', "to another version"),
            ('d', "of another combination"),
            ('o', "opens later"),
            ('l', "opened, lead time not over"),
            ('x', "closed"),
            ('2', "one closed and one that covers"),
        ],
    ),
    axis("slot", &[('-', "not asked"), ('f', "free"), ('t', "taken")]),
    axis("WAN", &[('-', "not asked"), ('r', "reached"), ('l', "lost")]),
    axis(
        "proof",
        &[
            ('1', "listed"),
            ('2', "MT and SIT"),
            ('3', "report"),
            ('4', "report by equivalence"),
            ('6', "MT and SIT, TMAD V7.0 not yet in effect"),
            ('-', "none"),
        ],
    ),
];

/// Nothing is asked that an update would have to wait for.
pub(super) const NOTHING_ASKED: [char; AXES.len() - 1] = ['-'; AXES.len() - 1];

/// Returns evidence that gives a proof.
pub(super) fn evidence_of(proof: char) -> [char; evidence::AXES.len()] {
    match proof {
        '1' => evidence::LISTED,
        '2' => ['-', 'p', 'c', 'c', '-', '-', '-', '7'],
        '3' => ['-', 'p', '-', '-', 'i', '-', '-', '7'],
        '4' => ['-', 'p', '-', '-', 'i', 't', '-', '7'],
        '6' => ['-', 'p', 'c', 'c', '-', '-', '-', '6'],
        _ => ['-', 'p', '-', '-', '-', '-', '-', '7'],
    }
}

/// Returns the letter of the proof that evidence gives, by the code that the gate gives it.
pub fn proof_of(code: &str) -> char {
    match code {
        "EPCL" => '1',
        "EARLY_MT_SIT" => '2',
        "EARLY_DMCT_REPORT" => '3',
        "EARLY_DMCT_REPORT_SE" => '4',
        "EARLY_NOT_IN_EFFECT" => '6',
        _ => '-',
    }
}

/// What is so at the moment of the question.
pub struct Moment {
    pub policy: NoticePolicy,
    pub circumstances: Circumstances,
    /// The letter of the notices that there are.
    pub notice: char,
}

/// Tells what the letters of a word say of the moment.
pub fn parts(word: [char; AXES.len() - 1]) -> Moment {
    let [notices, notice, slot, wan] = word;
    let slot = match slot {
        'f' => Slot::Free,
        't' => Slot::Taken,
        _ => Slot::NotAsked,
    };
    let wan = match wan {
        'r' => WanContact::Reached,
        'l' => WanContact::Lost,
        _ => WanContact::NotAsked,
    };
    let policy =
        if notices == 'n' { NoticePolicy::Required { lead_days: 14 } } else { NoticePolicy::NotAsked };
    Moment { policy, circumstances: Circumstances { slot, wan }, notice }
}

/// Makes the notices of a letter about a device that goes from its first version to its second.
pub fn notices(letter: char, device: Eui64) -> Vec<Notice> {
    let sound = Notice {
        supplier: id("SUPPLIER-1"),
        mpxn: id("1200023456789"),
        device,
        dmc: Some(id("D2")),
        from: FileVersion(1),
        to: FileVersion(2),
        window_start: day("2020-09-20"),
        window_end: day("2020-10-31"),
        issued_at: day("2020-09-01"),
    };
    let closed = Notice { window_end: day("2020-09-30"), ..sound.clone() };
    match letter {
        'c' => vec![sound],
        's' => vec![Notice { supplier: id("SUPPLIER-2"), ..sound }],
        'f' => vec![Notice { from: FileVersion(9), ..sound }],
        't' => vec![Notice { to: FileVersion(9), ..sound }],
        'd' => vec![Notice { dmc: Some(id("D9")), ..sound }],
        'o' => vec![Notice { window_start: day("2020-10-02"), ..sound }],
        'l' => vec![Notice { issued_at: day("2020-09-18"), ..sound }],
        'x' => vec![closed],
        '2' => vec![closed, sound],
        _ => Vec::new(),
    }
}
