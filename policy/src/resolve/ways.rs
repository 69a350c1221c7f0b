//! Ways through structures: how they are written, where they begin, what lies at their end.

use super::Context;
use super::args::Parameters;
use crate::arg_type::ArgType;
use crate::kernel::{Answer, Root};
use crate::model::{Arg, HookKind, ResolvePath};
use crate::place::Spanned;
use crate::spec;

/// Where a way begins when no structure is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Parameter,
    Return,
    CurrentTask,
    /// A register: there is no way.
    Nowhere,
}

/// Reads a way.
pub(super) fn read(written: &Spanned<String>, cx: &mut Context<'_>) -> ResolvePath {
    match ResolvePath::parse(written) {
        Ok(path) if path.0.len() > cx.limits.resolve => {
            let max = cx.limits.resolve;
            cx.error(&written.place, format!("{} steps", path.0.len()))
                .help(format!("at most {max}"));
            path
        }
        Ok(path) => path,
        Err(wrong) => {
            cx.error(
                &written.place,
                format!(
                    "`{}` is no way through a structure: {wrong}",
                    crate::yaml::shorten(written)
                ),
            )
            .help("such as `mm.owner.comm` or `a[2].b`");
            ResolvePath::default()
        }
    }
}

/// The type at the end of the way, which the kernel knows better than the policy.
pub(super) fn end(
    arg: &Arg,
    written: &spec::Arg,
    begin: Begin,
    parameters: &Parameters<'_>,
    cx: &mut Context<'_>,
) -> ArgType {
    if written.btf_type_module.is_some() && written.btf_type.is_none() {
        cx.error(&written.place, "btfTypeModule needs btfType");
    }
    if arg.resolve.0.is_empty() || written.broken {
        return arg.arg_type;
    }
    let mut arg_type = arg.arg_type;
    for root in roots(arg, written, begin, parameters, cx) {
        match cx.kernel.resolve(&root, &arg.resolve) {
            Answer::Known(Some(known)) => arg_type = known,
            Answer::Known(None) | Answer::Unknown => {}
            Answer::Missing { reason, help } => {
                super::hooks::missing(&written.resolve.place, reason, help, cx);
            }
        }
    }
    arg_type
}

/// Where the way begins: one root for each function of the hook.
fn roots<'a>(
    arg: &'a Arg,
    written: &spec::Arg,
    begin: Begin,
    parameters: &Parameters<'a>,
    cx: &mut Context<'_>,
) -> Vec<Root<'a>> {
    let in_user_space = matches!(parameters.kind, HookKind::Uprobe | HookKind::Usdt);
    let place = &written.resolve.place;
    match (begin, &arg.btf_type) {
        (Begin::Nowhere, _) => Vec::new(),
        (Begin::CurrentTask, _) => vec![Root::CurrentTask],
        (_, Some(name)) if in_user_space => {
            if name.module.is_some() {
                cx.error(place, "the structures of a program are in no module of the kernel")
                    .help("leave out btfTypeModule");
            }
            if parameters.btf_path.is_none() {
                cx.error(place, "the structures of a program are known from a file")
                    .help("btfPath names it");
            }
            parameters
                .btf_path
                .map(|file| Root::FileStructure(file, name))
                .into_iter()
                .collect()
        }
        (_, Some(name)) => vec![Root::Structure(name)],
        (_, None) if in_user_space => {
            cx.error(place, "resolve needs to know the structure")
                .help("btfType names it, in the file of btfPath");
            Vec::new()
        }
        (_, None) if parameters.kind == HookKind::Tracepoint => {
            cx.error(place, "the fields of a tracepoint cannot be resolved")
                .help("with `raw: true` its parameters can");
            Vec::new()
        }
        (Begin::Parameter, None) if parameters.syscalls => {
            cx.error(
                place,
                "the parameters of system calls point to no structure that is known",
            )
            .help("btfType names one");
            Vec::new()
        }
        (begin, None) => {
            let root = |name: &'a String| match (begin, parameters.kind) {
                (Begin::Return, _) => Root::Return(name),
                (_, HookKind::Lsm) => Root::LsmHook(name, arg.index),
                (_, HookKind::RawTracepoint) => Root::RawTracepoint(name, arg.index),
                _ => Root::Function(name, arg.index),
            };
            parameters.names.iter().map(root).collect()
        }
    }
}
