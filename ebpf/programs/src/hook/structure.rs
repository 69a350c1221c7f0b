//! Runtime function that reads kernel structures into slots.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str};
use ebpf_abi::{
    hook::{BpfObject, Flow, Module, PerfEvent, Slot, structure},
    map::{Capabilities, Credentials},
};

use super::read::is_user;
use crate::{
    globals::offset,
    read::{Plain, field, read, read_optional},
    task,
};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

/// Extension headers of an IPv6 packet that are skipped at most.
const MAX_EXTENSIONS: u32 = 7;

/// What is known of a structure: see [`runtime::STRUCTURE`](ebpf_abi::hook::runtime::STRUCTURE).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_structure(claimed: u32, slot: u32, kind: u32, address: u64) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    let user = kind & structure::USER != 0;
    let kind = kind & !structure::USER;
    if address == 0 {
        return 0;
    }
    // SAFETY: a slot of this CPU, with room for each of the structures.
    unsafe {
        (*slot).whole = 0;
        (*slot).flags = 0;
        (*slot).mode = 0;
        if kind == structure::CRED {
            let to = (&raw mut (*slot).bytes).cast::<Credentials>();
            task::all_credentials(address, to);
            task::capabilities(address, to.add(1).cast::<Capabilities>());
            let user_ns: u64 = field!(address, cred_user_ns);
            let inode: u32 = field!(user_ns, user_ns_inum);
            to.add(1).cast::<Capabilities>().add(1).cast::<u32>().write(inode);
            (*slot).len = (size_of::<Credentials>() + size_of::<Capabilities>() + size_of::<u32>()) as u32;
            return 1;
        }
        let bytes = (&raw mut (*slot).bytes).cast::<u8>();
        if kind >= structure::USER_NS {
            let len = other(kind, address, user, slot, bytes);
            (*slot).len = len;
            return u32::from(len != MISSING);
        }
        let flow = clear(slot);
        match kind {
            structure::SOCK => sock(address, flow),
            structure::SOCKET => sock(field!(address, socket_sk), flow),
            structure::SKB => packet(address, flow),
            structure::SOCKADDR => return u32::from(socket_address(address, user || is_user(address), flow)),
            _ => return 0,
        }
    }
    1
}

/// What is returned instead of a length when something cannot be read.
const MISSING: u32 = u32::MAX;

/// Offsets in `union bpf_attr` and `struct perf_event_attr` (include/uapi/linux), which never change.
mod uapi {
    pub(super) const PROG_TYPE: u32 = 0;
    pub(super) const PROG_INSNS: u32 = 4;
    pub(super) const PROG_NAME: u32 = 48;
    pub(super) const PERF_TYPE: u32 = 0;
    pub(super) const PERF_CONFIG: u32 = 8;
    pub(super) const PERF_FUNCTION: u32 = 56;
    pub(super) const PERF_OFFSET: u32 = 64;
}

/// Everything that is no flow and no credentials; returns its length.
#[inline(always)]
unsafe fn other(kind: u32, address: u64, user: bool, slot: *mut Slot, bytes: *mut u8) -> u32 {
    // SAFETY: the caller's slot.
    unsafe {
        match kind {
            structure::USER_NS => {
                let words = bytes.cast::<u32>();
                words.write_volatile(field!(address, user_ns_level));
                words.add(1).write_volatile(field!(address, user_ns_owner));
                words.add(2).write_volatile(field!(address, user_ns_group));
                words.add(3).write_volatile(field!(address, user_ns_inum));
                16
            }
            structure::BPF_ATTR => object(
                bytes,
                [read(address, uapi::PROG_TYPE), read(address, uapi::PROG_INSNS), 0, 0],
                read(address, uapi::PROG_NAME),
            ),
            structure::BPF_PROG => {
                let aux: u64 = read_optional!(address, bpf_prog_aux);
                object(
                    bytes,
                    [
                        read_optional!(address, bpf_prog_type),
                        read_optional!(address, bpf_prog_len),
                        0,
                        0,
                    ],
                    read_optional!(aux, bpf_prog_aux_name),
                )
            }
            structure::BPF_MAP => object(
                bytes,
                [
                    read_optional!(address, bpf_map_type),
                    read_optional!(address, bpf_map_key_size),
                    read_optional!(address, bpf_map_value_size),
                    read_optional!(address, bpf_map_max_entries),
                ],
                read_optional!(address, bpf_map_name),
            ),
            structure::PERF_EVENT => {
                let attr = address.wrapping_add(u64::from(offset!(perf_event_attr)));
                let event = bytes.cast::<PerfEvent>();
                (*event).kind = read(attr, uapi::PERF_TYPE);
                (*event).reserved = 0;
                (*event).config = read(attr, uapi::PERF_CONFIG);
                (*event).probe_offset = read(attr, uapi::PERF_OFFSET);
                let function: u64 = read(attr, uapi::PERF_FUNCTION);
                let name = (&raw mut (*event).function).cast::<u8>();
                name.write_volatile(0);
                bpf_probe_read_user_str(name.cast(), 64, function as *const core::ffi::c_void);
                size_of::<PerfEvent>() as u32
            }
            structure::MODULE | structure::LOAD_INFO => {
                let to = bytes.cast::<Module>();
                let (mut module, mut signature) = (address, 0);
                let mut name = address.wrapping_add(u64::from(offset!(module_name)));
                if kind == structure::LOAD_INFO {
                    module = read_optional!(address, load_info_mod);
                    name = read_optional!(address, load_info_name);
                    if offset!(load_info_sig_ok) != ebpf_abi::field::MISSING {
                        let ok: u8 = read_optional!(address, load_info_sig_ok);
                        signature = u32::from(ok) + 1;
                    }
                }
                (*to).taints = read_optional!(module, module_taints);
                (*to).signature = signature;
                (*to).reserved = 0;
                let to_name = (&raw mut (*to).name).cast::<u8>();
                to_name.write_volatile(0);
                bpf_probe_read_kernel_str(to_name.cast(), 64, name as *const core::ffi::c_void);
                size_of::<Module>() as u32
            }
            structure::SOCKADDR_UN => unix_address(address, user || is_user(address), slot, bytes),
            _ => MISSING,
        }
    }
}

