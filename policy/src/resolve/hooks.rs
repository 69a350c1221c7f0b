//! Hooks of every kind.

use super::args::{self, Parameters};
use super::lists::Named;
use super::{Context, functions, selectors, text, tracepoints, uprobes};
use crate::arg_type::ArgType;
use crate::model::{Action, Arg, Functions, Hook, HookKind, Returns, Selector, Target};
use crate::object::Entries;
use crate::place::Place;
use crate::spec::{self, Spec, Str};

/// What the names of functions begin with that call the security modules.
pub(super) const SECURITY: &str = "security_";

/// What all hooks of a policy may refer to.
pub(super) struct Shared<'a> {
    pub(super) lists: &'a [Named],
    pub(super) macros: &'a Entries<spec::Selector>,
    pub(super) has_enforcer: bool,
}

/// A hook whose selectors are still to be read.
pub(super) struct Draft<'a> {
    pub(super) kind: HookKind,
    pub(super) target: Option<Target>,
    pub(super) args: Vec<Arg>,
    pub(super) data: Vec<Arg>,
    /// What stands in the file for `args` and `data`: whether one is broken matters to what may refer to it.
    pub(super) spec_args: &'a [spec::Arg],
    pub(super) returns: Option<Returns>,
}

impl Draft<'_> {
    /// Whether the functions are system calls or security hooks, so that skipping one is safe. None when not known.
    pub(super) fn can_be_overridden(&self) -> Option<bool> {
        match self.target.as_ref()? {
            Target::Functions(Functions::Named(names)) => Some(names.iter().all(|name| name.starts_with(SECURITY))),
            Target::Functions(Functions::Matching(_)) => Some(false),
            Target::Functions(Functions::Syscalls(_) | Functions::AllSyscalls) => Some(true),
            Target::Tracepoint { .. } | Target::Lsm { .. } | Target::Uprobe { .. } | Target::Usdt { .. } => None,
        }
    }
}

/// Resolves all hooks, in the order of the sections.
pub(super) fn resolve(spec: &Spec, shared: &Shared<'_>, cx: &mut Context<'_>) -> Vec<Hook> {
    let mut hooks = section(&spec.kprobes, cx, |position, written, cx| {
        functions::function(HookKind::Kprobe, position, written, shared, cx)
    });
    hooks.extend(section(&spec.fentries, cx, |position, written, cx| {
        functions::function(HookKind::Fentry, position, written, shared, cx)
    }));
    hooks.extend(section(&spec.tracepoints, cx, |position, written, cx| {
        tracepoints::tracepoint(position, written, shared, cx)
    }));
    hooks.extend(section(&spec.lsmhooks, cx, |position, written, cx| {
        tracepoints::lsm(position, written, shared, cx)
    }));
    hooks.extend(section(&spec.uprobes, cx, |position, written, cx| {
        uprobes::uprobe(position, written, shared, cx)
    }));
    hooks.extend(section(&spec.usdts, cx, |position, written, cx| {
        uprobes::usdt(position, written, shared, cx)
    }));
    hooks
}

/// Resolves a section, until there are more problems than are kept.
fn section<'a, 'c, T>(
    section: &'a [T],
    cx: &mut Context<'c>,
    resolve: impl Fn(usize, &'a T, &mut Context<'c>) -> Option<Hook>,
) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for (position, written) in section.iter().enumerate() {
        if cx.diagnostics.is_full() {
            break;
        }
        hooks.extend(resolve(position, written, cx));
    }
    hooks
}

/// The part that all kinds have in common: selectors and texts.
pub(super) struct Common<'a> {
    pub(super) position: usize,
    pub(super) selectors: &'a [spec::Selector],
    pub(super) message: Option<&'a Str>,
    pub(super) tags: &'a [Str],
    pub(super) may_be_missing: bool,
    pub(super) place: &'a Place,
}

/// Reads the selectors and puts the hook together.
pub(super) fn finish(draft: Draft<'_>, common: &Common<'_>, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let selectors = selectors::resolve(common.selectors, &draft, shared, cx);
    let message = text::message(common.message, cx);
    let tags = text::tags(common.tags, cx);
    Some(Hook {
        kind: draft.kind,
        position: common.position,
        target: draft.target?,
        args: draft.args,
        data: draft.data,
        returns: draft.returns,
        selectors: if selectors.is_empty() {
            vec![everything()]
        } else {
            selectors
        },
        message,
        tags,
        may_be_missing: common.may_be_missing,
        place: common.place.clone(),
    })
}

/// The selector of a hook that has none.
fn everything() -> Selector {
    let post = || vec![Action::Post(crate::model::Post::default())];
    Selector {
        actions: post(),
        return_actions: post(),
        ..Selector::default()
    }
}

/// The returned value, when the return is observed.
pub(super) fn returns(
    wanted: bool,
    written: Option<&spec::Arg>,
    place: &Place,
    parameters: &Parameters<'_>,
    cx: &mut Context<'_>,
) -> Option<Arg> {
    if written.is_none() && wanted {
        cx.error(
            place,
            "`return: true` needs a returnArg, which says the type of the returned value",
        );
    }
    let arg = args::returned(written?, parameters, cx);
    wanted.then_some(arg)
}

/// Reports what the kernel does not have.
pub(super) fn missing(place: &Place, reason: String, help: Option<String>, cx: &mut Context<'_>) {
    let diagnostic = cx.error(place, reason);
    if let Some(help) = help {
        diagnostic.help(help);
    }
}

/// The type of an argument whose declaration could not be read: nothing is compared with it.
pub(super) const BROKEN: ArgType = ArgType::Auto;
