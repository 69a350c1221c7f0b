//! The rate limit: a bucket of as many tokens as events are allowed a minute, filled up evenly within a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// How many events may pass, and how many did not.
pub(super) struct RateLimit {
    per_minute: f64,
    tokens: f64,
    filled: Instant,
    dropped: u64,
    reported: Instant,
}

impl RateLimit {
    /// A full bucket.
    pub(super) fn new(per_minute: u64, now: Instant) -> Self {
        Self {
            per_minute: per_minute as f64,
            tokens: per_minute as f64,
            filled: now,
            dropped: 0,
            reported: now,
        }
    }

    /// Whether one more event may pass now.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let minutes = (now - self.filled).as_secs_f64() / MINUTE.as_secs_f64();
        self.tokens = (self.tokens + minutes * self.per_minute).min(self.per_minute);
        self.filled = now;
        if self.tokens < 1.0 {
            self.dropped += 1;
            return false;
        }
        self.tokens -= 1.0;
        true
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
        assert_eq!([limit.admit(start), limit.admit(start), limit.admit(at(1))], [true, false, false]);
        assert_eq!(limit.report(at(59)), None);
        assert_eq!(limit.report(at(60)), Some(2));
        assert_eq!(limit.report(at(61)), None);
        assert_eq!(limit.report(at(200)), None);
    }
}
