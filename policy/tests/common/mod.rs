//! Policies around the part that a test is about.

#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]
#![allow(dead_code, reason = "each test takes what it needs")]

use expect_test::Expect;
use policy::diagnostic::Severity;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::model::Policy;
use policy::resolve::load;
use policy::yaml::Budget;

/// The diagnostics of a file, one a line, without their lines and columns.
pub(crate) fn policy(text: &str, expected: Expect) {
    let (policies, diagnostics) = load(text, Budget::default(), &Limits::default(), &NoKernel);
    let failed = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    assert!(failed || !policies.is_empty(), "no policy and no reason: {text}");
    let mut lines = Vec::new();
    for mut diagnostic in diagnostics {
        assert!(
            diagnostic.place.line > 0 || diagnostic.message.contains("not shown"),
            "no place: {diagnostic}"
        );
        diagnostic.place.line = 0;
        lines.push(diagnostic.to_string());
    }
    expected.assert_eq(&lines.join("\n"));
}

fn indented(body: &str) -> String {
    body.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

/// A policy with this `spec`.
pub(crate) fn document(body: &str) -> String {
    let body = indented(body);
    format!("apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata:\n  name: p\nspec:\n  loader: true\n{body}")
}

/// The diagnostics of a policy with this `spec`.
pub(crate) fn spec(body: &str, expected: Expect) {
    policy(&document(body), expected);
}

/// The diagnostics of a policy with this kprobe.
pub(crate) fn kprobe(body: &str, expected: Expect) {
    spec(&one_kprobe(body), expected);
}

/// A spec with this kprobe.
pub(crate) fn one_kprobe(body: &str) -> String {
    let body = indented(body);
    format!("kprobes:\n- ignore: {{}}\n{body}")
}

/// The diagnostics of a policy with a kprobe with this argument.
pub(crate) fn kprobe_arg(arg: &str, expected: Expect) {
    kprobe(&format!("call: sys_read\nargs: [{arg}]"), expected);
}

/// The diagnostics of a policy with a kprobe on a plain function with this argument.
pub(crate) fn function_arg(arg: &str, expected: Expect) {
    kprobe(&format!("call: f\nsyscall: false\nargs: [{arg}]"), expected);
}

/// The diagnostics of a policy with this selector, on a system call with arguments `0:int` and `1:string`.
pub(crate) fn selector(body: &str, expected: Expect) {
    kprobe(
        &format!(
            "call: sys_read\nargs: [{{index: 0, type: int}}, {{index: 1, type: string}}]\nselectors:\n- label: x\n  {body}"
        ),
        expected,
    );
}

/// The one policy of a file that has nothing wrong.
pub(crate) fn good(text: &str) -> Policy {
    let (mut policies, diagnostics) = load(text, Budget::default(), &Limits::default(), &NoKernel);
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    policies.remove(0)
}
