//! What holds for every filter and every value.

use std::net::IpAddr;

use policy::eval::{Address, Socket, Value, passes};
use policy::model::{ArgFilter, BytesOperator, IntOperator, IntRange, Network, Side, Test};
use policy::names::FileType;
use policy::operator::Operator;
use policy::place::Place;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn decide(test: Test, value: &Value) -> bool {
    let filter = ArgFilter {
        position: 0,
        operator: Operator::Equal,
        test,
        place: Place::default(),
    };
    passes(&filter, std::slice::from_ref(value))
}

fn any_int() -> impl Strategy<Value = i128> {
    prop_oneof![
        -3i128..3,
        select(vec![i128::from(i64::MIN), i128::from(u64::MAX)]),
        any::<i64>().prop_map(i128::from)
    ]
}

fn any_range() -> impl Strategy<Value = IntRange> {
    (any_int(), any_int()).prop_map(|(a, b)| IntRange {
        min: a.min(b),
        max: a.max(b),
    })
}

/// Short texts of few letters, so that some fit.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(select(b"aAb/".to_vec()), 0..5)
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        any::<u32>().prop_map(|bits| IpAddr::V6((0xffff_0000_0000 | u128::from(bits)).into())),
    ]
}

/// The bits of an address, first to last, as the family has them that packets count as.
fn bits(address: IpAddr) -> Vec<bool> {
    match address.to_canonical() {
        IpAddr::V4(v4) => (0..32).rev().map(|i| v4.to_bits() >> i & 1 == 1).collect(),
        IpAddr::V6(v6) => (0..128).rev().map(|i| v6.to_bits() >> i & 1 == 1).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_negated_filter_on_numbers_is_the_opposite(values in vec(any_range(), 1..4), number in any_int()) {
        let test = |operator| Test::Int { operator, values: values.clone() };
        let value = Value::Int(number);
        let inside = values.iter().any(|range| (range.min..=range.max).contains(&number));
        prop_assert_eq!(decide(test(IntOperator::In), &value), inside);
        prop_assert_eq!(decide(test(IntOperator::NotIn), &value), !inside);
        prop_assert!(!decide(test(IntOperator::NotIn), &Value::Failed));
    }

    #[test]
    fn greater_less_and_equal_exclude_each_other(bound in any_int(), number in any_int()) {
        let test = |operator| Test::Int { operator, values: vec![IntRange::one(bound)] };
        let value = Value::Int(number);
        let results = [IntOperator::Greater, IntOperator::Less, IntOperator::In].map(|operator| decide(test(operator), &value));
        prop_assert_eq!(results.into_iter().filter(|passed| *passed).count(), 1);
    }

    #[test]
    fn texts(operator in select(vec![
        BytesOperator::Equal, BytesOperator::Prefix, BytesOperator::Postfix, BytesOperator::Contains,
        BytesOperator::ContainsIgnoringCase,
    ]), values in vec(any_bytes(), 1..4), bytes in any_bytes()) {
        let test = |negated| Test::Bytes { operator, negated, values: values.clone() };
        let value = Value::Bytes(bytes.clone());
        let passed = decide(test(false), &value);
        prop_assert_eq!(decide(test(true), &value), !passed);
        prop_assert!(!decide(test(true), &Value::Failed));
        // One by one it is the same.
        let one = |value: &Vec<u8>| Test::Bytes { operator, negated: false, values: vec![value.clone()] };
        prop_assert_eq!(values.iter().any(|text| decide(one(text), &value)), passed);
        // What is equal begins, ends and is inside.
        if values.contains(&bytes) {
            prop_assert!(passed);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let contained = values.iter().any(|value| text.contains(&*String::from_utf8_lossy(value)));
        prop_assert!(operator != BytesOperator::Contains || passed == contained);
        // A file without a path fits nothing.
        let nameless = Value::File { path: Vec::new(), mode: 0 };
        prop_assert!(!decide(test(false), &nameless) && !decide(test(true), &nameless));
    }

    #[test]
    fn networks(network in any_address(), length in 0u8..=128, flip in 0usize..160, address in any_address(), near: bool) {
        let network = network.to_canonical();
        let width = if network.is_ipv4() { 32 } else { 128 };
        let length = length.min(width);
        // An address that differs from the network in one bit, or any.
        let address = if near {
            match network {
                IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() ^ 1u32.checked_shl(flip as u32).unwrap_or(0)).into()),
                IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() ^ 1u128.checked_shl(flip as u32).unwrap_or(0)).into()),
            }
        } else {
            address
        };
        let (expected, actual) = (bits(network), bits(address));
        let inside = expected.len() == actual.len() && expected[..length as usize] == actual[..length as usize];
        let test = |negated| Test::Address { side: Side::Source, negated, values: vec![Network { address: network, length }] };
        let socket = Socket { source: Some(Address { address, port: None }), ..Socket::default() };
        let value = Value::Socket(socket);
        prop_assert_eq!(decide(test(false), &value), inside);
        prop_assert_eq!(decide(test(true), &value), !inside);
    }

    #[test]
    fn ports(values in vec((any::<u16>(), any::<u16>()), 1..4), port: u16) {
        let values: Vec<(u16, u16)> = values.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        let inside = values.iter().any(|(first, last)| *first <= port && port <= *last);
        let end = Address { address: [127, 0, 0, 1].into(), port: Some(port) };
        let value = Value::Socket(Socket { destination: Some(end), ..Socket::default() });
        for negated in [false, true] {
            let test = Test::Port { side: Side::Destination, negated, values: values.clone() };
            prop_assert_eq!(decide(test, &value), inside != negated);
        }
    }

    #[test]
    fn types_of_files(values in vec(select(FileType::ALL), 1..4), kind in select(FileType::ALL), rights in 0u16..0o7777) {
        let value = Value::File { path: b"/x".to_vec(), mode: kind.mode() | rights };
        for negated in [false, true] {
            let test = Test::FileType { negated, values: values.clone() };
            prop_assert_eq!(decide(test, &value), values.contains(&kind) != negated);
        }
    }
}
