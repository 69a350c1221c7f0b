//! What a filter compares, with typed values.

use std::net::IpAddr;

use crate::names::FileType;

/// A comparison. Of several values one must fit; for a negated test none may.
///
/// A value that could not be read fits no test, negated ones included.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Of a whole number. Values are within the range of the argument's type.
    Int {
        /// How.
        operator: IntOperator,
        /// With what, in the order of the file; a single number is a range of one.
        values: Vec<IntRange>,
    },
    /// Of a number or a set of capabilities: a bit in common with one of the values.
    Mask {
        /// With what: bits of the argument as an unsigned number of its width.
        values: Vec<u64>,
    },
    /// Of text or bytes.
    Bytes {
        /// How.
        operator: BytesOperator,
        /// Whether it passes when none of the values fits.
        negated: bool,
        /// With what. Text has no zero at its end.
        values: Vec<Vec<u8>>,
    },
    /// Of a set of capabilities with whole sets.
    CapSet {
        /// Whether it passes when none of the values fits.
        negated: bool,
        /// With what, one bit a capability.
        values: Vec<u64>,
    },
    /// Of two sets of capabilities: the second has one that the first, at the filter's position, has not.
    CapabilitiesGained {
        /// Position of the second set in the hook's `args` or `data`.
        second: usize,
    },
    /// Of an address. An IPv4 address in IPv6 form counts as the IPv4 address.
    Address {
        /// Which of the two.
        side: Side,
        /// Whether it passes when none of the values fits; also when the packet is of no family compared with.
        negated: bool,
        /// With what.
        values: Vec<Network>,
    },
    /// Of a port.
    Port {
        /// Which of the two.
        side: Side,
        /// Whether it passes when none of the values fits.
        negated: bool,
        /// With what: first and last port.
        values: Vec<(u16, u16)>,
    },
    /// Of the protocol.
    Protocol {
        /// With what (`IPPROTO_…`).
        values: Vec<u16>,
    },
    /// Of the address family.
    Family {
        /// With what (`AF_…`).
        values: Vec<u16>,
    },
    /// Of the state of a TCP socket.
    State {
        /// With what (`TCP_…`).
        values: Vec<u8>,
    },
    /// Of the type of a file.
    FileType {
        /// Whether it passes when none of the values fits.
        negated: bool,
        /// With what.
        values: Vec<FileType>,
    },
    /// Not known yet: the type of the argument has to be asked of a kernel.
    Unknown {
        /// The values as they were written.
        values: Vec<String>,
    },
}

/// How whole numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOperator {
    /// It lies in one of the ranges: Equal, `InRange`, `InMap`.
    In,
    /// It lies in none of the ranges: `NotEqual`, `NotInRange`, `NotInMap`.
    NotIn,
    /// It is greater than one of the values.
    Greater,
    /// It is less than one of the values.
    Less,
}

/// Whole numbers from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IntRange {
    /// The least.
    pub min: i128,
    /// The greatest; not less than `min`.
    pub max: i128,
}

impl IntRange {
    /// One number.
    pub const fn one(value: i128) -> Self {
        Self { min: value, max: value }
    }

    /// Whether the number lies in it.
    pub const fn contains(self, value: i128) -> bool {
        self.min <= value && value <= self.max
    }
}

/// How text or bytes are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BytesOperator {
    /// It is the value.
    Equal,
    /// It begins with the value.
    Prefix,
    /// It ends with the value.
    Postfix,
    /// It contains the value.
    Contains,
    /// It contains the value, letter case of ASCII aside.
    ContainsIgnoringCase,
}

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The local end of a socket, the sender of a packet; the only one of a `sockaddr`.
    Source,
    /// The other end.
    Destination,
}

/// An address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The address; bits that do not count are zero.
    pub address: IpAddr,
    /// How many bits count: up to 32 or 128.
    pub length: u8,
}

impl Network {
    /// Whether the address lies in it. An IPv4 address in IPv6 form counts as the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}
