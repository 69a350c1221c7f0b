//! Filters on arguments.

use std::net::IpAddr;

use crate::model::{ArgFilter, BytesOperator, IntOperator, IntRange, Network, Side, Test};
use crate::names::FileType;

/// The value of an argument, as a filter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It could not be read.
    Failed,
    /// A whole number, with the sign that its type has. Of `syscall64`: the id, marked for ABIs of 32 bits.
    Int(i128),
    /// Text without the zero at its end, or bytes: all of them, not only those that an event carries.
    Bytes(Vec<u8>),
    /// The path of a file and its type; also of `dentry` and `linux_binprm`, whose type no filter asks for. An empty path
    /// is that of something that has none, and fits nothing.
    File {
        /// The path.
        path: Vec<u8>,
        /// The type and permissions of the inode.
        mode: u16,
    },
    /// A set of capabilities, one bit each.
    CapSet(u64),
    /// A socket, packet or address: what it has of these.
    Socket(Socket),
    /// The address of a Unix socket: family and path.
    Unix {
        /// `AF_UNIX`, or what else stood there.
        family: u16,
        /// The path.
        path: Vec<u8>,
    },
    /// Nothing that can be compared.
    Opaque,
}

/// What a socket, a packet or an address has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// `AF_…`.
    pub family: u16,
    /// `IPPROTO_…`.
    pub protocol: u16,
    /// `TCP_…`.
    pub state: u8,
    /// The local end, the sender, or the only one. None when it is of no Internet family: then no filter on addresses and
    /// ports passes.
    pub source: Option<Address>,
    /// The other end.
    pub destination: Option<Address>,
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its address.
    pub address: IpAddr,
    /// Its port; none when the protocol has no ports: then no filter on ports passes.
    pub port: Option<u16>,
}

/// Whether the argument that the filter is on passes it.
pub fn passes(filter: &ArgFilter, values: &[Value]) -> bool {
    let Some(value) = values.get(filter.position) else {
        return false;
    };
    match (&filter.test, value) {
        (Test::Int { operator, values }, Value::Int(number)) => int(*operator, values, *number),
        (Test::Mask { values }, Value::Int(number)) => values.iter().any(|mask| *number as u64 & mask != 0),
        (Test::Mask { values }, Value::CapSet(set)) => values.iter().any(|mask| set & mask != 0),
        (Test::CapSet { negated, values }, Value::CapSet(set)) => values.contains(set) != *negated,
        (Test::CapabilitiesGained { second }, Value::CapSet(old)) => match values.get(*second) {
            Some(Value::CapSet(new)) => (old ^ new) & new != 0,
            _ => false,
        },
        (
            Test::Bytes {
                operator,
                negated,
                values,
            },
            Value::Bytes(bytes),
        ) => bytes_fit(*operator, values, bytes) != *negated,
        (
            Test::Bytes {
                operator,
                negated,
                values,
            },
            Value::File { path, .. } | Value::Unix { path, .. },
        ) => {
            let nameless = path.is_empty() && matches!(value, Value::File { .. });
            !nameless && bytes_fit(*operator, values, path) != *negated
        }
        (Test::FileType { negated, values }, Value::File { mode, .. }) => file_type(values, *mode) != *negated,
        (Test::Family { values }, Value::Unix { family, .. }) => values.contains(family),
        (test, Value::Socket(socket)) => socket_fits(test, socket),
        // Also what could not be read.
        _ => false,
    }
}

fn int(operator: IntOperator, values: &[IntRange], number: i128) -> bool {
    match operator {
        IntOperator::In => values.iter().any(|range| range.contains(number)),
        IntOperator::NotIn => !values.iter().any(|range| range.contains(number)),
        IntOperator::Greater => values.iter().any(|range| number > range.max),
        IntOperator::Less => values.iter().any(|range| number < range.min),
    }
}

fn bytes_fit(operator: BytesOperator, values: &[Vec<u8>], bytes: &[u8]) -> bool {
    let contains =
        |bytes: &[u8], value: &[u8]| value.is_empty() || bytes.windows(value.len()).any(|window| window == value);
    values.iter().any(|value| match operator {
        BytesOperator::Equal => bytes == value,
        BytesOperator::Prefix => bytes.starts_with(value),
        BytesOperator::Postfix => bytes.ends_with(value),
        BytesOperator::Contains => contains(bytes, value),
        BytesOperator::ContainsIgnoringCase => contains(&bytes.to_ascii_lowercase(), &value.to_ascii_lowercase()),
    })
}

fn file_type(values: &[FileType], mode: u16) -> bool {
    const TYPE: u16 = 0o170_000;
    values.iter().any(|kind| kind.mode() == mode & TYPE)
}

fn socket_fits(test: &Test, socket: &Socket) -> bool {
    let end = |side: &Side| match side {
        Side::Source => socket.source.as_ref(),
        Side::Destination => socket.destination.as_ref(),
    };
    match test {
        Test::Protocol { values } => values.contains(&socket.protocol),
        Test::Family { values } => values.contains(&socket.family),
        Test::State { values } => values.contains(&socket.state),
        Test::Address { side, negated, values } => match end(side) {
            Some(end) => values.iter().any(|network: &Network| network.contains(end.address)) != *negated,
            None => false,
        },
        Test::Port { side, negated, values } => match end(side).and_then(|end| end.port) {
            Some(port) => values.iter().any(|(first, last)| (*first..=*last).contains(&port)) != *negated,
            None => false,
        },
        _ => false,
    }
}
