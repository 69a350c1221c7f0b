//! Arguments, data and returned values.

use super::hooks::BROKEN;
use super::ways::{self, Begin};
use super::{Context, data as data_, sizes};
use crate::arg_type::ArgType;
use crate::kernel::Field;
use crate::model::{Arg, HookKind, ResolvePath, Source, TypeName};
use crate::place::Spanned;
use crate::spec;

/// What arguments are arguments of.
pub(super) struct Parameters<'a> {
    pub(super) kind: HookKind,
    /// Highest parameter that can be read.
    pub(super) max: u32,
    /// How many there are, if the kernel told.
    pub(super) count: Option<u32>,
    /// Names of the functions, hook or tracepoint; empty when only the kernel knows them.
    pub(super) names: &'a [String],
    /// Whether they are system calls.
    pub(super) syscalls: bool,
    /// File with type information.
    pub(super) btf_path: Option<&'a str>,
    /// Fields of a tracepoint, if the kernel told.
    pub(super) fields: Option<&'a [Field]>,
}

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
    let data = data.iter().map(|arg| data_::datum(arg, parameters, cx)).collect();
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
    let resolve = ways::read(&written.resolve, cx);
    let mut arg = draft(written, resolve, Source::Parameter);
    arg.arg_type = ways::end(&arg, written, Begin::Return, parameters, cx);
    if arg.arg_type == ArgType::Auto && !written.broken && arg.resolve.0.is_empty() {
        cx.error(&written.arg_type.place, "the type of the returned value has to be said")
            .help("type: int");
    }
    of_program(&arg, written, parameters, cx);
    arg
}

/// An argument.
fn argument(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) -> Arg {
    if let Some(source) = &written.source {
        cx.error(&source.place, "an argument has no source").help("data has");
    }
    let resolve = ways::read(&written.resolve, cx);
    index(written, parameters, cx);
    let mut arg = draft(written, resolve, Source::Parameter);
    arg.arg_type = ways::end(&arg, written, Begin::Parameter, parameters, cx);
    inferred(&mut arg, written, parameters, cx);
    sizes::sizes(&arg, written, parameters, cx);
    arg
}

pub(super) fn draft(written: &spec::Arg, resolve: ResolvePath, source: Source) -> Arg {
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

/// Whether the function has such a parameter, and it can be read.
fn index(written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let Spanned { value, place } = &written.index;
    if written.broken || written.arg_type.value == ArgType::Nop {
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
        let message = match parameters.names {
            [name] => format!("`{name}` has no parameter {value}"),
            _ => format!("not every function of the list has a parameter {value}"),
        };
        cx.error(place, message).help(match count {
            0 => "it has none".to_owned(),
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

/// Types that nothing in the memory of a program is of. What is at the end of a way is of the type that the file says.
pub(super) fn of_program(arg: &Arg, written: &spec::Arg, parameters: &Parameters<'_>, cx: &mut Context<'_>) {
    let kind = matches!(parameters.kind, HookKind::Uprobe | HookKind::Usdt);
    let is_of_program = kind && arg.source != Source::CurrentTask && arg.resolve.0.is_empty();
    if is_of_program && !written.broken && !arg.arg_type.is_in_programs() {
        let message = format!("type {} is of what the kernel has in its memory", arg.arg_type);
        cx.error(&written.arg_type.place, message)
            .help("no argument of a program is of it");
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
        _ => of_program(arg, written, parameters, cx),
    }
}
