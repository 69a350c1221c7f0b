//! Any system calls, one after the other, as cases spell them.

#![allow(unsafe_code, reason = "any call with any argument is what this is for")]

use std::{
    ffi::CString,
    mem::size_of,
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context as _, Result, bail};
use policy::syscalls::{Abi, Syscall};
use serde_json::{Value, json};

use super::say;

/// Bytes for everything that addresses point to.
const ARENA: usize = 1 << 20;

/// Memory below 4 GiB, where 32-bit calls reach it; all of it there from the beginning, as programs in the kernel do not wait
/// for pages.
pub(super) struct Arena {
    start: *mut u8,
    used: usize,
}

impl Arena {
    pub(super) fn new() -> Result<Self> {
        // SAFETY: a new mapping.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                ARENA,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error()).context("mmap");
        }
        Ok(Self {
            start: start.cast(),
            used: 0,
        })
    }

    /// The address of a copy of `bytes`, followed by `room` zeroes.
    pub(super) fn put(&mut self, bytes: &[u8], room: usize) -> Result<u64> {
        let len = (bytes.len() + room).next_multiple_of(16);
        if self.used + len > ARENA {
            bail!("too much for the memory of a tester");
        }
        // SAFETY: within the mapping, which nobody else uses.
        let at = unsafe { self.start.add(self.used) };
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
        self.used += len;
        Ok(at as u64)
    }
}

/// `calls CALL…`: each is a name with its arguments in one text, such as `openat -100 s:/etc/passwd 0` or, through the
/// 32-bit ABI, `i386/lseek 3 0 0`; instead of the name, `#` and any number.
///
/// Arguments are numbers; `$N`, the result of call N, from 0; `s:` a string; `b:` that many zeroes; `x:` bytes in hexadecimal; `v:` an array of `struct iovec` of the strings that follow, with commas between, of
/// which `*N` is that many zeroes; `p:` a null-terminated array of pointers to them; `a:` a socket address, `127.0.0.1:80`,
/// `[::1]:80` or `unix:PATH`.
/// Prints the results; an error is its negated number.
pub fn calls(arguments: &[CString]) -> Result<()> {
    let mut arena = Arena::new()?;
    let mut results = vec![];
    for index in 0..arguments.len() {
        let (syscall, values) = parse(say::string(arguments, index)?, &results, &mut arena)?;
        results.push(perform(&syscall, values));
    }
    say::line(&json!({ "pid": std::process::id(), "results": results }))
}

/// What `text` spells, after calls that had these results.
pub(super) fn parse(text: &str, results: &[i64], arena: &mut Arena) -> Result<(Syscall, [u64; 6])> {
    let mut words = text.split_ascii_whitespace();
    let name = words.next().context("an empty call")?;
    let syscall = match name.strip_prefix('#') {
        Some(number) => Syscall {
            abi: Abi::NATIVE,
            number: number.parse()?,
            name: "",
        },
        None => Syscall::parse(name).with_context(|| format!("{name} is no system call"))?,
    };
    let mut values = [0_u64; 6];
    for (position, word) in words.enumerate() {
        let value = values.get_mut(position).context("more than six arguments")?;
        *value = argument(word, results, arena)?;
    }
    Ok((syscall, values))
}

fn argument(word: &str, results: &[i64], arena: &mut Arena) -> Result<u64> {
    let Some((kind, rest)) = word.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        if let Some(index) = word.strip_prefix('$') {
            let result = results.get(index.parse::<usize>()?);
            return Ok(*result.with_context(|| format!("{word}: there was no such call"))? as u64);
        }
        return number(word).with_context(|| format!("{word:?} is no number"));
    };
    match kind {
        "s" => arena.put(rest.as_bytes(), 1),
        "b" => arena.put(&[], rest.parse()?),
        "x" => arena.put(&hexadecimal(rest)?, 0),
        "p" => {
            let mut pointers = vec![];
            for text in rest.split(',').filter(|text| !text.is_empty()) {
                pointers.extend(arena.put(text.as_bytes(), 1)?.to_ne_bytes());
            }
            arena.put(&pointers, size_of::<u64>())
        }
        "v" => {
            let mut pieces = vec![];
            for piece in rest.split(',') {
                let (at, len) = match piece.strip_prefix('*') {
                    Some(zeroes) => (arena.put(&[], zeroes.parse()?)?, zeroes.parse()?),
                    None => (arena.put(piece.as_bytes(), 1)?, piece.len() as u64),
                };
                pieces.extend(at.to_ne_bytes());
                pieces.extend(len.to_ne_bytes());
            }
            arena.put(&pieces, 0)
        }
        "a" => arena.put(&address(rest)?, size_of::<libc::sockaddr_storage>()),
        _ => bail!("{word}: {kind} is no kind of argument"),
    }
}

