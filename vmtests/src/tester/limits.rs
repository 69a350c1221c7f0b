//! Calls that rate limits are to take for repetitions, or not.

use std::{collections::HashSet, ffi::CString, fs, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;

use super::say;
use crate::sys::process::{self, Fork};

/// A day, in seconds.
const JUMP: i64 = 24 * 60 * 60;

/// `clock-jumps VALUE`: calls lseek(2) with this offset, and again after the clock of the wall was set to the day after, to the
/// day before, and back.
pub fn clock_jumps(arguments: &[CString]) -> Result<()> {
    let offset = say::number(arguments, 0)?;
    process::seek_nothing_to(offset);
    for jump in [JUMP, -2 * JUMP, JUMP] {
        process::shift_clock(jump).context("set the clock")?;
        process::seek_nothing_to(offset);
    }
    say::own_pid()
}

/// `reuse-calls COUNT LIMIT VALUE…`: so many processes, one after the other, none of which executes anything; each calls
/// lseek(2) with these offsets. With a `pid_max` of LIMIT, so that ids come back.
pub fn reuse_calls(arguments: &[CString]) -> Result<()> {
    let (count, limit): (u32, u32) = (say::number(arguments, 0)?, say::number(arguments, 1)?);
    let offsets: Vec<i64> = (2..arguments.len())
        .map(|index| say::number(arguments, index))
        .collect::<Result<_>>()?;
    reuse(count, limit, || {
        let pid = match process::fork()? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                offsets.iter().copied().for_each(process::seek_nothing_to);
                process::exit_group(0)
            }
        };
        process::wait(pid)?;
        Ok(pid)
    })
}

/// `reuse-threads COUNT LIMIT VALUE`: the same with threads of this process.
pub fn reuse_threads(arguments: &[CString]) -> Result<()> {
    let (count, limit): (u32, u32) = (say::number(arguments, 0)?, say::number(arguments, 1)?);
    let offset = say::number(arguments, 2)?;
    reuse(count, limit, || {
        let thread = thread::spawn(move || {
            process::seek_nothing_to(offset);
            process::thread_id()
        });
        thread.join().map_err(|_| anyhow!("a thread panicked"))
    })
}

/// Has somebody live and end who has one of at most `limit` ids, `count` times, and sees to it that one comes back.
fn reuse(count: u32, limit: u32, live: impl Fn() -> Result<i32>) -> Result<()> {
    let path = "/proc/sys/kernel/pid_max";
    let before = fs::read_to_string(path)?;
    fs::write(path, limit.to_string()).with_context(|| format!("set {path}"))?;
    // From then on ids are those behind the first 300, which are given once.
    let last = "/proc/sys/kernel/ns_last_pid";
    fs::write(last, (limit - 1).to_string()).with_context(|| format!("set {last}"))?;
    let (mut used, mut reused) = (HashSet::new(), 0);
    for _ in 0..count {
        reused += u32::from(!used.insert(live()?));
    }
    fs::write(path, before.trim())?;
    ensure!(reused > 0, "no id came back");
    say::line(&json!({ "pid": std::process::id(), "reused": reused }))
}
