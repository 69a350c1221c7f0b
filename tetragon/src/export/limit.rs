//! The rate limit: a bucket of as many tokens as events are allowed a minute, filled up evenly within a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
/// What one event takes out of the bucket: then a nanosecond puts in as much as the events that are allowed a minute.
const EVENT: u128 = MINUTE.as_nanos();

/// How many events may pass, and how many did not.
pub(super) struct RateLimit {
    per_minute: u128,
    tokens: u128,
    filled: Instant,
    dropped: u64,
    reported: Instant,
}

impl RateLimit {
    /// A full bucket.
    pub(super) fn new(per_minute: u64, now: Instant) -> Self {
        Self {
            per_minute: u128::from(per_minute),
            tokens: u128::from(per_minute) * EVENT,
            filled: now,
            dropped: 0,
            reported: now,
        }
    }

    /// Whether one more event may pass now.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        // More than a minute fills it, too.
        let nanos = (now - self.filled).min(MINUTE).as_nanos();
        self.tokens = (self.tokens + nanos * self.per_minute).min(self.per_minute * EVENT);
        self.filled = now;
        if let Some(rest) = self.tokens.checked_sub(EVENT) {
            self.tokens = rest;
            return true;
        }
        self.dropped += 1;
        false
    }

    /// How many events did not pass, once a minute and only if there were any.
    pub(super) fn report(&mut self, now: Instant) -> Option<u64> {
        if now - self.reported < MINUTE {
            return None;
        }
        self.reported = now;
        Some(std::mem::take(&mut self.dropped)).filter(|&dropped| dropped > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_evenly_up_to_a_minute_of_events() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limit = RateLimit::new(6, start);
        let mut admitted = |seconds| (0..10).filter(|_| limit.admit(at(seconds))).count();
        // A full bucket, then one more every ten seconds, and never more than a full bucket.
        assert_eq!([0, 9, 10, 30, 300].map(&mut admitted), [6, 0, 1, 2, 6]);
        assert_eq!(limit.dropped, 50 - 15);
    }

    #[test]
    fn reports_once_a_minute() {
        let start = Instant::now();
        let mut limit = RateLimit::new(1, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            [limit.admit(start), limit.admit(start), limit.admit(at(1))],
            [true, false, false]
        );
        assert_eq!(limit.report(at(59)), None);
        assert_eq!(limit.report(at(60)), Some(2));
        assert_eq!(limit.report(at(61)), None);
        assert_eq!(limit.report(at(200)), None);
    }
}
