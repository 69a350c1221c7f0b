//! Arguments of hooks for code.

use ebpf_abi::hook::{path_kind, pieces, structure};
use ebpf_codegen::{Arg, Length, Operand, Place, Read, Source};
use policy::{
    arg_type::ArgType,
    kernel::Root,
    model::{self, Target},
};

use super::{
    lower::{Reason, syscall_argument},
    points::{PointKey, PointKind},
    running::Running,
    tracepoint::{self, Field},
    way::{self, End},
};

/// What of a hook an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An argument or a piece of data; read at the entry unless it asks for the return.
    Argument,
    /// What a function returned.
    Returned,
}

/// Where a value comes from, before its type is known.
struct Origin {
    source: Source,
    /// The way from there to the value that the policy names.
    way: Vec<i32>,
    /// Whether an address there is one of user space, whatever it looks like.
    user: bool,
    /// The field of a tracepoint that it is.
    field: Option<Field>,
}

/// The argument for code, and its type as far as the kernel knows better than the policy. Its number is given later.
pub(super) fn argument(
    hook: &model::Hook,
    arg: &model::Arg,
    point: &PointKey,
    role: Role,
    kernel: &Running<'_>,
) -> Result<(Arg, ArgType), Reason> {
    let mut origin = origin(arg, point, role)?;
    let mut arg_type = arg.arg_type;
    if let Some(field) = &origin.field
        && arg_type == ArgType::String
        && arg.size_index.is_some()
        && field.is_pointer()
    {
        arg_type = ArgType::CharBuf;
    }
    // What a program is called with is of its own memory.
    let of_program = point.kind.is_in_program() && !matches!(arg.source, model::Source::CurrentTask);
    if !arg.resolve.0.is_empty() {
        let end = end(hook, arg, point, role, kernel)?;
        arg_type = end.arg_type.unwrap_or(arg_type);
        origin.way = end.way;
        origin.user = of_program;
        // Other types were checked with the policy.
        if of_program && !arg_type.is_in_programs() {
            return Err(Reason::Kernel(format!(
                "type {arg_type} is of what the kernel has in its memory: no argument of a program is of it"
            )));
        }
    }
    let read = read(arg, arg_type, role, &mut origin, point, kernel)?;
    if arg.max_data && !matches!(read, Read::Bytes { .. } | Read::Pieces(pieces::ITERATOR, _)) {
        return Err(Reason::NotYet(format!("maxData of {arg_type}")));
    }
    Ok((
        Arg {
            source: origin.source,
            way: origin.way,
            read,
            kind: 0,
            beside: arg.max_data,
        },
        arg_type,
    ))
}

/// Where the way from an argument leads.
fn end(
    hook: &model::Hook,
    arg: &model::Arg,
    point: &PointKey,
    role: Role,
    kernel: &Running<'_>,
) -> Result<End, Reason> {
    let unknown = || Reason::NotYet("resolve from what this argument is".into());
    let root = match (&arg.source, &arg.btf_type, &hook.target) {
        (model::Source::CurrentTask, ..) => Root::CurrentTask,
        (_, Some(name), Target::Uprobe { btf_path, .. } | Target::Usdt { btf_path, .. }) => {
            let file = btf_path.as_ref().ok_or_else(unknown)?;
            let end = (kernel.programs)(file, name, &arg.resolve).ok_or_else(unknown)?;
            return end.map_err(Reason::Kernel);
        }
        (_, None, Target::Uprobe { .. } | Target::Usdt { .. }) => return Err(unknown()),
        (_, Some(name), _) => Root::Structure(name),
        (_, None, _) if role == Role::Returned => Root::Return(&point.name),
        (_, None, Target::Lsm { hook }) => Root::LsmHook(hook, arg.index),
        (_, None, Target::Tracepoint { event, .. }) => Root::RawTracepoint(event, arg.index),
        (..) => Root::Function(&point.name, arg.index),
    };
    let (ty, address) = kernel.root(&root).ok_or_else(unknown)?;
    way::walk(kernel.types, ty, address, &arg.resolve).map_err(Reason::Kernel)
}

