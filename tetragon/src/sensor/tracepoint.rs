//! Tracepoints of the running kernel and what they record, from the files of tracefs.

use policy::{arg_type::ArgType, kernel::Answer, suggest};

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
        matches!(self.size, 1 | 2 | 4 | 8).then(|| ArgType::of_integer(self.size.into(), self.signed))
    }
}

/// The fields of a tracepoint of the running kernel.
pub(super) fn of_running(group: &str, event: &str) -> Answer<Vec<policy::kernel::Field>> {
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
