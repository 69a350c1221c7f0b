//! The running kernel, asked for what policies name.

use btf::{Btf, TypeId};
use policy::{
    arg_type::ArgType,
    kernel::{Answer, Kernel, Prototype, Root},
    model::ResolvePath,
    suggest,
};

use super::way;

/// The running kernel, by its type information.
#[derive(Debug)]
pub(super) struct Running<'a> {
    pub(super) types: &'a Btf<'a>,
}

/// Prefix of the functions behind LSM hooks.
pub(super) const LSM: &str = "bpf_lsm_";

/// Prefix of the types of raw tracepoints; their first parameter is the program's own.
const TRACEPOINT: &str = "btf_trace_";

impl Running<'_> {
    /// Number of parameters of function `name`.
    pub(super) fn parameters(&self, name: &str) -> Option<u32> {
        let function = self.types.function(name)?;
        Some(self.types.params(function.proto).count() as u32)
    }

    /// Whether there is a function `name` that a breakpoint can be set in.
    pub(super) fn is_function(&self, name: &str) -> bool {
        self.types.function(name).is_some() || in_kallsyms(name)
    }

    /// Type of parameter `index` of function `name`.
    fn parameter(&self, name: &str, index: u32) -> Option<TypeId> {
        let function = self.types.function(name)?;
        self.types
            .params(function.proto)
            .nth(index as usize)
            .map(|param| param.ty)
    }

    /// A bit for each parameter of function `name`, and for its result behind them, that is a pointer: or, to be safe,
    /// no plain number.
    pub(super) fn pointers(&self, name: &str) -> u16 {
        let Some(function) = self.types.function(name) else {
            return u16::MAX;
        };
        let result = self
            .types
            .get(function.proto)
            .and_then(|proto| self.types.target(&proto));
        let words = self.types.params(function.proto).map(|param| param.ty).chain(result);
        let is_pointer = |ty: TypeId| u16::from(self.types.integer(ty).is_none());
        words
            .take(16)
            .enumerate()
            .fold(0, |mask, (index, ty)| mask | is_pointer(ty) << index)
    }

    /// Prototype of raw tracepoint `event`.
    fn tracepoint_proto(&self, event: &str) -> Option<TypeId> {
        let ty = self
            .types
            .find_kind(btf::Kind::Typedef, &format!("{TRACEPOINT}{event}"))?;
        let pointer = self.types.strip(ty)?;
        self.types.target(&pointer)
    }

    /// Type of what a way begins at, and whether the value is the address of it rather than a pointer.
    pub(super) fn root(&self, root: &Root<'_>) -> Option<(TypeId, bool)> {
        match *root {
            Root::Function(name, index) => Some((self.parameter(name, index)?, false)),
            Root::LsmHook(name, index) => Some((self.parameter(&format!("{LSM}{name}"), index)?, false)),
            Root::RawTracepoint(event, index) => {
                let proto = self.tracepoint_proto(event)?;
                let param = self.types.params(proto).nth(index as usize + 1)?;
                Some((param.ty, false))
            }
            Root::Structure(name) if name.module.is_none() => Some((self.types.structure(&name.name)?, true)),
            Root::CurrentTask => Some((self.types.structure("task_struct")?, true)),
            Root::Return(name) => {
                let function = self.types.function(name)?;
                let proto = self.types.get(function.proto)?;
                Some((self.types.target(&proto)?, false))
            }
            Root::Structure(_) | Root::FileStructure(..) => None,
        }
    }

    fn missing<T>(&self, what: &str, name: &str, prefix: &str) -> Answer<T> {
        let names: Vec<&str> = self
            .types
            .functions()
            .filter_map(|function| function.strip_prefix(prefix))
            .collect();
        let near = suggest::nearest(name, names.iter().copied());
        Answer::Missing {
            reason: format!("the kernel has no {what} `{name}`"),
            help: near.map(|near| format!("did you mean `{near}`?")),
        }
    }
}

