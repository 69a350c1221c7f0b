//! Network interfaces (netdevice(7), rtnetlink(7)) and programs that look at packets.

use std::{
    io::{Error, ErrorKind, Result},
    net::Ipv4Addr,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// Brings `interface` up.
pub fn up(interface: &str) -> Result<()> {
    let mut request = request(interface)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    set(libc::SIOCSIFFLAGS, &request)
}

/// Gives an address to `interface`, which may be an alias such as `lo:1`.
pub fn add_address(interface: &str, address: Ipv4Addr) -> Result<()> {
    let mut request = request(interface)?;
    let [a, b, c, d] = address.octets().map(|octet| octet as libc::c_char);
    request.ifr_ifru.ifru_addr = libc::sockaddr {
        sa_family: libc::AF_INET as libc::sa_family_t,
        // A port that is nothing, the address, and padding.
        sa_data: [0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    set(libc::SIOCSIFADDR, &request)
}

fn request(interface: &str) -> Result<libc::ifreq> {
    // SAFETY: plain data, for which zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the name of an interface is too long",
        ));
    }
    for (to, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = byte as libc::c_char;
    }
    Ok(request)
}

fn set(what: libc::Ioctl, request: &libc::ifreq) -> Result<()> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    // SAFETY: the kernel reads an `ifreq`.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), what, std::ptr::from_ref(request)) })?;
    Ok(())
}

fn socket(family: i32, kind: i32) -> Result<OwnedFd> {
    // SAFETY: takes numbers.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a new descriptor, nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a pair of devices, whatever one sends the other receives; in a new network they are `veth0` and `veth1`.
pub fn make_veth() -> Result<()> {
    /// Create, fail if it is there, acknowledge (include/uapi/linux/netlink.h).
    const FLAGS: u16 = 0x605;
    /// `IFLA_LINKINFO` with `IFLA_INFO_KIND` within (`include/uapi/linux/if_link.h`).
    const KIND: [u8; 16] = *b"\x10\0\x12\0\x09\0\x01\0veth\0\0\0\0";
    let mut message = [0_u8; 48];
    message[..4].copy_from_slice(&48_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&FLAGS.to_ne_bytes());
    message[32..].copy_from_slice(&KIND);
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW)?;
    let sent = rustix::net::send(&socket, &message, rustix::net::SendFlags::empty())?;
    let mut answer = [0_u8; 512];
    let (received, _) = rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty())?;
    match answer.get(16..20) {
        Some(&[a, b, c, d]) if sent == message.len() && received >= 20 => match i32::from_ne_bytes([a, b, c, d]) {
            0 => Ok(()),
            error => Err(Error::from_raw_os_error(-error)),
        },
        _ => Err(Error::new(ErrorKind::InvalidData, "a short answer")),
    }
}

/// Directions of packets (`enum bpf_attach_type`, include/uapi/linux/bpf.h).
const DIRECTIONS: [u32; 2] = [0, 1];

/// Has every packet from and to sockets of a cgroup, whose folder is open, pass a program that lets it through, for as long
/// as the descriptors returned are open: in this process, and whatever it becomes by exec.
pub fn look_at_packets(cgroup: &std::fs::File) -> Result<Vec<OwnedFd>> {
    /// `BPF_PROG_TYPE_CGROUP_SKB`.
    const KIND: u32 = 8;
    /// `r0 = 1; exit`.
    const INSTRUCTIONS: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
    let mut kept = Vec::new();
    for direction in DIRECTIONS {
        let mut program = [0_u64; 9];
        program[0] = u64::from(KIND) | ((INSTRUCTIONS.len() as u64) << 32);
        program[1] = INSTRUCTIONS.as_ptr() as u64;
        program[2] = c"GPL".as_ptr() as u64;
        // Behind the index of an interface.
        program[8] = u64::from(direction) << 32;
        let program = bpf(5, &program)?;
        let link = [program.as_raw_fd() as u32, cgroup.as_raw_fd() as u32, direction, 0];
        let link = bpf(28, &link)?;
        rustix::io::fcntl_setfd(link.as_fd(), rustix::io::FdFlags::empty())?;
        kept.push(link);
    }
    Ok(kept)
}

/// `bpf(2)` with a command that returns a descriptor and reads `attr` alone.
fn bpf<T>(command: libc::c_long, attr: &T) -> Result<OwnedFd> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `attr`; addresses in it are of constants.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    let fd = check(fd as i32)?;
    // SAFETY: a new descriptor, nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: i32) -> Result<i32> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}
