//! Links: what keeps a program attached.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use crate::{
    error::Error,
    pin::{Pin, Pins},
    sys,
};

/// An attachment. Dropping it detaches the program, unless its pin stays.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program"]
pub struct Link {
    pin: Option<Pin>,
    attached: Attached,
}

/// What the attachment is.
#[derive(Debug)]
enum Attached {
    /// A link of the kernel's, closed before the event that it holds, if it is on one.
    Link(
        OwnedFd,
        #[allow(dead_code, reason = "held as long as the link")] Option<OwnedFd>,
    ),
    /// An event that has the program: before 5.15 there are no links on those.
    Event(#[allow(dead_code, reason = "closing it detaches")] OwnedFd),
}

impl Link {
    pub(crate) fn new(link: OwnedFd) -> Self {
        Self {
            pin: None,
            attached: Attached::Link(link, None),
        }
    }

    pub(crate) fn with_event(link: OwnedFd, event: OwnedFd) -> Self {
        Self {
            pin: None,
            attached: Attached::Link(link, Some(event)),
        }
    }

    pub(crate) fn of_event(event: OwnedFd) -> Self {
        Self {
            pin: None,
            attached: Attached::Event(event),
        }
    }

    /// Pins it as `name` with a number in front: from then on it is detached a grace period after it is dropped.
    /// `false` if the kernel cannot: before 5.15 it has no links on perf events (kprobes, uprobes and the perf events
    /// of tracepoints).
    pub fn pin(&mut self, pins: &Arc<Pins>, name: &str) -> Result<bool, Error> {
        if let Attached::Link(link, _) = &self.attached {
            self.pin = Some(pins.pin(link.as_fd(), name)?);
        }
        Ok(self.is_pinned())
    }

    /// Whether it is pinned.
    pub fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Times so far that a breakpoint was passed and its program could not be run, or that the function returned unseen
    /// because too many had not returned yet. 0 for other attachments, and before 6.7, which does not tell.
    pub fn missed(&self) -> u64 {
        match &self.attached {
            Attached::Link(link, _) => sys::link_missed(link.as_fd()).unwrap_or(0),
            Attached::Event(_) => 0,
        }
    }
}
