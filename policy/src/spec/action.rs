//! What to do with a call that a selector is for.

use super::Str;
use crate::leaf::Text;
use crate::object::{keywords, object};
use crate::place::Spanned;

keywords! {
    /// What to do.
    ActionKind = "an action" {
        /// Report the call.
        Post = "Post";
        /// Do not report it.
        NoPost = "NoPost";
        /// Send a signal to the process.
        Signal = "Signal";
        /// Kill the process.
        Sigkill = "Sigkill";
        /// Skip the function and return a value instead.
        Override = "Override";
        /// Have the agent fetch a URL.
        GetUrl = "GetUrl";
        /// Have the agent look up a name.
        DnsLookup = "DnsLookup";
        /// Remember the process as the owner of a socket.
        TrackSock = "TrackSock";
        /// Forget the owner of a socket.
        UntrackSock = "UntrackSock";
        /// Have an enforcer stop the call.
        NotifyEnforcer = "NotifyEnforcer";
        /// Take back what an enforcer was told.
        CleanupEnforcerNotification = "CleanupEnforcerNotification";
        /// Write a value to where an argument of a USDT probe is.
        Set = "Set";
    }
}

object! {
    /// One thing to do.
    Action = "an action" {
        /// What to do.
        action: Spanned<ActionKind> = "action" required;
        /// Value to return instead: a negated errno. For Override and `NotifyEnforcer`.
        arg_error: Option<Spanned<i32>> = "argError" optional;
        /// Signal number. For Signal and `NotifyEnforcer`.
        arg_sig: Option<Spanned<u32>> = "argSig" optional;
        /// URL. For `GetUrl`.
        arg_url: Option<Str> = "argUrl" optional;
        /// Name. For `DnsLookup`.
        arg_fqdn: Option<Str> = "argFqdn" optional;
        /// Position of the socket in `args`, from 0. For `TrackSock` and `UntrackSock`.
        arg_sock: Option<Spanned<u32>> = "argSock" optional;
        /// Position in `args`, from 0, of the argument to write. For Set.
        arg_index: Option<Spanned<u32>> = "argIndex" optional;
        /// Value to write. For Set.
        arg_value: Option<Spanned<u32>> = "argValue" optional;
        /// Registers to change, `register=source`. For Override on uprobes.
        arg_regs: Vec<Spanned<Text>> = "argRegs" optional;
        /// Symbol to continue at. For Override on uprobes.
        arg_new_symbol: Option<Str> = "argNewSymbol" optional;
        /// Virtual address to continue at. For Override on uprobes.
        arg_new_addr: Option<Spanned<u64>> = "argNewAddr" optional;
        /// Offset in the file to continue at. For Override on uprobes.
        arg_new_offset: Option<Spanned<u64>> = "argNewOffset" optional;
        /// At most one such event in this time: `30`, `30s`, `5m`, `1h`. For Post.
        rate_limit: Option<Spanned<Text>> = "rateLimit" optional;
        /// Events of what count together: `thread`, `process` or `global`. For Post.
        rate_limit_scope: Option<Str> = "rateLimitScope" optional;
        /// Whether to report how the kernel came there. For Post.
        kernel_stack_trace: Spanned<bool> = "kernelStackTrace" optional;
        /// Whether to report how the process came there. For Post.
        user_stack_trace: Spanned<bool> = "userStackTrace" optional;
        /// Whether to report the file's hash. For Post on LSM hooks.
        ima_hash: Spanned<bool> = "imaHash" optional;
    }
}
