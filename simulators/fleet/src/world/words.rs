//! What is said of a bad value: the range and the unit that its key expects, in a reader's words.

/// How the reader of values calls what it expects, and how we do.
const EXPECTATIONS: &[(&str, &str)] = &[
    ("expected a nonzero u8", "expected a whole number from 1 to 255"),
    ("expected a nonzero u16", "expected a whole number from 1 to 65535"),
    ("expected a nonzero u32", "expected a whole number from 1 to 4294967295"),
    ("expected a nonzero u64", "expected a whole number from 1 to 18446744073709551615"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected f64", "expected a number"),
    ("expected a TOML datetime", "expected a date-time without quotes"),
];

/// The format of `start`.
pub(super) const START: &str = "UTC date-time such as 2020-10-05T00:00:00Z";

/// What the last words of a key say of its unit; the first that fits counts.
const UNITS: &[(&str, &str)] = &[
    ("_bits_per_s", "bits per second"),
    ("_bytes_per_s", "bytes per second"),
    ("_bytes", "bytes"),
    ("_ms", "milliseconds"),
    ("_mah", "milliampere-hours"),
    ("_nah", "nanoampere-hours"),
    ("_s", "seconds"),
    ("_per_day", "times a day, 0 to 1440"),
    ("_per_datagram", "a share between 0 and 1 of all datagrams"),
    ("_per_corrupted", "a share between 0 and 1 of the corrupted datagrams"),
    ("_per_answer", "a share between 0 and 1 of the answers"),
    ("_shares", "a list of shares between 0 and 1"),
    ("_threshold", "a share between 0 and 1"),
    ("share", "a share between 0 and 1"),
    ("loss", "a share between 0 and 1 of what is sent"),
    ("duplicates", "a share between 0 and 1 of all datagrams"),
    ("burst_enter", "a share between 0 and 1: a probability per datagram"),
    ("burst_leave", "a share between 0 and 1: a probability per datagram"),
    ("_version", "a file version, such as 0x01020304"),
    ("hardware", "a hardware version, such as 0x0102"),
    ("manufacturer", "a Zigbee manufacturer code, such as 0x10E5"),
    ("image_type", "a Zigbee image type, such as 0x0011"),
    ("blocks_per_wake", "blocks of block_bytes"),
    ("installations", "homes"),
    ("cells", "WAN cells"),
    ("regions", "campaigns"),
    ("_factor", "times"),
    ("start", START),
];

/// Returns the unit of a key, by its last word.
fn unit_of(key: &str) -> Option<&'static str> {
    UNITS.iter().find(|(ending, _)| key.ends_with(ending)).map(|(_, unit)| *unit)
}

/// Returns what follows the last point of a dotted key.
pub(super) fn last_of(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or_default()
}

/// Says in a reader's words what was expected, with the unit of the key that is meant.
pub(super) fn in_words(message: &str, key: &str) -> String {
    let mut words = message.replace("` as i128,", "`,").replace("` as u128,", "`,");
    if let Some((theirs, ours)) = EXPECTATIONS.iter().find(|(theirs, _)| message.ends_with(theirs)) {
        words = words.replace(theirs, ours);
    }
    if let Some(unknown) = message.strip_prefix("unknown field `") {
        return with_hint(unknown).unwrap_or(words);
    }
    match unit_of(last_of(key)) {
        Some(unit) if unit != START || !words.contains(START) => {
            format!("{words} (`{}`: {unit})", last_of(key))
        }
        _ => words,
    }
}

/// Puts the key that was probably meant before the list of all that there are.
fn with_hint(message: &str) -> Option<String> {
    let (unknown, list) = message.split_once('`')?;
    let known = list.split('`').skip(1).step_by(2);
    let meant =
        known.min_by_key(|known| distance(unknown, known)).filter(|known| resembles(unknown, known))?;
    let unit = unit_of(meant).map(|unit| format!(" ({unit})")).unwrap_or_default();
    Some(format!(
        "unknown field `{unknown}`, did you mean `{meant}`{unit}?{}",
        list.replacen(", expected", " Expected", 1)
    ))
}

/// Returns whether one key may have been written for the other: few letters apart, or the same but for the unit.
fn resembles(unknown: &str, known: &str) -> bool {
    let stem = |key: &str| key.rsplit_once('_').map_or(key, |(stem, _)| stem).to_owned();
    let is_near = distance(unknown, known) <= (known.len() / 4).clamp(1, 3);
    is_near || stem(unknown) == stem(known) || unknown == stem(known)
}

/// Counts the letters to put in, take out or change to make one word of another (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], number + 1);
        for (column, against) in (1..).zip(other.chars()) {
            let changed = diagonal + usize::from(letter != against);
            diagonal = row[column];
            row[column] = changed.min(row[column] + 1).min(row[column - 1] + 1);
        }
    }
    row[row.len() - 1]
}
