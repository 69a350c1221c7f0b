//! Hooks: what to observe, with which arguments.

use super::{Selector, Str};
use crate::arg_type::ArgType;
use crate::leaf::Text;
use crate::object::{keywords, object};
use crate::place::Spanned;

object! {
    /// A function of the kernel (`kprobes` and `fentries`).
    Kprobe = "a kprobe" {
        /// Function name, or `list:NAME`.
        call: Str = "call" required;
        /// Whether the function is a system call: its arguments then stand in the registers that its parameter points to.
        syscall: Spanned<bool> = "syscall" default(true);
        /// Whether to observe the return as well.
        returns: Spanned<bool> = "return" optional;
        /// Type of the returned value.
        return_arg: Option<Arg> = "returnArg" optional;
        /// What to do with the returned value: `TrackSock` or `UntrackSock`.
        return_arg_action: Option<Str> = "returnArgAction" optional;
        /// Arguments to report.
        args: Vec<Arg> = "args" optional;
        /// Data to report that is no argument: of the current task or of the registers.
        data: Vec<Arg> = "data" optional;
        /// Which calls to report, and what to do.
        selectors: Vec<Selector> = "selectors" optional;
        /// Text that each event carries.
        message: Option<Str> = "message" optional;
        /// Tags that each event carries.
        tags: Vec<Str> = "tags" optional;
        /// What may be missing.
        ignore: Option<Ignore> = "ignore" optional;
    }
}

object! {
    /// What a kernel hook may lack.
    Ignore = "ignore" {
        /// Whether the policy loads without a function that the kernel does not have.
        call_not_found: Spanned<bool> = "callNotFound" optional;
    }
}

object! {
    /// A tracepoint of the kernel.
    Tracepoint = "a tracepoint" {
        /// Its group, such as `syscalls` or `sched`.
        subsystem: Str = "subsystem" required;
        /// Its name.
        event: Str = "event" required;
        /// Whether arguments are those that the kernel hands to the tracepoint, not the fields it records.
        raw: Spanned<bool> = "raw" optional;
        /// Arguments to report.
        args: Vec<Arg> = "args" optional;
        /// Which calls to report, and what to do.
        selectors: Vec<Selector> = "selectors" optional;
        /// Text that each event carries.
        message: Option<Str> = "message" optional;
        /// Tags that each event carries.
        tags: Vec<Str> = "tags" optional;
    }
}

object! {
    /// Functions of a program or library.
    Uprobe = "a uprobe" {
        /// The file, as the agent sees it.
        path: Str = "path" required;
        /// File with type information of the program.
        btf_path: Option<Str> = "btfPath" optional;
        /// Functions by symbol, with `+0x10` for a place inside.
        symbols: Vec<Str> = "symbols" optional;
        /// Places by offset in the file, in bytes.
        offsets: Vec<Spanned<u64>> = "offsets" optional;
        /// Places by virtual address.
        addrs: Vec<Spanned<u64>> = "addrs" optional;
        /// Offsets of the reference counters, one for each place.
        ref_ctr_offsets: Vec<Spanned<u64>> = "refCtrOffsets" optional;
        /// Digests that the file must have one of, `algorithm:hex`.
        binary_digests: Vec<Str> = "binaryDigests" optional;
        /// Whether to observe the return as well.
        returns: Spanned<bool> = "return" optional;
        /// Type of the returned value.
        return_arg: Option<Arg> = "returnArg" optional;
        /// Arguments to report.
        args: Vec<Arg> = "args" optional;
        /// Data to report that is no argument.
        data: Vec<Arg> = "data" optional;
        /// Which calls to report, and what to do.
        selectors: Vec<Selector> = "selectors" optional;
        /// Text that each event carries.
        message: Option<Str> = "message" optional;
        /// Tags that each event carries.
        tags: Vec<Str> = "tags" optional;
        /// What may be wrong.
        ignore: Option<IgnoreDigest> = "ignore" optional;
    }
}

