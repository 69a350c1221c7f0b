//! A policy in the agent: who it is, what state it is in, what it came to in the kernel.

use std::{fmt, ops::Range};

use ebpf_abi::event::op;
use ebpf_codegen::{Action, Hook, Selector, Stage};
use ebpf_loader::ProgramKind;
use policy::model::{Mode, Policy};
use tetragon_api::v1::{
    HookState, HookStatus, TracingPolicyActionCounters, TracingPolicyMode, TracingPolicySelectorActionCounters,
    TracingPolicyState, TracingPolicyStats,
};

use super::{Error, counters::Counters, images::Conditions, lower::Wanted, points::PointKey};

/// Who a policy is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Where it came from.
    pub domain: String,
    /// The Kubernetes namespace that it is for; empty for the whole machine.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Id {
    pub(super) fn of(policy: &Policy, domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            namespace: policy.namespace.clone().unwrap_or_default(),
            name: policy.name.clone(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            namespace,
            name,
        } = self;
        match namespace.as_str() {
            "" => write!(f, "{domain}:{name}"),
            _ => write!(f, "{domain}:{namespace}/{name}"),
        }
    }
}

/// What a policy does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Enabled,
    /// Nothing, until it is enabled again.
    Disabled,
    /// Nothing: it could not be loaded, for this reason.
    Refused(String),
}

/// A policy that was added.
#[derive(Debug)]
pub(super) struct Resident {
    /// Counts up from 1 with each policy.
    pub(super) number: u64,
    pub(super) state: State,
    pub(super) mode: Mode,
    /// Whether it has actions that the mode matters to.
    pub(super) enforces: bool,
    pub(super) hooks: Vec<Placed>,
    /// Its conditions on executables that hold beyond the moment.
    pub(super) conditions: Conditions,
    /// What the hooks of its text came to.
    pub(super) statuses: Vec<HookStatus>,
}

/// A hook of a policy at a hook point.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) point: PointKey,
    /// What programs are loaded as there.
    pub(super) kind: ProgramKind,
    hook: Hook,
    /// What it is called in counts: `kprobe:fd_install`.
    description: String,
    /// Position in its section of the policy.
    position: usize,
    /// Names of selectors, empty for none.
    labels: Vec<String>,
    /// Counters of the selectors: when the policy enforces, and behind them, if it can do that, when it monitors.
    pub(super) counters: Range<u32>,
}

impl Placed {
    /// A part of `wanted` with the numbers, of the policy and its own, and the counters that it was given.
    pub(super) fn new(
        wanted: &Wanted,
        (point, kind, hook): (PointKey, ProgramKind, Hook),
        (policy, number): (u64, u32),
        counters: Range<u32>,
    ) -> Self {
        let Wanted {
            info, position, labels, ..
        } = wanted;
        let description = match point.kind.op() {
            op::LSM => format!("lsm:{}", info.name),
            op::TRACEPOINT => format!("tracepoint:{}/{}", info.subsystem, info.name),
            op::UPROBE => format!("uprobe:{}:{}", info.subsystem, info.name),
            op::USDT => format!("usdt:{}:{}", info.provider, info.name),
            _ => format!("kprobe:{}", info.name),
        };
        Self {
            point,
            kind,
            hook: Hook { number, policy, ..hook },
            description,
            position: *position,
            labels: labels.clone(),
            counters,
        }
    }

    /// Number by which records name it.
    pub(super) fn number(&self) -> u32 {
        self.hook.number
    }

    /// What is to be compiled in `mode`, if anything.
    pub(super) fn in_mode(&self, mode: Mode) -> Option<Hook> {
        let monitor = mode == Mode::Monitor && self.has_modes();
        let skipped = if monitor { selectors(&self.hook) } else { 0 };
        let hook = Hook {
            monitor,
            counters: (!is_silent(&self.hook)).then_some(self.counters.start + skipped),
            ..self.hook.clone()
        };
        (!monitor || !is_enforcer(&self.hook)).then_some(hook)
    }

    fn has_modes(&self) -> bool {
        self.counters.len() as u32 > selectors(&self.hook)
    }

