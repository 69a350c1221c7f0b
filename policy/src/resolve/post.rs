//! The action Post.

use std::time::Duration;

use super::Context;
use super::hooks::Draft;
use crate::leaf::Text;
use crate::model::{HookKind, Post, RateLimit, Scope, Target};
use crate::place::Spanned;
use crate::spec;
use crate::suggest;

/// LSM hooks with a file whose hash the kernel's integrity subsystem can tell.
const IMA_HOOKS: [&str; 11] = [
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "file_ioctl",
    "file_lock",
    "file_open",
    "file_post_open",
    "file_receive",
    "mmap_file",
];

/// How an event is posted.
pub(super) fn post(written: &spec::Action, draft: &Draft<'_>, cx: &mut Context<'_>) -> Post {
    let scope = match written
        .rate_limit_scope
        .as_ref()
        .map(|scope| (scope.value.as_str(), &scope.place))
    {
        None | Some(("" | "thread", _)) => Scope::Thread,
        Some(("process", _)) => Scope::Process,
        Some(("global", _)) => Scope::Global,
        Some((other, place)) => {
            cx.error(
                place,
                format!("`{}` is no scope of a rate limit", crate::yaml::shorten(other)),
            )
            .help(suggest::allowed(other, ["thread", "process", "global"]));
            Scope::Thread
        }
    };
    let window = written.rate_limit.as_ref().and_then(|text| window(text, cx));
    let post = Post {
        rate_limit: window.map(|window| RateLimit { window, scope }),
        kernel_stack: written.kernel_stack_trace.value,
        user_stack: written.user_stack_trace.value,
        ima_hash: written.ima_hash.value,
    };
    for (wanted, place) in [
        (post.kernel_stack, &written.kernel_stack_trace.place),
        (post.user_stack, &written.user_stack_trace.place),
    ] {
        if wanted && draft.kind == HookKind::Lsm {
            cx.error(place, "LSM hooks have no stack traces");
        }
    }
    if post.ima_hash {
        let has_hash = match &draft.target {
            Some(Target::Lsm { hook }) => IMA_HOOKS.contains(&hook.as_str()),
            Some(_) => false,
            None => draft.kind == HookKind::Lsm,
        };
        if !has_hash {
            cx.error(&written.ima_hash.place, "no file's hash is known here")
                .help(format!("LSM hooks that have one: {}", suggest::list(IMA_HOOKS)));
        }
    }
    post
}

/// `N` seconds, `Ns`, `Nm` or `Nh`. Nothing for a time of zero, which limits nothing.
fn window(text: &Spanned<Text>, cx: &mut Context<'_>) -> Option<Duration> {
    let Spanned {
        value: Text(text),
        place,
    } = text;
    let (digits, unit) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3600),
        _ => (text.as_str(), 1),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // The kernel programs keep it as milliseconds in 32 bits.
    let seconds = digits
        .parse::<u32>()
        .ok()
        .filter(|_| plain)
        .and_then(|number| number.checked_mul(unit));
    let Some(seconds) = seconds.filter(|seconds| *seconds <= u32::MAX / 1000) else {
        cx.error(place, format!("`{}` is no time", crate::yaml::shorten(text)))
            .help("30 or 30s, 5m, 1h; at most 49 days");
        return None;
    };
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
