//! Conditions of policies as conditions of code.

use ebpf_abi::{
    hook::{Flow, NEEDLE_LEN, Slot, fact, structure},
    map::Images,
};
use ebpf_codegen::{Filter, NumberTest, POSTFIX_MAX, Read, Subject, TextTest};
use policy::model::{
    ArgFilter, BinaryFilter, BytesOperator, CapabilityFilter, IntOperator, NamespaceId, Network, PathTest,
    ProcessFilter, Side, Test,
};
use policy::names::CapabilitySet;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr};

use super::images::Conditions;

/// What cannot be compiled yet, as the beginning of a sentence.
pub(super) type NotYet = String;

/// `S_IFMT`: the bits of a mode that say what type the file is.
const S_IFMT: u64 = 0o170_000;

/// `AF_INET` and `AF_INET6`.
const INTERNET: [u64; 2] = [2, 10];

/// A condition on the argument of the hook in `position`, whose value is read as `read`.
pub(super) fn arg(filter: &ArgFilter, position: usize, read: Read) -> Result<Vec<Filter>, NotYet> {
    let subject = Subject::Arg(position);
    let one = |filter| Ok(vec![filter]);
    match &filter.test {
        Test::Int { operator, values } => {
            let (bytes, signed) = match read {
                Read::Number { bytes, signed } => (bytes, signed),
                Read::Syscall => (8, false),
                _ => return Err("this operator on this type".to_owned()),
            };
            let bits = 8 * u32::from(bytes);
            let (least, greatest) = if signed {
                (-(1_i128 << (bits - 1)), (1 << (bits - 1)) - 1)
            } else {
                (0, (1_i128 << bits) - 1)
            };
            let mut ranges: Vec<(i128, i128)> = values.iter().map(|range| (range.min, range.max)).collect();
            match operator {
                IntOperator::In | IntOperator::NotIn => {}
                // Greater than one of them: than the least.
                IntOperator::Greater => {
                    let bound = values.iter().map(|range| range.min).min().unwrap_or(greatest);
                    ranges = vec![(bound + 1, greatest)];
                }
                IntOperator::Less => {
                    let bound = values.iter().map(|range| range.max).max().unwrap_or(least);
                    ranges = vec![(least, bound - 1)];
                }
            }
            let clamped = ranges.into_iter().filter(|(first, last)| first <= last);
            one(Filter::Number(
                subject,
                NumberTest::In {
                    ranges: clamped.map(|(first, last)| (first as u64, last as u64)).collect(),
                    not: *operator == IntOperator::NotIn,
                },
            ))
        }
        Test::Mask { values } => one(Filter::Number(
            subject,
            NumberTest::AnyBit {
                masks: values.clone(),
                not: false,
            },
        )),
        Test::CapSet { negated, values } => one(Filter::Number(subject, set(values.iter().copied(), *negated))),
        Test::Bytes {
            operator,
            negated,
            values,
        } => {
            let mut filters = vec![];
            if let Read::Path(_) = read {
                // What has no path fits nothing.
                filters.push(Filter::Field {
                    subject,
                    offset: offset_of!(Slot, len) as u16,
                    bytes: 4,
                    mask: u64::MAX,
                    test: set([0].into_iter(), true),
                });
            }
            filters.push(text(subject, *operator, *negated, values)?);
            Ok(filters)
        }
        Test::FileType { negated, values } => one(Filter::Field {
            subject,
            offset: offset_of!(Slot, mode) as u16,
            bytes: 4,
            mask: S_IFMT,
            test: set(values.iter().map(|kind| u64::from(kind.mode())), *negated),
        }),
        Test::Port { side, negated, values } => {
            let at = match side {
                Side::Source => offset_of!(Flow, source_port),
                Side::Destination => offset_of!(Flow, destination_port),
            };
            let ranges = values
                .iter()
                .map(|&(first, last)| (first.into(), last.into()))
                .collect();
            let ports = field(subject, offset_of!(Flow, ports), set([1].into_iter(), false));
            Ok(vec![
                ports,
                field(subject, at, NumberTest::In { ranges, not: *negated }),
            ])
        }
        Test::Protocol { values } => {
            let values = values.iter().map(|&value| value.into());
            one(field(subject, offset_of!(Flow, protocol), set(values, false)))
        }
        Test::Family { values } => {
            let values = values.iter().map(|&value| value.into());
            let test = set(values, false);
            // Also that of a process.
            if !matches!(read, Read::Structure(kind) if kind & !structure::USER == structure::SOCKADDR_UN) {
                return one(field(subject, offset_of!(Flow, family), test));
            }
            one(Filter::Field {
                subject,
                offset: offset_of!(Slot, flags) as u16,
                bytes: 4,
                mask: u64::MAX,
                test,
            })
        }
        Test::State { values } => {
            let values = values.iter().map(|&value| value.into());
            one(field(subject, offset_of!(Flow, state), set(values, false)))
        }
        Test::Address { side, negated, values } => {
            let at = match side {
                Side::Source => offset_of!(Flow, source),
                Side::Destination => offset_of!(Flow, destination),
            };
            let address = Filter::Address {
                subject,
                offset: (offset_of!(Slot, bytes) + at) as u16,
                networks: values.iter().flat_map(networks).collect(),
                not: *negated,
            };
            let internet = field(subject, offset_of!(Flow, family), set(INTERNET.into_iter(), false));
            Ok(vec![internet, address])
        }
        // The other set is an argument too: whoever knows where those are sees to it.
        Test::CapabilitiesGained { .. } => Err("operator CapabilitiesGained here".to_owned()),
        Test::Unknown { .. } => Err("this operator on an argument of unknown type".to_owned()),
    }
}

