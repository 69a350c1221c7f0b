//! Process 1: sets the machine up, starts the runner, reaps, and ends the machine.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result};

use super::{RUNNER, dump, noise, setup};
use crate::{
    protocol::{EXIT_BROKEN, EXIT_DONE, EXIT_WATCHDOG, Mode, PLAN_PATH, Plan},
    sys::{port, process},
};

/// Runs as process 1; never returns.
pub fn main() -> ! {
    // A panic would end process 1, and with it the kernel, whose own panic says nothing of this one.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("vm-init: {panic}");
        end(EXIT_BROKEN);
    }));
    match boot() {
        Ok(status) => end(status),
        Err(error) => {
            eprintln!("vm-init: {error:#}");
            end(EXIT_BROKEN)
        }
    }
}

/// Everything up to the status with which QEMU is to end.
fn boot() -> Result<i32> {
    setup::mounts()?;
    let plan = read_plan()?;
    setup::machine(&plan)?;
    if plan.mode == Mode::Noise {
        return noise::hand_over();
    }
    watch(plan.watchdog_s);
    let runner = Command::new("/proc/self/exe")
        .arg(RUNNER)
        .spawn()
        .context("start the runner")?;
    // Everything whose parent is gone becomes a child of process 1: not to be left as zombies.
    loop {
        let (pid, status) = process::wait_any().context("wait for children")?;
        if pid == runner.id() as i32 {
            if status == 0 {
                return Ok(EXIT_DONE);
            }
            anyhow::bail!("the runner ended with wait status {status:#x}");
        }
    }
}

/// Reads the plan that the host left.
pub fn read_plan() -> Result<Plan> {
    let text = std::fs::read_to_string(PLAN_PATH).with_context(|| format!("read {PLAN_PATH}"))?;
    serde_json::from_str(&text).with_context(|| format!("{PLAN_PATH} is no plan"))
}

/// Ends the machine after `seconds` whatever the runner does; 0 for never.
fn watch(seconds: u64) {
    if seconds == 0 {
        return;
    }
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        eprintln!("vm-init: not done after {seconds} s");
        eprintln!("{}", dump::processes(None));
        end(EXIT_WATCHDOG);
    });
}

/// Ends QEMU with `status`, whichever process asks for it. A kernel without a way to the exit device powers off, which ends
/// QEMU with 0.
pub(super) fn end(status: i32) -> ! {
    let error = port::exit(status);
    eprintln!("vm-init: the exit device cannot be reached ({error}): powering off");
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    loop {
        process::pause();
    }
}