object! {
    /// What a uprobe may lack.
    IgnoreDigest = "ignore" {
        /// Whether the policy loads without a file that has none of the digests.
        digest_verification_failure: Spanned<bool> = "digestVerificationFailure" optional;
    }
}

object! {
    /// A probe that a program or library declares.
    Usdt = "a USDT probe" {
        /// The file, as the agent sees it.
        path: Str = "path" required;
        /// File with type information of the program.
        btf_path: Option<Str> = "btfPath" optional;
        /// Who declares the probe.
        provider: Str = "provider" required;
        /// The probe's name.
        name: Str = "name" required;
        /// Arguments to report.
        args: Vec<Arg> = "args" optional;
        /// Which calls to report, and what to do.
        selectors: Vec<Selector> = "selectors" optional;
        /// Text that each event carries.
        message: Option<Str> = "message" optional;
        /// Tags that each event carries.
        tags: Vec<Str> = "tags" optional;
    }
}

object! {
    /// A hook of Linux security modules.
    Lsm = "an LSM hook" {
        /// Its name, such as `file_open`.
        hook: Str = "hook" required;
        /// Arguments to report.
        args: Vec<Arg> = "args" optional;
        /// Which calls to report, and what to do.
        selectors: Vec<Selector> = "selectors" optional;
        /// Text that each event carries.
        message: Option<Str> = "message" optional;
        /// Tags that each event carries.
        tags: Vec<Str> = "tags" optional;
    }
}

object! {
    /// One argument, a returned value, or a piece of data.
    Arg = "an argument" {
        /// Which parameter, from 0; of a tracepoint, which field, from 0 with the four common ones.
        index: Spanned<u32> = "index" required;
        /// How to read it.
        arg_type: Spanned<ArgType> = "type" default(ArgType::Auto);
        /// Name that the event's argument carries.
        label: Option<Str> = "label" optional;
        /// Which parameter holds the size, from 1; 0 for none.
        size_arg_index: Spanned<u32> = "sizeArgIndex" optional;
        /// Whether to read it when the function returns.
        return_copy: Spanned<bool> = "returnCopy" optional;
        /// Whether to read more than fits into one event.
        max_data: Spanned<bool> = "maxData" optional;
        /// The way from the argument to the value: `mm.owner.comm`.
        resolve: Spanned<String> = "resolve" optional;
        /// For data, where the way begins: `current_task` or `pt_regs`.
        source: Option<Str> = "source" optional;
        /// Structure that the argument is taken to point to.
        btf_type: Option<Str> = "btfType" optional;
        /// Kernel module that declares that structure.
        btf_type_module: Option<Str> = "btfTypeModule" optional;
    }
}

object! {
    /// A named list of functions or syscalls.
    List = "a list" {
        /// The name to refer to it by, `list:NAME`.
        name: Str = "name" required;
        /// What it holds; absent for plain function names.
        kind: Option<Spanned<ListKind>> = "type" optional;
        /// Its members.
        values: Vec<Spanned<Text>> = "values" optional;
        /// Regular expression of the members.
        pattern: Option<Str> = "pattern" optional;
        /// Kept by Tetragon. Not used.
        validated: Spanned<bool> = "validated" optional;
    }
}

keywords! {
    /// What a list holds.
    ListKind = "a type of list" {
        /// The system calls named.
        Syscalls = "syscalls";
        /// All system calls of the running kernel.
        GeneratedSyscalls = "generated_syscalls";
        /// All functions of the running kernel that can be traced and match a pattern.
        GeneratedFtrace = "generated_ftrace";
    }
}

object! {
    /// Calls that the action `NotifyEnforcer` can stop.
    Enforcer = "an enforcer" {
        /// System calls, `security_` functions or `list:NAME`.
        calls: Vec<Str> = "calls" required;
    }
}

object! {
    /// A setting of the policy.
    Setting = "an option" {
        /// Its name.
        name: Str = "name" required;
        /// Its value.
        value: Spanned<Text> = "value" optional;
    }
}
