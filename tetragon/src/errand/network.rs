//! Which addresses are of the world outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy::model::Network;

/// Networks that are not, from IANA's registries of special-purpose addresses.
const INSIDE: [Network; 27] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
    // Unspecified, loopback, and IPv4 addresses as they were written once.
    v6(0, 96),
    // IPv4 addresses behind a translator of this network.
    v6(0x0064_ff9b_0001_0000, 48),
    v6(0x0100_0000_0000_0000, 64),
    // Tunnels: Teredo and others, 6to4.
    v6(0x2001_0000_0000_0000, 23),
    v6(0x2001_0db8_0000_0000, 32),
    v6(0x2002_0000_0000_0000, 16),
    v6(0x3fff_0000_0000_0000, 20),
    v6(0x5f00_0000_0000_0000, 16),
    v6(0xfc00_0000_0000_0000, 7),
    v6(0xfe80_0000_0000_0000, 10),
    v6(0xfec0_0000_0000_0000, 10),
    v6(0xff00_0000_0000_0000, 8),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Network {
    let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Network { address, length }
}

/// A network by the upper half of its address.
const fn v6(upper: u64, length: u8) -> Network {
    let address = IpAddr::V6(Ipv6Addr::from_bits((upper as u128) << 64));
    Network { address, length }
}

/// Whether `address` is one that the world outside knows.
pub(super) fn is_public(address: IpAddr) -> bool {
    let address = translated(address);
    !INSIDE.iter().any(|network| network.contains(address))
}

/// The IPv4 address that an IPv6 address leads to by way of a translator (`64:ff9b::/96`).
fn translated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(long) if long.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            Ipv4Addr::from_bits(long.to_bits() as u32).into()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside() {
        let inside = |text: &str| !is_public(text.parse().unwrap());
        for address in [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(inside(address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.128.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(!inside(address), "{address}");
        }
    }
}
