//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

/// Port of the gRPC API when none is given.
const DEFAULT_PORT: u16 = 54_321;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host name or address, empty for all addresses, and a port.
    Tcp(String, u16),
}

impl Address {
    /// The value of `--server-address`: `unix:///path`, `host:port` or `host`; `None` when empty.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        const ADVICE: &str = "give host:port, unix:///path, or nothing";
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(path) = text.strip_prefix("unix://") {
            return match PathBuf::from(path) {
                path if path.is_absolute() && path.file_name().is_some() => Ok(Some(Self::Unix(path))),
                _ => Err("give an absolute path behind unix://"),
            };
        }
        if text.contains('/') || text.chars().any(char::is_whitespace) {
            return Err(ADVICE);
        }
        // An IPv6 address without a port, bare or in brackets.
        if text.parse::<std::net::Ipv6Addr>().is_ok() || text.ends_with(']') {
            let host = text.trim_start_matches('[').trim_end_matches(']');
            return Ok(Some(Self::Tcp(host.to_owned(), DEFAULT_PORT)));
        }
        Self::host_and_port(text, Some(DEFAULT_PORT)).ok_or(ADVICE).map(Some)
    }

    /// `host:port`, where the host may be missing, and the port too if there is a default.
    pub(crate) fn host_and_port(text: &str, default: Option<u16>) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (text, default?),
        };
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        Some(Self::Tcp(bare.to_owned(), port))
    }
}

impl fmt::Display for Address {
    /// In the form that clients are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("localhost:54321", Some("localhost:54321")),
            ("localhost", Some("localhost:54321")),
            (":1", Some(":1")),
            ("[::1]:7", Some("[::1]:7")),
            ("::1", Some("[::1]:54321")),
            ("[::1]", Some("[::1]:54321")),
            ("unix:///run/t.sock", Some("unix:///run/t.sock")),
            ("unix://t.sock", None),
            ("unix:///", None),
            ("unix://", None),
            ("host:port", None),
            ("host:99999", None),
            ("a b:1", None),
            ("/run/t.sock", None),
        ] {
            let parsed = Address::parse(text).ok().flatten();
            assert_eq!(
                parsed.map(|address| address.to_string()).as_deref(),
                expected,
                "{text:?}"
            );
        }
        assert_eq!(Address::parse(""), Ok(None));
    }
}
