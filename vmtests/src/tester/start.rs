//! Ways to start a process.

use std::{collections::HashSet, ffi::CString, fs, path::Path, process::Command, thread};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::say;
use crate::sys::process::{self, Fork};

/// Forks; the child becomes `argv`.
fn fork_exec(argv: &[CString]) -> Result<i32> {
    match process::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let error = process::exec(argv);
            eprintln!("tester: exec: {error}");
            process::exit_group(127)
        }
    }
}

/// Waits for a child, which must succeed.
fn wait(pid: i32) -> Result<()> {
    let status = process::wait(pid)?;
    ensure!(status == 0, "process {pid} ended with wait status {status:#x}");
    Ok(())
}

/// Starts process number `index` the quick way and says so.
fn spawn_one(program: &CString, prefix: &str, index: u32, padding: Option<usize>) -> Result<std::process::Child> {
    let name = format!("{prefix}{index}");
    let padding = padding.map(|bytes| "x".repeat(bytes));
    let child = Command::new(program.to_str()?)
        .arg("noop")
        .arg(&name)
        .args(padding)
        .spawn()
        .context("spawn")?;
    say::line(&json!({ "pid": child.id(), "name": name }))?;
    Ok(child)
}

/// `spawn COUNT PREFIX [BYTES]`: each with a further argument of so many bytes.
pub fn spawn(arguments: &[CString]) -> Result<()> {
    let (count, prefix, program) = (say::number(arguments, 0)?, say::string(arguments, 1)?, say::own_path()?);
    let padding = arguments.get(2).map(|_| say::number(arguments, 2)).transpose()?;
    for index in 0..count {
        spawn_one(&program, prefix, index, padding)?.wait()?;
    }
    Ok(())
}

/// `spawn-many COUNT AT_ONCE PREFIX`.
pub fn spawn_many(arguments: &[CString]) -> Result<()> {
    let count: u32 = say::number(arguments, 0)?;
    let at_once: usize = say::number(arguments, 1)?;
    let (prefix, program) = (say::string(arguments, 2)?, say::own_path()?);
    let mut running = std::collections::VecDeque::new();
    for index in 0..count {
        if running.len() == at_once {
            let mut oldest: std::process::Child = running.pop_front().context("at once: 0")?;
            oldest.wait()?;
        }
        running.push_back(spawn_one(&program, prefix, index, None)?);
    }
    for mut child in running {
        child.wait()?;
    }
    Ok(())
}

/// `linger ARGS…`.
pub fn linger(_arguments: &[CString]) -> Result<()> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).context("read")?;
    Ok(())
}

/// `crowd COUNT PREFIX`: the last one begins before the first one ends.
pub fn crowd(arguments: &[CString]) -> Result<()> {
    let (count, prefix, program) = (
        say::number::<u32>(arguments, 0)?,
        say::string(arguments, 1)?,
        say::own_path()?,
    );
    let (reader, writer) = std::io::pipe()?;
    let mut crowd = Vec::new();
    for index in 0..count {
        let name = format!("{prefix}{index}");
        let child = Command::new(program.to_str()?)
            .args(["linger", &name])
            .stdin(reader.try_clone()?)
            .spawn()
            .context("spawn")?;
        say::line(&json!({ "pid": child.id(), "name": name }))?;
        crowd.push(child);
    }
    // What they wait for.
    drop(writer);
    for mut child in crowd {
        let status = child.wait()?;
        ensure!(status.success(), "process {} ended with {status}", child.id());
    }
    Ok(())
}

/// `spawn-until FILE PREFIX`: at least 50 after the file appeared, so that its maker sees some of both.
pub fn spawn_until(arguments: &[CString]) -> Result<()> {
    let (file, prefix, program) = (say::string(arguments, 0)?, say::string(arguments, 1)?, say::own_path()?);
    let (mut index, mut left) = (0, 50);
    while left > 0 {
        // Looked at before: the process that runs when the file appears may have begun before its maker did.
        let appeared = Path::new(file).exists();
        spawn_one(&program, prefix, index, None)?.wait()?;
        index += 1;
        if appeared {
            left -= 1;
        }
    }
    Ok(())
}

/// `fork COMMAND…`.
pub fn fork(arguments: &[CString]) -> Result<()> {
    let pid = fork_exec(&say::command(arguments, 0)?)?;
    say::line(&json!({ "pid": std::process::id(), "child": pid }))?;
    wait(pid)
}

/// `status COMMAND…`: what wait(2) says of it.
pub fn status(arguments: &[CString]) -> Result<()> {
    let pid = fork_exec(&say::command(arguments, 0)?)?;
    let status = process::wait(pid)?;
    say::line(&json!({ "pid": std::process::id(), "child": pid, "code": status >> 8, "signal": status & 0x7f }))
}

