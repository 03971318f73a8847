//! Time for simulated devices on real sockets: real seconds times a speed, and never ahead of the machine.
//!
//! A sped-up run has a trap: when the machine is late by a millisecond, a thousandfold clock is late by a second,
//! and every timer of the protocol sees a link that is worse than its profile. [`CompressedClock`] is therefore
//! shared by everybody who lives by it, and stands still until all of them have done what was due.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use transfer_engine::Moment;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Returns the present moment; it never goes back.
    fn now(&self) -> Moment;

    /// Notes that a participant has done everything that was due at or before `moment`.
    fn caught_up(&self, participant: Participant, moment: Moment);

    /// Returns how long to wait, in real time, before looking whether `moment` has come.
    fn wait_until(&self, moment: Moment) -> Duration;
}

/// One of those who hold a shared clock back; numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant(pub usize);

/// How many times faster than real time a clock runs.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Speed(f64);

impl Speed {
    /// Real time.
    pub const REAL: Speed = Speed(1.0);

    /// Makes a speed, or `None` unless it is between a thousandth and a million.
    pub fn new(factor: f64) -> Option<Speed> {
        (0.001..=1_000_000.0).contains(&factor).then_some(Speed(factor))
    }

    /// Returns the factor.
    pub fn factor(self) -> f64 {
        self.0
    }

