//! Operators of argument filters: one table says which there are, what they compare and how their values are written.

use crate::arg_type::Class;
use crate::object::keywords;

keywords! {
    /// How an argument is compared.
    Operator = "an operator" {
        /// It is one of the values.
        Equal = "Equal" | "eq";
        /// It is none of the values.
        NotEqual = "NotEqual" | "neq";
        /// It is greater than one of the values.
        GreaterThan = "GT" | "GreaterThan" | "gt";
        /// It is less than one of the values.
        LessThan = "LT" | "LessThan" | "lt";
        /// It has a bit in common with one of the values.
        Mask = "Mask" | "mask";
        /// It lies in one of the ranges.
        InRange = "InRange";
        /// It lies in none of the ranges.
        NotInRange = "NotInRange";
        /// It is in the set of values, ranges and lists.
        InMap = "InMap";
        /// It is not in the set of values, ranges and lists.
        NotInMap = "NotInMap";
        /// It begins with one of the values.
        Prefix = "Prefix" | "prefix";
        /// It begins with none of the values.
        NotPrefix = "NotPrefix" | "notprefix";
        /// It ends with one of the values.
        Postfix = "Postfix" | "postfix";
        /// It ends with none of the values.
        NotPostfix = "NotPostfix" | "notpostfix";
        /// It contains one of the values.
        SubString = "SubString";
        /// It contains one of the values, letter case of ASCII aside.
        SubStringIgnCase = "SubStringIgnCase" | "SubStringIgnoreCase";
        /// The source address lies in one of the networks.
        SAddr = "SAddr" | "saddr";
        /// The source address lies in none of the networks.
        NotSAddr = "NotSAddr" | "notsaddr";
        /// The destination address lies in one of the networks.
        DAddr = "DAddr" | "daddr";
        /// The destination address lies in none of the networks.
        NotDAddr = "NotDAddr" | "notdaddr";
        /// The source port is one of the values.
        SPort = "SPort" | "sport";
        /// The source port is none of the values.
        NotSPort = "NotSPort" | "notsport";
        /// The destination port is one of the values.
        DPort = "DPort" | "dport";
        /// The destination port is none of the values.
        NotDPort = "NotDPort" | "notdport";
        /// The source port is below 1024.
        SPortPriv = "SPortPriv" | "sportpriv";
        /// The source port is not below 1024.
        NotSPortPriv = "NotSPortPriv" | "NotSportPriv" | "notsportpriv";
        /// The destination port is below 1024.
        DPortPriv = "DPortPriv" | "dportpriv";
        /// The destination port is not below 1024.
        NotDPortPriv = "NotDPortPriv" | "NotDportPriv" | "notdportpriv";
        /// The protocol is one of the values.
        Protocol = "Protocol" | "protocol";
        /// The address family is one of the values.
        Family = "Family" | "family";
        /// The state of the socket is one of the values.
        State = "State" | "state";
        /// The second set has a capability that the first has not.
        CapabilitiesGained = "CapabilitiesGained" | "capabilitiesgained";
        /// The file is of one of the types.
        FileType = "FileType" | "filetype";
        /// The file is of none of the types.
        NotFileType = "NotFileType" | "notfiletype";
        /// The expression is true.
        CelExpr = "CelExpr" | "celexpr";
    }
}

/// How the values of a filter are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// As the class of the argument has it: a number, a text, a set of capabilities, a name.
    OfClass,
    /// Bits to test: a number, or a set of capabilities.
    Bits,
    /// `min:max`, both included.
    Range,
    /// A number, `min:max` or `list:NAME`.
    Set,
    /// IPv4 or IPv6 address, or network.
    Network,
    /// Port or `first:last`.
    Port,
    /// Protocol by name or number.
    Protocol,
    /// Address family by name or number.
    Family,
    /// State of a TCP socket by name or number.
    State,
    /// Type of a file.
    FileType,
    /// An expression.
    Expression,
    /// There are none.
    Nothing,
}

/// Which operator compares what, and with what.
#[derive(Debug)]
pub struct Row {
    /// The operator.
    pub operator: Operator,
    /// The classes that it compares.
    pub classes: &'static [Family],
    /// How its values are written.
    pub grammar: Grammar,
    /// Whether it passes when no value fits.
    pub negated: bool,
}

/// Classes without their particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of `Class`, described there")]
pub enum Family {
    Int,
    Text,
    File,
    Bytes,
    Sock,
    Skb,
    Sockaddr,
    SockaddrUn,
    CapSet,
    Capability,
    BpfCmd,
    Syscall,
}

impl Family {
    /// The family of a class; none for what cannot be compared or is not known.
    pub const fn of(class: Class) -> Option<Self> {
        Some(match class {
            Class::Int { .. } => Self::Int,
            Class::Text { .. } => Self::Text,
            Class::File => Self::File,
            Class::Bytes => Self::Bytes,
            Class::Sock => Self::Sock,
            Class::Skb => Self::Skb,
            Class::Sockaddr => Self::Sockaddr,
            Class::SockaddrUn => Self::SockaddrUn,
            Class::CapSet => Self::CapSet,
            Class::Capability => Self::Capability,
            Class::BpfCmd => Self::BpfCmd,
            Class::Syscall => Self::Syscall,
            Class::Opaque | Class::Unknown => return None,
        })
    }
}

