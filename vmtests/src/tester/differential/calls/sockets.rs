//! Calls with sockets and addresses.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use policy::eval::{Address, Socket, Value};
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{AddressFamily, SocketType, accept, bind as bind_to, connect as connect_to, listen, socket, sockopt},
};

use super::{Input, Prepared, Raw, World, system_call};
use crate::tester::{calls::address, differential::random::Random};

const UDP: u16 = 17;
const TCP: u16 = 6;

/// What a socket has been through, by the first word of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Datagrams,
    DatagramsConnected,
    Fresh,
    Listening,
    Established,
    ClosedByPeer,
    Unix,
}

const KINDS: [Kind; 7] = [
    Kind::Datagrams,
    Kind::DatagramsConnected,
    Kind::Unix,
    Kind::Fresh,
    Kind::Listening,
    Kind::Established,
    Kind::ClosedByPeer,
];

/// Those from here on are of TCP.
const STREAMS: usize = 3;

fn port(random: &mut Random) -> u16 {
    match random.below(3) {
        0 => *random.pick(&[1, 53, 80, 443, 1_022, 1_023]),
        1 => *random.pick(&[1_024, 1_025, 8_080, 65_535]),
        _ => random.from(1_024, 65_535) as u16,
    }
}

/// An address of this machine that hardly any other input has.
fn own(random: &mut Random, sixth: bool) -> SocketAddr {
    let v4 = Ipv4Addr::new(
        127,
        *random.pick(&[0, 1, 128, 255]),
        random.below(256) as u8,
        random.from(1, 254) as u8,
    );
    if !sixth {
        return (v4, port(random)).into();
    }
    if random.chance(40) {
        return (v4.to_ipv6_mapped(), port(random)).into();
    }
    (Ipv6Addr::LOCALHOST, random.from(1_024, 65_535) as u16).into()
}

fn pair(random: &mut Random, kinds: std::ops::Range<usize>) -> Input {
    let sixth = random.chance(40);
    let local = own(random, sixth);
    let mut remote = own(random, sixth);
    // They have to reach each other.
    while local.ip().to_canonical().is_ipv4() != remote.ip().to_canonical().is_ipv4() {
        remote = own(random, sixth);
    }
    Input {
        words: vec![random.from(kinds.start, kinds.end - 1) as u64],
        addresses: vec![local, remote],
        ..Input::default()
    }
}

/// A socket.
pub(in super::super) fn generate(random: &mut Random) -> Input {
    pair(random, 0..KINDS.len())
}

/// A socket of TCP.
pub(in super::super) fn generate_streams(random: &mut Random) -> Input {
    pair(random, STREAMS..KINDS.len())
}

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    }
}

fn new(address: SocketAddr, kind: SocketType) -> Result<OwnedFd> {
    let new = socket(family(address), kind, None).context("socket")?;
    sockopt::set_socket_reuseaddr(&new, true)?;
    Ok(new)
}

fn bound(address: SocketAddr, kind: SocketType) -> Result<OwnedFd> {
    let new = new(address, kind)?;
    bind_to(&new, &address).with_context(|| format!("bind to {address}"))?;
    Ok(new)
}

/// The socket that `input` says, what it needs to stay as it is, and its value.
fn made(input: &Input) -> Result<(OwnedFd, Vec<OwnedFd>, Raw)> {
    let kind = KINDS[input.words[0] as usize % KINDS.len()];
    let (local, remote) = (input.addresses[0], input.addresses[1]);
    let nowhere = SocketAddr::new(
        if local.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        },
        0,
    );
    let (stream, datagram) = (SocketType::STREAM, SocketType::DGRAM);
    let mut others = vec![];
    let (socket, protocol, state, ends) = match kind {
        Kind::Datagrams => (bound(local, datagram)?, UDP, 7, (local, nowhere)),
        Kind::DatagramsConnected => {
            let socket = bound(local, datagram)?;
            connect_to(&socket, &remote).context("connect datagrams")?;
            (socket, UDP, 1, (local, remote))
        }
        Kind::Fresh => (new(local, stream)?, TCP, 7, (nowhere, nowhere)),
        Kind::Listening => {
            let socket = bound(local, stream)?;
            listen(&socket, 1)?;
            (socket, TCP, 10, (local, nowhere))
        }
        Kind::Established | Kind::ClosedByPeer => {
            let listener = bound(remote, stream)?;
            listen(&listener, 1)?;
            let socket = bound(local, stream)?;
            connect_to(&socket, &remote).with_context(|| format!("connect {local} to {remote}"))?;
            let peer = accept(&listener)?;
            others.push(listener);
            if kind == Kind::ClosedByPeer {
                drop(peer);
                // The end of what it sends has come when there is something to read.
                poll(&mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)], None)?;
                (socket, TCP, 8, (local, remote))
            } else {
                others.push(peer);
                (socket, TCP, 1, (local, remote))
            }
        }
        Kind::Unix => {
            let socket = socket(AddressFamily::UNIX, datagram, None)?;
            let value = Raw::Value(Value::Socket(Socket {
                family: libc::AF_UNIX as u16,
                state: 7,
                ..Socket::default()
            }));
            return Ok((socket, others, value));
        }
    };
    let value = Value::Socket(Socket {
        family: family(local).as_raw(),
        protocol,
        state,
        source: Some(end(ends.0)),
        destination: Some(end(ends.1)),
    });
    Ok((socket, others, Raw::Value(value)))
}