fn origin(arg: &model::Arg, point: &PointKey, role: Role) -> Result<Origin, Reason> {
    let plain = |source, user| Origin {
        source,
        way: vec![],
        user,
        field: None,
    };
    Ok(match &arg.source {
        _ if role == Role::Returned => plain(Source::Return, point.kind.is_in_program()),
        model::Source::Parameter if point.kind == PointKind::Tracepoint => field(arg.index, point)?,
        model::Source::Parameter => plain(parameter(arg.index, point)?, point.kind.is_of_user()),
        model::Source::CurrentTask => plain(Source::Task, false),
        model::Source::Register(name) => {
            let (offset, bytes) =
                register(name).ok_or_else(|| Reason::Kernel(format!("there is no register {name}")))?;
            plain(Source::Register { offset, bytes }, point.kind.is_in_program())
        }
    })
}

/// A parameter of a function, or an argument of a probe.
fn parameter(index: u32, point: &PointKey) -> Result<Source, Reason> {
    match point.kind {
        PointKind::Usdt(_) => {}
        PointKind::Syscalls => return Ok(syscall_argument(index)),
        _ => return Ok(Source::Parameter(index as u8)),
    }
    let operands = || policy_elf::split(&point.operands);
    let Some(text) = operands().nth(index as usize) else {
        let there = match operands().count() {
            0 => "none".to_owned(),
            count => format!("0 to {}", count - 1),
        };
        return Err(Reason::Kernel(format!(
            "{} declares the probe without argument {index}: there is {there}",
            point.group
        )));
    };
    let operand = operand(text).map_err(|wrong| {
        // Files may say anything, at any length.
        let start: String = text.chars().take(64).collect();
        Reason::Kernel(format!(
            "argument {index} of the probe cannot be read: `{}` {wrong}",
            start.escape_debug()
        ))
    })?;
    Ok(Source::Operand(operand))
}

/// Where the argument of a probe is that its program wrote down as `text`. The error says what it is instead.
fn operand(text: &str) -> Result<Operand, &'static str> {
    let policy_elf::Operand { bytes, signed, place } = policy_elf::Operand::parse(text)?;
    let none = "has a register that is not kept for programs at probes";
    let whole = |name: &str| match register(name) {
        // Where an instruction is says nothing of where others are.
        Some((offset, 8)) if name != "rip" => Ok(offset),
        _ => Err(none),
    };
    let (place, bytes) = match place {
        policy_elf::Place::Constant(value) => (Place::Constant(value as u64), bytes),
        policy_elf::Place::Register(name) => {
            let (offset, width) = register(name).ok_or(none)?;
            (Place::Register(offset), bytes.min(width))
        }
        policy_elf::Place::Memory {
            base,
            index,
            displacement,
        } => {
            let index = match index {
                Some((name, scale)) => Some((whole(name)?, scale.trailing_zeros() as u8)),
                None => None,
            };
            let place = Place::Memory {
                base: base.map(whole).transpose()?,
                index,
                displacement,
            };
            (place, bytes)
        }
    };
    Ok(Operand { place, bytes, signed })
}

/// A field of a tracepoint.
fn field(index: u32, point: &PointKey) -> Result<Origin, Reason> {
    let fields = tracepoint::fields(&point.group, &point.name).unwrap_or_default();
    let Some(field) = fields.into_iter().nth(index as usize) else {
        return Err(Reason::Kernel(format!("the tracepoint has no field {index}")));
    };
    if field.offset < 8 {
        return Err(Reason::Kernel(format!(
            "field {index} (`{}`) is one of those that programs cannot see",
            field.name
        )));
    }
    let offset = field.offset;
    let (source, way) = if field.is_data_loc() {
        (Source::DataLoc { offset }, vec![])
    } else if field.is_array() || !matches!(field.size, 1 | 2 | 4 | 8) {
        (Source::Record, vec![i32::from(offset)])
    } else {
        let bytes = field.size as u8;
        (Source::Field { offset, bytes }, vec![])
    };
    Ok(Origin {
        source,
        way,
        user: point.group == "syscalls",
        field: Some(field),
    })
}

