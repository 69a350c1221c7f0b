//! The line of each type of event, without its newline.

use tetragon_api::v1::get_events_response::Event;
use tetragon_api::v1::{CapabilitiesType, GetEventsResponse, Process, ThrottleType};

use super::colour::{Colour, Paint};
use super::{Error, kprobes, quote, syscalls};

/// Verbs are padded to this many characters; longer ones stay as they are.
const VERB: usize = 7;
/// Column, in bytes before and characters after, at which the mark of a privileged process ends.
const TRAILER: usize = 120;

/// Appends the line of `event`; on an error, what was appended so far means nothing.
pub(super) fn write(event: &GetEventsResponse, paint: Paint, out: &mut String) -> Result<(), Error> {
    let mut line = Line {
        start: out.len(),
        out,
        paint,
    };
    let node = &event.node_name;
    match event.event.as_ref().ok_or(Error::UnknownType)? {
        Event::ProcessExec(exec) => {
            line.head("🚀", "process", node, exec.process.as_ref())?;
            line.word(Colour::Cyan, &process_of(exec.process.as_ref())?.arguments);
            line.trailer(exec.process.as_ref());
        }
        Event::ProcessExit(exit) => {
            line.head("💥", "exit", node, exit.process.as_ref())?;
            line.word(Colour::Cyan, &process_of(exit.process.as_ref())?.arguments);
            if exit.signal.is_empty() {
                line.text(Colour::Red, exit.status);
            } else {
                line.text(Colour::Red, quote::name(&exit.signal));
            }
            line.trailer(exit.process.as_ref());
        }
        Event::ProcessKprobe(kprobe) => {
            let shown = kprobes::shown(&kprobe.function_name, &kprobe.args);
            line.head(shown.emoji, &shown.verb, node, kprobe.process.as_ref())?;
            for word in shown.words {
                word.write(&kprobe.args, &mut line);
            }
            if shown.function {
                line.plain(quote::name(&kprobe.function_name));
            }
            line.trailer(kprobe.process.as_ref());
        }
        Event::ProcessTracepoint(tracepoint) => {
            if (tracepoint.subsys.as_str(), tracepoint.event.as_str()) == ("raw_syscalls", "sys_enter") {
                // The telephone is a narrow character: a second space makes up for that.
                line.head("☎ ", "syscall", node, tracepoint.process.as_ref())?;
                line.plain(quote::name(&syscalls::call(&tracepoint.args)));
            } else {
                line.head("⁉\u{fe0f}", "tracepoint", node, tracepoint.process.as_ref())?;
                line.plain(quote::name(&tracepoint.subsys));
                line.plain(quote::name(&tracepoint.event));
            }
            line.trailer(tracepoint.process.as_ref());
        }
        Event::ProcessUprobe(uprobe) => {
            line.head("🕵\u{fe0f}", "uprobe", node, uprobe.process.as_ref())?;
            line.word(Colour::Cyan, &uprobe.path);
            line.word(Colour::Cyan, &uprobe.symbol);
            line.trailer(uprobe.process.as_ref());
        }
        Event::ProcessUsdt(usdt) => {
            line.head("🕵\u{fe0f}", "usdt", node, usdt.process.as_ref())?;
            line.word(Colour::Cyan, &usdt.path);
            line.word(Colour::Cyan, &usdt.provider);
            line.word(Colour::Cyan, &usdt.name);
            line.trailer(usdt.process.as_ref());
        }
        Event::ProcessLsm(lsm) => {
            line.head("🔒", "LSM", node, lsm.process.as_ref())?;
            line.plain(quote::name(&lsm.function_name));
            line.trailer(lsm.process.as_ref());
        }
        Event::ProcessLoader(loader) => {
            line.head("🧬", "loader", node, loader.process.as_ref())?;
            if !loader.buildid.is_empty() {
                line.plain(Hex(&loader.buildid));
            }
            line.word(Colour::Yellow, &loader.path);
            line.trailer(loader.process.as_ref());
        }
        Event::ProcessThrottle(throttle) => {
            line.verb(Colour::Red, "🧬", "throttle");
            match throttle.r#type() {
                ThrottleType::ThrottleStart => line.text(Colour::Red, "START"),
                ThrottleType::ThrottleStop => line.text(Colour::Green, "STOP "),
                ThrottleType::ThrottleUnknown => line.plain("UNKNOWN"),
            }
            line.word(Colour::Cyan, &throttle.cgroup);
        }
        Event::Test(_) => line.out.push_str("TEST EVENT"),
        Event::RateLimitInfo(info) => {
            return Err(Error::RateLimited {
                dropped: info.number_of_dropped_process_events,
            });
        }
    }
    Ok(())
}

fn process_of(process: Option<&Process>) -> Result<&Process, Error> {
    process.ok_or(Error::MissingProcess)
}

/// A line being written: words with a space in front of each but the first.
pub(super) struct Line<'a> {
    out: &'a mut String,
    start: usize,
    paint: Paint,
}

impl Line<'_> {
    /// What happened, where, and by which program.
    fn head(&mut self, emoji: &str, verb: &str, node: &str, process: Option<&Process>) -> Result<(), Error> {
        let process = process_of(process)?;
        self.verb(Colour::Blue, emoji, verb);
        match &process.pod {
            Some(pod) => {
                let source = format!("{}/{}", pod.namespace, pod.name);
                self.text(Colour::Green, quote::name(&source));
            }
            None => self.word(Colour::Green, node),
        }
        self.word(Colour::Magenta, &process.binary);
        Ok(())
    }

    fn verb(&mut self, colour: Colour, emoji: &str, verb: &str) {
        self.paint
            .write(colour, format_args!("{emoji} {verb:<VERB$}"), self.out);
    }

    /// Text of unknown origin.
    pub(super) fn word(&mut self, colour: Colour, text: &str) {
        self.text(colour, quote::word(text));
    }

    /// Text known to be printable.
    pub(super) fn text(&mut self, colour: Colour, text: impl std::fmt::Display) {
        self.out.push(' ');
        self.paint.write(colour, text, self.out);
    }

    /// Text known to be printable, in the terminal's own colour.
    pub(super) fn plain(&mut self, text: impl std::fmt::Display) {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(self.out, " {text}");
    }

    /// Marks a process that could administer the system, whatever its user id.
    fn trailer(&mut self, process: Option<&Process>) {
        const ADMIN: i32 = CapabilitiesType::CapSysAdmin as i32;
        // By the capability itself. Tetragon 1.7 compares the capability's number with positions in the list.
        let capabilities = process.and_then(|process| process.cap.as_ref());
        if !capabilities.is_some_and(|capabilities| capabilities.effective.contains(&ADMIN)) {
            return;
        }
        let mut mark = String::new();
        self.paint.write(Colour::Magenta, "🛑 CAP_SYS_ADMIN", &mut mark);
        let width = TRAILER.saturating_sub(self.out.len() - self.start);
        self.plain(format_args!("{mark:>width$}"));
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