/// Fields of a tracepoint, as its `format` file lists them.
pub(super) fn fields(group: &str, event: &str) -> Option<Vec<Field>> {
    let path = format!("{}/events/{group}/{event}/format", ebpf_loader::probe::TRACEFS);
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().filter_map(Field::parse).collect())
}

/// A field of a tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type as C writes it.
    ty: String,
    /// Where it is in the record.
    pub(super) offset: u16,
    /// Its length in bytes.
    pub(super) size: u16,
    signed: bool,
}

impl Field {
    /// Reads a line such as `field:char comm[16]; offset:8; size:16; signed:0;`
    /// (Documentation/trace/events.rst). Others are none.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.trim().strip_prefix("field:")?.split(';').map(str::trim);
        let declared = parts.next()?;
        let mut number = |name: &str| parts.next()?.strip_prefix(name)?.parse::<i64>().ok();
        let (offset, size, signed) = (number("offset:")?, number("size:")?, number("signed:")? != 0);
        // The length of an array stands behind the name, which has no brackets otherwise.
        let (declared, array) = match declared.split_once('[') {
            Some((before, _)) if !before.ends_with(' ') && !before.starts_with("__data_loc") => (before, "[]"),
            _ => (declared, ""),
        };
        let (ty, name) = declared.rsplit_once([' ', '*'])?;
        let star = if declared.as_bytes().get(ty.len()) == Some(&b'*') {
            "*"
        } else {
            ""
        };
        Some(Self {
            name: name.to_owned(),
            ty: format!("{ty}{star}{array}"),
            offset: offset.try_into().ok()?,
            size: size.try_into().ok()?,
            signed,
        })
    }

    /// Whether it says where text is, behind the fields.
    pub(super) fn is_data_loc(&self) -> bool {
        self.ty.starts_with("__data_loc")
    }

    pub(super) fn is_pointer(&self) -> bool {
        self.ty.ends_with('*')
    }

    pub(super) fn is_array(&self) -> bool {
        self.ty.ends_with("[]") && !self.is_data_loc()
    }

    /// The type to read it with; none when it is too strange.
    fn arg_type(&self) -> Option<ArgType> {
        let is_char = || self.ty.split([' ', '*', '[']).any(|word| word == "char");
        if self.is_data_loc() {
            return is_char().then_some(ArgType::DataLoc);
        }
        if self.is_array() {
            let text = is_char() && !self.ty.contains("unsigned");
            return Some(if text { ArgType::String } else { ArgType::ConstBuf });
        }
        if self.is_pointer() && is_char() {
            return Some(ArgType::String);
        }
        Some(match (self.size, self.signed) {
            (1, true) => ArgType::Int8,
            (1, false) => ArgType::Uint8,
            (2, true) => ArgType::Int16,
            (2, false) => ArgType::Uint16,
            (4, true) => ArgType::Int,
            (4, false) => ArgType::Uint32,
            (8, true) => ArgType::Int64,
            (8, false) => ArgType::Uint64,
            _ => return None,
        })
    }
}

/// The tracepoint whose name is nearest, of the group or, where there is no such group, of another.
fn near_tracepoint(group: &str, event: &str) -> Option<String> {
    let names = |path: String| -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    };
    let root = format!("{}/events", ebpf_loader::probe::TRACEFS);
    let events = names(format!("{root}/{group}"));
    if events.is_empty() {
        let groups = names(root);
        let near = suggest::nearest(group, groups.iter().map(String::as_str))?;
        return Some(format!("did you mean the subsystem `{near}`?"));
    }
    let near = suggest::nearest(event, events.iter().map(String::as_str))?;
    Some(format!("did you mean `{near}`?"))
}