#[inline(always)]
unsafe fn object(bytes: *mut u8, words: [u32; 4], name: [u64; 2]) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let mut index = 0;
        while index < 4 {
            bytes.cast::<u32>().add(index).write_volatile(words[index]);
            index += 1;
        }
        wide(name, bytes.add(16).cast());
    }
    size_of::<BpfObject>() as u32
}

/// Longest path of a Unix socket (unix(7)).
const UNIX_PATH_MAX: u32 = 108;

#[inline(always)]
unsafe fn unix_address(address: u64, user: bool, slot: *mut Slot, bytes: *mut u8) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let family: u16 = if user { user_read(address, 0) } else { read(address, 0) };
        let first: u8 = if user { user_read(address, 2) } else { read(address, 2) };
        (*slot).flags = u32::from(family);
        let mut path = address.wrapping_add(2);
        let mut to = bytes;
        let mut room = UNIX_PATH_MAX + 1;
        if first == 0 {
            // An abstract one; its length is not known here, and it seldom has a zero byte within.
            bytes.write_volatile(b'@');
            to = bytes.add(1);
            path = path.wrapping_add(1);
            room = UNIX_PATH_MAX;
        }
        let from = path as *const core::ffi::c_void;
        let len = if user {
            bpf_probe_read_user_str(to.cast(), room, from)
        } else {
            bpf_probe_read_kernel_str(to.cast(), room, from)
        };
        if len < 0 {
            return MISSING;
        }
        let len = super::read::without_zero(len);
        if first != 0 {
            len
        } else if len == 0 {
            // No name at all.
            0
        } else {
            len + 1
        }
    }
}

/// Makes the slot an empty flow, word by word: as a value it would become a call to `memset`.
#[inline(always)]
unsafe fn clear(slot: *mut Slot) -> *mut Flow {
    // SAFETY: the caller's slot.
    unsafe {
        let words = (&raw mut (*slot).bytes).cast::<u64>();
        let mut index = 0;
        while index < size_of::<Flow>() / 8 {
            words.add(index).write_volatile(0);
            index += 1;
        }
        (*slot).len = size_of::<Flow>() as u32;
        words.cast()
    }
}

/// Writes an IPv4 address in its IPv6 form.
#[inline(always)]
unsafe fn mapped(address: u32, to: *mut [u8; 16]) {
    // SAFETY: the caller's; flows are aligned to 8 bytes.
    unsafe {
        let words = to.cast::<u32>();
        words.add(2).write_volatile(0xffff_0000);
        words.add(3).write_volatile(address);
    }
}

#[inline(always)]
unsafe fn wide(address: [u64; 2], to: *mut [u8; 16]) {
    // SAFETY: the caller's; flows are aligned to 8 bytes.
    unsafe {
        to.cast::<u64>().write_volatile(address[0]);
        to.cast::<u64>().add(1).write_volatile(address[1]);
    }
}