fn number(word: &str) -> Option<u64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let value = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(hexadecimal), _) => u64::from_str_radix(hexadecimal, 16).ok()?,
        (None, Some(octal)) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok()?,
        _ => digits.parse().ok()?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

fn hexadecimal(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().collect();
    let bytes = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16));
    bytes.collect::<Result<_, _>>().context("hexadecimal bytes")
}

/// Bytes of a socket address.
pub(super) fn address(text: &str) -> Result<Vec<u8>> {
    if let Some(path) = text.strip_prefix("unix:") {
        let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
        // Abstract addresses begin with a zero byte.
        let path = path
            .strip_prefix('@')
            .map_or_else(|| path.to_owned(), |name| format!("\0{name}"));
        bytes.extend(path.into_bytes());
        return Ok(bytes);
    }
    let address: SocketAddr = text.parse().with_context(|| format!("{text:?} is no address"))?;
    let port = address.port().to_be_bytes();
    Ok(match address.ip() {
        IpAddr::V4(ip) => [&(libc::AF_INET as u16).to_ne_bytes()[..], &port, &ip.octets(), &[0; 8]].concat(),
        IpAddr::V6(ip) => [
            &(libc::AF_INET6 as u16).to_ne_bytes()[..],
            &port,
            &[0; 4],
            &ip.octets(),
            &[0; 4],
        ]
        .concat(),
    })
}

/// Makes a system call; an error is its negated number.
pub(super) fn perform(syscall: &Syscall, with: [u64; 6]) -> i64 {
    if syscall.abi == Abi::I386 {
        return perform_32(syscall.number, with.map(|value| value as u32));
    }
    let number = syscall.number.into();
    // SAFETY: what the case asks for; addresses are within the arena.
    let result = unsafe { libc::syscall(number, with[0], with[1], with[2], with[3], with[4], with[5]) };
    if result == -1 {
        return -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(1));
    }
    result
}

/// By the gate for 32-bit programs, which 64-bit programs may use as well.
fn perform_32(number: u32, with: [u32; 6]) -> i64 {
    let mut result = number;
    // SAFETY: as above. RBX is the compiler's own and kept aside.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {a}",
            "int 0x80",
            "xchg rbx, {a}",
            a = inout(reg) u64::from(with[0]) => _,
            inout("eax") result,
            in("ecx") with[1],
            in("edx") with[2],
            in("esi") with[3],
            in("edi") with[4],
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    i64::from(result as i32)
}

/// `each CALL…`: the same, each call in a thread of its own, one after the other.
pub fn each(arguments: &[CString]) -> Result<()> {
    let mut results: Vec<Value> = vec![];
    for call in arguments {
        let call = call.clone();
        let thread = std::thread::spawn(move || calls(&[call]));
        let result = thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        results.push(json!(result.is_ok()));
    }
    say::line(&json!({ "threads": results }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_base() {
        for (word, value) in [("0", 0), ("-1", u64::MAX), ("0x1f", 31), ("0644", 420), ("4444", 4444)] {
            assert_eq!(number(word), Some(value), "{word}");
        }
        assert_eq!(number("x"), None);
    }

    #[test]
    fn addresses_as_the_kernel_has_them() {
        assert_eq!(address("127.0.0.1:80").unwrap()[..8], [2, 0, 0, 80, 127, 0, 0, 1]);
        assert_eq!(address("[::1]:80").unwrap().len(), 28);
        assert_eq!(address("unix:@x").unwrap(), [1, 0, 0, b'x']);
    }
}