    /// How often the actions of its selectors were taken.
    fn counts(&self, counters: &Counters) -> Result<Vec<TracingPolicySelectorActionCounters>, Error> {
        if is_silent(&self.hook) {
            return Ok(vec![]);
        }
        let nothing = Selector::default();
        let all = match self.hook.selectors.as_slice() {
            [] => std::slice::from_ref(&nothing),
            some => some,
        };
        let mut list = vec![];
        for (index, (selector, counter)) in all.iter().zip(self.counters.clone()).enumerate() {
            let enforced = counters.read(counter)?;
            let monitored = if self.has_modes() {
                counters.read(counter + selectors(&self.hook))?
            } else {
                0
            };
            list.push(TracingPolicySelectorActionCounters {
                hook: self.description.clone(),
                hook_index: Some(self.position as u32),
                selector_index: Some(index as u32),
                action_counters: Some(actions(selector, &self.hook.stage, enforced, monitored)),
                selector_label: self.labels.get(index).cloned().unwrap_or_default(),
            });
        }
        Ok(list)
    }
}

/// Whether `hook` does what other hooks of its policy decide.
pub(super) fn is_enforcer(hook: &Hook) -> bool {
    hook.actions().any(|action| matches!(action, Action::Enforce { .. }))
}

/// Whether `hook` is none of the policy's text, and has nothing to report.
fn is_silent(hook: &Hook) -> bool {
    hook.actions()
        .any(|action| matches!(action, Action::Mark(_) | Action::Enforce { .. }))
}

/// How many counters `hook` needs in one mode.
pub(super) fn selectors(hook: &Hook) -> u32 {
    hook.selectors.len().max(1) as u32
}

/// What it means that `selector` matched so often in each mode: its actions are always the same ones.
fn actions(selector: &Selector, stage: &Stage, enforced: u64, monitored: u64) -> TracingPolicyActionCounters {
    let all = enforced + monitored;
    let mut counts = TracingPolicyActionCounters::default();
    for action in &selector.actions {
        match action {
            Action::Post(_)
            | Action::Mark(_)
            | Action::Ask(_)
            | Action::Ownership(_)
            | Action::Withdraw
            | Action::Enforce { .. } => {}
            Action::NoPost => counts.nopost = all,
            Action::Signal(_) => {
                counts.signal += enforced;
                counts.monitor_signal += monitored;
            }
            Action::Set(..) => {
                counts.set += enforced;
                counts.monitor_set += monitored;
            }
            Action::Override(_) | Action::Change(_) => {
                counts.r#override += enforced;
                counts.monitor_override += monitored;
            }
            Action::Notify { .. } => {
                counts.notify_enforcer += enforced;
                counts.monitor_notify_enforcer += monitored;
            }
        }
    }
    // What the entry of a function began is reported, and counted, at its return.
    let whole = !matches!(stage, Stage::Entry { .. });
    if whole && !selector.actions.contains(&Action::NoPost) {
        counts.post = all;
    }
    counts
}

impl Resident {
    /// What lists show as its state.
    pub(super) fn state_in_api(&self) -> TracingPolicyState {
        let missing = |status: &HookStatus| status.state() != HookState::StatusLoaded;
        match self.state {
            State::Enabled if self.statuses.iter().any(missing) => TracingPolicyState::TpStatePartiallyEnabled,
            State::Enabled => TracingPolicyState::TpStateEnabled,
            State::Disabled => TracingPolicyState::TpStateDisabled,
            State::Refused(_) => TracingPolicyState::TpStateLoadError,
        }
    }

    /// What lists show as its mode.
    pub(super) fn mode_in_api(&self) -> TracingPolicyMode {
        match (&self.state, self.mode) {
            (State::Disabled | State::Refused(_), _) => TracingPolicyMode::TpModeUnknown,
            _ if !self.enforces => TracingPolicyMode::TpModeMonitorOnly,
            (State::Enabled, Mode::Enforce) => TracingPolicyMode::TpModeEnforce,
            (State::Enabled, Mode::Monitor) => TracingPolicyMode::TpModeMonitor,
        }
    }