/// Offset in `struct pt_regs` and width of a register of x86-64, also of a part of one.
pub(super) fn register(name: &str) -> Option<(i16, u8)> {
    const LEGACY: [(&str, i16); 8] = [
        ("a", 80),
        ("b", 40),
        ("c", 88),
        ("d", 96),
        ("si", 104),
        ("di", 112),
        ("bp", 32),
        ("sp", 152),
    ];
    const NUMBERED: [(&str, i16); 8] = [
        ("r8", 72),
        ("r9", 64),
        ("r10", 56),
        ("r11", 48),
        ("r12", 24),
        ("r13", 16),
        ("r14", 8),
        ("r15", 0),
    ];
    for (stem, offset) in LEGACY {
        let long = if stem.len() == 1 {
            format!("{stem}x")
        } else {
            stem.to_owned()
        };
        let widths = [
            (format!("r{long}"), 8),
            (format!("e{long}"), 4),
            (long, 2),
            (format!("{stem}l"), 1),
        ];
        if let Some((_, bytes)) = widths.into_iter().find(|(spelling, _)| spelling == name) {
            return Some((offset, bytes));
        }
        // The second byte of some has a name.
        if stem.len() == 1 && name.strip_prefix(stem) == Some("h") {
            return Some((offset + 1, 1));
        }
    }
    for (stem, offset) in NUMBERED {
        let bytes = match name.strip_prefix(stem) {
            Some("") => 8,
            Some("d") => 4,
            Some("w") => 2,
            Some("b") => 1,
            _ => continue,
        };
        return Some((offset, bytes));
    }
    match name {
        "rip" => Some((128, 8)),
        "eflags" | "rflags" => Some((144, 8)),
        _ => None,
    }
}

/// How a value of type `arg_type` is read; what has to be followed for that is added to its way.
fn read(
    arg: &model::Arg,
    arg_type: ArgType,
    role: Role,
    origin: &mut Origin,
    point: &PointKey,
    kernel: &Running<'_>,
) -> Result<Read, Reason> {
    use ArgType as T;
    let number = |bytes, signed| Ok(Read::Number { bytes, signed });
    let user = origin.user;
    let in_user = if user { structure::USER } else { 0 };
    let way = &mut origin.way;
    match arg_type {
        T::Int8 => number(1, true),
        T::Uint8 => number(1, false),
        T::Int16 => number(2, true),
        T::Uint16 => number(2, false),
        T::Int | T::Capability | T::BpfCmd => number(4, true),
        T::Uint32 => number(4, false),
        T::Int64 => number(8, true),
        T::Uint64 | T::SizeT => number(8, false),
        T::KernelCapT | T::CapInheritable | T::CapPermitted | T::CapEffective => {
            // The value is a pointer to the set, unless the way ends at the set.
            if way.is_empty() {
                way.push(0);
            }
            number(8, false)
        }
        T::String | T::DataLoc => Ok(Read::Text { user }),
        T::Filename => {
            follow(way, member(kernel, "filename", "name")?, true);
            Ok(Read::Text { user: false })
        }
        T::NetDevice => {
            follow(way, member(kernel, "net_device", "name")?, false);
            Ok(Read::Text { user: false })
        }
        T::ConstBuf => match &origin.field {
            Some(field) => Ok(Read::Bytes {
                len: Length::Fixed(u32::from(field.size)),
                user: false,
            }),
            None => Err(Reason::Kernel("const_buf is for the fields of tracepoints".into())),
        },
        T::CharBuf => {
            let len = match arg.size_index {
                Some(size) if point.kind == PointKind::Tracepoint => word(field(size, point)?.source, None),
                Some(size) => count(size, point, kernel)?,
                None if role == Role::Argument && arg.return_copy => {
                    // What is not known returns an `int` or has a result that fits in one.
                    let of_kernel = || kernel.integer_result(&point.name);
                    let known = (!point.kind.is_in_program()).then(of_kernel).flatten();
                    word(Source::Return, known.or(Some((4, true))))
                }
                None => return Err(Reason::Kernel("char_buf needs sizeArgIndex".into())),
            };
            Ok(Read::Bytes { len, user })
        }
        T::CharIovec => {
            let number = arg
                .size_index
                .ok_or_else(|| Reason::Kernel("char_iovec needs sizeArgIndex".into()))?;
            let what = pieces::VECTOR | if user { pieces::USER } else { 0 };
            Ok(Read::Pieces(what, count(number, point, kernel)?))
        }
        T::IovIter => Ok(Read::Pieces(pieces::ITERATOR, Length::Fixed(0))),
        T::Syscall64 => Ok(Read::Syscall),
        T::Fd => Ok(Read::Path(path_kind::FD)),
        T::File => Ok(Read::Path(path_kind::FILE)),
        T::Path => Ok(Read::Path(path_kind::PATH)),
        T::Dentry => Ok(Read::Path(path_kind::DENTRY)),
        T::Kiocb => Ok(Read::Path(path_kind::KIOCB)),
        T::LinuxBinprm => Ok(Read::Path(path_kind::BINPRM)),
        T::Sock => Ok(Read::Structure(structure::SOCK)),
        T::Socket => Ok(Read::Structure(structure::SOCKET)),
        T::Skb => Ok(Read::Structure(structure::SKB)),
        T::Sockaddr => Ok(Read::Structure(structure::SOCKADDR | in_user)),
        T::Cred => Ok(Read::Structure(structure::CRED)),
        T::UserNamespace => Ok(Read::Structure(structure::USER_NS)),
        T::BpfAttr => Ok(Read::Structure(structure::BPF_ATTR)),
        T::BpfProg => Ok(Read::Structure(structure::BPF_PROG)),
        T::BpfMap => Ok(Read::Structure(structure::BPF_MAP)),
        T::PerfEvent => Ok(Read::Structure(structure::PERF_EVENT)),
        T::Module => Ok(Read::Structure(structure::MODULE)),
        T::LoadInfo => Ok(Read::Structure(structure::LOAD_INFO)),
        T::SockaddrUn => Ok(Read::Structure(structure::SOCKADDR_UN | in_user)),
        T::Auto | T::Nop => Err(Reason::Kernel("its type is not known".into())),
    }
}

