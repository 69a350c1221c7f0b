//! How an observer is told to stop.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::event::{EventfdFlags, eventfd};

/// Ends [`Observer::run`](super::Observer::run) from another thread. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// Not stopped yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    /// Lets the observer detach, read what is left in the ring, and return. Calling it again changes nothing.
    pub fn stop(&self) {
        // It fails only when the counter is full: then it has been called before.
        let _full = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Stop {
    /// Readable once stopped.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
