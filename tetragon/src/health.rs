//! The health service for probes, `grpc.health.v1`, on an address of its own.

use crate::server::Address;

/// Where to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address.
    pub address: Address,
}

impl Options {
    /// The value of `--health-server-address`: `[host]:port`; `None` when empty.
    pub fn from_address(text: &str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        let address = Address::host_and_port(text, None).ok_or("give [host]:port, or nothing")?;
        Ok(Some(Self { address }))
    }
}
