//! The gRPC API of the agent.
//!
//! [`Hub`] hands events from the thread that reads the ring buffer to the streams of clients. Everything else here runs
//! on one other thread.

mod address;
mod api;
mod events;
mod hub;
mod info;
mod listen;
mod routes;
mod serve;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use api::Api;
pub use events::Events;
pub use hub::{Hub, Subscription};
pub use info::Info;
pub use listen::{ListenError, Listener};
pub use routes::Routes;
pub use serve::Serving;

use tetragon_api::filter::Captured;

/// Where to serve, and with which bounds.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to listen; nowhere when empty. Clients on this host are told the first one that is a socket in the file
    /// system.
    pub addresses: Vec<Address>,
    /// Events that wait for one client at most.
    pub queue: usize,
    /// Whether calls that are deprecated in favour of `ConfigureTracingPolicy` are answered.
    pub deprecated: bool,
    /// What events hold that filters may ask for.
    pub captured: Captured,
}
