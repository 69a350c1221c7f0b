//! What a policy has to do with a call, according to the reference evaluator.

use anyhow::{Context as _, Result, ensure};
use policy::{
    arg_type::{ArgType, Class},
    eval::{self, Value},
    kernel::{Answer, Field, Kernel, Prototype, Root},
    limits::Limits,
    model::{self, ResolvePath},
    resolve,
    yaml::Budget,
};

use super::{
    agent::Selector,
    calls::{Prepared, Raw},
    group::{Role, Whose},
    policies::Policy,
};

/// A policy as it is meant.
pub(super) struct Model<'a> {
    policy: &'a Policy,
    hook: model::Hook,
}

/// What it has to do with a call.
pub(super) struct Verdict {
    /// Whether it is reported.
    pub(super) posts: bool,
    /// The selector that wins.
    pub(super) selectors: Option<usize>,
}

impl<'a> Model<'a> {
    pub(super) fn new(policy: &'a Policy) -> Result<Self> {
        let text = policy.text();
        let (policies, problems) = resolve::load(&text, Budget::default(), &Limits::default(), &Blind);
        let first = policies.into_iter().next();
        let policy_ = first.with_context(|| format!("{problems:?} in {text}"))?;
        let hook = policy_.hooks.into_iter().next().context("a policy without hooks")?;
        ensure!(
            hook.args.len() + hook.data.len() <= policy.types.len(),
            "arguments of {text}"
        );
        Ok(Self { policy, hook })
    }

    /// Selectors whose counts are compared: at the entry of a function whose return is observed nothing is counted, and the
    /// command line that tells the counts is a child, too.
    pub(super) fn selectors(&self) -> Vec<Selector> {
        if self.hook.needs_return() || self.policy.hook.whose == Whose::Childs {
            return vec![];
        }
        (0..self.hook.selectors.len())
            .map(|index| self.selector(index))
            .collect()
    }

    pub(super) fn selector(&self, index: usize) -> Selector {
        (self.policy.name.clone(), index as u64)
    }

    pub(super) fn verdict(&self, call: &Prepared) -> Verdict {
        let values = |role| {
            let mut values = vec![];
            for (arg, arg_type) in self.policy.hook.args.iter().zip(&self.policy.types) {
                if arg.role == role {
                    values.push(seen(&call.values[arg.value], *arg_type));
                }
            }
            values
        };
        let process = if self.policy.hook.executed {
            call.executed.as_ref().unwrap_or(&call.process)
        } else {
            &call.process
        };
        let entry = eval::entry(&self.hook, process, &values(Role::Argument), &values(Role::Data));
        let Some(entry) = entry else {
            return Verdict {
                posts: false,
                selectors: None,
            };
        };
        let Some(returned) = values(Role::Returned).pop() else {
            return Verdict {
                posts: entry.posts(),
                selectors: Some(entry.selector),
            };
        };
        let at_return = eval::returned(&self.hook, &returned);
        Verdict {
            posts: entry.posts() && at_return.is_some_and(|verdict| verdict.posts()),
            selectors: None,
        }
    }
}

/// A value as an argument of that type.
pub(super) fn seen(raw: &Raw, arg_type: ArgType) -> Value {
    let word = match raw {
        Raw::Word(word) => *word,
        Raw::Value(value) => return value.clone(),
    };
    let number = match arg_type.class() {
        Class::Int { bits: 8, signed: true } => i128::from(word as i8),
        Class::Int { bits: 16, signed: true } => i128::from(word as i16),
        Class::Int { bits: 32, signed: true } | Class::Capability | Class::BpfCmd => i128::from(word as i32),
        Class::Int { signed: true, .. } => i128::from(word as i64),
        Class::Int { bits, .. } => i128::from(word & (u64::MAX >> (64 - bits))),
        Class::Syscall => i128::from(word as u32),
        _ => return Value::Failed,
    };
    Value::Int(number)
}

/// A kernel about which only what generated policies need is known: that ways lead to what is declared.
struct Blind;

impl Kernel for Blind {
    fn function(&self, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn lsm_hook(&self, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn tracepoint(&self, _: &str, _: &str) -> Answer<Vec<Field>> {
        Answer::Unknown
    }

    fn raw_tracepoint(&self, _: &str, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn resolve(&self, _: &Root<'_>, _: &ResolvePath) -> Answer<Option<ArgType>> {
        Answer::Known(None)
    }
}
