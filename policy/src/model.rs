//! A policy as it is meant: names resolved, values typed, defaults in place, nothing left to interpret.
//!
//! This is what the kernel configuration is made from, and what the [evaluator](crate::eval) runs. Everything that is
//! not in here (places apart) does not matter to what a policy does.

mod action;
mod arg;
mod hook;
mod process;
mod selector;
mod test;

pub use action::{Action, Continue, Override, Post, RateLimit, RegisterChange, RegisterSource, Scope, Track};
pub use arg::{Arg, ResolvePath, Source, Step, TypeName};
pub use hook::{Digest, DigestAlgorithm, Functions, Hook, HookKind, Returns, Symbol, Target, UprobePlaces};
pub use process::{
    BinaryFilter, CapabilityFilter, NamespaceChangeFilter, NamespaceFilter, NamespaceId, PathTest, PidFilter,
    ProcessFilter,
};
pub use selector::{ArgFilter, Selector, Workload};
pub use test::{BytesOperator, IntOperator, IntRange, Network, Side, Test};

use crate::arg_type::ArgType;
use crate::spec::LabelSelector;
use crate::syscalls::Syscall;

/// One policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, unique within its namespace.
    pub name: String,
    /// The Kubernetes namespace whose pods it is for; none for the whole machine.
    pub namespace: Option<String>,
    /// Settings.
    pub options: Options,
    /// What it observes, section by section: kprobes, fentries, tracepoints, LSM hooks, uprobes, USDT probes.
    pub hooks: Vec<Hook>,
    /// Calls that its `NotifyEnforcer` actions can stop.
    pub enforcer: Option<Enforcer>,
    /// Whether mapped code is reported.
    pub loader: bool,
    /// Workloads it is for.
    pub workload: Workload,
    /// Nodes that load it.
    pub nodes: Option<LabelSelector>,
}

/// Settings of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether it may act, or only report what it would have done. Absent: the agent's default, which is to act.
    pub mode: Option<Mode>,
    /// Attach functions of the kernel one by one.
    pub disable_kprobe_multi: bool,
    /// Attach functions of programs one by one.
    pub disable_uprobe_multi: bool,
    /// How calls are overridden; absent for what the kernel does best. `security_` functions never by
    /// `bpf_override_return`, which they do not allow.
    pub override_method: Option<OverrideMethod>,
    /// Bytes of a string read ahead from user memory.
    pub sleepable_preload_size: Option<u32>,
}

/// Whether a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Signals are sent and calls overridden.
    Enforce,
    /// Events say what would have been done.
    Monitor,
}

/// How a call is overridden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideMethod {
    /// A program that replaces the return value (`fmod_ret`).
    FmodRet,
    /// `bpf_override_return`.
    OverrideReturn,
}

/// Calls that can be stopped on notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enforcer {
    /// System calls.
    pub syscalls: Vec<Syscall>,
    /// All system calls of the running kernel as well.
    pub all_syscalls: bool,
    /// `security_` functions.
    pub functions: Vec<String>,
}

impl Policy {
    /// Why the policy needs to know the workloads of the machine, if it does.
    ///
    /// An agent that does not know them must refuse the policy: leaving the condition out would apply it to everything.
    pub fn needs_workload(&self) -> Option<&'static str> {
        if self.namespace.is_some() {
            return Some("the policy is for the pods of one namespace");
        }
        self.workload.reason().or_else(|| {
            self.hooks
                .iter()
                .flat_map(|hook| &hook.selectors)
                .find_map(|selector| selector.workload.reason())
        })
    }

    /// Whether events are to have hashes of files, which only a kernel that measures files tells (IMA).
    pub fn asks_for_hashes(&self) -> bool {
        let hashed = |action: &Action| matches!(action, Action::Post(Post { ima_hash: true, .. }));
        self.hooks.iter().flat_map(Hook::actions).any(hashed)
    }

    /// An argument whose type nobody knows: it is `auto`, or what its way leads to, and no kernel was asked. A policy that
    /// has one cannot be loaded.
    pub fn unknown_type(&self) -> Option<&Arg> {
        let args = self.hooks.iter().flat_map(|hook| {
            let returned = hook.returns.as_ref().map(|returns| &returns.arg);
            hook.args.iter().chain(&hook.data).chain(returned)
        });
        args.into_iter().find(|arg| arg.arg_type == ArgType::Auto)
    }

    /// Whether any action changes what a process does. A policy without is always only monitoring.
    pub fn enforces(&self) -> bool {
        self.hooks.iter().flat_map(Hook::actions).any(Action::enforces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_go_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Policy>();
    }
}