    fn simulated(self, real: Duration) -> Duration {
        // The longest real span a process sees, times the fastest speed, stays far below the limit.
        Duration::try_from_secs_f64(real.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }

    fn real(self, simulated: Duration) -> Duration {
        Duration::try_from_secs_f64(simulated.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

/// Shows the speed as a factor.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.0)
    }
}

/// The longest anybody waits before looking at the clock again; a bound, because clocks may be held or jump.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// The tick of a shared clock: participants look and report about this often.
const TICK: Duration = Duration::from_millis(1);

/// A clock that runs steadily and waits for nobody.
#[derive(Debug)]
pub struct SteadyClock {
    start: Moment,
    origin: Instant,
    speed: Speed,
}

impl SteadyClock {
    /// Starts the clock at `start`.
    pub fn new(start: Moment, speed: Speed) -> SteadyClock {
        SteadyClock { start, origin: Instant::now(), speed }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Moment {
        self.start + self.speed.simulated(self.origin.elapsed())
    }

    fn caught_up(&self, _participant: Participant, _moment: Moment) {}

    fn wait_until(&self, moment: Moment) -> Duration {
        self.speed.real(moment.saturating_since(self.now())).min(LONGEST_WAIT)
    }
}

/// A fast clock that all its participants share, and that none of them can fall behind by more than a slack.
#[derive(Debug)]
pub struct CompressedClock {
    speed: Speed,
    origin: Instant,
    state: Mutex<State>,
}

/// What the clock knows; a pure function of the real time it is told.
#[derive(Debug)]
struct State {
    now: Moment,
    /// Real time since the origin that has been turned into simulated time, or dropped.
    spent: Duration,
    slack: Duration,
    caught_up: Vec<Moment>,
}

impl CompressedClock {
    /// Starts the clock at `start` for a fixed number of participants.
    ///
    /// `slack` is how far the clock may run ahead of the last participant. It is raised to three ticks of the speed,
    /// because nobody reports more often than once a tick; a larger slack costs precision and gains throughput.
    pub fn new(start: Moment, speed: Speed, slack: Duration, participants: usize) -> CompressedClock {
        let slack = slack.max(speed.simulated(3 * TICK));
        let state = State { now: start, spent: Duration::ZERO, slack, caught_up: vec![start; participants] };
        CompressedClock { speed, origin: Instant::now(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update of the state is a single assignment, so a panic elsewhere cannot have left it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for CompressedClock {
    fn now(&self) -> Moment {
        let real = self.origin.elapsed();
        self.state().advance(real, self.speed)
    }

    fn caught_up(&self, participant: Participant, moment: Moment) {
        if let Some(entry) = self.state().caught_up.get_mut(participant.0) {
            *entry = moment.max(*entry);
        }
    }

    fn wait_until(&self, moment: Moment) -> Duration {
        // Everybody must come back each tick, or the clock would wait for a sleeper.
        let now = self.state().now;
        self.speed.real(moment.saturating_since(now)).min(TICK)
    }
}

impl State {
    /// Moves on by the real time that passed since the last call, as far as the last participant allows.
    fn advance(&mut self, real: Duration, speed: Speed) -> Moment {
        let passed = real.saturating_sub(self.spent);
        self.spent = self.spent.max(real);
        let wanted = self.now + speed.simulated(passed);
        let allowed = match self.caught_up.iter().min() {
            Some(last) => *last + self.slack,
            None => Moment::MAX,
        };
        // Real time in which the clock was held is dropped, not made up for: no burst follows a stall.
        self.now = wanted.min(allowed).max(self.now);
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Moment {
        Moment::from_micros(milliseconds * 1_000)
    }

    fn speed(factor: f64) -> Speed {
        Speed::new(factor).expect("a speed")
    }

    fn clock(participants: usize) -> State {
        State {
            now: ms(0),
            spent: Duration::ZERO,
            slack: Duration::from_millis(200),
            caught_up: vec![ms(0); participants],
        }
    }

    #[test]
    fn the_clock_runs_at_its_speed_while_everybody_keeps_up() {
        let mut state = clock(2);
        for tick in 1..=100u64 {
            let now = state.advance(Duration::from_millis(tick), speed(100.0));
            assert_eq!(now, ms(tick * 100));
            state.caught_up = vec![now, now];
        }
    }

    #[test]
    fn the_clock_waits_for_the_last_participant_and_does_not_make_up_for_it() {
        let mut state = clock(2);
        state.caught_up[0] = ms(1_000_000);
        assert_eq!(state.advance(Duration::from_millis(50), speed(100.0)), ms(200));
        assert_eq!(state.advance(Duration::from_millis(900), speed(100.0)), ms(200));
        state.caught_up[1] = ms(200);
        assert_eq!(state.advance(Duration::from_millis(901), speed(100.0)), ms(300));
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut state = clock(0);
        assert_eq!(state.advance(Duration::from_millis(10), speed(1.0)), ms(10));
        assert_eq!(state.advance(Duration::from_millis(4), speed(1.0)), ms(10));
    }

    #[test]
    fn a_late_report_does_not_take_back_an_earlier_one() {
        let clock = CompressedClock::new(ms(0), speed(1.0), Duration::from_millis(5), 1);
        clock.caught_up(Participant(0), ms(50));
        clock.caught_up(Participant(0), ms(20));
        clock.caught_up(Participant(7), ms(1));
        assert_eq!(clock.state().caught_up, [ms(50)]);
    }

    #[test]
    fn threads_that_share_the_clock_are_never_further_apart_than_the_slack() {
        let clock = CompressedClock::new(ms(0), speed(20.0), Duration::from_millis(40), 2);
        // Three ticks of this speed are 60 ms. Holding the clock to the 40 ms asked for failed now and then.
        let slack = clock.state().slack;
        std::thread::scope(|scope| {
            for index in 0..2 {
                let clock = &clock;
                scope.spawn(move || {
                    loop {
                        let now = clock.now();
                        let last = clock.state().caught_up.iter().min().copied().unwrap_or_default();
                        // Read in this order, the last participant can only have moved on in between.
                        assert!(now <= last + slack);
                        clock.caught_up(Participant(index), now);
                        if now >= ms(500) {
                            break;
                        }
                        std::thread::yield_now();
                    }
                    clock.caught_up(Participant(index), Moment::MAX);
                });
            }
        });
        assert!(clock.now() >= ms(500));
    }

    #[test]
    fn waiting_is_short_enough_to_notice_a_held_clock() {
        let clock = CompressedClock::new(ms(0), speed(1.0), Duration::ZERO, 1);
        assert_eq!(clock.wait_until(ms(60_000)), TICK);
        assert_eq!(clock.wait_until(ms(0)), Duration::ZERO);
        let steady = SteadyClock::new(ms(0), Speed::REAL);
        assert_eq!(steady.wait_until(Moment::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_senseless_speed_is_refused() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(Speed::new(factor).is_none());
        }
        assert_eq!(speed(60.0).to_string(), "60x");
    }
}
