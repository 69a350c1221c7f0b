//! Functions that policies hook by their names, and all the ways in which a call of one may not return where it was made.

#![allow(unsafe_code, reason = "what is called, and how, is up to the machine")]

use std::{
    arch::{asm, global_asm},
    ffi::{CString, c_char},
    hint::black_box,
    io,
    os::fd::AsRawFd as _,
    ptr,
};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{probes, say};

/// A number that is worked out.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_total(count: u32, price: i64) -> i64 {
    black_box(i64::from(count) * price)
}

/// The text, but nothing for number 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_label(number: u32, text: *const c_char) -> *const c_char {
    if black_box(number) == 0 { ptr::null() } else { text }
}

/// The sum of all numbers up to `number`, a call for each.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_sum(number: u64) -> u64 {
    // Through a pointer, or it would be no call.
    let rest = black_box(shop_sum as extern "C" fn(u64) -> u64);
    if number == 0 { 0 } else { number + rest(number - 1) }
}

/// Fills memory, and says with how many bytes.
///
/// # Safety
///
/// There must be `room` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn shop_fill(buffer: *mut u8, room: usize) -> usize {
    let len = room.min(5);
    // SAFETY: the caller's bytes.
    unsafe { ptr::copy_nonoverlapping(b"bread".as_ptr(), buffer, len) };
    black_box(len)
}

/// Becomes two processes: both return.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_fork() -> libc::pid_t {
    // SAFETY: there is one thread.
    unsafe { libc::fork() }
}

/// Tells the other process that it is here, and waits for that one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_meet(who: u32, tell: i32, hear: i32) -> u32 {
    tell_and_hear(tell, hear);
    black_box(who * 10)
}

/// What is handed over as `struct qstr` (include/linux/dcache.h).
#[repr(C)]
struct Name {
    hash_and_len: u64,
    name: *const c_char,
}

/// Looks at what it is given.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shop_send(message: *const libc::msghdr, name: *const Name) {
    black_box((message, name));
}

// With a third argument that is not 0, does what longjmp(3) does: goes to its second one with the stack at the first.
// Otherwise it returns 42.
global_asm!(
    ".pushsection .text.shop_leave,\"ax\",@progbits",
    ".globl shop_leave",
    ".type shop_leave, @function",
    "shop_leave:",
    "test rdx, rdx",
    "je 3f",
    "mov rsp, rdi",
    "jmp rsi",
    "3: mov eax, 42",
    "ret",
    ".size shop_leave, . - shop_leave",
    ".popsection",
);

unsafe extern "C" {
    fn shop_leave();
}

/// Calls `shop_leave`, each time with the stack at the same place.
#[inline(never)]
fn leave(leaves: bool) -> u64 {
    let result: u64;
    // SAFETY: the stack is where it was, however the call ends.
    unsafe {
        asm!(
            "lea rsi, [rip + 2f]",
            "mov rdi, rsp",
            "call {leave}",
            "2:",
            leave = sym shop_leave,
            in("rdx") u64::from(leaves),
            lateout("rax") result,
            clobber_abi("C"),
        );
    }
    result
}

/// Enters `shop_leave` with the stack where the kernel has its memory, and gets it back from there.
#[inline(never)]
fn forge() {
    // SAFETY: nothing uses the stack until it is where it was.
    unsafe {
        asm!(
            "lea rsi, [rip + 2f]",
            "mov rdi, rsp",
            "mov rsp, rcx",
            "jmp {leave}",
            "2:",
            leave = sym shop_leave,
            in("rcx") 0xffff_8880_0000_0000_u64,
            in("rdx") 2_u64,
            clobber_abi("C"),
        );
    }
}

/// `functions NUMBER`: calls all of them, `shop_total` with that number as the price.
pub fn functions(arguments: &[CString]) -> Result<()> {
    let price = say::number(arguments, 0)?;
    // Through pointers: where all calls are known, compilers leave out arguments.
    let total = black_box(shop_total as extern "C" fn(u32, i64) -> i64)(2, price);
    let label = black_box(shop_label as extern "C" fn(u32, *const c_char) -> *const c_char);
    label(7, c"seven".as_ptr());
    label(0, c"nothing".as_ptr());
    let sum = black_box(shop_sum as extern "C" fn(u64) -> u64)(3);
    let mut buffer = [0_u8; 64];
    let fill = black_box(shop_fill as unsafe extern "C" fn(*mut u8, usize) -> usize);
    // SAFETY: so many bytes are there.
    let filled = unsafe { fill(buffer.as_mut_ptr(), buffer.len()) };
    ensure!(buffer[..filled] == *b"bread", "it is filled");
    leave(true);
    let left = leave(false);
    forge();
    send();
    let forked = black_box(shop_fork as extern "C" fn() -> libc::pid_t)();
    if forked == 0 {
        std::process::exit(0);
    }
    wait(forked)?;
    meet()?;
    say::line(&json!({ "pid": std::process::id(), "total": total, "sum": sum, "left": left }))
}

/// A message of two parts and a name, then nothing of either.
fn send() {
    let mut parts = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 5,
    }; 2];
    parts[1].iov_len = 77;
    let name = Name {
        hash_and_len: 0,
        name: c"bread".as_ptr(),
    };
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_namelen = 9;
    message.msg_iov = parts.as_mut_ptr();
    let send = black_box(shop_send as extern "C" fn(*const libc::msghdr, *const Name));
    send(&raw const message, &raw const name);
    probes::send(&message);
    message.msg_iov = ptr::null_mut();
    let nothing = Name {
        hash_and_len: 0,
        name: ptr::null(),
    };
    send(&raw const message, &raw const nothing);
    send(ptr::null(), &raw const name);
}

/// Two processes are in `shop_meet` at the same time, with their stacks at the same address; who came first leaves last.
fn meet() -> Result<()> {
    let (hear_first, tell_first) = io::pipe()?;
    let (hear_second, tell_second) = io::pipe()?;
    // SAFETY: there is one thread.
    let child = unsafe { libc::fork() };
    let first = child != 0;
    let (who, tell, hear, before, after) = if first {
        (1, tell_second.as_raw_fd(), hear_first.as_raw_fd(), -1, -1)
    } else {
        (2, -1, -1, hear_second.as_raw_fd(), tell_first.as_raw_fd())
    };
    tell_and_hear(-1, before);
    black_box(shop_meet as extern "C" fn(u32, i32, i32) -> u32)(who, tell, hear);
    tell_and_hear(after, -1);
    if !first {
        std::process::exit(0);
    }
    wait(child)
}

/// Writes a byte and waits for one; -1 for neither.
fn tell_and_hear(tell: i32, hear: i32) {
    let mut byte = 0_u8;
    // SAFETY: one byte.
    unsafe {
        if tell >= 0 {
            libc::write(tell, (&raw const byte).cast(), 1);
        }
        if hear >= 0 {
            libc::read(hear, (&raw mut byte).cast(), 1);
        }
    }
}

fn wait(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: a place for the status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    ensure!(waited == child && status == 0, "the child ends with 0");
    Ok(())
}