/// One of the values, or none of them.
fn set(values: impl Iterator<Item = u64>, not: bool) -> NumberTest {
    NumberTest::In {
        ranges: values.map(|value| (value, value)).collect(),
        not,
    }
}

/// A condition on a number of 16 bits in a flow.
fn field(subject: Subject, at: usize, test: NumberTest) -> Filter {
    Filter::Field {
        subject,
        offset: (offset_of!(Slot, bytes) + at) as u16,
        bytes: 2,
        mask: u64::MAX,
        test,
    }
}

/// A network in the form that addresses have in the kernel, where those of IPv4 are mapped into IPv6. One of IPv6 that is so
/// large that the mapped ones would lie in it becomes what is left of it without them.
fn networks(network: &Network) -> Vec<([u8; 16], u8)> {
    let mapped = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().to_bits();
    let address = match network.address {
        IpAddr::V4(address) => return vec![(address.to_ipv6_mapped().octets(), MAPPED + network.length)],
        IpAddr::V6(address) => address,
    };
    let prefix = |bits: u128, length: u8| bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    if network.length >= MAPPED || prefix(mapped, network.length) != address.to_bits() {
        return vec![(address.octets(), network.length)];
    }
    // Each shares one bit more with them, and differs in the next.
    let halves = network.length + 1..=MAPPED;
    let other = halves.map(|length| (prefix(mapped ^ 1 << (128 - length), length).to_be_bytes(), length));
    other.collect()
}

/// Bits that all mapped addresses have in common.
const MAPPED: u8 = 96;