const NUMBERS: &[Family] = &[Family::Int];
const NUMBERS_AND_SYSCALLS: &[Family] = &[Family::Int, Family::Syscall];
const COMPARABLE: &[Family] = &[
    Family::Int,
    Family::Text,
    Family::File,
    Family::Bytes,
    Family::SockaddrUn,
    Family::CapSet,
    Family::Capability,
    Family::BpfCmd,
    Family::Syscall,
];
const BEGINNING: &[Family] = &[Family::Text, Family::File, Family::Bytes, Family::SockaddrUn];
const END: &[Family] = &[Family::Text, Family::File, Family::Bytes];
const INSIDE: &[Family] = &[Family::Text, Family::File, Family::SockaddrUn];
const SOURCE: &[Family] = &[Family::Sock, Family::Skb, Family::Sockaddr];
const DESTINATION: &[Family] = &[Family::Sock, Family::Skb];
const WITH_FAMILY: &[Family] = &[Family::Sock, Family::Skb, Family::Sockaddr, Family::SockaddrUn];

/// The table, in the order of [`Operator::ALL`].
pub static OPERATORS: &[Row] = &[
    row(Operator::Equal, COMPARABLE, Grammar::OfClass, false),
    row(Operator::NotEqual, COMPARABLE, Grammar::OfClass, true),
    row(Operator::GreaterThan, NUMBERS, Grammar::OfClass, false),
    row(Operator::LessThan, NUMBERS, Grammar::OfClass, false),
    row(Operator::Mask, &[Family::Int, Family::CapSet], Grammar::Bits, false),
    row(Operator::InRange, NUMBERS, Grammar::Range, false),
    row(Operator::NotInRange, NUMBERS, Grammar::Range, true),
    row(Operator::InMap, NUMBERS_AND_SYSCALLS, Grammar::Set, false),
    row(Operator::NotInMap, NUMBERS_AND_SYSCALLS, Grammar::Set, true),
    row(Operator::Prefix, BEGINNING, Grammar::OfClass, false),
    row(Operator::NotPrefix, BEGINNING, Grammar::OfClass, true),
    row(Operator::Postfix, END, Grammar::OfClass, false),
    row(Operator::NotPostfix, END, Grammar::OfClass, true),
    row(Operator::SubString, INSIDE, Grammar::OfClass, false),
    row(Operator::SubStringIgnCase, INSIDE, Grammar::OfClass, false),
    row(Operator::SAddr, SOURCE, Grammar::Network, false),
    row(Operator::NotSAddr, SOURCE, Grammar::Network, true),
    row(Operator::DAddr, DESTINATION, Grammar::Network, false),
    row(Operator::NotDAddr, DESTINATION, Grammar::Network, true),
    row(Operator::SPort, SOURCE, Grammar::Port, false),
    row(Operator::NotSPort, SOURCE, Grammar::Port, true),
    row(Operator::DPort, DESTINATION, Grammar::Port, false),
    row(Operator::NotDPort, DESTINATION, Grammar::Port, true),
    row(Operator::SPortPriv, SOURCE, Grammar::Nothing, false),
    row(Operator::NotSPortPriv, SOURCE, Grammar::Nothing, true),
    row(Operator::DPortPriv, DESTINATION, Grammar::Nothing, false),
    row(Operator::NotDPortPriv, DESTINATION, Grammar::Nothing, true),
    row(
        Operator::Protocol,
        &[Family::Sock, Family::Skb],
        Grammar::Protocol,
        false,
    ),
    row(Operator::Family, WITH_FAMILY, Grammar::Family, false),
    row(Operator::State, &[Family::Sock], Grammar::State, false),
    row(Operator::CapabilitiesGained, &[Family::CapSet], Grammar::Nothing, false),
    row(Operator::FileType, &[Family::File], Grammar::FileType, false),
    row(Operator::NotFileType, &[Family::File], Grammar::FileType, true),
    row(Operator::CelExpr, NUMBERS, Grammar::Expression, false),
];

const fn row(operator: Operator, classes: &'static [Family], grammar: Grammar, negated: bool) -> Row {
    Row {
        operator,
        classes,
        grammar,
        negated,
    }
}

impl Operator {
    /// This operator's row of the table.
    pub fn row(self) -> &'static Row {
        &OPERATORS[self as usize]
    }

    /// Whether values of the class can be compared this way. True for a class that is not known yet.
    pub fn compares(self, class: Class) -> bool {
        match Family::of(class) {
            Some(family) => self.row().classes.contains(&family),
            None => class == Class::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_operator_in_order() {
        assert_eq!(OPERATORS.len(), Operator::ALL.len());
        for operator in Operator::ALL {
            assert_eq!(operator.row().operator, *operator);
            assert_eq!(operator.row().negated, operator.name().starts_with("Not"), "{operator}");
        }
    }
}
