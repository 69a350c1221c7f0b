//! Probes as `sys/sdt.h` declares them, with arguments wherever a compiler may leave them.

#![allow(unsafe_code, reason = "probes are assembly")]

use std::{
    arch::asm,
    ffi::CString,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use anyhow::{Result, ensure};
use serde_json::json;

use super::say;

/// How many watch `shop:checkout`: the kernel counts here.
// SAFETY: the section is of this name in every program with probes, and holds nothing but such numbers.
#[unsafe(link_section = ".probes")]
static WATCHED: AtomicU16 = AtomicU16::new(0);

/// Memory that arguments are in.
#[derive(Default)]
#[repr(C)]
struct Basket {
    address: u64,
    len: u64,
    price: i32,
    discount: i16,
    pad: i16,
    pieces: [u32; 4],
}

/// Declares a probe in front of the next instruction: its name, its arguments, and the address of the number of those who
/// watch it.
macro_rules! probe {
    ($name:literal, $arguments:literal, $watched:literal) => {
        concat!(
            "990: nop\n",
            ".pushsection .note.stapsdt,\"\",@note\n",
            ".balign 4\n",
            ".4byte 992f-991f, 994f-993f, 3\n",
            "991: .asciz \"stapsdt\"\n",
            "992: .balign 4\n",
            "993: .8byte 990b, _.stapsdt.base, ",
            $watched,
            "\n",
            ".asciz \"shop\"\n",
            ".asciz \"",
            $name,
            "\"\n",
            ".asciz \"",
            $arguments,
            "\"\n",
            "994: .balign 4\n",
            ".popsection\n",
        )
    };
}

std::arch::global_asm!(
    ".pushsection .stapsdt.base,\"aR\",@progbits",
    ".globl _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base: .space 1",
    ".size _.stapsdt.base, 1",
    ".popsection",
);

/// `probes PRICE TEXT`: comes to `shop:open`, then, if anybody watches it, to both places of `shop:checkout`, and says
/// whether that was so.
pub fn probes(arguments: &[CString]) -> Result<()> {
    let price: i32 = say::number(arguments, 0)?;
    let text = arguments.get(1).cloned().unwrap_or_default();
    let basket = Basket {
        address: text.as_ptr() as u64,
        len: text.as_bytes().len() as u64,
        price,
        discount: -300,
        pad: -1,
        pieces: [7, 8, 4_000_000_000, 10],
    };
    ensure!(
        (&raw const basket).addr().is_multiple_of(8),
        "scaled addresses are multiples of their scale"
    );
    open();
    let watched = WATCHED.load(Relaxed) != 0;
    if watched {
        checkout(&basket);
        checkout_in_memory(&basket);
    }
    say::line(&json!({ "pid": std::process::id(), "watched": watched }))
}

/// A price that is part of the program, where nobody can write.
static FIXED: u32 = 77;

/// `reprice PRICE`: comes to `shop:reprice` with the price in memory, and says what it is then, and what the fixed one is.
pub fn reprice(arguments: &[CString]) -> Result<()> {
    let mut basket = Basket {
        price: say::number(arguments, 0)?,
        ..Basket::default()
    };
    let (start, fixed) = (&raw mut basket, &raw const FIXED);
    // SAFETY: does nothing, but whoever watches may write to the price.
    unsafe {
        asm!(
            probe!("reprice", "-4@16(%r11) 8@(%r11) -4@%eax 4@(%rdx) 4@$5", "0"),
            in("r11") start,
            in("rax") basket.price,
            in("rdx") fixed,
            options(att_syntax, nostack, preserves_flags)
        );
    }
    // SAFETY: both live. Whatever the compiler thinks of them, what is there now is meant.
    let (price, fixed) = unsafe { ((&raw const (*start).price).read_volatile(), fixed.read_volatile()) };
    say::line(&json!({ "pid": std::process::id(), "price": price, "fixed": fixed }))
}

/// With the address of a structure.
pub(super) fn send(message: &libc::msghdr) {
    // SAFETY: does nothing.
    unsafe {
        asm!(
            probe!("send", "8@%rdi", "0"),
            in("rdi") &raw const *message,
            options(att_syntax, nostack, preserves_flags)
        );
    }
}

/// With an argument that no program can read, and one that is no integer.
fn open() {
    // SAFETY: does nothing.
    unsafe {
        asm!(
            probe!("open", "4@$7 8f@%xmm0 8@16", "0"),
            options(att_syntax, nostack, preserves_flags)
        );
    }
}

/// Twelve arguments, more than any policy reads at once. Registers hold more than counts.
fn checkout(basket: &Basket) {
    const HIGH: u64 = 0xa5a5_a5a5_0000_0000;
    let start: *const Basket = basket;
    // SAFETY: does nothing.
    unsafe {
        asm!(
            probe!(
                "checkout",
                "-4@%eax 8@%rdi 8@%rdx -2@20(%rsi) 4@-8(%rsi,%r11,4) 1@$200 -8@$-5 1@%r8b -1@%r8b 2@%r9w -4@16(,%r10,8) -1@%ch",
                "{watched}"
            ),
            watched = sym WATCHED,
            in("rax") HIGH | u64::from(basket.price as u32),
            in("rdi") basket.address,
            in("rdx") basket.len,
            in("rsi") start,
            // Two words before the eleventh one is the third piece.
            in("r11") 10_u64,
            in("rcx") HIGH | 0xfe00,
            in("r8") HIGH | 0xfe,
            in("r9") HIGH | 0xffff_ffff,
            in("r10") start as u64 / 8,
            options(att_syntax, nostack, preserves_flags)
        );
    }
}

/// The same arguments elsewhere.
fn checkout_in_memory(basket: &Basket) {
    let start: *const Basket = basket;
    // SAFETY: does nothing.
    unsafe {
        asm!(
            probe!(
                "checkout",
                "-4@16(%r11) 8@(%r11) 8@-8+16(%r11) -2@20(%r11) 4@32(%r11) 1@$200 -8@$-5 1@%dl -1@%dl 2@22(%r11) -4@16(%r11) -1@%dh",
                "{watched}"
            ),
            watched = sym WATCHED,
            in("r11") start,
            in("rdx") 0xfefe_u64,
            options(att_syntax, nostack, preserves_flags)
        );
    }
}
