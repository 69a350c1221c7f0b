//! From what was written to what is meant.
//!
//! Every rule that a schema cannot say is checked here, each in the file of what it is about. Nothing stops at the first
//! problem. Where a part could not be read, rules that depend on it are left out, so that one mistake is reported once.

mod actions;
mod args;
mod data;
mod filters;
mod functions;
mod hooks;
mod lists;
mod macros;
mod metadata;
mod options;
mod override_;
mod post;
mod process;
mod selectors;
mod sizes;
mod text;
mod tracepoints;
mod uprobes;
mod values;
mod ways;
mod workload;

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::kernel::Kernel;
use crate::limits::Limits;
use crate::model::{Action, Hook, Policy};
use crate::parse::parse_into;
use crate::place::Place;
use crate::spec::{Document, Kind};
use crate::yaml::Budget;

/// Reads and resolves all policies of a file.
///
/// A policy with an error is not returned; the others of the file are. The caller that wants a file to load whole or not
/// at all looks for an [error](crate::diagnostic::Severity::Error) among the diagnostics.
pub fn load(text: &str, budget: Budget, limits: &Limits, kernel: &dyn Kernel) -> (Vec<Policy>, Vec<Diagnostic>) {
    let mut diagnostics = Diagnostics::default();
    let documents = parse_into(text, budget, &mut diagnostics);
    let mut policies: Vec<Policy> = Vec::new();
    let mut names = HashSet::new();
    for document in &documents {
        let Some(policy) = resolve(document, limits, kernel, &mut diagnostics) else {
            continue;
        };
        if !names.insert((policy.namespace.clone(), policy.name.clone())) {
            diagnostics.error(
                &document.metadata.name.place,
                format!("the file has another policy of the name `{}`", policy.name),
            );
            continue;
        }
        policies.push(policy);
    }
    (policies, diagnostics.into_sorted())
}

/// Resolves one document. Nothing is returned when anything in it is wrong.
pub fn resolve(
    document: &Document,
    limits: &Limits,
    kernel: &dyn Kernel,
    diagnostics: &mut Diagnostics,
) -> Option<Policy> {
    if diagnostics.is_full() {
        return None;
    }
    let errors = diagnostics.errors();
    let mut cx = Context {
        limits,
        kernel,
        diagnostics,
        references: limits.references,
    };
    let spec = &document.spec;

    metadata::check(document, &mut cx);
    let namespaced = document.kind.value == Kind::TracingPolicyNamespaced;
    if namespaced {
        let places = spec
            .uprobes
            .iter()
            .map(|uprobe| &uprobe.place)
            .chain(spec.usdts.iter().map(|usdt| &usdt.place));
        for place in places {
            cx.error(place, "a namespaced policy cannot have uprobes and usdts")
                .help("their file would be that of the host, not of the pod");
        }
        if let Some(selector) = &spec.host_selector {
            cx.error(
                &selector.place,
                "a namespaced policy is for pods: it cannot have a hostSelector",
            );
        }
    }

    let lists = lists::resolve(&spec.lists, &mut cx);
    let options = options::options(&spec.options, &mut cx);
    let enforcer = options::enforcer(&spec.enforcers, &lists, &mut cx);
    let workload = workload::spec(spec, &mut cx);
    let shared = hooks::Shared {
        lists: &lists,
        macros: &spec.selectors_macros,
        has_enforcer: !spec.enforcers.is_empty(),
    };
    macros::check(&spec.selectors_macros, &mut cx);
    let hooks = hooks::resolve(spec, &shared, &mut cx);

    if document.broken || cx.diagnostics.errors() > errors {
        return None;
    }
    useless(document, &hooks, &mut cx);
    Some(Policy {
        name: document.metadata.name.value.clone(),
        namespace: document
            .metadata
            .namespace
            .as_ref()
            .map(|namespace| namespace.value.clone()),
        options,
        hooks,
        enforcer,
        loader: spec.loader.value,
        workload,
        nodes: spec.node_selector.clone(),
    })
}

/// Warns of what is there and does nothing.
fn useless(document: &Document, hooks: &[Hook], cx: &mut Context<'_>) {
    let spec = &document.spec;
    if hooks.is_empty() && !spec.loader.value {
        cx.warning(&spec.place, "the policy observes nothing: it has no hooks");
    }
    let notifies = |action: &Action| matches!(action, Action::NotifyEnforcer { .. });
    if let Some(enforcer) = spec.enforcers.first()
        && !hooks.iter().flat_map(Hook::actions).any(notifies)
    {
        cx.warning(
            &enforcer.place,
            "the enforcer stops nothing: no action is NotifyEnforcer",
        );
    }
}

/// What every rule may need.
struct Context<'a> {
    limits: &'a Limits,
    kernel: &'a dyn Kernel,
    diagnostics: &'a mut Diagnostics,
    /// Values that references may still bring in.
    references: usize,
}

impl Context<'_> {
    fn error(&mut self, place: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.diagnostics.error(place, message)
    }

    fn warning(&mut self, place: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.diagnostics.warning(place, message)
    }

    /// Accounts for values that a reference brings in. When it is too many in all, the reference is refused: a small file
    /// may refer to a long list thousands of times.
    fn refer(&mut self, values: usize, place: &Place) -> bool {
        if let Some(left) = self.references.checked_sub(values) {
            self.references = left;
            return true;
        }
        // Reported once: the rest would be too many as well.
        if self.references > 0 {
            let max = self.limits.references;
            self.error(place, "lists and macros stand for too many values in all")
                .help(format!("at most {max}"));
        }
        self.references = 0;
        false
    }

    /// Reports more than `max` of something, at the first one too many.
    fn at_most<'p>(&mut self, max: usize, places: impl Iterator<Item = &'p Place>, what: &str) {
        let mut places = places.skip(max);
        if let Some(place) = places.next() {
            let count = max + 1 + places.count();
            self.error(place, format!("{count} {what}"))
                .help(format!("at most {max}"));
        }
    }
}
