//! Data that is no argument: of the running task, or of the registers.

use super::Context;
use super::args::{Parameters, draft, of_program};
use super::ways::{self, Begin};
use crate::model::{Arg, ResolvePath, Source};
use crate::spec;
use crate::suggest;

/// Data that is no argument.
pub(super) fn datum(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) -> Arg {
    let mut source = Source::CurrentTask;
    let mut resolve = ResolvePath::default();
    match written
        .source
        .as_ref()
        .map(|source| (source.value.as_str(), &source.place))
    {
        None if !written.broken => {
            cx.error(&written.place, "data needs a source")
                .help("current_task or pt_regs");
        }
        None => {}
        Some(("current_task", _)) => {
            resolve = ways::read(&written.resolve, cx);
            if resolve.0.is_empty() && !written.broken {
                cx.error(&written.place, "data of current_task needs `resolve`")
                    .help("such as `resolve: cred.uid.val`");
            }
        }
        Some(("pt_regs", _)) => {
            let register = written.resolve.value.as_str();
            if register.is_empty() || !register.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                cx.error(
                    &written.resolve.place,
                    "data of pt_regs needs the name of a register in `resolve`",
                )
                .help("such as `resolve: rdi`");
            }
            source = Source::Register(register.into());
        }
        Some((other, place)) => {
            cx.error(place, format!("`{}` is no source of data", crate::yaml::shorten(other)))
                .help(suggest::allowed(other, ["current_task", "pt_regs"]));
        }
    }
    let begin = if source == Source::CurrentTask {
        Begin::CurrentTask
    } else {
        Begin::Nowhere
    };
    let mut arg = draft(written, resolve, source);
    arg.arg_type = ways::end(&arg, written, begin, parameters, cx);
    of_program(&arg, written, parameters, cx);
    if written.return_copy.value {
        cx.error(&written.return_copy.place, "data cannot be read at the return");
    }
    if written.max_data.value {
        cx.error(&written.max_data.place, "data has no maxData");
    }
    arg
}
