//! Enforcers (`spec.enforcers`): calls at which is done what another hook of the policy decided.
//!
//! An action there tells the enforcer what to do with the current thread. At the next of its calls the enforcer does
//! that, after everything that other hooks want there, and reports nothing. Each policy has an enforcer of its own.

use ebpf_codegen::{Action, Hook, Selector};
use policy::model::{self, Enforcer, Policy};

use super::{
    lower::{Reason, may_return},
    points::{self, PointKey},
    running::Running,
};

/// The hooks of `enforcer`, which is that of `policy`.
pub(super) fn parts(
    policy: &Policy,
    enforcer: &Enforcer,
    kernel: &Running<'_>,
) -> Result<Vec<(PointKey, Hook)>, Reason> {
    let actions = policy.hooks.iter().flat_map(model::Hook::actions);
    let errors: Vec<i32> = actions
        .filter_map(|action| match action {
            model::Action::NotifyEnforcer { error, .. } => *error,
            _ => None,
        })
        .collect();
    let overrides = !errors.is_empty();
    let part = |point: PointKey| {
        for error in &errors {
            may_return(*error, "NotifyEnforcer", &point)?;
        }
        let selector = Selector {
            actions: vec![Action::Enforce { overrides }],
            ..Selector::default()
        };
        let hook = Hook {
            selectors: vec![selector],
            ..Hook::default()
        };
        Ok((point, hook))
    };
    points::of_enforcer(enforcer, overrides, policy.options.override_method, kernel)?
        .into_iter()
        .map(part)
        .collect()
}
