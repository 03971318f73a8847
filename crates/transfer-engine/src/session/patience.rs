//! How long a session waits, and for how little it waits no longer.

use std::time::Duration;

use crate::budget::ByteRate;

/// Waiting times of requests and of whole legs.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a request is repeated when its line is slow to answer; doubles with each repetition. 2G
    /// answers in 0.5 to 1.5 s when idle (assumption, domain.md 2.3), and behind a queue of blocks later.
    pub first_timeout: Duration,
    /// The longest wait for one answer.
    pub longest_timeout: Duration,
    /// How often a request is sent, at least, before the hub counts as unreachable.
    pub attempts: u8,
    /// Between two looks at a verification in progress.
    pub verify_poll: Duration,
    /// How many looks at a verification in progress.
    pub verify_polls: u32,
    /// How long one staging may take, from the first request to the verified image.
    pub leg_deadline: Duration,
    /// The slowest retrieval that is put up with, over a whole `floor_window`.
    pub floor_rate: ByteRate,
    /// How long the rate of arrival is averaged before it is held against the floor.
    pub floor_window: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first_timeout: Duration::from_secs(5),
            longest_timeout: Duration::from_secs(60),
            attempts: 5,
            verify_poll: Duration::from_secs(2),
            verify_polls: 60,
            // The slowest useful line brings the largest image (750 kB at 9.6 kbit/s) in 12 minutes; outages and
            // budgets may stretch that, but a day means that somebody should look.
            leg_deadline: Duration::from_secs(86_400),
            // A hundredth of what GSM data does. Below that a session only takes room from others.
            floor_rate: ByteRate(12),
            floor_window: Duration::from_secs(900),
        }
    }
}

impl Patience {
    /// Returns how long to wait for the answer to a request that was sent `attempts` times before. What is known of
    /// the line counts for more than what is configured. The radio loses one request in five at 10 % each way, so
    /// that the first few repetitions are no reason to think of an outage and do not back off.
    pub(crate) fn wait_for(&self, attempts: u8, due: Option<Duration>) -> Duration {
        let first = due.unwrap_or(self.first_timeout / 2).min(self.first_timeout);
        (first * backed_off(attempts.saturating_sub(2))).min(self.longest_timeout)
    }

    /// Returns patience with a hub that may stay silent for so long, spent on as many attempts as ever.
    pub fn with_silence(self, silence: Duration) -> Patience {
        let shares = (0..self.attempts).map(backed_off).fold(0, u32::saturating_add);
        let first_timeout = silence / shares.max(1);
        Patience { first_timeout, longest_timeout: silence, ..self }
    }

    /// Returns how long a hub may stay silent: as long as all attempts take when nothing is known of its line.
    /// Lines that are known are asked more often in that time, as losing a few requests says little.
    pub fn silence(&self) -> Duration {
        let waits = (0..self.attempts).map(|attempt| self.first_timeout * backed_off(attempt));
        waits.map(|wait| wait.min(self.longest_timeout)).sum()
    }
}

fn backed_off(times: u8) -> u32 {
    2u32.saturating_pow(u32::from(times).min(16))
}