fn text(subject: Subject, operator: BytesOperator, not: bool, values: &[Vec<u8>]) -> Result<Filter, NotYet> {
    let mut test = TextTest {
        not,
        ..TextTest::default()
    };
    match operator {
        BytesOperator::Equal => test.equal = values.to_vec(),
        BytesOperator::Prefix => test.prefix = values.to_vec(),
        BytesOperator::Postfix => test.postfix = postfixes(values.to_vec())?,
        BytesOperator::Contains | BytesOperator::ContainsIgnoringCase => {
            if values.iter().any(|value| value.len() > NEEDLE_LEN) {
                return Err(format!("operator SubString with more than {NEEDLE_LEN} bytes"));
            }
            let fold = operator == BytesOperator::ContainsIgnoringCase;
            let folded = |value: &Vec<u8>| {
                if fold {
                    value.to_ascii_lowercase()
                } else {
                    value.clone()
                }
            };
            return Ok(Filter::Contains {
                subject,
                texts: values.iter().map(folded).collect(),
                fold,
                not,
            });
        }
    }
    Ok(Filter::Text(subject, test))
}

/// A condition on the process. `host` finds the inode number of a namespace of the host; `conditions` are those on
/// executables that hold beyond the moment.
pub(super) fn process(
    filter: &ProcessFilter,
    host: impl Fn(u32) -> u32,
    conditions: &mut Conditions,
) -> Result<Vec<Filter>, NotYet> {
    // Of the last word; a bit that is missing says nothing where one of the words is not known.
    let mut remembered = |words: &[u32], filter: &BinaryFilter| {
        let bit = conditions.bit(&binary(filter, false)?);
        let bit =
            bit.ok_or("more than 63 different conditions of followChildren and matchParentBinaries in all policies")?;
        let any_bit = |word: u32, bit, not| {
            let masks = vec![bit];
            Filter::Number(Subject::Fact(word), NumberTest::AnyBit { masks, not })
        };
        let known = words.iter().filter(|_| filter.negated);
        let known = known.map(|&word| any_bit(word, Images::KNOWN, false));
        let last = words.last().map(|&word| any_bit(word, bit, filter.negated));
        Ok::<Vec<_>, NotYet>(known.chain(last).collect())
    };
    match filter {
        ProcessFilter::Binary(filter) if filter.follow_children => {
            let readable = TextTest {
                not: true,
                ..TextTest::default()
            };
            let mut filters = remembered(&[fact::FOLLOWED], filter)?;
            // A thread of the kernel has no executable, and passes neither filter.
            filters.push(Filter::Text(Subject::Binary, readable));
            Ok(filters)
        }
        ProcessFilter::Binary(filter) => Ok(vec![Filter::Text(Subject::Binary, binary(filter, filter.negated)?)]),
        ProcessFilter::ParentBinary(filter) if filter.follow_children => {
            remembered(&[fact::PARENT, fact::PARENT_FOLLOWED], filter)
        }
        ProcessFilter::ParentBinary(filter) => remembered(&[fact::PARENT], filter),
        ProcessFilter::Pid(filter) => {
            if filter.follow_forks {
                return Ok(vec![Filter::Lineage {
                    namespaced: filter.namespaced,
                    pids: filter.values.clone(),
                    not: filter.negated,
                }]);
            }
            let test = set(filter.values.iter().map(|&pid| pid.into()), filter.negated);
            if !filter.namespaced {
                return Ok(vec![Filter::Number(Subject::Pid, test)]);
            }
            // A process in no container has no id there: it never passes.
            let subject = Subject::Fact(fact::NSPID);
            Ok(vec![
                Filter::Number(subject, set([0].into_iter(), true)),
                Filter::Number(subject, test),
            ])
        }
        ProcessFilter::Namespace(filter) => {
            let position = filter.namespace as u32;
            let values = filter.values.iter().map(|value| match value {
                NamespaceId::Host => host(position).into(),
                NamespaceId::Inode(inode) => u64::from(*inode),
            });
            Ok(vec![Filter::Number(
                Subject::Fact(fact::NAMESPACE + position),
                set(values, filter.negated),
            )])
        }
        ProcessFilter::Capability(filter) => Ok(capabilities(
            filter,
            [fact::CAP_EFFECTIVE, fact::CAP_INHERITABLE, fact::CAP_PERMITTED],
        )),
        ProcessFilter::NamespaceChange(filter) => {
            let mask = filter
                .values
                .iter()
                .fold(0, |mask, &namespace| mask | 1 << namespace as u32);
            let changed = NumberTest::AnyBit {
                masks: vec![mask],
                not: filter.negated,
            };
            Ok(vec![
                Filter::Number(Subject::Fact(fact::NAMESPACES_CHANGED), changed),
                Filter::Remember(fact::REMEMBER_NAMESPACES),
            ])
        }
        ProcessFilter::CapabilityChange(filter) => {
            let of = [
                fact::CAP_EFFECTIVE_CHANGED,
                fact::CAP_INHERITABLE_CHANGED,
                fact::CAP_PERMITTED_CHANGED,
            ];
            let mut filters = capabilities(filter, of);
            filters.push(Filter::Remember(fact::REMEMBER_CAPABILITIES));
            Ok(filters)
        }
    }
}

