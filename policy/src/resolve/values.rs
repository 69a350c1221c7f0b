//! The values of a filter: text to numbers, ranges, networks and names, by the operator's grammar.
//!
//! A value that no argument of the type can have is refused: such a filter never passes, or always.

use std::net::IpAddr;

use super::hooks::Shared;
use super::{Context, lists};
use crate::arg_type::{ArgType, Class};
use crate::leaf::number;
use crate::limits::Limits;
use crate::model::{Arg, BytesOperator, Functions, IntOperator, IntRange, Network, Side, Test};
use crate::names::{BPF_COMMANDS, CAPABILITIES, FAMILIES, FileType, Numbers, PROTOCOLS, TCP_STATES};
use crate::operator::{Grammar, Operator};
use crate::place::Place;
use crate::spec::ArgFilter;
use crate::suggest;
use crate::syscalls::{Abi, Syscall};
use crate::yaml::shorten;

/// Highest port that only privileged processes listen on.
const PRIVILEGED: u16 = 1023;

/// The test of a filter on an argument whose type the operator compares.
pub(super) fn test(filter: &ArgFilter, arg: &Arg, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Test> {
    let operator = filter.operator.value;
    let row = operator.row();
    let negated = row.negated;
    if row.grammar == Grammar::Expression {
        cx.error(&filter.operator.place, "CelExpr is not supported")
            .help("use several filters or selectors");
        return None;
    }
    if row.grammar == Grammar::Nothing {
        no_values(filter, cx);
        let side = side(operator);
        return Some(Test::Port {
            side,
            negated,
            values: vec![(0, PRIVILEGED)],
        });
    }
    cx.at_most(
        cx.limits.values,
        filter.values.iter().map(|value| &value.place),
        "values",
    );
    if filter.values.is_empty() {
        cx.error(&filter.place, format!("{operator} needs values"));
        return None;
    }
    let class = arg.arg_type.class();
    let mut reader = Reader { filter, shared, cx };
    Some(match row.grammar {
        _ if class == Class::Unknown => Test::Unknown {
            values: filter.values.iter().map(|value| value.0.clone()).collect(),
        },
        Grammar::OfClass => reader.of_class(operator, class, arg.arg_type),
        Grammar::Bits if class == Class::CapSet => Test::Mask {
            values: reader.each(|text, _| capability_set(text)),
        },
        Grammar::Bits => Test::Mask {
            values: reader.each(|text, _| bits(text, class)),
        },
        Grammar::Range => Test::Int {
            operator: int(operator),
            values: reader.each(|text, _| range(text, class)),
        },
        Grammar::Set => Test::Int {
            operator: int(operator),
            values: reader.set(class),
        },
        Grammar::Network => Test::Address {
            side: side(operator),
            negated,
            values: reader.each(|text, _| network(text)),
        },
        Grammar::Port => Test::Port {
            side: side(operator),
            negated,
            values: reader.each(|text, _| ports(text)),
        },
        Grammar::Protocol => Test::Protocol {
            values: reader.named(&PROTOCOLS, |number| number as u16),
        },
        Grammar::Family => Test::Family {
            values: reader.named(&FAMILIES, |number| number as u16),
        },
        Grammar::State => Test::State {
            values: reader.named(&TCP_STATES, |number| number as u8),
        },
        Grammar::FileType => Test::FileType {
            negated,
            values: reader.each(|text, _| file_type(text)),
        },
        Grammar::Expression | Grammar::Nothing => return None,
    })
}

/// The test of `CapabilitiesGained`.
pub(super) fn capabilities_gained(
    filter: &ArgFilter,
    second: Option<(usize, &Place)>,
    args: &[Arg],
    cx: &mut Context<'_>,
) -> Option<Test> {
    no_values(filter, cx);
    let Some((second, place)) = second else {
        cx.error(&filter.place, "CapabilitiesGained compares two arguments")
            .help("such as `args: [0, 1]`, old and new");
        return None;
    };
    let arg = args.get(second)?;
    if !Operator::CapabilitiesGained.compares(arg.arg_type.class()) {
        cx.error(
            place,
            format!("CapabilitiesGained cannot compare values of type {}", arg.arg_type),
        )
        .help("allowed: kernel_cap_t, cap_inheritable, cap_permitted, cap_effective");
        return None;
    }
    Some(Test::CapabilitiesGained { second })
}

fn no_values(filter: &ArgFilter, cx: &mut Context<'_>) {
    if let Some(value) = filter.values.first() {
        cx.error(&value.place, format!("{} takes no values", filter.operator.value));
    }
}

/// What is wrong with a value, and what is allowed.
type Wrong = (String, String);

struct Reader<'r, 'a> {
    filter: &'r ArgFilter,
    shared: &'r Shared<'r>,
    cx: &'r mut Context<'a>,
}

impl Reader<'_, '_> {
    /// Reads each value; those that are wrong are reported and left out.
    fn each<T>(&mut self, read: impl Fn(&str, &Limits) -> Result<T, Wrong>) -> Vec<T> {
        let mut values = Vec::with_capacity(self.filter.values.len());
        for value in &self.filter.values {
            match read(value, self.cx.limits) {
                Ok(value) => values.push(value),
                Err((message, help)) => self.cx.error(&value.place, message).help(help),
            }
        }
        values
    }

    fn named<T>(&mut self, names: &Numbers, convert: impl Fn(u64) -> T) -> Vec<T> {
        self.each(|text, _| names.parse(text).map(&convert))
    }

    fn of_class(&mut self, operator: Operator, class: Class, arg_type: ArgType) -> Test {
        let one = |value: u64| IntRange::one(i128::from(value));
        let negated = operator.row().negated;
        let values = match class {
            Class::Int { .. } => self.each(|text, _| integer(text, class).map(IntRange::one)),
            Class::Capability => self.named(&CAPABILITIES, one),
            Class::BpfCmd => self.named(&BPF_COMMANDS, one),
            Class::Syscall => self.each(|text, _| syscall(text)),
            Class::CapSet => {
                return Test::CapSet {
                    negated,
                    values: self.each(|text, _| capability_set(text)),
                };
            }
            _ => {
                let values = self.each(|text, limits| bytes(text, operator, class, arg_type, limits));
                if matches!(operator, Operator::SubString | Operator::SubStringIgnCase) {
                    let places = self.filter.values.iter().map(|value| &value.place);
                    self.cx.at_most(self.cx.limits.substrings, places, "values");
                }
                return Test::Bytes {
                    operator: bytes_operator(operator),
                    negated,
                    values,
                };
            }
        };
        Test::Int {
            operator: int(operator),
            values,
        }
    }

    /// Numbers, ranges and lists.
    fn set(&mut self, class: Class) -> Vec<IntRange> {
        let mut values = Vec::new();
        for value in &self.filter.values {
            let read = match value.strip_prefix("list:") {
                Some(name) => {
                    let Some(members) = lists::find(self.shared.lists, name, &value.place, self.cx) else {
                        continue;
                    };
                    list(members, class).map(|members| values.extend(members))
                }
                None if value.contains(':') => range(value, class).map(|range| values.push(range)),
                None if class == Class::Syscall => syscall(value).map(|value| values.push(value)),
                None => integer(value, class).map(|value| values.push(IntRange::one(value))),
            };
            if let Err((message, help)) = read {
                self.cx.error(&value.place, message).help(help);
            }
        }
        values
    }
}

fn int(operator: Operator) -> IntOperator {
    match operator {
        Operator::GreaterThan => IntOperator::Greater,
        Operator::LessThan => IntOperator::Less,
        operator if operator.row().negated => IntOperator::NotIn,
        _ => IntOperator::In,
    }
}

fn bytes_operator(operator: Operator) -> BytesOperator {
    match operator {
        Operator::Prefix | Operator::NotPrefix => BytesOperator::Prefix,
        Operator::Postfix | Operator::NotPostfix => BytesOperator::Postfix,
        Operator::SubString => BytesOperator::Contains,
        Operator::SubStringIgnCase => BytesOperator::ContainsIgnoringCase,
        _ => BytesOperator::Equal,
    }
}

fn side(operator: Operator) -> Side {
    match operator {
        Operator::DAddr
        | Operator::NotDAddr
        | Operator::DPort
        | Operator::NotDPort
        | Operator::DPortPriv
        | Operator::NotDPortPriv => Side::Destination,
        _ => Side::Source,
    }
}

/// The numbers that arguments of a class can be.
fn bounds(class: Class) -> (i128, i128) {
    match class {
        Class::Int { bits, signed: true } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        Class::Int { bits, signed: false } => (0, (1 << bits) - 1),
        // A system call's number, with the mark of 32-bit ABIs.
        _ => (0, i128::from(u32::MAX)),
    }
}

fn integer(text: &str, class: Class) -> Result<i128, Wrong> {
    let (min, max) = bounds(class);
    let allowed = || format!("a number from {min} to {max}");
    let value = number(text).ok_or_else(|| (format!("`{}` is no number", shorten(text)), allowed()))?;
    if value < min || value > max {
        return Err((format!("`{}` is out of range", shorten(text)), allowed()));
    }
    Ok(value)
}

fn range(text: &str, class: Class) -> Result<IntRange, Wrong> {
    let (min, max) = text.split_once(':').ok_or_else(|| {
        (
            format!("`{}` is no range", shorten(text)),
            "min:max, both included".to_owned(),
        )
    })?;
    let (min, max) = (integer(min, class)?, integer(max, class)?);
    if min > max {
        return Err((
            format!("nothing lies in `{}`", shorten(text)),
            "min:max, both included".into(),
        ));
    }
    Ok(IntRange { min, max })
}

/// Bits of a number: also written as a negative number, if the argument can be one.
fn bits(text: &str, class: Class) -> Result<u64, Wrong> {
    let width = match class {
        Class::Int { bits, .. } => bits,
        _ => 64,
    };
    let all = u64::MAX >> (64 - width);
    let (min, _) = bounds(class);
    let allowed = || format!("{width} bits: a number from {min} to {all:#x}");
    let value = number(text).ok_or_else(|| (format!("`{}` is no number", shorten(text)), allowed()))?;
    if value < min || value > i128::from(all) {
        return Err((format!("`{}` is out of range", shorten(text)), allowed()));
    }
    if value == 0 {
        return Err(("no bit is set: the filter never passes".into(), allowed()));
    }
    Ok(value as u64 & all)
}

fn syscall(text: &str) -> Result<IntRange, Wrong> {
    if number(text).is_some() {
        return integer(text, Class::Syscall).map(IntRange::one);
    }
    match Syscall::parse(text) {
        Ok(syscall) => Ok(IntRange::one(i128::from(syscall.id()))),
        Err(help) => Err((format!("`{}` is no system call", shorten(text)), help)),
    }
}

/// The members of a list as numbers.
fn list(members: &Functions, class: Class) -> Result<Vec<IntRange>, Wrong> {
    let one = |number: u32| IntRange::one(i128::from(number));
    match (members, class) {
        (Functions::Syscalls(_) | Functions::AllSyscalls, Class::Int { bits, .. }) if bits < 64 => Err((
            "a list of system calls is compared with the number of one".into(),
            "declare the argument as syscall64".into(),
        )),
        (Functions::Syscalls(calls), Class::Int { .. }) if calls.iter().any(|call| call.abi.is_32_bit()) => Err((
            "the list has system calls of a 32-bit ABI, which a number alone does not tell from others".into(),
            "declare the argument as syscall64".into(),
        )),
        (Functions::Syscalls(calls), _) => Ok(calls.iter().map(|call| one(call.id())).collect()),
        (Functions::AllSyscalls, _) => Ok(Abi::NATIVE.syscalls().map(|(_, number)| one(number)).collect()),
        (Functions::Named(_) | Functions::Matching(_), _) => Err((
            "a list of functions has no numbers".into(),
            "a list of type syscalls has".into(),
        )),
    }
}

/// A number, or names of capabilities separated by commas.
fn capability_set(text: &str) -> Result<u64, Wrong> {
    if let Some(number) = number(text) {
        let allowed = || "a number of 64 bits, or names separated by commas".to_owned();
        return u64::try_from(number).map_err(|_| (format!("`{}` is out of range", shorten(text)), allowed()));
    }
    let mut bits = text
        .split(',')
        .map(|name| CAPABILITIES.parse(name.trim()).map(|number| 1 << number));
    bits.try_fold(0, |set, bit| bit.map(|bit: u64| set | bit))
}

fn bytes(text: &str, operator: Operator, class: Class, arg_type: ArgType, limits: &Limits) -> Result<Vec<u8>, Wrong> {
    // Tetragon takes the zero at the end of a text for what ends it, and so do policies.
    let text = if class == Class::Bytes {
        text
    } else {
        text.trim_end_matches('\0')
    };
    let kind = bytes_operator(operator);
    let (limit, longest) = match class {
        Class::Text { max } => (max, max),
        Class::SockaddrUn => (crate::arg_type::UNIX_PATH_MAX, crate::arg_type::UNIX_PATH_MAX),
        _ => (usize::MAX, usize::MAX),
    };
    let limit = limit.min(match kind {
        BytesOperator::Equal => limits.equal,
        BytesOperator::Prefix => limits.prefix,
        BytesOperator::Postfix => limits.postfix,
        BytesOperator::Contains | BytesOperator::ContainsIgnoringCase => limits.substring,
    });
    if text.len() > limit {
        let help = if limit == longest {
            format!("no value of type {arg_type} has more than {longest}")
        } else {
            format!("at most {limit} for {operator}")
        };
        return Err((format!("a text of {} bytes", text.len()), help));
    }
    if class != Class::Bytes && text.contains('\0') {
        return Err((
            "a zero byte ends a text: it never has one inside".into(),
            "leave it out".into(),
        ));
    }
    if text.is_empty() && kind != BytesOperator::Equal {
        let what = if operator.row().negated { "never" } else { "always" };
        return Err((
            format!("with an empty text {operator} {what} passes"),
            "leave the filter out".into(),
        ));
    }
    if text.is_empty() && operator == Operator::Equal && arg_type.is_path() {
        return Err((
            "no filter passes an empty path".into(),
            "pipes and sockets have none: use FileType".into(),
        ));
    }
    Ok(text.as_bytes().to_vec())
}

/// An address or a network. Bits behind the network's are cleared, as in `127.0.0.1/8`.
fn network(text: &str) -> Result<Network, Wrong> {
    let wrong = || {
        let help = "such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10";
        (format!("`{}` is no address or network", shorten(text)), help.to_owned())
    };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => width,
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length
            .parse()
            .ok()
            .filter(|length| *length <= width)
            .ok_or_else(wrong)?,
        Some(_) => return Err(wrong()),
    };
    let (address, length) = match (address, address.to_canonical()) {
        // Packets with such an address count as IPv4 ones.
        (IpAddr::V6(_), IpAddr::V4(v4)) if length >= 96 => (IpAddr::V4(v4), length - 96),
        _ => (address, length),
    };
    let address = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    };
    Ok(Network { address, length })
}

fn ports(text: &str) -> Result<(u16, u16), Wrong> {
    let allowed = || "a port from 0 to 65535, or first:last".to_owned();
    let port = |text: &str| {
        let number = number(text).and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| (format!("`{}` is no port", shorten(text)), allowed()))
    };
    let (first, last) = match text.split_once(':') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err((format!("nothing lies in `{}`", shorten(text)), allowed()));
    }
    Ok((first, last))
}

fn file_type(text: &str) -> Result<FileType, Wrong> {
    FileType::from_name(text).ok_or_else(|| {
        let names = FileType::ALL.iter().map(|kind| kind.name());
        (
            format!("`{}` is no type of file", shorten(text)),
            suggest::allowed(text, names),
        )
    })
}
