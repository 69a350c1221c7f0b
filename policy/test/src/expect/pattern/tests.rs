use serde_json::{Value, json};

use super::{Mismatch, Pattern};
use crate::expect::scope::Scope;

#[allow(clippy::needless_pass_by_value, reason = "called with literals")]
fn check(pattern: Value, value: Value) -> Result<(), String> {
    let mut scope = Scope::default();
    scope.capture("known", json!(42));
    // A step may have the name of a capture.
    scope.set("known", json!([{ "pid": 1 }]));
    let pattern = Pattern::parse(&pattern).unwrap();
    pattern.matches(&value, &scope).map(|_| ()).map_err(
        |Mismatch {
             path, reason, nonsense, ..
         }| { format!("{path}: {reason}{}", if nonsense { " (nonsense)" } else { "" }) },
    )
}

#[allow(clippy::needless_pass_by_value, reason = "called with literals")]
fn fails(pattern: Value, value: Value, expected: &str) {
    assert_eq!(check(pattern, value), Err(expected.to_owned()));
}

#[test]
fn objects_match_in_part_and_name_what_differs() {
    assert_eq!(
        check(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3})),
        Ok(())
    );
    fails(json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), "a.b: 1 expected, got 2");
    fails(json!({"a": {"b": 1}}), json!({"a": {}}), "a.b: not there");
    fails(
        json!({"a": {"b": 1}}),
        json!({"a": 1}),
        "a: 1 is of another kind (nonsense)",
    );
}

#[test]
fn numbers_compare_with_digits() {
    assert_eq!(check(json!({"n": 7, "m": "8"}), json!({"n": "7", "m": 8})), Ok(()));
    assert_eq!(check(json!("${known}"), json!(42)), Ok(()));
    fails(json!("${unknown}"), json!(42), ": ${unknown} has no value (nonsense)");
}

#[test]
fn lists_match_whole_and_in_order_unless_told() {
    assert_eq!(check(json!(["a", "b"]), json!(["a", "b"])), Ok(()));
    fails(json!(["a", "b"]), json!(["b", "a"]), "0: \"a\" expected, got \"b\"");
    fails(json!(["a"]), json!(["a", "b"]), ": 2 elements, expected 1");
    assert_eq!(
        check(json!({"unordered": ["a", {"prefix": "b"}]}), json!(["bc", "a"])),
        Ok(())
    );
    assert!(check(json!({"unordered": ["a"]}), json!(["b", "a"])).is_err());
    assert_eq!(check(json!({"subset": ["a"]}), json!(["b", "a"])), Ok(()));
    // The first element found for the first pattern must not be lost to the second.
    assert_eq!(
        check(json!({"subset": [{"prefix": "a"}, "ab"]}), json!(["ab", "ac"])),
        Ok(())
    );
}

#[test]
fn operators_say_what_they_wanted() {
    assert_eq!(
        check(
            json!({"prefix": "/usr", "suffix": "cat", "length": 12}),
            json!("/usr/bin/cat")
        ),
        Ok(())
    );
    fails(
        json!({"suffix": "dog"}),
        json!("/usr/bin/cat"),
        ": suffix \"dog\", got \"/usr/bin/cat\"",
    );
    fails(
        json!({"contains": "dog"}),
        json!("cat"),
        ": \"dog\" somewhere, got \"cat\"",
    );
    fails(json!({"regex": "^d"}), json!("cat"), ": match of ^d, got \"cat\"");
    fails(json!({"length": 4}), json!("cat"), ": length 4 and not 3, got \"cat\"");
    fails(json!({"regex": "^d"}), json!(7), ": 7 is no text (nonsense)");
    assert_eq!(check(json!({"at_least": 5, "at_most": 7}), json!("6")), Ok(()));
    fails(json!({"at_least": 5}), json!(4), ": at least 5, got 4");
}

#[test]
fn absence_and_negation() {
    assert_eq!(check(json!({"x": {"absent": true}, "y": 1}), json!({"y": 1})), Ok(()));
    fails(
        json!({"x": {"absent": true}}),
        json!({"x": 1}),
        "x: absent = true, got 1",
    );
    assert_eq!(check(json!({"x": {"not": "a"}}), json!({"x": "b"})), Ok(()));
    assert!(check(json!({"x": {"not": {"prefix": "b"}}}), json!({"x": "bc"})).is_err());
}

#[test]
fn a_capture_must_agree_with_itself() {
    let pattern = json!({"a": {"capture": "id"}, "b": {"capture": "id"}});
    assert_eq!(check(pattern.clone(), json!({"a": "x", "b": "x"})), Ok(()));
    fails(
        pattern,
        json!({"a": "x", "b": "y"}),
        "b: \"x\" (captured as id), got \"y\"",
    );
    fails(
        json!({"capture": "known"}),
        json!(41),
        ": 42 (captured as known), got 41",
    );
}

#[test]
fn data_that_says_nothing_is_refused() {
    let error = |data: Value| -> String { Pattern::parse(&data).map(|_| ()).unwrap_err() };
    assert_eq!(error(json!({})), "an empty table matches everything");
    assert_eq!(error(json!({"a": {"prefix": ""}})), "a: prefix needs text, not \"\"");
    assert!(error(json!({"a": {"prefix": "x", "field": 1}})).contains("field is no operator"));
    assert!(error(json!({"a": {"regex": "("}})).contains("a: "));
}

#[test]
fn paths_are_of_what_must_be_there() {
    let pattern = json!({"a": {"b": 1, "c": {"prefix": "x"}, "d": {"absent": true}}});
    assert_eq!(Pattern::parse(&pattern).unwrap().paths(), ["a.b", "a.c"]);
}
