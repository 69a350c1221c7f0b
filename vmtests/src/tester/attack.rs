//! Acts that policies forbid, by every route there is to the kernel, and what really came of them.
//!
//! A process of its own makes the attempt. Whether the act took place is not for it to say: its parent, which does nothing
//! of the kind, looks at the object itself, while the process waits, or when it is gone.

mod act;
mod stage;

use std::{
    ffi::CString,
    io::{ErrorKind, PipeReader, PipeWriter, Read as _, Write as _},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use self::{act::Act, stage::Stage};
use super::say;
use crate::sys::{
    process::{self, Fork},
    ring, route,
};

/// How the act reaches the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// A system call.
    Syscall,
    /// One of 32-bit programs.
    Compat,
    /// An operation of `io_uring(7)`.
    Ring,
    /// The same by a worker.
    Worker,
    /// A system call of a thread that is not the first one.
    Thread,
    /// A system call of a signal handler.
    Handler,
    /// A system call of a child that has its parent's memory.
    Vfork,
}

/// Routes by name.
const ROUTES: [(&str, Route); 7] = [
    ("syscall", Route::Syscall),
    ("compat", Route::Compat),
    ("io_uring", Route::Ring),
    ("worker", Route::Worker),
    ("thread", Route::Thread),
    ("handler", Route::Handler),
    ("vfork", Route::Vfork),
];

/// Exit codes of a process whose child a signal ended are this and the signal.
const CHILD_ENDED: i32 = 200;

/// `attack ACT ROUTE…`: prints what came of it, once for all routes of which it is the same: what the call returned (`null`:
/// it did not, or something else runs now), how the process ended, whether the act took place, and what was seen of the object.
pub fn attack(arguments: &[CString]) -> Result<()> {
    let act = Act::named(say::string(arguments, 0)?)?;
    // What an attempt leaves behind is to end with it.
    process::become_subreaper()?;
    let mut outcomes: Vec<(Value, Vec<&str>)> = vec![];
    for index in 1..arguments.len() {
        let name = say::string(arguments, index)?;
        let route = ROUTES.iter().find(|(known, _)| *known == name);
        let (_, route) = route.with_context(|| format!("{name} is no route"))?;
        let outcome = attempt(act, *route).with_context(|| format!("{act:?} by {name}"))?;
        match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, routes)) => routes.push(name),
            None => outcomes.push((outcome, vec![name])),
        }
    }
    outcomes.into_iter().try_for_each(|(mut outcome, routes)| {
        outcome["routes"] = json!(routes);
        say::line(&outcome)
    })
}

fn attempt(act: Act, route: Route) -> Result<Value> {
    let mut stage = Stage::set(act)?;
    let (mut hear, tell) = std::io::pipe()?;
    let (wait, go) = std::io::pipe()?;
    let pid = match process::fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop((hear, go));
            let code = attacker(act, route, &tell, &wait).unwrap_or_else(|error| {
                eprintln!("tester: {error:#}");
                101
            });
            process::exit_group(code)
        }
    };
    drop((tell, wait));
    let (mut words, mut ended) = ([0; 16], None);
    let said = match hear.read_exact(&mut words) {
        Ok(()) => Some(u128::from_ne_bytes(words)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ended = Some(process::wait(pid)?);
            None
        }
        Err(error) => return Err(error).context("hear of the attempt"),
    };
    let thread = said.map(|said| said as u64 as i32);
    let (happened, object) = stage.look(pid, thread)?;
    drop(go);
    let status = ended.map_or_else(|| process::wait(pid), Ok)?;
    // Whoever is left of it.
    let _ = process::kill(-pid, libc::SIGKILL);
    while process::wait_any().is_ok() {}
    let (code, signal) = (status >> 8, status & 0x7f);
    ensure!(code != 101, "it could not even be tried");
    let ended = match (code, signal) {
        (_, 1..) => format!("signal {signal}"),
        (CHILD_ENDED.., _) => format!("signal {}", code - CHILD_ENDED),
        _ => format!("exit {code}"),
    };
    Ok(json!({
        "result": said.map(|said| (said >> 64) as i64),
        "ended": ended,
        "happened": happened,
        "object": object,
    }))
}

/// What the process does that makes the attempt; returns its exit code.
fn attacker(act: Act, route: Route, tell: &PipeWriter, wait: &PipeReader) -> Result<i32> {
    process::lead_group()?;
    let mut deed = act.ready()?;
    let report = |result: i64| {
        let words = u128::from(result as u64) << 64 | u128::from(process::thread_id() as u64);
        let (mut tell, mut wait) = (tell, wait);
        // Where nobody hears it, there is nobody to tell of the failure either.
        let _ = tell.write_all(&words.to_ne_bytes());
        let _ = wait.read(&mut [0]);
    };
    let mut by_call = |compat| {
        let mut result = deed.call(compat);
        if act == Act::Namespace {
            if result == 0 {
                act::wait_in_namespace(tell.as_raw_fd());
            }
            // Which process it is is of no interest.
            result = result.min(0);
        }
        report(result);
    };
    match route {
        Route::Syscall => by_call(false),
        Route::Compat => by_call(true),
        Route::Ring | Route::Worker => {
            let Some(operation) = deed.operation else {
                bail!("io_uring has no such operation");
            };
            let result = ring::perform(operation, route == Route::Worker).context("io_uring")?;
            report(result.into());
        }
        Route::Thread => {
            let done = std::thread::scope(|scope| scope.spawn(|| by_call(false)).join());
            ensure!(done.is_ok(), "the thread panicked");
        }
        Route::Handler => route::in_handler(&mut || by_call(false))?,
        Route::Vfork => {
            let status = route::in_vfork_child(&mut || by_call(false))?;
            let signal = status & 0x7f;
            return Ok(if signal == 0 { status >> 8 } else { CHILD_ENDED + signal });
        }
    }
    Ok(0)
}