fn end(address: SocketAddr) -> Address {
    Address {
        address: address.ip(),
        port: Some(address.port()),
    }
}

/// `getsockname`.
pub(in super::super) fn name(input: &Input, world: &World) -> Result<Prepared> {
    let (socket, others, value) = made(input)?;
    Ok(world.call(vec![value], move || {
        let mut room = [0_u64; 16];
        let mut len = size_of_val(&room) as u32;
        let arguments = [room.as_mut_ptr() as u64, &raw mut len as u64];
        system_call(
            "getsockname",
            [socket.as_raw_fd() as u64, arguments[0], arguments[1], 0, 0, 0],
        );
        drop(others);
    }))
}

/// `getsockopt`.
pub(in super::super) fn option(input: &Input, world: &World) -> Result<Prepared> {
    let (socket, others, value) = made(input)?;
    Ok(world.call(vec![value], move || {
        let (mut room, mut len) = (0_u64, 4_u32);
        let (level, name) = (libc::IPPROTO_TCP as u64, libc::TCP_MAXSEG as u64);
        system_call(
            "getsockopt",
            [
                socket.as_raw_fd() as u64,
                level,
                name,
                &raw mut room as u64,
                &raw mut len as u64,
                0,
            ],
        );
        drop(others);
    }))
}

/// An address anywhere, or, without any, the path of a Unix socket.
pub(in super::super) fn generate_addresses(random: &mut Random) -> Input {
    let some: [IpAddr; 9] = [
        Ipv4Addr::LOCALHOST.into(),
        Ipv4Addr::new(10, 1, 2, 3).into(),
        Ipv4Addr::new(10, 1, 2, 4).into(),
        Ipv4Addr::new(192, 168, 255, 254).into(),
        Ipv4Addr::BROADCAST.into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xffff, 1).into(),
        Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped().into(),
    ];
    let addresses = match random.below(10) {
        0 => vec![],
        1..8 => vec![(*random.pick(&some), port(random)).into()],
        _ => vec![(Ipv4Addr::from_bits(random.next() as u32), 0).into()],
    };
    Input {
        addresses,
        ..Input::default()
    }
}

/// `connect` of a socket for datagrams.
pub(in super::super) fn connect(input: &Input, world: &World) -> Result<Prepared> {
    let (socket, mut bytes, value) = if let Some(&to) = input.addresses.first() {
        let socket = new(to, SocketType::DGRAM)?;
        let value = Socket {
            family: family(to).as_raw(),
            source: Some(end(to)),
            ..Socket::default()
        };
        (socket, address(&to.to_string())?, value)
    } else {
        let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        let value = Socket {
            family: libc::AF_UNIX as u16,
            ..Socket::default()
        };
        (socket, address("unix:/nowhere")?, value)
    };
    bytes.push(0);
    let len = match input.addresses.first() {
        Some(_) => bytes.len() as u64 - 1,
        None => bytes.len() as u64,
    };
    Ok(world.call(vec![Raw::Value(Value::Socket(value))], move || {
        system_call(
            "connect",
            [socket.as_raw_fd() as u64, bytes.as_ptr() as u64, len, 0, 0, 0],
        );
    }))
}

/// `bind` of a Unix socket.
pub(in super::super) fn bind(input: &Input, world: &World) -> Result<Prepared> {
    let path = &input.texts[0];
    let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    let mut bytes = address(&format!("unix:{path}"))?;
    // The kernel does not clear what is behind the address in its copy.
    bytes.push(0);
    let value = Value::Unix {
        family: libc::AF_UNIX as u16,
        path: path.clone().into_bytes(),
    };
    Ok(world.call(vec![Raw::Value(value)], move || {
        let arguments = [bytes.as_ptr() as u64, bytes.len() as u64];
        system_call("bind", [socket.as_raw_fd() as u64, arguments[0], arguments[1], 0, 0, 0]);
    }))
}

/// A packet of IPv4.
pub(in super::super) fn generate_packets(random: &mut Random) -> Input {
    Input {
        addresses: vec![own(random, false), own(random, false)],
        ..Input::default()
    }
}

/// A packet of IPv6.
pub(in super::super) fn generate_packets6(random: &mut Random) -> Input {
    let mut one = || (Ipv6Addr::LOCALHOST, random.from(1_024, 65_535) as u16).into();
    Input {
        addresses: vec![one(), one()],
        ..Input::default()
    }
}

/// `sendto` to somebody who takes it: nothing is sent back. Of UDP: what is sent of others passes the function within another
/// one, or with what TCP sends.
pub(in super::super) fn send(input: &Input, world: &World) -> Result<Prepared> {
    let (from, to) = (input.addresses[0], input.addresses[1]);
    let (receiver, sender) = (bound(to, SocketType::DGRAM)?, bound(from, SocketType::DGRAM)?);
    let bytes = address(&to.to_string())?;
    let value = Value::Socket(Socket {
        family: family(from).as_raw(),
        protocol: UDP,
        state: 0,
        source: Some(end(from)),
        destination: Some(end(to)),
    });
    Ok(world.call(vec![Raw::Value(value)], move || {
        let message = b"message";
        let arguments = [message.as_ptr() as u64, message.len() as u64];
        let to = [bytes.as_ptr() as u64, bytes.len() as u64];
        system_call(
            "sendto",
            [sender.as_raw_fd() as u64, arguments[0], arguments[1], 0, to[0], to[1]],
        );
        drop(receiver);
    }))
}
