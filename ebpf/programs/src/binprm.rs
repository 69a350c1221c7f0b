//! Privileges gained by an exec, seen where the old and the new credentials are both in sight.
//!
//! The same function at whichever hook the kernel offers, cheapest first: the LSM hook, a trampoline, a kprobe.

use aya_ebpf::{
    EbpfContext as _,
    helpers::bpf_get_current_pid_tgid,
    macros::{fentry, kprobe, lsm},
    programs::{FEntryContext, LsmContext, ProbeContext},
};
use ebpf_abi::map::{ExecPrivileges, privilege};

use crate::{maps::EXEC_PRIVILEGES, read::field, task};

/// LSM hook `bprm_committing_creds(bprm)`, include/linux/lsm_hook_defs.h. Needs `bpf` among the active LSMs.
#[lsm(hook = "bprm_committing_creds")]
pub fn lsm_bprm_committing_creds(ctx: LsmContext) -> i32 {
    // SAFETY: the first argument of the hook; the verifier checks the access.
    note(unsafe { *ctx.as_ptr().cast::<u64>() });
    0
}

/// Entry of `security_bprm_committing_creds(bprm)`, security/security.c, through a trampoline.
#[fentry(function = "security_bprm_committing_creds")]
pub fn fentry_bprm_committing_creds(ctx: FEntryContext) -> i32 {
    // SAFETY: the first argument of the function; the verifier checks the access.
    note(unsafe { *ctx.as_ptr().cast::<u64>() });
    0
}

/// The same through a breakpoint.
#[kprobe]
pub fn kprobe_bprm_committing_creds(ctx: ProbeContext) -> u32 {
    if let Some(bprm) = ctx.arg::<u64>(0) {
        note(bprm);
    }
    0
}

#[inline(always)]
fn note(bprm: u64) {
    let old: u64 = field!(task::current(), task_cred);
    let new: u64 = field!(bprm, binprm_cred);
    let (old_euid, new_euid): (u32, u32) = (field!(old, cred_euid), field!(new, cred_euid));
    let (old_egid, new_egid): (u32, u32) = (field!(old, cred_egid), field!(new, cred_egid));
    let mut flags = 0;
    if old_euid != new_euid {
        flags |= privilege::SETUID;
        if new_euid == 0 {
            flags |= privilege::RAISED_SETUID;
        }
    }
    if old_egid != new_egid {
        flags |= privilege::SETGID;
        if new_egid == 0 {
            flags |= privilege::RAISED_SETGID;
        }
    }
    // Root gains capabilities by being root; anybody else gains them from the file.
    let (had, has): (u64, u64) = (field!(old, cred_cap_permitted), field!(new, cred_cap_permitted));
    if has & !had != 0 && new_euid != 0 {
        flags |= privilege::RAISED_FILE_CAP;
    }
    if flags == 0 {
        return;
    }
    let noted = ExecPrivileges {
        flags,
        setuid: new_euid,
        setgid: new_egid,
        reserved: 0,
    };
    // A full map evicts its oldest entry: an exec that failed after this point and left one behind.
    let _ = EXEC_PRIVILEGES.insert(&bpf_get_current_pid_tgid(), &noted, 0);
}
