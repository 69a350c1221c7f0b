//! An argument: what to read, and how.

use std::fmt;

use crate::arg_type::ArgType;
use crate::place::Place;

/// One argument, piece of data or returned value.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// Which parameter, from 0; of a tracepoint, which field, from 0 with the common ones. Of no meaning for data and
    /// returned values.
    pub index: u32,
    /// How to read it, once `resolve` has been walked. [`ArgType::Auto`] only when no kernel was asked.
    pub arg_type: ArgType,
    /// Name that the event's argument carries.
    pub label: Option<String>,
    /// Parameter that holds the size in bytes, or the number of pieces of a `char_iovec`; from 0.
    pub size_index: Option<u32>,
    /// Whether it is read when the function returns.
    pub return_copy: bool,
    /// Whether more than fits into one event is read.
    pub max_data: bool,
    /// Where to begin.
    pub source: Source,
    /// The way from there to the value; empty for the value itself.
    pub resolve: ResolvePath,
    /// Structure that the argument is taken to point to.
    pub btf_type: Option<TypeName>,
    /// Where it stands in the file.
    pub place: Place,
}

/// Where an argument begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A parameter, field or returned value.
    Parameter,
    /// The `task_struct` of the running thread.
    CurrentTask,
    /// A register of the interrupted code, by name: `rdi`, `eax`, `x0`.
    Register(String),
}

/// A structure by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// Its name.
    pub name: String,
    /// Kernel module that declares it; none for the kernel itself or the module of the function.
    pub module: Option<String>,
}

/// The way through structures: `mm.owner.comm`, `a[2].b`.
///
/// Pointers on the way are followed; members of anonymous structures count as members of the outer one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvePath(pub Vec<Step>);

/// One step of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member by name.
    Member(String),
    /// An element of an array, or what lies behind a pointer.
    Element(u32),
}

impl ResolvePath {
    /// Reads a way. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (number, behind) = inside.split_once(']').ok_or("a bracket is not closed")?;
                if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                    return Err("brackets hold a number");
                }
                steps.push(Step::Element(
                    number.parse().map_err(|_| "the number in brackets is too large")?,
                ));
                rest = match behind.strip_prefix('.') {
                    Some("") => return Err("it ends with a dot"),
                    Some(behind) if behind.starts_with('[') => return Err("no dot stands before a bracket"),
                    Some(behind) => behind,
                    None if behind.is_empty() || behind.starts_with('[') => behind,
                    None => return Err("a dot is missing behind a bracket"),
                };
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (name, behind) = rest.split_at(end);
                if name.is_empty() {
                    return Err("a name is missing at a dot");
                }
                if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err("names have letters, digits and `_`");
                }
                steps.push(Step::Member(name.into()));
                rest = match behind.strip_prefix('.') {
                    Some("") => return Err("it ends with a dot"),
                    Some(behind) if behind.starts_with('[') => return Err("no dot stands before a bracket"),
                    Some(behind) => behind,
                    None => behind,
                };
            }
        }
        Ok(Self(steps))
    }
}

impl fmt::Display for ResolvePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if i == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Element(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read_and_printed_alike() {
        for text in [
            "",
            "mm",
            "mm.owner.real_parent.comm",
            "a[2].b",
            "[1].x",
            "a[1][2]",
            "[0]",
        ] {
            assert_eq!(ResolvePath::parse(text).unwrap().to_string(), text);
        }
        for (text, wrong) in [
            ("a..b", "a name is missing at a dot"),
            (".a", "a name is missing at a dot"),
            ("a.", "it ends with a dot"),
            ("a[1].", "it ends with a dot"),
            ("a.[1]", "no dot stands before a bracket"),
            ("a[]", "brackets hold a number"),
            ("a[[1]]", "brackets hold a number"),
            ("a[1.2]", "brackets hold a number"),
            ("a[x]", "brackets hold a number"),
            ("a[1", "a bracket is not closed"),
            ("a]1", "names have letters, digits and `_`"),
            ("a[1]b", "a dot is missing behind a bracket"),
            ("a[99999999999]", "the number in brackets is too large"),
        ] {
            assert_eq!(ResolvePath::parse(text).unwrap_err(), wrong, "{text}");
        }
    }
}
