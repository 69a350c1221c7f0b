//! What is asked for, and whether it makes sense.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// What a policy sends the agent for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Fetch this.
    Get(Url),
    /// Ask the system's resolver for this name.
    LookUp(String),
}

/// A URL of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Name or address, without brackets.
    pub host: String,
    /// Port; never 0.
    pub port: u16,
    /// Host and port, as the URL has them.
    pub authority: String,
    /// Path and query; begins with a slash.
    pub path: String,
}

impl Request {
    /// Fetches `url`, or says why that cannot be.
    pub(crate) fn get(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err("give a URL that begins with http://".into());
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a URL has printable ASCII characters only: write others as %XX".into());
        }
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let (host, port) = split(authority)?;
        let port = match port {
            None => 80,
            Some(text) => match text.parse() {
                // Numbers may begin with a plus elsewhere.
                Ok(port) if port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => port,
                _ => return Err(format!("{text:?} is no port")),
            },
        };
        Ok(Self::Get(Url {
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path,
        }))
    }

    /// Asks for `name`, or says why that cannot be.
    pub(crate) fn look_up(name: &str) -> Result<Self, String> {
        let absolute = name.strip_suffix('.').unwrap_or(name);
        if absolute.parse::<IpAddr>().is_ok() {
            return Err(format!("{name} is an address, which nobody is asked for"));
        }
        if !is_name(absolute) {
            return Err(format!("{name:?} is no domain name"));
        }
        Ok(Self::LookUp(absolute.to_owned()))
    }
}

/// Host and port of `authority`; of an IPv6 address without its brackets.
fn split(authority: &str) -> Result<(&str, Option<&str>), String> {
    let Some(literal) = authority.strip_prefix('[') else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if !is_name(host) {
            return Err(format!("{host:?} is no host"));
        }
        return Ok((host, port));
    };
    let (host, behind) = literal.split_once(']').ok_or("a bracket is not closed")?;
    if host.parse::<Ipv6Addr>().is_err() {
        return Err(format!("{host} is no IPv6 address"));
    }
    match behind.strip_prefix(':') {
        None if !behind.is_empty() => Err(format!("{authority} is no host")),
        port => Ok((host, port)),
    }
}

/// Whether `text` is a name of hosts (RFC 1123), in which underscores are let pass.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(Url { authority, path, .. }) => write!(f, "GetUrl http://{authority}{path}"),
            Self::LookUp(name) => write!(f, "DnsLookup {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parts = |text: &str| match Request::get(text) {
            Ok(Request::Get(Url {
                host,
                port,
                authority,
                path,
            })) => format!("{host} {port} {authority} {path}"),
            Ok(other) => panic!("{other}"),
            Err(error) => error,
        };
        for (url, expected) in [
            ("http://ebpf.io", "ebpf.io 80 ebpf.io /"),
            ("http://ebpf.io:8080/a?b=c#d", "ebpf.io 8080 ebpf.io:8080 /a?b=c"),
            ("http://ebpf.io?b", "ebpf.io 80 ebpf.io /?b"),
            ("http://[::1]:81/", "::1 81 [::1]:81 /"),
            ("http://[::1]", "::1 80 [::1] /"),
            ("http://127.0.0.1", "127.0.0.1 80 127.0.0.1 /"),
            ("https://ebpf.io", "give a URL that begins with http://"),
            ("ebpf.io", "give a URL that begins with http://"),
            ("http://", "\"\" is no host"),
            ("http://a@b/", "\"a@b\" is no host"),
            ("http://a:0/", "\"0\" is no port"),
            ("http://a:+1/", "\"+1\" is no port"),
            ("http://a:65536/", "\"65536\" is no port"),
            ("http://[::g]/", "::g is no IPv6 address"),
            ("http://[::1]x/", "[::1]x is no host"),
            (
                "http://a/ b",
                "a URL has printable ASCII characters only: write others as %XX",
            ),
            (
                "http://a/\r\nX: y",
                "a URL has printable ASCII characters only: write others as %XX",
            ),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn names() {
        let name = |text: &str| Request::look_up(text).map(|request| request.to_string());
        assert_eq!(name("ebpf.io"), Ok("DnsLookup ebpf.io".into()));
        assert_eq!(name("_canary.ebpf.io."), Ok("DnsLookup _canary.ebpf.io".into()));
        for wrong in ["", ".", "a..b", "-a", "a b", "1.1.1.1", "::1", &"a".repeat(64)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