#[inline(always)]
unsafe fn sock(sock: u64, flow: *mut Flow) {
    // SAFETY: the caller's flow.
    unsafe {
        (*flow).cookie = sock;
        let family: u16 = field!(sock, sock_family);
        (*flow).family = family;
        let state: u8 = field!(sock, sock_state);
        (*flow).state = u16::from(state);
        (*flow).kind = field!(sock, sock_type);
        (*flow).protocol = field!(sock, sock_protocol);
        (*flow).mark = field!(sock, sock_mark);
        (*flow).priority = field!(sock, sock_priority);
        (*flow).source_port = field!(sock, sock_num);
        let port: u16 = field!(sock, sock_dport);
        (*flow).destination_port = port.swap_bytes();
        (*flow).ports = u16::from(family == AF_INET || family == AF_INET6);
        if family == AF_INET {
            mapped(field!(sock, sock_saddr), &raw mut (*flow).source);
            mapped(field!(sock, sock_daddr), &raw mut (*flow).destination);
        } else if family == AF_INET6 {
            wide(read_optional!(sock, sock_v6_saddr), &raw mut (*flow).source);
            wide(read_optional!(sock, sock_v6_daddr), &raw mut (*flow).destination);
        }
    }
}

#[inline(always)]
unsafe fn packet(skb: u64, flow: *mut Flow) {
    // SAFETY: the caller's flow.
    unsafe {
        (*flow).hash = field!(skb, skb_hash);
        (*flow).len = field!(skb, skb_len);
        (*flow).mark = field!(skb, skb_mark);
        (*flow).priority = field!(skb, skb_priority);
        let head: u64 = field!(skb, skb_head);
        let network: u16 = field!(skb, skb_network_header);
        let transport: u16 = field!(skb, skb_transport_header);
        let header = head.wrapping_add(u64::from(network));
        let first: u8 = read(header, 0);
        let mut protocol: u8;
        let mut behind: u64;
        if first >> 4 == 4 {
            (*flow).family = AF_INET;
            protocol = read(header, 9);
            mapped(read(header, 12), &raw mut (*flow).source);
            mapped(read(header, 16), &raw mut (*flow).destination);
            behind = header.wrapping_add(u64::from(first & 15) * 4);
        } else if first >> 4 == 6 {
            (*flow).family = AF_INET6;
            protocol = read(header, 6);
            wide(read(header, 8), &raw mut (*flow).source);
            wide(read(header, 24), &raw mut (*flow).destination);
            behind = header.wrapping_add(40);
            let mut skipped = 0;
            // Hop-by-hop, routing, fragment and destination options (RFC 8200, section 4).
            while skipped < MAX_EXTENSIONS && matches!(protocol, 0 | 43 | 44 | 60) {
                let length: u8 = read(behind, 1);
                let size = if protocol == 44 { 8 } else { u64::from(length) * 8 + 8 };
                protocol = read(behind, 0);
                behind = behind.wrapping_add(size);
                skipped += 1;
            }
        } else {
            return;
        }
        (*flow).protocol = u16::from(protocol);
        if protocol == IPPROTO_TCP || protocol == IPPROTO_UDP {
            // Set (not all ones) and behind the network header where the packet was parsed.
            if transport != u16::MAX && transport > network {
                behind = head.wrapping_add(u64::from(transport));
            }
            let source: u16 = read(behind, 0);
            let destination: u16 = read(behind, 2);
            (*flow).source_port = source.swap_bytes();
            (*flow).destination_port = destination.swap_bytes();
            (*flow).ports = 1;
        }
    }
}

/// An address that a system call was given, or the kernel's copy of one.
#[inline(always)]
unsafe fn socket_address(address: u64, user: bool, flow: *mut Flow) -> bool {
    // SAFETY: the caller's flow.
    unsafe {
        let family: u16 = if user { user_read(address, 0) } else { read(address, 0) };
        let port: u16 = if user { user_read(address, 2) } else { read(address, 2) };
        (*flow).family = family;
        if family == AF_INET {
            let ip: u32 = if user { user_read(address, 4) } else { read(address, 4) };
            mapped(ip, &raw mut (*flow).source);
        } else if family == AF_INET6 {
            let ip: [u64; 2] = if user { user_read(address, 8) } else { read(address, 8) };
            wide(ip, &raw mut (*flow).source);
        } else {
            return family != 0;
        }
        (*flow).source_port = port.swap_bytes();
        (*flow).ports = 1;
        true
    }
}

#[inline(always)]
pub(super) fn user_read<T: Plain>(base: u64, offset: u32) -> T {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes all bytes, zeroes on failure, and every bit pattern is a `T`.
    unsafe {
        bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            base.wrapping_add(u64::from(offset)) as *const core::ffi::c_void,
        );
        value.assume_init()
    }
}
