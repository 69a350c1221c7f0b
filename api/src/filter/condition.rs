//! The conditions of one filter.

use regex::RegexSet;

use super::capabilities::CapabilityCondition;
use super::descendants::Descendants;
use super::labels::Selector;
use super::patterns::Budget;
use super::{Captured, FilterError};
use crate::event::{ancestors, event_type, parent, policy_name, process};
use crate::v1::{Container, EventType, Filter, GetEventsResponse, Pod, Process};

/// Event types whose messages have ancestors.
pub(super) const WITH_ANCESTORS: [EventType; 8] = [
    EventType::ProcessExec,
    EventType::ProcessExit,
    EventType::ProcessKprobe,
    EventType::ProcessTracepoint,
    EventType::ProcessLoader,
    EventType::ProcessUprobe,
    EventType::ProcessLsm,
    EventType::ProcessUsdt,
];

/// Conditions that must all hold, cheap ones first.
#[derive(Debug)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug)]
enum Condition {
    EventSet(Vec<i32>),
    Pid(Vec<u32>),
    PidSet(Descendants),
    HealthCheck(bool),
    InInitTree(bool),
    PolicyName(Vec<String>),
    Namespace(Vec<String>),
    Capabilities(CapabilityCondition),
    Labels(Vec<Selector>),
    Text(fn(&GetEventsResponse) -> Option<&str>, RegexSet),
    AncestorBinary(RegexSet),
}

impl Conditions {
    pub(super) fn compile(filter: &Filter, captured: &Captured, budget: &mut Budget) -> Result<Self, FilterError> {
        let Filter {
            binary_regex,
            namespace,
            health_check,
            pid,
            pid_set,
            event_set,
            pod_regex,
            arguments_regex,
            labels,
            policy_names,
            capabilities,
            parent_binary_regex,
            cel_expression,
            parent_arguments_regex,
            container_id,
            in_init_tree,
            ancestor_binary_regex,
            container_name_regex,
            namespace_regex,
        } = filter;
        if !cel_expression.is_empty() {
            return Err(FilterError::CelExpression);
        }
        let mut all = Vec::new();
        if !event_set.is_empty() {
            all.push(Condition::EventSet(event_set.clone()));
        }
        if !pid.is_empty() {
            all.push(Condition::Pid(pid.clone()));
        }
        if !pid_set.is_empty() {
            all.push(Condition::PidSet(Descendants::new(pid_set)));
        }
        all.extend(health_check.map(Condition::HealthCheck));
        all.extend(in_init_tree.map(Condition::InInitTree));
        if !policy_names.is_empty() {
            all.push(Condition::PolicyName(policy_names.clone()));
        }
        if !namespace.is_empty() {
            all.push(Condition::Namespace(namespace.clone()));
        }
        if let Some(capabilities) = capabilities {
            if !captured.process_cred {
                return Err(FilterError::NoCredentials);
            }
            all.push(Condition::Capabilities(CapabilityCondition::compile(capabilities)?));
        }
        if !labels.is_empty() {
            let selectors = labels.iter().map(|selector| Selector::parse(selector));
            all.push(Condition::Labels(selectors.collect::<Result<_, _>>()?));
        }
        let mut text = |field, patterns: &[String], of: fn(&GetEventsResponse) -> Option<&str>| {
            if !patterns.is_empty() {
                all.push(Condition::Text(of, budget.compile(field, patterns)?));
            }
            Ok::<_, FilterError>(())
        };
        text("container_id", container_id, |e| Some(&process(e)?.docker))?;
        text("namespace_regex", namespace_regex, |e| Some(&pod(e)?.namespace))?;
        text("pod_regex", pod_regex, |e| Some(&pod(e)?.name))?;
        text("container_name_regex", container_name_regex, |e| {
            Some(&container(process(e)?)?.name)
        })?;
        text("binary_regex", binary_regex, |e| Some(&process(e)?.binary))?;
        text("parent_binary_regex", parent_binary_regex, |e| Some(&parent(e)?.binary))?;
        text("arguments_regex", arguments_regex, |e| Some(&process(e)?.arguments))?;
        text("parent_arguments_regex", parent_arguments_regex, |e| {
            Some(&parent(e)?.arguments)
        })?;
        if !ancestor_binary_regex.is_empty() {
            check_ancestors(event_set, captured)?;
            let patterns = budget.compile("ancestor_binary_regex", ancestor_binary_regex)?;
            all.push(Condition::AncestorBinary(patterns));
        }
        Ok(Self(all))
    }

    /// Takes note of what `event` says about processes, whether or not the other conditions hold.
    pub(super) fn learn(&self, event: &GetEventsResponse) {
        for condition in &self.0 {
            if let Condition::PidSet(descendants) = condition {
                descendants.learn(process(event), parent(event));
            }
        }
    }

    pub(super) fn hold(&self, event: &GetEventsResponse) -> bool {
        self.0.iter().all(|condition| condition.holds(event))
    }
}

impl Condition {
    fn holds(&self, event: &GetEventsResponse) -> bool {
        let of_process = |holds: &dyn Fn(&Process) -> bool| process(event).is_some_and(holds);
        match self {
            Self::EventSet(types) => types.contains(&(event_type(event) as i32)),
            Self::Pid(pids) => of_process(&|p| p.pid.is_some_and(|pid| pids.contains(&pid))),
            Self::PidSet(descendants) => of_process(&|p| descendants.contains(p)),
            Self::HealthCheck(wanted) => {
                let probe = |p: &Process| container(p).is_some_and(|container| container.maybe_exec_probe);
                [process(event), parent(event)].into_iter().flatten().any(probe) == *wanted
            }
            Self::InInitTree(wanted) => of_process(&|p| p.in_init_tree.unwrap_or_default() == *wanted),
            Self::PolicyName(names) => policy_name(event).is_some_and(|name| names.iter().any(|n| n == name)),
            // The empty name stands for processes outside of pods.
            Self::Namespace(names) => of_process(&|p| {
                let namespace = p.pod.as_ref().map_or("", |pod| pod.namespace.as_str());
                names.iter().any(|name| name == namespace)
            }),
            Self::Capabilities(condition) => of_process(&|p| p.cap.as_ref().is_some_and(|cap| condition.holds(cap))),
            Self::Labels(selectors) => {
                pod(event).is_some_and(|pod| selectors.iter().any(|selector| selector.matches(&pod.pod_labels)))
            }
            Self::Text(of, patterns) => of(event).is_some_and(|text| patterns.is_match(text)),
            Self::AncestorBinary(patterns) => ancestors(event).iter().any(|p| patterns.is_match(&p.binary)),
        }
    }
}

fn pod(event: &GetEventsResponse) -> Option<&Pod> {
    process(event)?.pod.as_deref()
}

fn container(process: &Process) -> Option<&Container> {
    process.pod.as_ref()?.container.as_ref()
}

/// Ancestors must be captured for every event type that the filter is for.
fn check_ancestors(event_set: &[i32], captured: &Captured) -> Result<(), FilterError> {
    let wanted = |event_type: &EventType| event_set.is_empty() || event_set.contains(&(*event_type as i32));
    match WITH_ANCESTORS
        .iter()
        .find(|t| wanted(t) && !captured.ancestors.contains(t))
    {
        Some(event_type) => Err(FilterError::NoAncestors(event_type.as_str_name())),
        None => Ok(()),
    }
}
