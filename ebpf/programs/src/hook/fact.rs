//! Facts about the current process that selectors ask for.

use ebpf_abi::{hook::fact, map::Namespaces};

use crate::{read::field, task};

/// One fact: see [`runtime::FACT`](ebpf_abi::hook::runtime::FACT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_fact(what: u32) -> u64 {
    let task = task::current();
    let cred: u64 = field!(task, task_cred);
    match what {
        fact::NSPID => u64::from(task::nspid(task).0),
        fact::USER_NS_LEVEL => {
            let user_ns: u64 = field!(cred, cred_user_ns);
            let level: u32 = field!(user_ns, user_ns_level);
            u64::from(level)
        }
        fact::CAP_EFFECTIVE => field!(cred, cred_cap_effective),
        fact::CAP_INHERITABLE => field!(cred, cred_cap_inheritable),
        fact::CAP_PERMITTED => field!(cred, cred_cap_permitted),
        _ => {
            let (_, pid_ns) = task::nspid(task);
            let mut all = Namespaces::default();
            // SAFETY: a local.
            unsafe { task::namespaces(task, cred, pid_ns, &raw mut all) };
            let Namespaces {
                uts,
                ipc,
                mnt,
                pid,
                pid_for_children,
                net,
                time,
                time_for_children,
                cgroup,
                user,
            } = all;
            u64::from(match what.wrapping_sub(fact::NAMESPACE) {
                0 => uts,
                1 => ipc,
                2 => mnt,
                3 => pid,
                4 => pid_for_children,
                5 => net,
                6 => time,
                7 => time_for_children,
                8 => cgroup,
                _ => user,
            })
        }
    }
}
