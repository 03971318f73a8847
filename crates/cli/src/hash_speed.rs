//! A look at the speed of SHA-256 when a long command starts. A processor with SHA instructions hashes at 1.5 GB/s
//! and more; in a build that was told to leave them alone it is four times slower, and nothing else would say so.
//!
//! Only warns: a slow hash is a dear one, not a wrong one.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use firmware_image::FileDigest;

/// What was measured, in bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HashSpeed(u64);

impl fmt::Display for HashSpeed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02} GB/s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 10_000_000)
    }
}

/// The slowest SHA instructions known do more; the fastest code without them does half of it.
const EXPECTED: HashSpeed = HashSpeed(1_000_000_000);

/// The bytes hashed at once: 40 µs with SHA instructions, short enough that most pieces run undisturbed on a
/// busy machine.
const PIECE: usize = 64 * 1_024;

/// How many pieces are hashed, 1 MiB in all. The fastest counts: other work can only make a piece slower.
const PIECES: usize = 16;

/// How many more are hashed before a warning, 8 MiB in all: a machine that was busy for a millisecond is not slow.
const PIECES_IN_DOUBT: usize = 128;

/// Warns if this build hashes much slower than this processor can.
pub(crate) fn warn_if_slow() {
    let instructions = has_sha_instructions();
    if judge(instructions, measure(PIECES)).is_none() {
        return;
    }
    if let Some(slow) = judge(instructions, measure(PIECES_IN_DOUBT)) {
        tracing::warn!("{slow}");
    }
}

/// A speed below what the processor's instructions give.
#[derive(Debug, PartialEq, Eq)]
struct SlowHash {
    speed: HashSpeed,
}

impl fmt::Display for SlowHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlowHash { speed } = self;
        write!(
            formatter,
            "SHA-256 runs at {speed}, expected at least {EXPECTED}: this processor has SHA instructions and this \
             build does not use them; "
        )?;
        if told_to_be_slow() {
            formatter.write_str("it was compiled with --cfg sha2_backend=\"soft\": build without it")
        } else {
            formatter.write_str(
                "look for sha2_backend in RUSTFLAGS and .cargo/config.toml, for a crate that turns on a soft backend \
                 (`cargo tree -e features -i sha2@0.11`), and for the opt-level of sha2 in the profile",
            )
        }
    }
}

/// Judges a speed. Where there are no SHA instructions, or nobody can say, every speed is as good as it gets.
fn judge(has_instructions: bool, speed: HashSpeed) -> Option<SlowHash> {
    (has_instructions && speed < EXPECTED).then_some(SlowHash { speed })
}

/// Hashes pieces the way files are hashed, and returns the speed of the fastest.
fn measure(pieces: usize) -> HashSpeed {
    let piece = vec![0x5A; PIECE];
    let fastest = (0..pieces).map(|_| time_of(&piece)).min().unwrap_or(Duration::MAX);
    let nanoseconds = fastest.as_nanos().max(1);
    HashSpeed(u64::try_from(PIECE as u128 * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX))
}

fn time_of(piece: &[u8]) -> Duration {
    let began = Instant::now();
    black_box(FileDigest::of(black_box(piece)));
    began.elapsed()
}

/// Whether the compiler was told to leave SHA instructions alone. Flags reach every crate of a build alike.
const fn told_to_be_slow() -> bool {
    cfg!(any(sha2_backend = "soft", sha2_256_backend = "soft"))
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn has_sha_instructions() -> bool {
    std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("sse4.1")
}

#[cfg(target_arch = "aarch64")]
fn has_sha_instructions() -> bool {
    std::arch::is_aarch64_feature_detected!("sha2")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn has_sha_instructions() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{EXPECTED, HashSpeed, judge};

    #[test]
    fn a_processor_with_sha_instructions_must_reach_a_gigabyte_per_second() {
        assert_eq!(judge(true, EXPECTED), None);
        assert_eq!(judge(true, HashSpeed(u64::MAX)), None);
        for slow in [0, 450_000_000, EXPECTED.0 - 1] {
            let warning = judge(true, HashSpeed(slow)).expect("this is slow");
            assert_eq!(warning.speed, HashSpeed(slow));
        }
    }

    #[test]
    fn a_processor_without_them_is_never_called_slow() {
        for speed in [0, 450_000_000, EXPECTED.0, u64::MAX] {
            assert_eq!(judge(false, HashSpeed(speed)), None);
        }
    }

    #[test]
    fn the_warning_names_the_speed_and_where_to_look() {
        let warning = judge(true, HashSpeed(456_000_000)).expect("this is slow").to_string();
        assert!(warning.starts_with("SHA-256 runs at 0.45 GB/s, expected at least 1.00 GB/s"), "{warning}");
        assert!(warning.contains("sha2_backend"), "{warning}");
    }
}
