//! Arguments and environments that are hard to carry.

use std::ffi::CString;

use anyhow::{Context as _, Result};

use super::say;
use crate::sys::process;

/// `args-invalid`: a lone continuation byte, an overlong form, a cut sequence.
pub fn invalid(_arguments: &[CString]) -> Result<()> {
    let bytes: [&[u8]; 3] = [b"a\x80b", b"\xc0\xaf", b"\xe2\x82"];
    let arguments: Vec<CString> = bytes
        .iter()
        .map(|bytes| CString::new(*bytes))
        .collect::<Result<_, _>>()?;
    say::exec(&say::noop(&arguments)?)
}

/// Argument `index` of `bytes` bytes: its number, then letters that differ by position, so that a part that is missing or
/// out of place shows.
fn counted(index: usize, bytes: usize) -> Vec<u8> {
    let mut text = format!("{index}:").into_bytes();
    let mut position = text.len();
    while text.len() < bytes {
        if position % 64 == 0 {
            text.extend(format!("@{position}").bytes());
        } else {
            text.push(b'a' + (position % 26) as u8);
        }
        position = text.len();
    }
    text.truncate(bytes);
    text
}

/// `args-long BYTES COUNT`.
pub fn long(arguments: &[CString]) -> Result<()> {
    let (bytes, count) = (say::number(arguments, 0)?, say::number(arguments, 1)?);
    let made = (0..count)
        .map(|index| CString::new(counted(index, bytes)))
        .collect::<Result<Vec<_>, _>>()?;
    let joined = made
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let text = format!("noop {joined}");
    say::line(&serde_json::json!({ "pid": std::process::id(), "length": text.len(), "arguments": text }))?;
    say::exec(&say::noop(&made)?)
}

/// `env-long BYTES COUNT`.
pub fn long_environment(arguments: &[CString]) -> Result<()> {
    let (bytes, count) = (say::number(arguments, 0)?, say::number::<usize>(arguments, 1)?);
    let made = (0..count)
        .map(|index| {
            let mut entry = format!("LONG{index}=").into_bytes();
            entry.extend(counted(index, bytes));
            CString::new(entry)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for entry in &made {
        let text = entry.to_string_lossy();
        let (name, value) = text.split_once('=').context("an entry")?;
        say::line(&serde_json::json!({ "key": name, "value": value }))?;
    }
    Err(process::exec_with(&say::noop(&[])?, &made)).context("exec")
}

/// `empty-argv`: kernels since 5.18 put an empty string where nothing was.
pub fn none(_arguments: &[CString]) -> Result<()> {
    say::own_pid()?;
    Err(process::exec_path(&say::own_path()?, &[])).context("exec")
}

/// `large-stack COMMAND…`: with a stack of any size, execve takes 6 MiB of arguments (`bprm_stack_limits`, fs/exec.c).
pub fn large_stack(arguments: &[CString]) -> Result<()> {
    let unlimited = rustix::process::Rlimit {
        current: None,
        maximum: None,
    };
    rustix::process::setrlimit(rustix::process::Resource::Stack, unlimited).context("raise the limit of the stack")?;
    say::exec(&say::command(arguments, 0)?)
}
