//! A generated policy: what it says, as text, and with less in it.

use std::sync::LazyLock;

use policy::{arg_type::ArgType, operator::Operator};
use serde_json::{Value, json};

use super::group::{Arg, Hook, Role};

/// A policy with one hook.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) hook: &'static Hook,
    /// How the arguments of the hook are read.
    pub(super) types: Vec<ArgType>,
    pub(super) selectors: Vec<Selector>,
}

/// Conditions that must all hold.
#[derive(Clone)]
pub(super) struct Selector {
    /// Fields of the selector that are about the process, each with one filter.
    pub(super) process: Vec<(&'static str, Value)>,
    pub(super) filters: Vec<Filter>,
    pub(super) silent: bool,
}

/// A condition on an argument.
#[derive(Clone)]
pub(super) struct Filter {
    /// Position among the arguments of the hook.
    pub(super) arg: usize,
    /// The other one, for an operator that takes two.
    pub(super) second: Option<usize>,
    pub(super) operator: Operator,
    pub(super) values: Vec<String>,
}

impl Policy {
    /// The policy as a document. JSON is YAML.
    pub(super) fn text(&self) -> String {
        let mut hook: Value = serde_json::from_str(&resolved(self.hook.fields)).unwrap_or_default();
        let list = |role| {
            let mut list = vec![];
            for (arg, arg_type) in self.hook.args.iter().zip(&self.types) {
                if arg.role == role {
                    list.push(declaration(arg, *arg_type));
                }
            }
            list
        };
        hook["args"] = list(Role::Argument).into();
        let data = list(Role::Data);
        if !data.is_empty() {
            hook["data"] = data.into();
        }
        if let Some(returned) = list(Role::Returned).pop() {
            hook["return"] = true.into();
            hook["returnArg"] = returned;
        }
        hook["selectors"] = self.selectors.iter().map(|selector| self.selector(selector)).collect();
        let mut spec = json!({});
        spec[self.hook.section] = json!([hook]);
        json!({
            "apiVersion": "cilium.io/v1alpha1",
            "kind": "TracingPolicy",
            "metadata": { "name": self.name },
            "spec": spec,
        })
        .to_string()
    }

    fn selector(&self, selector: &Selector) -> Value {
        let mut value = json!({});
        let mut add = |field: &str, filter: Value| match value.get_mut(field).and_then(Value::as_array_mut) {
            Some(list) => list.push(filter),
            None => value[field] = json!([filter]),
        };
        for (field, filter) in &selector.process {
            add(field, filter.clone());
        }
        for filter in &selector.filters {
            let arg = &self.hook.args[filter.arg];
            let mut written = json!({ "operator": filter.operator.name() });
            if !filter.values.is_empty() {
                written["values"] = json!(filter.values);
            }
            match (filter.second, arg.role) {
                (Some(second), _) => written["args"] = json!([filter.arg, second]),
                (None, Role::Argument) => written["index"] = arg.index.into(),
                (None, Role::Data) => written["args"] = json!([0]),
                (None, Role::Returned) => {}
            }
            let field = match arg.role {
                Role::Argument => "matchArgs",
                Role::Data => "matchData",
                Role::Returned => "matchReturnArgs",
            };
            add(field, written);
        }
        if selector.silent {
            value["matchActions"] = json!([{ "action": "NoPost" }]);
        }
        value
    }

    /// The same with one part less, in all ways.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut all = vec![];
        let mut change = |change: &dyn Fn(&mut Self)| {
            let mut policy = self.clone();
            change(&mut policy);
            all.push(policy);
        };
        for (at, selector) in self.selectors.iter().enumerate() {
            if self.selectors.len() > 1 {
                change(&|policy| {
                    policy.selectors.remove(at);
                });
            }
            if selector.silent {
                change(&|policy| policy.selectors[at].silent = false);
            }
            for index in 0..selector.process.len() {
                change(&|policy| {
                    policy.selectors[at].process.remove(index);
                });
            }
            for (index, filter) in selector.filters.iter().enumerate() {
                change(&|policy| {
                    policy.selectors[at].filters.remove(index);
                });
                for value in 0..filter.values.len() {
                    if filter.values.len() > 1 {
                        change(&|policy| {
                            policy.selectors[at].filters[index].values.remove(value);
                        });
                    }
                }
            }
        }
        all
    }
}

fn declaration(arg: &Arg, arg_type: ArgType) -> Value {
    let mut value = json!({ "index": arg.index, "type": arg_type.name() });
    if arg.size > 0 {
        value["sizeArgIndex"] = arg.size.into();
    }
    if arg.role == Role::Data {
        value["source"] = "current_task".into();
        value["resolve"] = "comm".into();
    }
    value
}

/// `fields` with each `${one|other}` replaced by the first of the functions that this kernel has.
fn resolved(fields: &str) -> String {
    static SYMBOLS: LazyLock<String> = LazyLock::new(|| std::fs::read_to_string("/proc/kallsyms").unwrap_or_default());
    let Some((before, rest)) = fields.split_once("${") else {
        return fields.to_owned();
    };
    let Some((names, behind)) = rest.split_once('}') else {
        return fields.to_owned();
    };
    let there = |name: &&str| SYMBOLS.lines().any(|line| line.split(' ').nth(2) == Some(name));
    let name = names.split('|').find(there).unwrap_or(names);
    format!("{before}{name}{behind}")
}
