//! One run of one machine, from its initramfs to the judgement.

use super::blobs::Blobs;
use super::console;
use super::folder::Folder;
use super::qemu::{Console, Qemu};
use super::stream::{Ended, GoodEnd, Report, Stream};
use crate::initramfs::{self, Payload};
use crate::kernel::Kernel;
use crate::protocol::{EXIT_DONE, Event, Plan};
use crate::tool;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time for a machine to boot and send its first record. It takes some five seconds; a loaded host is slower.
const BOOT: Duration = Duration::from_mins(3);

/// Time for a machine to end after its last record.
const END: Duration = Duration::from_mins(1);

/// Memory in MiB that does for cases.
pub(crate) const MEMORY: u32 = 1024;

/// A run to do.
pub(crate) struct Run<'a> {
    /// On what.
    pub(crate) kernel: &'a Kernel,
    /// With what.
    pub(crate) payload: &'a Payload,
    /// To do what.
    pub(crate) plan: Plan,
    /// Memory in MiB.
    pub(crate) memory: u32,
    /// With guest time that counts instructions.
    pub(crate) counted: bool,
    /// How long at most.
    pub(crate) limit: Duration,
    /// Where its files go.
    pub(crate) folder: &'a Folder,
    /// Keep the initramfs there, too, which is large.
    pub(crate) keep: bool,
}

impl Run<'_> {
    /// Runs the machine; `observe` sees each record as it comes.
    pub(crate) fn run(self, mut observe: impl FnMut(&Event)) -> Result<Report> {
        let folder = self.folder.path();
        // A kernel that is locked down lets nobody reach the device either.
        let good = if self.kernel.exit_device && self.plan.machine.lockdown.is_none() {
            GoodEnd::Done
        } else {
            GoodEnd::PowerOff
        };
        let processors = self.plan.machine.processors;
        let initramfs = folder.join("initramfs");
        let planned = self.plan.names.clone();
        initramfs::write(&initramfs, self.payload, self.kernel, self.plan)?;
        let log = folder.join("console.log");
        let qemu = Qemu {
            image: self.kernel.image.clone(),
            initramfs: initramfs.clone(),
            processors,
            memory: self.memory,
            counted: self.counted,
            console: Console::File(log.clone()),
            report: None,
        };
        let errors = folder.join("qemu.log");
        let mut command = qemu.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?);
        let child = command.spawn().context("start QEMU")?;

        let mut stream = Stream::default();
        let mut blobs = Blobs::new(&folder.join("blobs"));
        let mut raw = File::create(folder.join("report.jsonl"))?;
        let ended = attend(child, self.limit, |line| {
            let _ = raw.write_all(line);
            match stream.line(&String::from_utf8_lossy(line)) {
                Some(Event::Blob { name, data, last }) => {
                    if let Err(error) = blobs.piece(&name, &data, last) {
                        stream.fault(format!("{error:#}"));
                    }
                }
                Some(event) => {
                    observe(&event);
                    return matches!(event, Event::Done { .. });
                }
                None => {}
            }
            false
        })?;
        for name in blobs.incomplete() {
            stream.fault(format!("the guest sent only part of {name}"));
        }
        let console = fs::read(&log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let mut trouble = console::scan(&console);
        let well =
            matches!(ended, Ended::Status(EXIT_DONE)) || (good == GoodEnd::PowerOff && ended == Ended::Status(0));
        let said = fs::read_to_string(&errors).unwrap_or_default();
        if !said.trim().is_empty() && !well {
            stream.fault(format!("QEMU says: {}", said.trim()));
        }
        if trouble.is_empty() && !well {
            trouble.push(tool::tail(&console, 25).to_owned());
        }
        if !self.keep {
            fs::remove_file(&initramfs)?;
        }
        Ok(stream.judge(&planned, ended, good, &trouble))
    }
}

/// Hands over each line of a machine until it ends; ends it when it takes too long or does not begin. `take` tells
/// whether a line was the last.
fn attend(mut child: Child, limit: Duration, mut take: impl FnMut(&[u8]) -> bool) -> Result<Ended> {
    let mut output = BufReader::new(child.stdout.take().context("QEMU's output is a pipe")?);
    let (sender, lines) = mpsc::channel();
    // Ends when QEMU's output does, so at the latest when QEMU is killed.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let begin = Instant::now();
    let mut deadline = begin + BOOT.min(limit);
    let late = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                deadline = begin + limit;
                if take(&line) {
                    deadline = deadline.min(Instant::now() + END);
                }
            }
            Err(RecvTimeoutError::Timeout) => break true,
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };
    if late {
        child.kill().context("end QEMU")?;
    }
    let status = child.wait().context("wait for QEMU")?;
    Ok(match status.code() {
        _ if late => Ended::Deadline,
        Some(status) => Ended::Status(status),
        None => Ended::Signal,
    })
}