/// What the path of an executable must be.
fn binary(filter: &BinaryFilter, not: bool) -> Result<TextTest, NotYet> {
    let values: Vec<Vec<u8>> = filter.values.iter().map(|value| value.clone().into_bytes()).collect();
    let mut test = TextTest {
        not,
        ..TextTest::default()
    };
    match filter.test {
        PathTest::Equal => test.equal = values,
        PathTest::Prefix => test.prefix = values,
        PathTest::Postfix => test.postfix = postfixes(values)?,
    }
    Ok(test)
}

fn postfixes(values: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, NotYet> {
    if values.iter().any(|value| value.len() > POSTFIX_MAX) {
        return Err(format!("operator Postfix with more than {POSTFIX_MAX} bytes"));
    }
    Ok(values)
}

/// A condition on one of the sets that are these facts: effective, inheritable, permitted.
fn capabilities(filter: &CapabilityFilter, facts: [u32; 3]) -> Vec<Filter> {
    let [effective, inheritable, permitted] = facts;
    let set_of = match filter.set {
        CapabilitySet::Effective => effective,
        CapabilitySet::Inheritable => inheritable,
        CapabilitySet::Permitted => permitted,
    };
    let mut filters = vec![];
    if filter.namespaced {
        filters.push(Filter::Number(
            Subject::Fact(fact::USER_NS_LEVEL),
            set([0].into_iter(), true),
        ));
    }
    filters.push(Filter::Number(
        Subject::Fact(set_of),
        NumberTest::AnyBit {
            masks: vec![filter.mask],
            not: filter.negated,
        },
    ));
    filters
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn networks_do_not_hold_addresses_of_the_other_family() {
        let networks = |text: &str| {
            let (address, length) = text.split_once('/').unwrap();
            let (address, length) = (address.parse().unwrap(), length.parse().unwrap());
            networks(&Network { address, length })
        };
        let holds = |networks: &[([u8; 16], u8)], address: &str| {
            let address: Ipv6Addr = address.parse().unwrap();
            networks.iter().any(|(network, length)| {
                (address.to_bits() ^ u128::from_be_bytes(*network)).leading_zeros() >= u32::from(*length)
            })
        };
        assert_eq!(networks("fe80::/10").len(), 1);
        assert_eq!(networks("10.0.0.0/8"), [(networks("10.0.0.0/32")[0].0, 104)]);
        let all = networks("::/0");
        assert_eq!(all.len(), 96);
        for address in [
            "::",
            "::1",
            "::1:0:0",
            "::fffe:1.2.3.4",
            "1::ffff:1.2.3.4",
            "ffff::",
            "2001:db8::1",
        ] {
            assert!(holds(&all, address), "{address}");
        }
        assert!(!holds(&all, "::ffff:0.0.0.0") && !holds(&all, "::ffff:255.255.255.255"));
        assert!(holds(&networks("::/30"), "::1") && !holds(&networks("::/30"), "::ffff:1.2.3.4"));
        assert!(holds(&networks("10.0.0.0/8"), "::ffff:10.1.2.3"));
    }
}
