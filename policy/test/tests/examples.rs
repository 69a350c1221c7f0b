//! The example policies, without a kernel: they can be read, and so can their tests.

use std::{collections::BTreeMap, path::Path};

use policy::{kernel::NoKernel, limits::Limits, resolve::load, yaml::Budget};
use policy_test::PolicyTest;

#[test]
fn examples_are_policies_and_tests_fit_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let tests = policy_test::find(&folder).unwrap();
    assert!(!tests.is_empty());
    let mut names = BTreeMap::new();
    for path in tests {
        let test = PolicyTest::read(&path).unwrap();
        let yaml = test.yaml(|to| Ok(filled(to))).unwrap();
        let (policies, problems) = load(&yaml, Budget::default(), &Limits::default(), &NoKernel);
        // Some come with the pod that they are shown with.
        let mut problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problems.retain(|problem| !problem.ends_with("a Pod, which is no policy, is passed over"));
        assert!(problems.is_empty(), "{}: {problems:?}", test.policy.display());
        assert!(!policies.is_empty(), "{}", test.policy.display());
        for policy in policies {
            // A policy may have several tests.
            let known = names.entry(policy.name.clone()).or_insert_with(|| test.policy.clone());
            assert_eq!(*known, test.policy, "two policies are named {}", policy.name);
        }
    }
}

/// What a test puts in place of a text of the policy, with something in place of what only a run knows.
fn filled(text: &str) -> String {
    let mut pieces = text.split("${");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        filled.push_str(if name.ends_with("_pid") { "1" } else { "/folder" });
        filled.push_str(rest);
    }
    filled
}
