//! Ways to end.

use std::{
    ffi::CString,
    sync::{Arc, Barrier},
    thread,
};

use anyhow::{Context as _, Result, bail};
use policy_test::signal;

use super::say;
use crate::sys::process;

/// `exit CODE`.
pub fn exit(arguments: &[CString]) -> Result<()> {
    let code = say::number(arguments, 0)?;
    say::own_pid()?;
    process::exit_group(code)
}

/// `raise SIGNAL`.
pub fn raise(arguments: &[CString]) -> Result<()> {
    let number = signal::number(say::string(arguments, 0)?)?;
    say::own_pid()?;
    process::raise(number)?;
    process::pause();
    bail!("still there")
}

/// `pause`.
pub fn pause(_arguments: &[CString]) -> Result<()> {
    say::own_pid()?;
    loop {
        process::pause();
    }
}

/// `exit-group THREADS CODE`: all threads pass a barrier together; then one ends the process and the others themselves.
pub fn exit_group(arguments: &[CString]) -> Result<()> {
    let threads: usize = say::number(arguments, 0)?;
    let code = say::number(arguments, 1)?;
    say::own_pid()?;
    let barrier = Arc::new(Barrier::new(threads + 1));
    for index in 0..threads {
        let barrier = Arc::clone(&barrier);
        thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || {
                barrier.wait();
                if index % 2 == 0 {
                    process::exit_thread(9);
                }
                process::exit_group(code);
            })
            .context("start a thread")?;
    }
    barrier.wait();
    process::exit_thread(9)
}

/// `leader-first CODE`.
pub fn leader_first(arguments: &[CString]) -> Result<()> {
    let code = say::number(arguments, 0)?;
    say::own_pid()?;
    thread::spawn(move || {
        wait_for_leader();
        process::exit_group(code);
    });
    process::exit_thread(9)
}

/// `last-thread`: what wait(2) reports is the exit code of the leader, which left first.
pub fn last_thread(_arguments: &[CString]) -> Result<()> {
    say::own_pid()?;
    thread::spawn(|| {
        wait_for_leader();
        process::exit_thread(4);
    });
    process::exit_thread(3)
}

/// Waits until the leader of this process is a zombie.
fn wait_for_leader() {
    let stat = format!("/proc/self/task/{}/stat", std::process::id());
    loop {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        // The state follows the name, which is in parentheses.
        if text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')) {
            return;
        }
        thread::yield_now();
    }
}