/// `numbered PID COMMAND…`: as the kernel gives a number that was asked for, unless another process gets it first.
pub fn numbered(arguments: &[CString]) -> Result<()> {
    const TRIES: u32 = 1_000;
    let (number, argv) = (say::number::<i32>(arguments, 0)?, say::command(arguments, 1)?);
    for _ in 0..TRIES {
        fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).context("ns_last_pid")?;
        let Fork::Parent(pid) = process::fork()? else {
            if std::process::id() == number as u32 {
                say::exec(&argv)?;
            }
            process::exit_group(0)
        };
        let status = process::wait(pid)?;
        if pid == number {
            return say::line(
                &json!({ "pid": std::process::id(), "child": pid, "code": status >> 8, "signal": status & 0x7f }),
            );
        }
    }
    bail!("no process got the number {number}")
}

/// `fork-exit CODE`.
pub fn fork_exit(arguments: &[CString]) -> Result<()> {
    let code: i32 = say::number(arguments, 0)?;
    let Fork::Parent(pid) = process::fork()? else {
        process::exit_group(code)
    };
    say::line(&json!({ "pid": std::process::id(), "child": pid }))?;
    let status = process::wait(pid)?;
    ensure!(status == code << 8, "the child ended with wait status {status:#x}");
    Ok(())
}

/// `vfork COMMAND…`.
pub fn vfork(arguments: &[CString]) -> Result<()> {
    let pid = process::vfork_exec(&say::command(arguments, 0)?)?;
    say::line(&json!({ "pid": std::process::id(), "child": pid }))?;
    wait(pid)
}

/// `double-fork COMMAND…`: the grandchild waits for its parent's end before it becomes the command.
pub fn double_fork(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    let (mut gone, pipe) = std::io::pipe()?;
    let child = match process::fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            let parent = std::process::id();
            if let Fork::Parent(grandchild) = process::fork()? {
                say::line(&json!({ "child": parent, "grandchild": grandchild }))?;
                process::exit_group(0);
            }
            while std::os::unix::process::parent_id() == parent {
                thread::yield_now();
            }
            // The pipe closes with exec, or with the end of this process.
            say::exec(&argv)?;
            process::exit_group(127);
        }
    };
    wait(child)?;
    say::own_pid()?;
    // Until the grandchild has become the command.
    drop(pipe);
    std::io::Read::read_to_end(&mut gone, &mut Vec::new())?;
    Ok(())
}

/// `subreaper COMMAND…`: as [`double_fork`], but the orphan comes to this process, which waits for it.
pub fn subreaper(arguments: &[CString]) -> Result<()> {
    process::become_subreaper()?;
    double_fork(arguments)?;
    while process::wait_any().is_ok() {}
    Ok(())
}

/// `adopted COUNT`: orphans, one after the other, each until process 1 has waited for it.
pub fn adopted(arguments: &[CString]) -> Result<()> {
    for _ in 0..say::number::<u32>(arguments, 0)? {
        let (mut reader, mut writer) = std::io::pipe()?;
        let child = match process::fork()? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                let parent = std::process::id();
                if let Fork::Parent(orphan) = process::fork()? {
                    std::io::Write::write_all(&mut writer, &orphan.to_ne_bytes())?;
                    process::exit_group(0);
                }
                while std::os::unix::process::parent_id() == parent {
                    thread::yield_now();
                }
                process::exit_group(0);
            }
        };
        let mut orphan = [0; 4];
        std::io::Read::read_exact(&mut reader, &mut orphan)?;
        wait(child)?;
        let entry = format!("/proc/{}", i32::from_ne_bytes(orphan));
        while Path::new(&entry).exists() {
            thread::yield_now();
        }
    }
    say::own_pid()
}

/// `thread-exec COMMAND…`.
pub fn thread_exec(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    say::own_pid()?;
    let thread = thread::spawn(move || say::exec(&argv));
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the thread panicked"),
    }
}

/// `exec-twice COMMAND…`.
pub fn exec_twice(arguments: &[CString]) -> Result<()> {
    say::own_pid()?;
    let mut argv = vec![say::own_path()?, c"login".to_owned(), c"-".to_owned()];
    argv.extend(say::command(arguments, 0)?);
    say::exec(&argv)
}

/// `reuse-pid LIMIT`: with a `pid_max` of LIMIT, until three ids were used twice.
pub fn reuse_pid(arguments: &[CString]) -> Result<()> {
    let limit: u32 = say::number(arguments, 0)?;
    let program = say::own_path()?;
    let path = "/proc/sys/kernel/pid_max";
    let before = fs::read_to_string(path)?;
    fs::write(path, limit.to_string()).with_context(|| format!("set {path}"))?;
    let (mut used, mut reused) = (HashSet::new(), 0);
    for index in 0..4 * limit {
        let mut child = spawn_one(&program, "reuse", index, None)?;
        reused += u32::from(!used.insert(child.id()));
        child.wait()?;
        if reused == 3 {
            break;
        }
    }
    fs::write(path, before.trim())?;
    ensure!(reused == 3, "no id came back");
    Ok(())
}
