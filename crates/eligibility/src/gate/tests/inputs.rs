//! The inputs of the gate as axes, in three products, and how a combination of all of them is put together.
//!
//! The axes are independent: each fact of a world is set by one of them, and none looks at another. What two of them
//! make of one device together is the gate's affair: a gas meter that is `ordered` follows unless the axis of the device
//! has it Active or that of the exclusions excludes it. The home is that of `world`.

pub mod conditions;
pub mod evidence;
pub mod waits;

use std::fmt;

/// One input: its values, each with a letter.
pub struct Axis {
    pub name: &'static str,
    pub values: &'static [(char, &'static str)],
}

const fn axis(name: &'static str, values: &'static [(char, &'static str)]) -> Axis {
    Axis { name, values }
}

/// Inputs of which every combination is judged.
pub struct Product {
    pub title: &'static str,
    pub axes: &'static [Axis],
    /// Makes a combination of all inputs of one letter for each axis: the other products are as they least disturb.
    pub whole: fn(&[char]) -> Word,
}

/// One letter for each input of the gate.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub conditions: [char; conditions::AXES.len()],
    pub evidence: [char; evidence::AXES.len()],
    /// Without the proof, which is what the evidence gives.
    pub waits: [char; waits::AXES.len() - 1],
}

impl Word {
    /// Every condition satisfied, the combination listed, nothing to wait for.
    const PLAIN: Word =
        Word { conditions: conditions::SATISFIED, evidence: evidence::LISTED, waits: waits::NOTHING_ASKED };
}

/// What block A asks, as far as it needs neither evidence nor time.
pub static CONDITIONS: Product = Product {
    title: "conditions",
    axes: &conditions::AXES,
    whole: |word| Word { conditions: letters(word), ..Word::PLAIN },
};

/// What block B asks, and the day of the rule it rests on.
pub static EVIDENCE: Product = Product {
    title: "evidence",
    axes: &evidence::AXES,
    whole: |word| Word { evidence: letters(word), ..Word::PLAIN },
};

/// What an update has to wait for, under each kind of proof.
pub static WAITS: Product = Product {
    title: "waits",
    axes: &waits::AXES,
    whole: |word| {
        let (proof, waits) = word.split_last().expect("a letter for the proof");
        Word { evidence: waits::evidence_of(*proof), waits: letters(waits), ..Word::PLAIN }
    },
};

/// One letter for each input of a product, side by side.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Word { conditions, evidence, waits } = self;
        let [conditions, evidence, waits] = [&conditions[..], evidence, waits].map(String::from_iter);
        write!(f, "{conditions} {evidence} {waits}")
    }
}

pub fn letters<const N: usize>(word: &[char]) -> [char; N] {
    word.try_into().expect("one letter an axis")
}
