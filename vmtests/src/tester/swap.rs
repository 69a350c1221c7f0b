//! Policies that come and go while others are at work, and many of them.

use std::{
    ffi::CString,
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use policy::syscalls::Syscall;
use serde_json::json;

use super::{calls::perform, events::Events, say};

/// `swap EXPORT FILE NAME ROUNDS RESULT`: adds policy NAME of FILE and deletes it, again and again, while calls go on that
/// policy `watcher` reports. Not one may be missing, nor be there twice, nor have another result.
pub fn swap(arguments: &[CString]) -> Result<()> {
    /// Calls that are made before events are looked at.
    const CALLS: i64 = 100;
    let mut events = Events::open(Path::new(say::string(arguments, 0)?))?;
    let (file, name) = (say::string(arguments, 1)?, say::string(arguments, 2)?);
    let rounds: usize = say::number(arguments, 3)?;
    let result: i64 = say::number(arguments, 4)?;
    let (called, seen) = (AtomicI64::new(0), AtomicUsize::new(0));
    let change = |arguments: &[&str]| {
        let before = called.load(Ordering::Relaxed);
        tetra(arguments)?;
        ensure!(called.load(Ordering::Relaxed) > before, "nothing was called meanwhile");
        Ok(())
    };
    let swapping = || {
        for _ in 0..rounds {
            change(&["add", file])?;
            // There long enough to have seen something.
            let before = seen.load(Ordering::Relaxed);
            while seen.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            change(&["delete", name])?;
        }
        Ok::<_, anyhow::Error>(())
    };
    std::thread::scope(|scope| {
        let swapping = scope.spawn(swapping);
        while !swapping.is_finished() {
            let first = called.load(Ordering::Relaxed) + 1;
            for number in first..first + CALLS {
                let got = seek(number);
                ensure!(got == result, "call {number} returned {got}, not {result}");
                called.store(number, Ordering::Relaxed);
            }
            let mut next = first;
            let mut wrong = None;
            events.wait(|event| {
                if event.policy == name {
                    seen.fetch_add(1, Ordering::Relaxed);
                } else if event.policy == "watcher" {
                    if event.number != Some(next) {
                        wrong = Some((next, event.number));
                        return true;
                    }
                    next += 1;
                }
                next == first + CALLS
            })?;
            ensure!(wrong.is_none(), "expected and found: {wrong:?}");
        }
        swapping.join().map_err(|_| anyhow::anyhow!("swapping panicked"))?
    })?;
    let calls = called.load(Ordering::Relaxed);
    say::line(&json!({ "calls": calls, "swaps": 2 * rounds, "seen": seen.load(Ordering::Relaxed) }))
}

/// System calls whose first argument can be anything.
const HOOKS: [&str; 5] = ["lseek", "getsid", "getpgid", "sched_getscheduler", "sched_getparam"];

/// Numbers of descriptors and processes that there are not, from here on.
const NOBODY: u64 = 1 << 30;

/// `many EXPORT ONE ALL`: ALL policies, ONE of them on one hook and the others on four, each of which reports one call.
pub fn many(arguments: &[CString]) -> Result<()> {
    let mut events = Events::open(Path::new(say::string(arguments, 0)?))?;
    let (one, all): (u64, u64) = (say::number(arguments, 1)?, say::number(arguments, 2)?);
    let hook = |number: u64| {
        if number < one {
            HOOKS[0]
        } else {
            HOOKS[1 + number as usize % (HOOKS.len() - 1)]
        }
    };
    let texts = (0..all).map(|number| {
        let filter = json!({ "index": 0, "operator": "Equal", "values": [(NOBODY + number).to_string()] });
        json!({
            "apiVersion": "cilium.io/v1alpha1",
            "kind": "TracingPolicy",
            "metadata": { "name": format!("many-{number}") },
            "spec": { "kprobes": [{
                "call": format!("sys_{}", hook(number)),
                "args": [{ "index": 0, "type": "int" }],
                "selectors": [{ "matchArgs": [filter] }],
            }] },
        })
        .to_string()
    });
    // The last one comes by itself, to a hook where all the others are.
    let mut texts: Vec<String> = texts.collect();
    let last = texts.remove(one as usize - 1);
    for (file, texts) in [("many.yaml", texts.join("\n---\n")), ("last.yaml", last)] {
        fs::write(file, texts).context("write policies")?;
        tetra(&["add", file])?;
    }
    for number in 0..all {
        let syscall = Syscall::parse(hook(number)).context("a system call")?;
        perform(&syscall, [NOBODY + number, 0, 0, 0, 0, 0]);
        let mut by = String::new();
        events.wait(|event| {
            event.policy.clone_into(&mut by);
            event.number == Some((NOBODY + number) as i64)
        })?;
        ensure!(by == format!("many-{number}"), "call {number} was reported by {by}");
    }
    say::line(&json!({ "policies": all, "on_one_hook": one }))
}

/// What a call with this number returns.
fn seek(number: i64) -> i64 {
    Syscall::parse("lseek").map_or(0, |syscall| perform(&syscall, [u64::MAX, number as u64, 0, 0, 0, 0]))
}

/// A change of policies.
fn tetra(arguments: &[&str]) -> Result<()> {
    let output = Command::new("tetra")
        .args(["tracingpolicy", "--timeout", "5m"])
        .args(arguments)
        .output()
        .context("tetra")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "tetra tracingpolicy {}: {stderr}",
        arguments.join(" ")
    );
    Ok(())
}
