//! Sizes of buffers, and when they are read.

use super::Context;
use super::args::Parameters;
use crate::arg_type::ArgType;
use crate::model::{Arg, HookKind};
use crate::place::{Place, Spanned};
use crate::spec;

/// Highest value of `sizeArgIndex`: the kernel programs keep it in four bits.
const SIZE_INDEX_MAX: u32 = 15;

/// Sizes of buffers.
pub(super) fn sizes(arg: &Arg, written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let buffer = matches!(arg.arg_type, ArgType::CharBuf | ArgType::CharIovec);
    let Spanned {
        value: size,
        place: size_place,
    } = &written.size_arg_index;
    if *size > 0 {
        let max = match parameters.kind {
            HookKind::Tracepoint => u32::MAX,
            _ => SIZE_INDEX_MAX.min(parameters.max + 1),
        };
        if *size > max {
            cx.error(size_place, format!("parameter {size} (counted from 1) cannot be read"))
                .help(format!("1 to {max}"));
        }
    }
    let needs_size = buffer && *size == 0 && !arg.return_copy && arg.resolve.0.is_empty();
    if needs_size && !written.broken && parameters.kind != HookKind::Tracepoint {
        let what = if arg.arg_type == ArgType::CharBuf {
            "size in bytes"
        } else {
            "number of pieces"
        };
        cx.error(&written.place, format!("type {} needs sizeArgIndex", arg.arg_type))
            .help(format!("the parameter, counted from 1, that holds the {what}"));
    }
    only_buffers(arg, written, parameters, cx);
}

fn only_buffers(arg: &Arg, written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let place: &Place = &written.max_data.place;
    if arg.max_data && arg.return_copy {
        cx.error(place, "maxData and returnCopy exclude each other");
    } else if arg.max_data
        && !written.broken
        && !matches!(arg.arg_type, ArgType::CharBuf | ArgType::IovIter | ArgType::Auto)
    {
        cx.error(place, format!("type {} has no maxData", arg.arg_type))
            .help("char_buf and iov_iter have");
    }
    let can_return = matches!(parameters.kind, HookKind::Kprobe | HookKind::Fentry | HookKind::Uprobe);
    if arg.return_copy && !can_return {
        cx.error(&written.return_copy.place, "only functions return")
            .help("returnCopy is for kprobes, fentries, uprobes");
    }
}
