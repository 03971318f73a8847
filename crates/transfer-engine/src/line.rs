//! One line: how fast it is, how far away its end is, and how much waits in front of it.
//!
//! A 2G line is slow, far and behind a deep buffer, and it loses datagrams to the radio. So loss says nothing
//! here: the pace follows what the hub's answers say about *time*. While blocks flow, some of them are to be confirmed, or
//! a small request is sent behind them: a probe. As lines keep order, its answer tells two things:
//!
//! ```text
//!   sent    │b b b P b b b b b P                      rate  = bytes between two probes ÷ time between answers
//!   heard   │        └──rtt──► a         └──rtt──► a   queue = rtt − shortest rtt ever seen
//! ```
//!
//! If something waited in the buffer, the line was busy and the rate is the line's; otherwise it is a lower bound
//! and the pace may grow. The pace then steers the queue towards a target that is just deep enough to keep the
//! line busy. What the radio loses changes neither number, as it occupied the air all the same.
//!
//! Sketch: 48 B a line, one division and a handful of comparisons per probe; one that is a block costs its answer, 41 B
//! every two seconds, a request 49 B more.

use std::time::Duration;

use crate::budget::{AirTime, ByteRate};
use crate::moment::{Moment, Stamp};

/// How fast a hub's line is filled, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRate {
    /// Exactly so fast, as agreed with the carrier: no probes while blocks flow.
    Fixed(ByteRate),
    /// As fast as the line turns out to be, and never faster than this.
    AtMost(ByteRate),
}

impl LineRate {
    /// Returns the rate that is never exceeded.
    pub fn ceiling(self) -> ByteRate {
        match self {
            LineRate::Fixed(rate) | LineRate::AtMost(rate) => rate,
        }
    }
}

/// Sent at once on a line of which nothing is known, bytes: four blocks of 1 KiB. They take 0.9 s at 40 kbit/s,
/// about the round trip of 2G, so that the first answer finds the line busy; 3.6 s at 9.6 kbit/s.
const OPENING: u32 = 4_400;

/// The pace until the first answer, bytes per second: the slowest kind of line, GSM data at 9.6 kbit/s, takes
/// 1.2 kB/s, usual GPRS 5 kB/s.
const FIRST_PACE: u32 = 2_000;

/// Bytes that may be on their way unheard before anything is known of the line.
const UNHEARD_AT_FIRST: u32 = 8_800;

/// How long blocks may go on flowing when answers stay away, beside the round trip. Probes are lost like anything
/// else; but after this long the line is gone, and what is sent is wasted.
const UNHEARD: Duration = Duration::from_secs(6);

/// Queueing delay below this is taken for noise. Round trips on 2G vary by tens of milliseconds when idle.
const NOISE: Duration = Duration::from_millis(100);

/// What is kept waiting in front of the line, beyond noise: enough that the line is busy until the next
/// correction, little enough that an ordinary read still answers quickly.
const QUEUE: Duration = Duration::from_millis(250);

/// In how much time the pace tries to bring the queue to its target. Corrections come every few seconds; a shorter
/// time overshoots.
const HORIZON: Duration = Duration::from_secs(3);

/// Time between two probes once the rate is known, at least. A block that is one costs nothing on the way to the hub, and its
/// answer 41 B in 2 s, 0.4 % of 40 kbit/s.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// The rate is sampled over so much time at least, once a queue was seen: round trips on 2G vary by some tenths of a second.
const SHORTEST_SAMPLE: Duration = Duration::from_secs(1);

/// The slowest pace: below it a block of 1 KiB takes 20 s, and deadlines decide.
const SLOWEST: u32 = 50;

/// Where the pace comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It was agreed.
    Fixed,
    /// It is found out, and the last answer found no queue.
    Growing,
    /// It is found out, and a queue or the ceiling was reached.
    Steady,
}

/// What is known of a line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    ceiling: u32,
    /// True once a queue was seen: from then on the pace grows carefully.
    settled: bool,
    kind: Pace,
    /// The line's rate, bytes per second; 0 is unknown.
    estimate: u32,
    pace: u32,
    /// The shortest round trip seen, µs.
    least_us: u32,
    /// Smoothed round trip of an idle line and its mean deviation, µs (RFC 6298, 2.2 and 2.3); 0 is unknown.
    smooth_us: u32,
    spread_us: u32,
    /// What waited in front of the line when last we heard, µs.
    queue_us: u32,
    /// Bytes sent, wrapping.
    sent: u32,
    /// The last train, bytes: a probe behind it waits for it, queue or not.
    last_train: u32,
    /// Where the next rate sample begins: bytes sent by then, and when the hub's answer to that was (or would
    /// have been) here.
    mark_sent: u32,
    mark: Stamp,
}

