//! The values of a filter: text to numbers, ranges, networks and names, by the operator's grammar.
//!
//! A value that no argument of the type can have is refused: such a filter never passes, or always.

mod net;
mod number;
mod text;

use net::{network, ports};
use number::{bits, capability_set, compared, integer, list, range, syscall};
use text::bytes;

use super::hooks::Shared;
use super::{Context, lists};
use crate::arg_type::{ArgType, Class};
use crate::limits::Limits;
use crate::model::{Arg, BytesOperator, IntOperator, IntRange, Side, Test};
use crate::names::{BPF_COMMANDS, CAPABILITIES, FAMILIES, FileType, Numbers, PROTOCOLS, TCP_STATES};
use crate::operator::{Grammar, Operator};
use crate::place::Place;
use crate::spec::ArgFilter;
use crate::suggest;
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
            if self.cx.diagnostics.is_full() {
                break;
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
            Class::Int { .. } => self.each(|text, _| compared(text, operator, class).map(IntRange::one)),
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
            if self.cx.diagnostics.is_full() {
                break;
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

fn file_type(text: &str) -> Result<FileType, Wrong> {
    FileType::from_name(text).ok_or_else(|| {
        let names = FileType::ALL.iter().map(|kind| kind.name());
        (
            format!("`{}` is no type of file", shorten(text)),
            suggest::allowed(text, names),
        )
    })
}
