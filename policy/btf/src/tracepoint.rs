//! What tracepoints record, as far as types tell.
//!
//! A tracepoint has a prototype, `btf_trace_` and its name. What it records is a structure, `trace_event_raw_` and the name of
//! its class (`include/trace/stages/stage1_struct_define.h`), which several tracepoints may share: that of another name is not
//! found. What calls record at `syscalls` is in no type.

use btf::{Btf, Kind, RawMember, TypeId};
use policy::{
    arg_type::ArgType,
    kernel::{Answer, Field},
    suggest,
};

use crate::kernel::TRACEPOINT;

/// Prefix of the structures that are recorded.
const RECORD: &str = "trace_event_raw_";

/// Prefix of the members that say where something of variable length is.
const DATA_LOC: &str = "__data_loc_";

/// What all records begin with, as `format` files list it (`trace_define_common_fields`, `kernel/trace/trace_events.c`).
const COMMON: [(&str, ArgType); 4] = [
    ("common_type", ArgType::Uint16),
    ("common_flags", ArgType::Uint8),
    ("common_preempt_count", ArgType::Uint8),
    ("common_pid", ArgType::Int),
];

/// Groups of what no kernel has in a module: what the types do not have, that kernel does not have.
const BUILT_IN: [&str; 20] = [
    "block",
    "bpf_trace",
    "cgroup",
    "exceptions",
    "filemap",
    "irq",
    "kmem",
    "napi",
    "net",
    "oom",
    "power",
    "printk",
    "raw_syscalls",
    "sched",
    "signal",
    "skb",
    "sock",
    "task",
    "tcp",
    "timer",
];

/// The fields of tracepoint `event` of `group`.
pub fn fields(types: &Btf<'_>, group: &str, event: &str) -> Answer<Vec<Field>> {
    if group == "syscalls" {
        return syscall(types, event);
    }
    if types
        .find_kind(Kind::Typedef, &format!("{TRACEPOINT}{event}"))
        .is_none()
    {
        return if BUILT_IN.contains(&group) {
            let names: Vec<&str> = typedefs(types)
                .filter_map(|name| name.strip_prefix(TRACEPOINT))
                .collect();
            missing(group, event, &names)
        } else {
            Answer::Unknown
        };
    }
    let Some(record) = types.structure(&format!("{RECORD}{event}")) else {
        return Answer::Unknown;
    };
    let common = COMMON.map(|(name, arg_type)| Field {
        name: name.to_owned(),
        arg_type: Some(arg_type),
    });
    // The first member is what is common, the last one where things of variable length begin.
    let own = types.members(record).skip(1).filter(|member| member.name != "__data");
    Answer::Known(
        common
            .into_iter()
            .chain(own.map(|member| field(types, &member)))
            .collect(),
    )
}

