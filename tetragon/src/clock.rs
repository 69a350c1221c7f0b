//! Boot time, in which the kernel programs count, as wall-clock time, in which events are told.

use prost_types::Timestamp;
use rustix::time::{ClockId, clock_gettime};

const SECOND: i64 = 1_000_000_000;

/// Corrections smaller than this are noise of reading two clocks one after the other, in nanoseconds.
const NOISE: i64 = 1_000_000;

/// The wall clock at boot. Holds still unless the wall clock is set or drifts by a millisecond, so that one moment is
/// always told alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds between 1970 and boot.
    boot: i64,
}

impl Clock {
    /// The clock of this moment.
    pub fn now() -> Self {
        Self { boot: boot() }
    }

    /// A clock that says 1970 for the moment of boot.
    pub const fn at_epoch() -> Self {
        Self { boot: 0 }
    }

    /// Follows the wall clock.
    pub fn follow(&mut self) {
        let boot = boot();
        if (boot - self.boot).abs() >= NOISE {
            self.boot = boot;
        }
    }

    /// The moment `ktime` nanoseconds after boot.
    pub fn timestamp(self, ktime: u64) -> Timestamp {
        let wall = self.boot.saturating_add_unsigned(ktime);
        Timestamp {
            seconds: wall.div_euclid(SECOND),
            nanos: wall.rem_euclid(SECOND) as i32,
        }
    }
}

/// Tries to read both clocks without being interrupted in between.
const TRIES: u32 = 8;

/// The wall clock at boot. The clocks are read one after the other: whoever is preempted in between tries again, and
/// takes the best of what it got.
fn boot() -> i64 {
    let nanoseconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * SECOND + time.tv_nsec
    };
    let mut best = (i64::MAX, 0);
    for _ in 0..TRIES {
        let before = nanoseconds(ClockId::Boottime);
        let wall = nanoseconds(ClockId::Realtime);
        let took = nanoseconds(ClockId::Boottime) - before;
        if took < best.0 {
            best = (took, wall - before - took / 2);
        }
        if took < NOISE / 10 {
            break;
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_boot() {
        let clock = Clock { boot: 1_500_000_000 };
        let time = clock.timestamp(2_600_000_007);
        assert_eq!((time.seconds, time.nanos), (4, 100_000_007));
        // A clock set to before 1970.
        let clock = Clock { boot: -2_000_000_000 };
        let time = clock.timestamp(1);
        assert_eq!((time.seconds, time.nanos), (-2, 1));
        assert_eq!(clock.timestamp(u64::MAX).seconds, i64::MAX / SECOND);
    }

    #[test]
    fn noise_changes_nothing() {
        let mut clock = Clock::now();
        let before = clock;
        clock.follow();
        assert_eq!(clock, before);
        clock.boot -= 5 * SECOND;
        clock.follow();
        assert!((clock.boot - before.boot).abs() < SECOND);
    }
}
