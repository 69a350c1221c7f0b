//! Time, as a trait, so that tests need not wait.

use std::time::{Instant, SystemTime};

/// A clock.
pub(super) trait Clock: Send {
    /// For durations.
    fn now(&self) -> Instant;

    /// For names and messages.
    fn wall(&self) -> SystemTime;
}

/// The machine's.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// One that stands still until it is moved. Clones are the same clock.
#[cfg(test)]
#[derive(Clone)]
pub(super) struct FakeClock(std::sync::Arc<std::sync::Mutex<(Instant, SystemTime)>>);

#[cfg(test)]
impl FakeClock {
    /// At 2031-02-03T04:05:06.789Z.
    pub(super) fn new() -> Self {
        let wall = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_927_857_906_789);
        Self(std::sync::Arc::new(std::sync::Mutex::new((Instant::now(), wall))))
    }

    pub(super) fn advance(&self, time: std::time::Duration) {
        let mut now = self.0.lock().unwrap();
        now.0 += time;
        now.1 += time;
    }
}

#[cfg(test)]
impl Clock for FakeClock {
    fn now(&self) -> Instant {
        self.0.lock().unwrap().0
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().unwrap().1
    }
}