    /// What its hook points are called; the places of a probe are called alike.
    pub(super) fn descriptions(&self) -> Vec<String> {
        let mut names: Vec<String> = self.hooks.iter().map(|hook| hook.point.to_string()).collect();
        names.dedup();
        names
    }

    /// Its hook points, each once.
    pub(super) fn points(&self) -> Vec<(PointKey, ProgramKind)> {
        let mut points: Vec<(PointKey, ProgramKind)> = vec![];
        for hook in &self.hooks {
            if !points.iter().any(|(point, _)| *point == hook.point) {
                points.push((hook.point.clone(), hook.kind));
            }
        }
        points
    }

    /// Whether its enforcer is at `point`.
    pub(super) fn has_enforcer_at(&self, point: &PointKey) -> bool {
        let mut hooks = self.hooks.iter().filter(|hook| hook.point == *point);
        hooks.any(|hook| is_enforcer(&hook.hook))
    }

    /// How often it acted.
    pub(super) fn stats(&self, counters: &Counters) -> Result<TracingPolicyStats, Error> {
        let mut list = vec![];
        for hook in &self.hooks {
            list.extend(hook.counts(counters)?);
        }
        let mut sum = TracingPolicyActionCounters::default();
        for counts in list.iter().filter_map(|entry| entry.action_counters.as_ref()) {
            let TracingPolicyActionCounters {
                post,
                signal,
                monitor_signal,
                r#override,
                monitor_override,
                notify_enforcer,
                monitor_notify_enforcer,
                set,
                monitor_set,
                nopost,
            } = counts;
            sum.post += post;
            sum.signal += signal;
            sum.monitor_signal += monitor_signal;
            sum.r#override += r#override;
            sum.monitor_override += monitor_override;
            sum.notify_enforcer += notify_enforcer;
            sum.monitor_notify_enforcer += monitor_notify_enforcer;
            sum.set += set;
            sum.monitor_set += monitor_set;
            sum.nopost += nopost;
        }
        Ok(TracingPolicyStats {
            action_counters: Some(sum),
            selector_action_counters: list,
        })
    }
}

#[cfg(test)]
mod tests {
    use ebpf_codegen::Place;

    use super::*;

    #[test]
    fn a_match_counts_for_each_action_of_the_selector() {
        let selector = |actions: &[Action]| Selector {
            actions: actions.to_vec(),
            ..Selector::default()
        };
        let killed = actions(
            &selector(&[Action::Override(-1), Action::Signal(9)]),
            &Stage::Whole,
            3,
            2,
        );
        let expected = TracingPolicyActionCounters {
            post: 5,
            signal: 3,
            monitor_signal: 2,
            r#override: 3,
            monitor_override: 2,
            ..TracingPolicyActionCounters::default()
        };
        assert_eq!(killed, expected);
        let told = Action::Notify { error: -1, signal: 9 };
        let told = actions(&selector(&[told, Action::Withdraw]), &Stage::Whole, 3, 2);
        assert_eq!(
            (told.post, told.notify_enforcer, told.monitor_notify_enforcer),
            (5, 3, 2)
        );
        let both = selector(&[Action::Change(0), Action::Set(Place::Constant(0), 1)]);
        let changed = actions(&both, &Stage::Whole, 3, 2);
        assert_eq!((changed.r#override, changed.monitor_override), (3, 2));
        assert_eq!((changed.set, changed.monitor_set), (3, 2));
        let silent = actions(&selector(&[Action::NoPost]), &Stage::Whole, 3, 0);
        assert_eq!((silent.post, silent.nopost), (0, 3));
        assert_eq!(actions(&selector(&[]), &Stage::Return, 3, 0).post, 3);
        assert_eq!(actions(&selector(&[]), &Stage::Entry { saved: vec![] }, 3, 0).post, 0);
    }

    #[test]
    fn ids_as_tetragon_prints_them() {
        let id = |namespace: &str| Id {
            domain: "grpc".into(),
            namespace: namespace.into(),
            name: "files".into(),
        };
        assert_eq!(id("").to_string(), "grpc:files");
        assert_eq!(id("shop").to_string(), "grpc:shop/files");
    }
}