impl Line {
    pub(crate) fn new(rate: LineRate) -> Line {
        let ceiling = u32::try_from(rate.ceiling().0).unwrap_or(u32::MAX);
        let fixed = matches!(rate, LineRate::Fixed(_));
        Line {
            ceiling,
            settled: false,
            kind: if fixed { Pace::Fixed } else { Pace::Growing },
            estimate: 0,
            pace: if fixed { ceiling } else { FIRST_PACE.min(ceiling) },
            least_us: u32::MAX,
            smooth_us: 0,
            spread_us: 0,
            queue_us: 0,
            sent: 0,
            last_train: 0,
            mark_sent: 0,
            mark: Stamp::of(Moment::default()),
        }
    }

    /// Says whether the line's rate is found out while blocks flow.
    pub(crate) fn is_probed(&self) -> bool {
        !self.is_fixed()
    }

    /// Returns the rate that is never exceeded.
    pub(crate) fn ceiling(&self) -> ByteRate {
        ByteRate(u64::from(self.ceiling))
    }

    /// Returns the rate at which to send now.
    pub(crate) fn pace(&self) -> ByteRate {
        ByteRate(u64::from(if self.opening_left() > 0 { self.ceiling } else { self.pace }))
    }

    /// Returns the line's rate as far as it is known.
    pub(crate) fn estimate(&self) -> Option<ByteRate> {
        (self.estimate > 0).then_some(ByteRate(u64::from(self.estimate)))
    }

    /// Returns how many bytes a train may hold: what the line carries in `burst`, where its rate is agreed; else 50 ms
    /// of the pace, for a longer train would hide what probes are to show, or what is left of the opening.
    pub(crate) fn train_bytes(&self, burst: AirTime) -> u64 {
        if self.is_fixed() {
            return burst.bytes_at(self.pace());
        }
        match self.opening_left() {
            0 => self.pace().0 / 20,
            left => u64::from(left).min(self.pace().0 / 20),
        }
    }

    /// Says whether the first blocks on an unknown line are still to be sent.
    pub(crate) fn is_opening(&self) -> bool {
        self.opening_left() > 0
    }

    fn opening_left(&self) -> u32 {
        if self.is_fixed() || self.estimate > 0 { 0 } else { OPENING.saturating_sub(self.unheard()) }
    }

    fn is_fixed(&self) -> bool {
        self.kind == Pace::Fixed
    }

    fn unheard(&self) -> u32 {
        self.sent.wrapping_sub(self.mark_sent)
    }

    /// Says whether enough is on its way unheard that blocks must wait for an answer.
    pub(crate) fn is_deaf(&self) -> bool {
        if self.is_fixed() {
            return false;
        }
        let most = match self.estimate {
            0 => UNHEARD_AT_FIRST,
            rate => {
                let time = UNHEARD + self.least() + self.target();
                (u64::from(rate) * time.as_millis() as u64 / 1_000).max(u64::from(OPENING)) as u32
            }
        };
        self.unheard() >= most
    }

    /// Blocks begin to flow on an idle line.
    pub(crate) fn begin_stream(&mut self, now: Moment) {
        self.mark = Stamp::ahead(now, self.least());
        self.mark_sent = self.sent;
    }

    /// Notes bytes that were sent.
    pub(crate) fn sent(&mut self, bytes: usize, blocks: bool) {
        let bytes = bytes as u32;
        self.sent = self.sent.wrapping_add(bytes);
        if blocks {
            self.last_train = bytes;
        }
    }

    /// Returns the count of bytes sent, for a probe to remember.
    pub(crate) fn sent_so_far(&self) -> u32 {
        self.sent
    }

    /// Takes the round trip of a request on an idle line that was sent once.
    pub(crate) fn round_trip(&mut self, sample: Duration) {
        let sample = micros(sample);
        self.least_us = self.least_us.min(sample);
        self.queue_us = 0;
        if self.smooth_us == 0 {
            self.smooth_us = sample;
            self.spread_us = sample / 4;
        } else {
            let off = self.smooth_us.abs_diff(sample);
            self.spread_us = (self.spread_us / 4) * 3 + off / 4;
            self.smooth_us = (self.smooth_us / 8) * 7 + sample / 8;
        }
    }

