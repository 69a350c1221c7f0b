//! Hooks that the kernel declares: tracepoints and those of security modules.

use super::Context;
use super::args::{self, Parameters};
use super::hooks::{Common, Draft, Shared, finish, missing};
use crate::kernel::Answer;
use crate::model::{Hook, HookKind, Target};
use crate::place::Spanned;
use crate::spec;

/// A tracepoint.
pub(super) fn tracepoint(
    position: usize,
    written: &spec::Tracepoint,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Option<Hook> {
    let (subsystem, event) = (&written.subsystem, &written.event);
    let mut complete = true;
    for part in [subsystem, event] {
        if part.is_empty() || part.contains(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.')) {
            complete = false;
            if !written.broken {
                cx.error(
                    &part.place,
                    format!("`{}` is no name of a tracepoint", crate::yaml::shorten(part)),
                )
                .help("as below /sys/kernel/tracing/events");
            }
        }
    }
    let raw = written.raw.value;
    let mut fields = None;
    let mut count = None;
    if complete && raw {
        match cx.kernel.raw_tracepoint(subsystem, event) {
            Answer::Known(prototype) => count = prototype.parameters,
            Answer::Missing { reason, help } => missing(&event.place, reason, help, cx),
            Answer::Unknown => {}
        }
    } else if complete {
        match cx.kernel.tracepoint(subsystem, event) {
            Answer::Known(known) => fields = Some(known),
            Answer::Missing { reason, help } => missing(&event.place, reason, help, cx),
            Answer::Unknown => {}
        }
    }
    let kind = if raw {
        HookKind::RawTracepoint
    } else {
        HookKind::Tracepoint
    };
    let parameters = Parameters {
        kind,
        max: if raw { cx.limits.raw_tracepoint_index } else { u32::MAX },
        count,
        names: std::slice::from_ref(&event.value),
        syscalls: false,
        btf_path: None,
        fields: fields.as_deref(),
    };
    let (args, data) = args::both(&written.args, &[], &parameters, cx);
    let target = complete.then(|| Target::Tracepoint {
        subsystem: subsystem.value.clone(),
        event: event.value.clone(),
    });
    let draft = Draft {
        kind,
        target,
        args,
        data,
        spec_args: &written.args,
        returns: None,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: false,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

/// A hook of Linux security modules.
pub(super) fn lsm(position: usize, written: &spec::Lsm, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let Spanned { value: hook, place } = &written.hook;
    let complete = !hook.is_empty() && hook.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !complete && !written.broken {
        cx.error(
            place,
            format!("`{}` is no name of an LSM hook", crate::yaml::shorten(hook)),
        )
        .help("such as file_open");
    }
    let mut count = None;
    if complete {
        match cx.kernel.lsm_hook(hook) {
            Answer::Known(prototype) => count = prototype.parameters,
            Answer::Missing { reason, help } => missing(place, reason, help, cx),
            Answer::Unknown => {}
        }
    }
    let parameters = Parameters {
        kind: HookKind::Lsm,
        max: cx.limits.function_index,
        count,
        names: std::slice::from_ref(hook),
        syscalls: false,
        btf_path: None,
        fields: None,
    };
    let (args, data) = args::both(&written.args, &[], &parameters, cx);
    let target = complete.then(|| Target::Lsm { hook: hook.clone() });
    let draft = Draft {
        kind: HookKind::Lsm,
        target,
        args,
        data,
        spec_args: &written.args,
        returns: None,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: false,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}