/// The tracepoint at the beginning or the end of a system call: it is there if the call is.
fn syscall(types: &Btf<'_>, event: &str) -> Answer<Vec<Field>> {
    const FUNCTION: &str = "__x64_sys_";
    let call = ["sys_enter_", "sys_exit_"]
        .iter()
        .find_map(|prefix| event.strip_prefix(prefix));
    let is_there = |call: &str| types.function(&format!("{FUNCTION}{call}")).is_some();
    if call.is_some_and(is_there) {
        return Answer::Unknown;
    }
    let calls = types.functions().filter_map(|name| name.strip_prefix(FUNCTION));
    let names: Vec<String> = calls
        .flat_map(|call| [format!("sys_enter_{call}"), format!("sys_exit_{call}")])
        .collect();
    if names.is_empty() {
        return Answer::Unknown;
    }
    missing("syscalls", event, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn missing<T>(group: &str, event: &str, names: &[&str]) -> Answer<T> {
    let near = suggest::nearest(event, names.iter().copied());
    Answer::Missing {
        reason: format!("the kernel has no tracepoint `{group}/{event}`"),
        help: near.map(|near| format!("did you mean `{near}`?")),
    }
}

/// The names that types are given by `typedef`.
fn typedefs<'a>(types: &'a Btf<'_>) -> impl Iterator<Item = &'a str> {
    let all = (0..=types.len() as u32).filter_map(|id| types.get(TypeId(id)));
    all.filter(|ty| ty.kind == Kind::Typedef).map(|ty| types.name(&ty))
}

fn field(types: &Btf<'_>, member: &RawMember<'_>) -> Field {
    let is_char = |ty: TypeId| types.strip(ty).is_some_and(|ty| types.name(&ty) == "char");
    let target = types.strip(member.ty).filter(|ty| ty.kind == Kind::Ptr);
    let target = target.map(|pointer| types.target(&pointer));
    let (name, arg_type) = if let Some(name) = member.name.strip_prefix(DATA_LOC) {
        (name, Some(ArgType::DataLoc))
    } else if let Some((bytes, signed)) = types.integer(member.ty) {
        (member.name, Some(ArgType::of_integer(bytes, signed)))
    } else if let Some((element, _)) = types.array(member.ty) {
        let text = is_char(element);
        (
            member.name,
            Some(if text { ArgType::String } else { ArgType::ConstBuf }),
        )
    } else if let Some(target) = target {
        let text = target.is_some_and(is_char);
        (member.name, Some(if text { ArgType::String } else { ArgType::Uint64 }))
    } else {
        (member.name, None)
    };
    Field {
        name: name.to_owned(),
        arg_type,
    }
}

#[cfg(test)]
mod tests {
    use btf::Builder;

    use super::*;

    fn kernel() -> Vec<u8> {
        let mut types = Builder::new();
        let (int, char_) = (types.int("int", 4), types.int("char", 1));
        let (name, text) = (types.array(char_, 16), types.pointer(char_));
        let address = types.pointer(int);
        let members = [
            ("ent", int, 0),
            ("comm", name, 64),
            ("pid", int, 192),
            ("__data_loc_filename", int, 224),
            ("where", text, 256),
            ("skbaddr", address, 320),
            ("__data", name, 384),
        ];
        types.structure("trace_event_raw_sched_fork", 48, &members);
        types.typedef("btf_trace_sched_fork", address);
        types.typedef("btf_trace_sched_spoon", address);
        let proto = types.raw(Kind::FuncProto, "", false, 0, 0, &[]);
        types.raw(Kind::Func, "__x64_sys_openat", false, 0, proto.0, &[]);
        types.finish()
    }

    fn reason<T: std::fmt::Debug>(answer: Answer<T>) -> String {
        match answer {
            Answer::Missing { reason, help } => format!("{reason} {}", help.unwrap_or_default()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn fields_by_position_and_type() {
        let bytes = kernel();
        let types = Btf::parse(&bytes).unwrap();
        let Answer::Known(fields) = fields(&types, "sched", "sched_fork") else {
            panic!("they are there");
        };
        let own: Vec<_> = fields[4..]
            .iter()
            .map(|field| (field.name.as_str(), field.arg_type))
            .collect();
        assert_eq!(fields[3].name, "common_pid");
        assert_eq!(
            own,
            [
                ("comm", Some(ArgType::String)),
                ("pid", Some(ArgType::Uint32)),
                ("filename", Some(ArgType::DataLoc)),
                ("where", Some(ArgType::String)),
                ("skbaddr", Some(ArgType::Uint64)),
            ]
        );
    }

    #[test]
    fn only_what_can_be_in_no_module_is_missing() {
        let bytes = kernel();
        let types = Btf::parse(&bytes).unwrap();
        let answer = |group, event| reason(fields(&types, group, event));
        assert_eq!(
            answer("sched", "sched_forks"),
            "the kernel has no tracepoint `sched/sched_forks` did you mean `sched_fork`?"
        );
        assert_eq!(answer("ext4", "sched_forks"), "Unknown");
        // Of a class with another name.
        assert_eq!(answer("sched", "sched_spoon"), "Unknown");
        assert_eq!(answer("syscalls", "sys_exit_openat"), "Unknown");
        assert_eq!(
            answer("syscalls", "sys_enter_opnat"),
            "the kernel has no tracepoint `syscalls/sys_enter_opnat` did you mean `sys_enter_openat`?"
        );
    }
}