    /// Takes the round trip of a request that was sent more than once, counted from the last time. It may be too
    /// short, which a line of which nothing is known can bear better than waiting blindly.
    pub(crate) fn doubtful_round_trip(&mut self, sample: Duration) {
        if self.smooth_us == 0 {
            self.smooth_us = micros(sample);
            self.spread_us = micros(sample) / 4;
        }
    }

    /// Takes the answer to a probe that was sent at `asked`, after `sent` bytes in all.
    pub(crate) fn probe_answered(&mut self, now: Moment, asked: Moment, sent: u32) {
        let round_trip = now.saturating_since(asked);
        self.least_us = self.least_us.min(micros(round_trip));
        if self.is_fixed() {
            return;
        }
        let queue = round_trip.saturating_sub(self.least());
        self.queue_us = micros(queue);
        // Ten milliseconds: a shorter window measures scheduling, not the line.
        let window = now.saturating_since(self.mark.moment(now)).max(Duration::from_millis(10));
        let bytes = u64::from(sent.wrapping_sub(self.mark_sent));
        // Answers that come close together say less of the line than of what shook them: the rate is taken over both.
        let is_short = self.settled && window < SHORTEST_SAMPLE;
        let sample = match is_short {
            true => self.estimate,
            false => u32::try_from(bytes * 1_000_000 / window.as_micros() as u64).unwrap_or(u32::MAX),
        };
        if !is_short {
            (self.mark, self.mark_sent) = (Stamp::of(now), sent);
        }
        if self.estimate == 0 {
            self.estimate = sample.max(SLOWEST);
        }
        let busy = queue > self.floor();
        if busy {
            self.settled = true;
            self.estimate = self.estimate / 2 + sample / 2;
        } else {
            self.estimate = self.estimate.max(sample);
        }
        self.estimate = self.estimate.clamp(SLOWEST.min(self.ceiling), self.ceiling);
        self.kind = if !busy && self.pace < self.ceiling { Pace::Growing } else { Pace::Steady };
        let permille = match (busy, self.settled) {
            (false, false) => 2_000,
            (false, true) => 1_250,
            (true, _) => {
                let horizon = HORIZON.as_millis() as i64;
                let off = self.target().as_millis() as i64 - queue.as_millis() as i64;
                (1_000 + off * 1_000 / horizon).clamp(500, 1_250)
            }
        };
        let pace = u64::from(self.estimate) * permille as u64 / 1_000;
        self.pace = u32::try_from(pace).unwrap_or(u32::MAX).clamp(SLOWEST.min(self.ceiling), self.ceiling);
    }

    /// Returns the time from an answered probe to the next; `None`: as soon as the last one has been answered.
    pub(crate) fn probe_pause(&self) -> Option<Duration> {
        (self.kind == Pace::Steady).then_some(PROBE_EVERY)
    }

    /// Returns how much the line takes before the answer to the first of it is here, with what may wait in front of it.
    pub(crate) fn bytes_on_the_way(&self) -> u64 {
        let time = self.least() + Duration::from_micros(u64::from(self.queue_us)).max(self.target());
        u64::from(self.estimate) * time.as_millis() as u64 / 1_000
    }

    /// Returns when an answer is overdue; `None` while nothing is known of the line (RFC 6298, 2.3, and what may
    /// wait in front of the request).
    pub(crate) fn answer_due(&self) -> Option<Duration> {
        if self.smooth_us == 0 {
            return None;
        }
        let idle = u64::from(self.smooth_us) + 4 * u64::from(self.spread_us) + u64::from(self.queue_us);
        let queue = if self.queue_us > 0 { QUEUE } else { Duration::ZERO };
        Some(Duration::from_micros(idle) + NOISE + queue)
    }

    fn least(&self) -> Duration {
        if self.least_us == u32::MAX {
            Duration::ZERO
        } else {
            Duration::from_micros(u64::from(self.least_us))
        }
    }

    /// Delay that says nothing about the queue: noise, and the train right before the probe.
    fn floor(&self) -> Duration {
        let train = match self.estimate {
            0 => Duration::ZERO,
            rate => ByteRate(u64::from(rate)).time_for(self.last_train as usize),
        };
        NOISE + 2 * Duration::from_micros(u64::from(self.spread_us)).min(NOISE) + train
    }

    fn target(&self) -> Duration {
        self.floor() + QUEUE
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX - 1).max(1)
}
