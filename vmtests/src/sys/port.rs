//! The I/O port that ends the machine.

use std::{
    fs::OpenOptions,
    io::{Error, Seek as _, SeekFrom, Write as _},
};

use crate::protocol::EXIT_PORT;

/// Ends QEMU with `status`, one of the `EXIT_` constants of the protocol. Returns only when that did not work.
///
/// `/dev/port` is the way that needs no privilege beyond being root; a locked down kernel refuses it, and one without
/// `CONFIG_DEVPORT` lacks it. Then the port instruction itself is tried.
pub fn exit(status: i32) -> Error {
    let value = (status >> 1) as u8;
    let written = OpenOptions::new().write(true).open("/dev/port").and_then(|mut port| {
        port.seek(SeekFrom::Start(u64::from(EXIT_PORT)))?;
        port.write_all(&[value])
    });
    let reason = written
        .err()
        .unwrap_or_else(|| Error::other("the exit device did not answer"));
    out(value);
    reason
}

#[cfg(target_arch = "x86_64")]
fn out(value: u8) {
    // SAFETY: iopl(2) takes a number and changes nothing but what this thread may do.
    if unsafe { libc::iopl(3) } != 0 {
        return;
    }
    // SAFETY: writes to the port of the exit device, which no other device of the machine has.
    unsafe { core::arch::asm!("out dx, al", in("dx") EXIT_PORT, in("al") value, options(nomem, nostack)) };
}

#[cfg(not(target_arch = "x86_64"))]
fn out(_value: u8) {}
