//! A machine whose console is the user's terminal.

use crate::initramfs::{self, Payload};
use crate::kernel::Kernel;
use crate::protocol::{EXIT_DONE, Mode, Plan, Terminal};
use crate::tool;
use crate::vm::folder::Folder;
use crate::vm::machine::MEMORY;
use crate::vm::qemu::{Console, Qemu};
use anyhow::{Context as _, Result, bail};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs;
use std::io::{IsTerminal as _, stdin, stdout};
use std::process::Stdio;

/// Starts a machine for `mode` and returns when it ends. Without a terminal nothing can be typed.
pub(crate) fn run(kernel: &Kernel, payload: &Payload, mode: Mode) -> Result<()> {
    let terminal = stdin().is_terminal() && stdout().is_terminal();
    if mode == Mode::Shell && !terminal {
        bail!("a shell needs a terminal");
    }
    let folder = Folder::claim(if mode == Mode::Shell { "shell" } else { "demo" })?;
    let plan = Plan {
        watchdog_s: if terminal { 0 } else { 300 },
        terminal: terminal.then(size),
        ..Plan::new(mode, &kernel.name, Vec::new())
    };
    let initramfs = folder.path().join("initramfs");
    initramfs::write(&initramfs, payload, kernel, plan)?;
    let qemu = Qemu {
        image: kernel.image.clone(),
        initramfs: initramfs.clone(),
        processors: 1,
        memory: MEMORY,
        counted: false,
        console: if terminal { Console::Terminal } else { Console::Output },
        report: Some(folder.path().join("report.jsonl")),
    };
    tool::step(&format!(
        "starting {}; emulated, so give it some seconds",
        kernel.description
    ));
    if terminal {
        tool::step("Ctrl-A X ends the machine at once");
    }
    let mut command = qemu.command();
    if !terminal {
        command.stdin(Stdio::null());
    }
    // QEMU makes the terminal raw and puts it back in order when it ends, except when it is killed.
    let before = Before::remember();
    let status = command.status().context("start QEMU")?;
    drop(before);
    fs::remove_file(&initramfs)?;
    match status.code() {
        // Zero: ended by Ctrl-A X, or by a command of the guest.
        Some(EXIT_DONE | 0) if terminal => Ok(()),
        Some(EXIT_DONE) => Ok(()),
        _ => bail!(
            "the machine ended with {status}; its records are in {}",
            folder.path().display()
        ),
    }
}

/// The size of the terminal; the usual one where it does not say.
fn size() -> Terminal {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => Terminal {
            rows: size.ws_row,
            columns: size.ws_col,
        },
        _ => Terminal { rows: 24, columns: 80 },
    }
}

/// The terminal's settings, which come back when this is dropped.
struct Before(Option<Termios>);

impl Before {
    fn remember() -> Self {
        Self(tcgetattr(stdin()).ok())
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            // A terminal that is gone needs no order.
            let _ = tcsetattr(stdin(), OptionalActions::Drain, settings);
        }
    }
}
