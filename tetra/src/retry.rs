//! Further attempts at calls that the agent was not there for.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tonic::{Code, Status};

/// How often to try again, and how long to wait before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts after the first.
    pub retries: u32,
    /// Wait before the first of them, doubled before each further one.
    pub initial: Duration,
    /// No wait is longer.
    pub limit: Duration,
}

impl Backoff {
    /// What the command line uses.
    pub fn new(retries: u32) -> Self {
        Self {
            retries,
            initial: Duration::from_secs(1),
            limit: Duration::from_hours(1),
        }
    }

    /// The wait before each further attempt, before it is varied.
    pub fn waits(self) -> impl Iterator<Item = Duration> {
        let Self {
            retries,
            initial,
            limit,
        } = self;
        let double = move |wait: &Duration| Some(wait.saturating_mul(2).min(limit));
        std::iter::successors(Some(initial.min(limit)), double).take(retries as usize)
    }
}

/// Calls `attempt` until it succeeds, fails with another code than `UNAVAILABLE`, or has been tried often enough.
pub async fn retry<T>(backoff: Backoff, mut attempt: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut waits = backoff.waits();
    loop {
        match (attempt().await, waits.next()) {
            (Err(status), Some(wait)) if status.code() == Code::Unavailable => {
                let wait = varied(wait);
                tracing::debug!(error = status.message(), ?wait, "trying again");
                tokio::time::sleep(wait).await;
            }
            (result, _) => return result,
        }
    }
}

/// `wait`, give or take a fifth, so that many clients do not come back at the same moment.
fn varied(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) as u32;
    wait.mul_f64(0.8 + 0.4 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Backoff = Backoff {
        retries: 3,
        initial: Duration::ZERO,
        limit: Duration::ZERO,
    };

    #[test]
    fn waits_double_up_to_the_limit() {
        let seconds: Vec<u64> = Backoff::new(14).waits().map(|wait| wait.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(Backoff::new(0).waits().count(), 0);
        let wait = Duration::from_secs(10);
        assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&varied(wait)));
    }

    #[tokio::test]
    async fn only_unavailable_is_tried_again() {
        let count = async |code: Code, succeed_at: u32| {
            let mut attempts = 0;
            let result = retry(AT_ONCE, async || {
                attempts += 1;
                if attempts == succeed_at {
                    Ok(())
                } else {
                    Err(Status::new(code, ""))
                }
            });
            (result.await.is_ok(), attempts)
        };
        assert_eq!(count(Code::Unavailable, 100).await, (false, 4));
        assert_eq!(count(Code::Unavailable, 3).await, (true, 3));
        assert_eq!(count(Code::Internal, 100).await, (false, 1));
    }
}
