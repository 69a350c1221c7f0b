//! Arguments, data and returned values.

use super::Context;
use super::hooks::BROKEN;
use crate::arg_type::ArgType;
use crate::kernel::{Answer, Field, Root};
use crate::model::{Arg, HookKind, ResolvePath, Source, TypeName};
use crate::place::{Place, Spanned};
use crate::spec;
use crate::suggest;

/// What arguments are arguments of.
pub(super) struct Parameters<'a> {
    pub(super) kind: HookKind,
    /// Highest parameter that can be read.
    pub(super) max: u32,
    /// How many there are, if the kernel told.
    pub(super) count: Option<u32>,
    /// Name of the function, hook or tracepoint.
    pub(super) function: Option<&'a str>,
    /// File with type information.
    pub(super) btf_path: Option<&'a str>,
    /// Fields of a tracepoint, if the kernel told.
    pub(super) fields: Option<&'a [Field]>,
}

/// Highest value of `sizeArgIndex`: the kernel programs keep it in four bits.
const SIZE_INDEX_MAX: u32 = 15;

/// Arguments and data of a hook. The results have one entry for each that is written.
pub(super) fn both(
    args: &[spec::Arg],
    data: &[spec::Arg],
    parameters: &Parameters<'_>,
    cx: &mut Context<'_>,
) -> (Vec<Arg>, Vec<Arg>) {
    let places = args.iter().chain(data).map(|arg| &arg.place);
    cx.at_most(cx.limits.args, places, "arguments and data");
    let mut copies = args.iter().filter(|arg| arg.return_copy.value);
    if let (Some(_), Some(second)) = (copies.next(), copies.next()) {
        cx.error(
            &second.return_copy.place,
            "only one argument of a hook can be read at the return",
        );
    }
    let args = args.iter().map(|arg| argument(arg, parameters, cx)).collect();
    let data = data.iter().map(|arg| datum(arg, parameters, cx)).collect();
    (args, data)
}

/// A returned value.
pub(super) fn returned(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) -> Arg {
    for (set, place, name) in [
        (written.return_copy.value, &written.return_copy.place, "returnCopy"),
        (written.max_data.value, &written.max_data.place, "maxData"),
        (
            written.size_arg_index.value != 0,
            &written.size_arg_index.place,
            "sizeArgIndex",
        ),
        (written.source.is_some(), &written.place, "source"),
    ] {
        if set {
            cx.error(place, format!("a returned value has no {name}"));
        }
    }
    let resolve = way(&written.resolve, cx);
    let root = match (&parameters.kind, parameters.function) {
        (HookKind::Kprobe | HookKind::Fentry, Some(function)) => Some(Root::Return(function)),
        _ => None,
    };
    let mut arg = draft(written, resolve, Source::Parameter);
    arg.arg_type = end_of_way(&arg, root, written, parameters, cx);
    if arg.arg_type == ArgType::Auto && !written.broken && arg.resolve.0.is_empty() {
        cx.error(&written.arg_type.place, "the type of the returned value has to be said")
            .help("type: int");
    }
    arg
}

/// An argument.
fn argument(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) -> Arg {
    if let Some(source) = &written.source {
        cx.error(&source.place, "an argument has no source").help("data has");
    }
    let resolve = way(&written.resolve, cx);
    index(written, parameters, cx);
    let root = match (parameters.kind, parameters.function) {
        (HookKind::Kprobe | HookKind::Fentry, Some(name)) => Some(Root::Function(name, written.index.value)),
        (HookKind::Lsm, Some(name)) => Some(Root::LsmHook(name, written.index.value)),
        (HookKind::RawTracepoint, Some(name)) => Some(Root::RawTracepoint(name, written.index.value)),
        _ => None,
    };
    let mut arg = draft(written, resolve, Source::Parameter);
    arg.arg_type = end_of_way(&arg, root, written, parameters, cx);
    inferred(&mut arg, written, parameters, cx);
    sizes(&arg, written, parameters, cx);
    arg
}

/// Data that is no argument.
fn datum(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) -> Arg {
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
            resolve = way(&written.resolve, cx);
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
    let root = (source == Source::CurrentTask).then_some(Root::CurrentTask);
    let mut arg = draft(written, resolve, source);
    arg.arg_type = end_of_way(&arg, root, written, parameters, cx);
    if written.return_copy.value {
        cx.error(&written.return_copy.place, "data cannot be read at the return");
    }
    if written.max_data.value {
        cx.error(&written.max_data.place, "data has no maxData");
    }
    arg
}

