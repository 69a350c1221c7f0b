//! Addresses, networks and ports.

use std::net::IpAddr;

use super::Wrong;
use crate::leaf::number;
use crate::model::Network;
use crate::yaml::shorten;

/// An address or a network. Bits behind the network's are cleared, as in `127.0.0.1/8`.
pub(super) fn network(text: &str) -> Result<Network, Wrong> {
    let wrong = || {
        let help = "such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10";
        (format!("`{}` is no address or network", shorten(text)), help.to_owned())
    };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => width,
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length
            .parse()
            .ok()
            .filter(|length| *length <= width)
            .ok_or_else(wrong)?,
        Some(_) => return Err(wrong()),
    };
    let (address, length) = match (address, address.to_canonical()) {
        // Packets with such an address count as IPv4 ones.
        (IpAddr::V6(_), IpAddr::V4(v4)) if length >= 96 => (IpAddr::V4(v4), length - 96),
        _ => (address, length),
    };
    let address = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    };
    Ok(Network { address, length })
}

pub(super) fn ports(text: &str) -> Result<(u16, u16), Wrong> {
    let allowed = || "a port from 0 to 65535, or first:last".to_owned();
    let port = |text: &str| {
        let number = number(text).and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| (format!("`{}` is no port", shorten(text)), allowed()))
    };
    let (first, last) = match text.split_once(':') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err((format!("nothing lies in `{}`", shorten(text)), allowed()));
    }
    Ok((first, last))
}
