//! Policies in all the shapes that users write: they load, and printing loses nothing.

use policy::diagnostic::Severity;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::model::{Functions, HookKind, Policy, Target};
use policy::parse::{parse, print};
use policy::resolve::load;
use policy::yaml::Budget;

const SHAPES: &str = include_str!("shapes.yaml");

fn shapes() -> Vec<Policy> {
    let (policies, diagnostics) = load(SHAPES, Budget::default(), &Limits::default(), &NoKernel);
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    policies
}

fn shape(name: &str) -> Policy {
    shapes()
        .into_iter()
        .find(|policy| policy.name == name)
        .expect("a shape of this name")
}

#[test]
fn all_load() {
    assert_eq!(shapes().len(), 9);
}

#[test]
fn printing_loses_nothing() {
    let (documents, _) = parse(SHAPES, Budget::default());
    let printed: Vec<String> = documents.iter().map(print).collect();
    let printed = printed.join("---\n");
    let (again, diagnostics) = parse(&printed, Budget::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}\n{printed}");
    assert_eq!(documents, again);
    let (policies, _) = load(&printed, Budget::default(), &Limits::default(), &NoKernel);
    assert_eq!(shapes(), policies);
    // The form is canonical: printing what was printed changes nothing.
    let twice: Vec<String> = again.iter().map(print).collect();
    assert_eq!(printed, twice.join("---\n"));
}

#[test]
fn some_need_workloads_and_some_enforce() {
    let facts: Vec<(String, bool, bool)> = shapes()
        .into_iter()
        .map(|policy| {
            (
                policy.name.clone(),
                policy.needs_workload().is_some(),
                policy.enforces(),
            )
        })
        .collect();
    let facts: Vec<(&str, bool, bool)> = facts
        .iter()
        .map(|(name, needs, acts)| (name.as_str(), *needs, *acts))
        .collect();
    assert_eq!(
        facts,
        [
            ("guard-a-secret.of-a-pod", true, true),
            ("writes-below-etc", true, false),
            ("who-has-the-socket", false, true),
            ("stop-duplicates", false, true),
            ("lists-of-every-kind", false, false),
            ("privileges", false, true),
            ("bytes-and-returns", false, true),
            ("modules-and-bpf", false, false),
            ("programs", false, true),
        ]
    );
}

#[test]
fn types_that_only_a_kernel_knows() {
    let unknown: Vec<Policy> = shapes()
        .into_iter()
        .filter(|policy| policy.unknown_type().is_some())
        .collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].name, "lists-of-every-kind");
}

#[test]
fn lists_become_what_they_hold() {
    let policy = shape("lists-of-every-kind");
    let functions: Vec<&Functions> = policy
        .hooks
        .iter()
        .filter_map(|hook| match &hook.target {
            Target::Functions(functions) => Some(functions),
            _ => None,
        })
        .collect();
    assert!(matches!(functions[0], Functions::Syscalls(calls) if calls.len() == 2));
    assert_eq!(functions[1], &Functions::AllSyscalls);
    assert_eq!(functions[2], &Functions::Matching("^ksys_*".into()));
    assert_eq!(
        functions[3],
        &Functions::Named(vec!["vfs_read".into(), "vfs_write".into()])
    );
    let kinds: Vec<HookKind> = policy.hooks.iter().map(|hook| hook.kind).collect();
    assert_eq!(
        kinds[4..],
        [HookKind::Tracepoint, HookKind::Tracepoint, HookKind::RawTracepoint]
    );
}

#[test]
fn macros_bring_filters_and_a_label() {
    let policy = shape("privileges");
    let selector = &policy.hooks[0].selectors[0];
    assert_eq!(selector.label.as_deref(), Some("unprivileged"));
    assert_eq!(selector.process.len(), 2);
    assert_eq!(policy.hooks[1].selectors[0].process.len(), 1);
}

#[test]
fn sizes_count_from_zero() {
    let policy = shape("bytes-and-returns");
    assert_eq!(policy.hooks[0].args[1].size_index, Some(2));
    assert_eq!(policy.hooks[0].args[0].size_index, None);
    assert!(policy.hooks[1].needs_return());
    assert!(!policy.hooks[0].needs_return());
    assert!(policy.hooks[5].may_be_missing);
}