fn draft(written: &spec::Arg, resolve: ResolvePath, source: Source) -> Arg {
    let module = written.btf_type_module.as_ref().map(|module| module.value.clone());
    Arg {
        index: written.index.value,
        arg_type: if written.broken { BROKEN } else { written.arg_type.value },
        label: written.label.as_ref().map(|label| label.value.clone()),
        size_index: written.size_arg_index.value.checked_sub(1),
        return_copy: written.return_copy.value,
        max_data: written.max_data.value,
        source,
        resolve,
        btf_type: written.btf_type.as_ref().map(|name| TypeName {
            name: name.value.clone(),
            module,
        }),
        place: written.place.clone(),
    }
}

fn way(written: &Spanned<String>, cx: &mut Context<'_>) -> ResolvePath {
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

/// Whether the function has such a parameter, and it can be read.
fn index(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let Spanned { value, place } = &written.index;
    if written.broken {
        return;
    }
    if *value > parameters.max {
        let what = match parameters.kind {
            HookKind::RawTracepoint => "raw tracepoint",
            HookKind::Usdt => "USDT probe",
            _ => "function",
        };
        cx.error(place, format!("parameter {value} of a {what} cannot be read"))
            .help(format!("0 to {}", parameters.max));
    } else if let Some(count) = parameters.count
        && *value >= count
    {
        let name = parameters.function.unwrap_or("it");
        cx.error(place, format!("`{name}` has no parameter {value}"))
            .help(match count {
                0 => "it has none".into(),
                count => format!("0 to {}", count - 1),
            });
    } else if let Some(fields) = parameters.fields
        && *value as usize >= fields.len()
    {
        let names = fields
            .iter()
            .enumerate()
            .map(|(i, field)| format!("{i} {}", field.name));
        let help = names.collect::<Vec<_>>().join(", ");
        cx.error(place, format!("the tracepoint has no field {value}"))
            .help(help);
    }
}

/// The type at the end of the way, which the kernel knows better than the policy.
fn end_of_way(
    arg: &Arg,
    root: Option<Root<'_>>,
    written: &spec::Arg,
    parameters: &Parameters<'_>,
    cx: &mut Context<'_>,
) -> ArgType {
    let name = arg.btf_type.as_ref();
    let root = match (name, parameters.btf_path) {
        (Some(name), Some(file)) => Some(Root::FileStructure(file, name)),
        (Some(name), None) => Some(Root::Structure(name)),
        (None, _) => root,
    };
    if written.btf_type_module.is_some() && written.btf_type.is_none() {
        cx.error(&written.place, "btfTypeModule needs btfType");
    }
    let Some(root) = root.filter(|_| !arg.resolve.0.is_empty()) else {
        return arg.arg_type;
    };
    match cx.kernel.resolve(&root, &arg.resolve) {
        Answer::Known(Some(arg_type)) => arg_type,
        Answer::Known(None) | Answer::Unknown => arg.arg_type,
        Answer::Missing { reason, help } => {
            let diagnostic = cx.error(&written.resolve.place, reason);
            if let Some(help) = help {
                diagnostic.help(help);
            }
            arg.arg_type
        }
    }
}

/// Types that hooks of some kinds cannot have, and `auto`.
fn inferred(arg: &mut Arg, written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let place = &written.arg_type.place;
    let tracepoint = parameters.kind == HookKind::Tracepoint;
    match arg.arg_type {
        _ if written.broken => {}
        ArgType::Auto if tracepoint => {
            let field = parameters.fields.and_then(|fields| fields.get(arg.index as usize));
            match field.map(|field| (field.arg_type, &field.name)) {
                Some((Some(arg_type), _)) => arg.arg_type = arg_type,
                Some((None, name)) => {
                    cx.error(place, format!("the type of field `{name}` has to be said"));
                }
                None => {}
            }
        }
        ArgType::Auto if arg.resolve.0.is_empty() => {
            cx.error(place, "the type has to be said")
                .help("only fields of tracepoints have types that are known");
        }
        // A raw tracepoint of `sys_enter` has the number of the system call as a parameter.
        ArgType::Syscall64 if parameters.kind == HookKind::RawTracepoint => {}
        ArgType::Syscall64 | ArgType::ConstBuf | ArgType::DataLoc if !tracepoint => {
            cx.error(place, format!("type {} is of tracepoints only", arg.arg_type));
        }
        _ => {}
    }
}

/// Sizes of buffers.
fn sizes(arg: &Arg, written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
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
