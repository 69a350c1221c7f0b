//! Links: what keeps a program attached.

use std::os::fd::OwnedFd;

/// An attachment. Dropping it detaches the program.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program"]
pub struct Link {
    /// Closed first: the link holds the event.
    _link: OwnedFd,
    _event: Option<OwnedFd>,
}

impl Link {
    pub(crate) fn new(link: OwnedFd) -> Self {
        Self {
            _link: link,
            _event: None,
        }
    }

    pub(crate) fn with_event(link: OwnedFd, event: OwnedFd) -> Self {
        Self {
            _link: link,
            _event: Some(event),
        }
    }
}
