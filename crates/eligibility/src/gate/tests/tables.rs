//! The verdicts of a product as a table that is short and loses nothing: letters after which nothing changes share a
//! line, as `[ab]` or `*`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use super::super::rules::Rules;
use super::inputs::{self, Axis, Product};
use super::worlds::{Told, Worlds};

pub static CONDITIONS: LazyLock<Table> = LazyLock::new(|| Table::of(&inputs::CONDITIONS));
pub static EVIDENCE: LazyLock<Table> = LazyLock::new(|| Table::of(&inputs::EVIDENCE));
pub static WAITS: LazyLock<Table> = LazyLock::new(|| Table::of(&inputs::WAITS));

/// A product with the verdict of each of its words.
pub struct Table {
    pub product: &'static Product,
    pub lines: Vec<Line>,
}

/// Words that have a verdict in common.
pub struct Line {
    /// For each axis the letters that the words may have there, whatever they have elsewhere.
    pub letters: Vec<Vec<char>>,
    pub told: Told,
}

impl Line {
    /// Returns how many words there are.
    pub fn word_count(&self) -> usize {
        self.letters.iter().map(Vec::len).product()
    }

    /// Returns one of them, by its number.
    pub fn word(&self, mut number: usize) -> Vec<char> {
        let mut letter_of = |letters: &Vec<char>| {
            let letter = letters[number % letters.len()];
            number /= letters.len();
            letter
        };
        self.letters.iter().map(&mut letter_of).collect()
    }
}

/// Calls back with every word over the axes.
pub fn every_word(axes: &[Axis], word: &mut Vec<char>, look: &mut impl FnMut(&[char])) {
    let Some(axis) = axes.get(word.len()) else { return look(word) };
    for (letter, _) in axis.values {
        word.push(*letter);
        every_word(axes, word, look);
        word.pop();
    }
}

impl Table {
    /// Judges every word of a product.
    fn of(product: &'static Product) -> Table {
        // There are millions of words, and a dozen different verdicts.
        let (mut different, mut verdicts) = (Vec::<Told>::new(), Vec::<u8>::new());
        let mut worlds = Worlds::new();
        every_word(product.axes, &mut Vec::new(), &mut |word| {
            let told =
                worlds.visit(&(product.whole)(word), |question| question.judge(&Rules::COMPLETE, |_| {}));
            let place = different.iter().position(|known| *known == told).unwrap_or_else(|| {
                different.push(told);
                different.len() - 1
            });
            verdicts.push(u8::try_from(place).expect("a dozen different verdicts"));
        });
        let mut lines = Vec::new();
        fold(product.axes, &verdicts, &mut Vec::new(), &mut |letters, place| {
            lines.push(Line { letters: letters.to_vec(), told: different[usize::from(place)] });
        });
        Table { product, lines }
    }
}

/// Shares lines where it can, of verdicts one word after the other as `every_word` gives them.
fn fold(axes: &[Axis], verdicts: &[u8], above: &mut Vec<Vec<char>>, take: &mut impl FnMut(&[Vec<char>], u8)) {
    let Some((axis, below)) = axes.split_first() else {
        return take(above, *verdicts.first().expect("one verdict a word"));
    };
    let mut shared: Vec<(Vec<char>, &[u8])> = Vec::new();
    let each = verdicts.len() / axis.values.len();
    for ((letter, _), verdicts) in axis.values.iter().zip(verdicts.chunks(each)) {
        match shared.iter_mut().find(|(_, known)| *known == verdicts) {
            Some((letters, _)) => letters.push(*letter),
            None => shared.push((vec![*letter], verdicts)),
        }
    }
    for (letters, verdicts) in shared {
        above.push(letters);
        fold(below, verdicts, above, take);
        above.pop();
    }
}

/// The axes, how many words there are of each verdict, and the lines.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { product, lines } = self;
        let words: usize = lines.iter().map(Line::word_count).sum();
        writeln!(f, "# {}: {words} combinations. One letter for each of:", product.title)?;
        for axis in product.axes {
            let values: Vec<String> =
                axis.values.iter().map(|(letter, meaning)| format!("{letter} {meaning}")).collect();
            writeln!(f, "#   {}: {}", axis.name, values.join(", "))?;
        }
        let mut counts: BTreeMap<Told, usize> = BTreeMap::new();
        lines.iter().for_each(|line| *counts.entry(line.told).or_default() += line.word_count());
        for (told, count) in counts {
            writeln!(f, "# {count:>7} {told}")?;
        }
        for Line { letters, told } in lines {
            for (axis, letters) in product.axes.iter().zip(letters) {
                match letters.as_slice() {
                    all if all.len() == axis.values.len() => write!(f, "*")?,
                    [letter] => write!(f, "{letter}")?,
                    some => write!(f, "[{}]", String::from_iter(some))?,
                }
            }
            writeln!(f, " {told}")?;
        }
        Ok(())
    }
}