/// Whether a function can be probed although the types do not know it.
fn in_kallsyms(name: &str) -> bool {
    use std::io::BufRead as _;
    let Ok(file) = std::fs::File::open("/proc/kallsyms") else {
        return false;
    };
    let mut lines = std::io::BufReader::new(file).lines().map_while(Result::ok);
    lines.any(|line| {
        let mut words = line.split_ascii_whitespace();
        let kind = words.nth(1);
        matches!(kind, Some("t" | "T" | "w" | "W")) && words.next() == Some(name)
    })
}

impl Kernel for Running<'_> {
    fn function(&self, name: &str) -> Answer<Prototype> {
        if let Some(parameters) = self.parameters(name) {
            return Answer::Known(Prototype {
                parameters: Some(parameters),
            });
        }
        if in_kallsyms(name) {
            return Answer::Known(Prototype { parameters: None });
        }
        self.missing("function", name, "")
    }

    fn lsm_hook(&self, name: &str) -> Answer<Prototype> {
        match self.parameters(&format!("{LSM}{name}")) {
            Some(parameters) => Answer::Known(Prototype {
                parameters: Some(parameters),
            }),
            None => self.missing("LSM hook", name, LSM),
        }
    }

    fn tracepoint(&self, group: &str, event: &str) -> Answer<Vec<policy::kernel::Field>> {
        let Some(fields) = fields(group, event) else {
            return Answer::Missing {
                reason: format!("the kernel has no tracepoint `{group}/{event}`"),
                help: near_tracepoint(group, event),
            };
        };
        let known = fields.into_iter().map(|field| policy::kernel::Field {
            arg_type: field.arg_type(),
            name: field.name,
        });
        Answer::Known(known.collect())
    }

    fn raw_tracepoint(&self, _: &str, event: &str) -> Answer<Prototype> {
        match self.tracepoint_proto(event) {
            Some(proto) => Answer::Known(Prototype {
                parameters: Some((self.types.params(proto).count() as u32).saturating_sub(1)),
            }),
            None => Answer::Missing {
                reason: format!("the kernel has no tracepoint `{event}`"),
                help: None,
            },
        }
    }

    fn resolve(&self, root: &Root<'_>, path: &ResolvePath) -> Answer<Option<ArgType>> {
        let Some((ty, address)) = self.root(root) else {
            return Answer::Unknown;
        };
        match way::walk(self.types, ty, address, path) {
            Ok(end) => Answer::Known(end.arg_type),
            Err(reason) => Answer::Missing { reason, help: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_tracepoints_have_types() {
        for (line, name, arg_type, offset) in [
            (
                "	field:unsigned short common_type;	offset:0;	size:2;	signed:0;",
                "common_type",
                ArgType::Uint16,
                0,
            ),
            (
                "	field:int __syscall_nr;	offset:8;	size:4;	signed:1;",
                "__syscall_nr",
                ArgType::Int,
                8,
            ),
            (
                "	field:const char * filename;	offset:24;	size:8;	signed:0;",
                "filename",
                ArgType::String,
                24,
            ),
            (
                "	field:char comm[16];	offset:8;	size:16;	signed:0;",
                "comm",
                ArgType::String,
                8,
            ),
            (
                "	field:__data_loc char[] filename;	offset:8;	size:4;	signed:0;",
                "filename",
                ArgType::DataLoc,
                8,
            ),
            (
                "	field:unsigned long args[6];	offset:16;	size:48;	signed:0;",
                "args",
                ArgType::ConstBuf,
                16,
            ),
            (
                "	field:void *skbaddr;	offset:8;	size:8;	signed:0;",
                "skbaddr",
                ArgType::Uint64,
                8,
            ),
            (
                "	field:pid_t pid;	offset:12;	size:4;	signed:1;",
                "pid",
                ArgType::Int,
                12,
            ),
        ] {
            let field = Field::parse(line).unwrap();
            assert_eq!(
                (field.name.as_str(), field.arg_type(), field.offset),
                (name, Some(arg_type), offset)
            );
        }
        assert_eq!(Field::parse("print fmt: \"x\""), None);
        assert_eq!(Field::parse(""), None);
    }
}
