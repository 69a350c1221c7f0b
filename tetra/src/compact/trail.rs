//! Lines that follow the line of an event: stack traces, IMA hash.

use std::fmt::Write as _;

use tetragon_api::v1::get_events_response::Event;
use tetragon_api::v1::kprobe_argument::Arg;
use tetragon_api::v1::{GetEventsResponse, ProcessLsm};

use super::colour::{Colour, Paint};
use super::quote;

/// Appends the stacks of a kprobe event, a line a frame.
pub(super) fn stack_traces(event: &GetEventsResponse, paint: Paint, out: &mut String) {
    let Some(Event::ProcessKprobe(kprobe)) = &event.event else {
        return;
    };
    if !kprobe.kernel_stack_trace.is_empty() {
        out.push_str("Kernel:\n");
    }
    for frame in &kprobe.kernel_stack_trace {
        paint.write(Colour::Green, format_args!("   {:#x}:", frame.address), out);
        out.push(' ');
        paint.write(Colour::Blue, quote::name(&frame.symbol), out);
        out.push('+');
        paint.write(Colour::Yellow, format_args!("{:#x}", frame.offset), out);
        out.push('\n');
    }
    if !kprobe.user_stack_trace.is_empty() {
        out.push_str("User:\n");
    }
    for frame in &kprobe.user_stack_trace {
        paint.write(Colour::Green, format_args!("   {:#x}:", frame.address), out);
        if !frame.symbol.is_empty() {
            out.push(' ');
            paint.write(Colour::Blue, quote::name(&frame.symbol), out);
        }
        // Writing to a string cannot fail.
        let _ = write!(out, " ({}+", quote::name(&frame.module));
        paint.write(Colour::Yellow, format_args!("{:#x}", frame.offset), out);
        out.push_str(")\n");
    }
}

/// Appends which file an LSM hook measured, and as what.
pub(super) fn ima_hash(event: &GetEventsResponse, paint: Paint, out: &mut String) {
    let Some(Event::ProcessLsm(lsm)) = &event.event else {
        return;
    };
    let Some(path) = measured(lsm) else { return };
    if lsm.ima_hash.is_empty() {
        return;
    }
    out.push_str("   ");
    paint.write(Colour::Green, quote::word(path), out);
    out.push(' ');
    paint.write(Colour::Blue, quote::name(&lsm.ima_hash), out);
    out.push('\n');
}

/// Path of the file that the hash of `lsm` is of.
fn measured(lsm: &ProcessLsm) -> Option<&str> {
    let argument = lsm.args.first()?.arg.as_ref()?;
    match (lsm.function_name.as_str(), argument) {
        (
            "bprm_check_security"
            | "bprm_committed_creds"
            | "bprm_committing_creds"
            | "bprm_creds_for_exec"
            | "bprm_creds_from_file",
            Arg::LinuxBinprmArg(program),
        ) => Some(&program.path),
        (
            "file_ioctl" | "file_lock" | "file_open" | "file_post_open" | "file_receive" | "mmap_file",
            Arg::FileArg(file),
        ) => Some(&file.path),
        _ => None,
    }
}
