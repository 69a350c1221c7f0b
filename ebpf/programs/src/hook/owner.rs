//! Runtime functions that know whom sockets belong to.
//!
//! What happens to a socket often happens while some other process is current: an interrupt brings a packet. A policy says
//! where sockets get their owner, and where they lose it.

use ebpf_abi::hook::{Owner, structure};

use super::scratch;
use crate::{maps::OWNERS, read::field, task};

/// The address of the `struct sock` of what is at `address`.
#[inline(always)]
fn sock(kind: u32, address: u64) -> u64 {
    if kind == structure::SOCKET {
        field!(address, socket_sk)
    } else {
        address
    }
}

/// Copies an owner, word by word: as a value it would become a call to `memcpy`.
///
/// # Safety
///
/// `from` must be valid for reads, `to` for writes.
#[inline(always)]
pub(super) unsafe fn copy(from: *const Owner, to: *mut Owner) {
    // SAFETY: the caller vouches for both.
    unsafe {
        task::copy_key(&raw const (*from).process, &raw mut (*to).process);
        (&raw mut (*to).tid).write_volatile((&raw const (*from).tid).read_volatile());
        (&raw mut (*to).known).write_volatile((&raw const (*from).known).read_volatile());
    }
}

/// Makes the event one of the owner of a socket: see [`runtime::OWNER`](ebpf_abi::hook::runtime::OWNER).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_owner(claimed: u32, kind: u32, address: u64) -> u32 {
    let Some(scratch) = scratch(claimed) else { return 0 };
    let Some(owner) = OWNERS.get_ptr(&sock(kind, address)) else {
        return 0;
    };
    // SAFETY: a scratch of this CPU, and a value of the map, whose memory stays readable.
    unsafe { copy(owner, &raw mut (*scratch).owner) };
    1
}

/// Notes whom a socket belongs to: see [`runtime::TRACK`](ebpf_abi::hook::runtime::TRACK).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_track(claimed: u32, kind: u32, address: u64) -> u32 {
    let Some(scratch) = scratch(claimed) else { return 0 };
    let sock = sock(kind, address);
    if sock == 0 {
        return 0;
    }
    // SAFETY: a scratch of this CPU.
    unsafe {
        let owner = &raw mut (*scratch).owner;
        if (*owner).known == 0 {
            task::current_identity(&raw mut (*owner).process);
            (*owner).tid = aya_ebpf::helpers::bpf_get_current_pid_tgid() as u32;
            (*owner).known = 1;
            let _ = OWNERS.insert(&sock, &*owner, 0);
            // The event is of the current process all the same.
            (*owner).known = 0;
        } else {
            let _ = OWNERS.insert(&sock, &*owner, 0);
        }
    }
    0
}

/// Forgets whom a socket belongs to: see [`runtime::UNTRACK`](ebpf_abi::hook::runtime::UNTRACK).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_untrack(kind: u32, address: u64) -> u32 {
    let _ = OWNERS.remove(&sock(kind, address));
    0
}
