//! Links: what keeps a program attached.

use std::os::fd::{AsFd as _, OwnedFd};

use crate::sys;

/// An attachment. Dropping it detaches the program.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program"]
pub struct Link {
    /// Closed first: the link holds the event.
    link: OwnedFd,
    _event: Option<OwnedFd>,
}

impl Link {
    pub(crate) fn new(link: OwnedFd) -> Self {
        Self { link, _event: None }
    }

    pub(crate) fn with_event(link: OwnedFd, event: OwnedFd) -> Self {
        Self {
            link,
            _event: Some(event),
        }
    }

    /// Times so far that a breakpoint was passed and its program could not be run, or that the function returned unseen because
    /// too many had not returned yet. 0 for other attachments, and before 6.7, which does not tell.
    pub fn missed(&self) -> u64 {
        sys::link_missed(self.link.as_fd()).unwrap_or(0)
    }
}