/// The number of bytes or pieces that parameter `index` says. What is above an `int` in its register is undefined; a probe
/// says how much counts.
fn count(index: u32, point: &PointKey, kernel: &Running<'_>) -> Result<Length, Reason> {
    let source = parameter(index, point)?;
    let integer = match source {
        _ if point.kind.is_in_program() => None,
        _ => kernel.integer_parameter(&point.name, index),
    };
    Ok(word(source, integer))
}

/// The number of bytes that a word says, of which so many bytes with or without a sign count; all of it where that is not
/// known.
fn word(source: Source, integer: Option<(u64, bool)>) -> Length {
    let (bytes, signed) = match integer {
        Some((bytes @ (1 | 2 | 4), signed)) => (bytes as u8, signed),
        _ => (8, true),
    };
    Length::Word { source, bytes, signed }
}

/// Goes on to a member of the structure that the way leads to; with `pointer`, to what the member points to.
fn follow(way: &mut Vec<i32>, offset: i32, pointer: bool) {
    // The way ends at the structure: its last offset is not followed.
    let last = way.pop().unwrap_or(0);
    way.push(last + offset);
    if pointer {
        way.push(0);
    }
}

pub(super) fn member(kernel: &Running<'_>, structure: &str, member: &str) -> Result<i32, Reason> {
    let lacks = || Reason::Kernel(format!("the kernel has no {structure}.{member}"));
    let ty = kernel.types.structure(structure).ok_or_else(lacks)?;
    let found = kernel.types.member(ty, member).ok_or_else(lacks)?;
    i32::try_from(found.byte_offset()).map_err(|_| lacks())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_by_all_of_their_names() {
        for (name, place) in [
            ("rax", (80, 8)),
            ("eax", (80, 4)),
            ("ax", (80, 2)),
            ("al", (80, 1)),
            ("ah", (81, 1)),
            ("rdi", (112, 8)),
            ("edi", (112, 4)),
            ("di", (112, 2)),
            ("dil", (112, 1)),
            ("spl", (152, 1)),
            ("r8", (72, 8)),
            ("r8d", (72, 4)),
            ("r10w", (56, 2)),
            ("r15b", (0, 1)),
            ("rip", (128, 8)),
        ] {
            assert_eq!(register(name), Some(place), "{name}");
        }
        for name in ["", "xmm0", "rdx0", "r16", "sih", "dih", "eflag"] {
            assert_eq!(register(name), None, "{name}");
        }
    }

    #[test]
    fn arguments_of_probes_where_the_program_keeps_them() {
        for (text, place, bytes, signed) in [
            ("-4@%eax", Place::Register(80), 4, true),
            ("8@%r15", Place::Register(0), 8, false),
            // No more than there is of the register.
            ("-8@%eax", Place::Register(80), 4, true),
            ("-4@$-7", Place::Constant(-7_i64 as u64), 4, true),
            (
                "-2@-4(%rbp,%rcx,4)",
                Place::Memory {
                    base: Some(32),
                    index: Some((88, 2)),
                    displacement: -4,
                },
                2,
                true,
            ),
        ] {
            assert_eq!(operand(text), Ok(Operand { place, bytes, signed }), "{text}");
        }
        for text in ["8@%xmm0", "8@8(%rip)", "8@(%eax)", "8@(%rax,%ecx,2)", "8@(%riz)"] {
            assert_eq!(
                operand(text),
                Err("has a register that is not kept for programs at probes"),
                "{text}"
            );
        }
    }
}
