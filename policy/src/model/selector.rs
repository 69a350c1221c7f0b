//! Selectors: conditions that must all hold, and what is done then.

use super::{Action, ProcessFilter, Test};
use crate::operator::Operator;
use crate::place::Place;
use crate::spec::LabelSelector;

/// Conditions and actions. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    /// Name in the counters.
    pub label: Option<String>,
    /// Workloads that the process must belong to.
    pub workload: Workload,
    /// Conditions on the process, in the order in which they are checked.
    pub process: Vec<ProcessFilter>,
    /// Conditions on the arguments.
    pub args: Vec<ArgFilter>,
    /// Conditions on the data.
    pub data: Vec<ArgFilter>,
    /// What is done, in order. Never empty: a selector without actions posts.
    pub actions: Vec<Action>,
    /// Conditions on the returned value. They are checked at the return, apart from all others: the first selector
    /// whose conditions on the returned value hold wins there.
    pub return_args: Vec<ArgFilter>,
    /// What is done at the return. Never empty: without actions it posts.
    pub return_actions: Vec<Action>,
}

impl Selector {
    /// Whether it passes for every call.
    pub fn always_passes(&self) -> bool {
        self.workload.is_everything() && self.process.is_empty() && self.args.is_empty() && self.data.is_empty()
    }
}

/// A condition on an argument, a piece of data or a returned value.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgFilter {
    /// Position in the hook's `args` or `data`; 0 for the returned value.
    pub position: usize,
    /// The operator as written: for messages. What it means is in `test`.
    pub operator: Operator,
    /// What is compared with what.
    pub test: Test,
    /// Where it stands in the file.
    pub place: Place,
}

/// Workloads that are meant. Without any condition, everything is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workload {
    /// Pods, by their labels. Absent: no condition on pods.
    pub pods: Option<LabelSelector>,
    /// Containers, by `name` and `repo`. Absent: no condition on containers.
    pub containers: Option<LabelSelector>,
    /// Whether processes outside pods are meant: `hostSelector: {}`.
    pub host: bool,
}

impl Workload {
    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.reason().is_none()
    }

    /// The condition, if there is one.
    pub fn reason(&self) -> Option<&'static str> {
        let Self { pods, containers, host } = self;
        let empty = |selector: &Option<LabelSelector>| selector.as_ref().is_none_or(LabelSelector::is_empty);
        // All pods, and the host as well.
        let everything = *host && pods.is_some() && empty(pods) && empty(containers);
        match (pods, containers) {
            _ if everything => None,
            (None, None) if !host => None,
            (Some(_), _) => Some("podSelector needs the pods of the machine"),
            (None, Some(_)) => Some("containerSelector needs the containers of the machine"),
            (None, None) => Some("hostSelector needs the pods of the machine"),
        }
    }
}
