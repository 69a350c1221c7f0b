//! What to do about a refused call.

use std::{fs, io};

use super::{Command, Syscall};

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Advice for `error`, if there is any.
pub(super) fn hint(call: &Syscall<'_>, error: &io::Error) -> Option<String> {
    if !matches!(
        call,
        Syscall::Bpf { .. } | Syscall::PerfEventOpen { .. } | Syscall::Mmap { .. }
    ) {
        return None;
    }
    match error.raw_os_error()? {
        libc::EPERM => {
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
            let creates = matches!(
                call,
                Syscall::Bpf {
                    command: Command::MapCreate | Command::ProgLoad,
                    ..
                }
            );
            let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
            refused(&status, &lockdown, creates.then_some(&*limits))
        }
        libc::EACCES if matches!(call, Syscall::PerfEventOpen { .. }) => {
            Some("see kernel.perf_event_paranoid".to_owned())
        }
        libc::ENOMEM => Some("the kernel is out of memory, or the limit of RLIMIT_MEMLOCK is reached".to_owned()),
        libc::ENOSYS => Some("the kernel is built without CONFIG_BPF_SYSCALL".to_owned()),
        _ => None,
    }
}

/// Why a privileged process is refused, from `/proc/self/status`, the lockdown state and, when something was to be
/// created, `/proc/self/limits`.
fn refused(status: &str, lockdown: &str, limits: Option<&str>) -> Option<String> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let capabilities = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok())?;
    let has = |capability: u32| capabilities >> capability & 1 != 0;
    let privileged = has(CAP_SYS_ADMIN) || has(CAP_BPF) && has(CAP_PERFMON);
    if !privileged {
        let root = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)) == Some("0");
        let who = if root { "root without" } else { "not root, and without" };
        return Some(format!(
            "{who} CAP_SYS_ADMIN or both CAP_BPF and CAP_PERFMON: run as root, privileged"
        ));
    }
    if lockdown.contains("[confidentiality]") {
        return Some("kernel lockdown is in confidentiality mode, which forbids reading kernel memory".to_owned());
    }
    let locked = limits.and_then(|limits| limits.lines().find_map(|line| line.strip_prefix("Max locked memory")));
    match locked.and_then(|limits| limits.split_whitespace().next()) {
        // Before 5.11 maps and programs count as locked memory.
        Some(limit) if limit != "unlimited" && !has(CAP_SYS_RESOURCE) => Some(format!(
            "RLIMIT_MEMLOCK is {limit} bytes, and capability CAP_SYS_RESOURCE is missing to raise it: add the \
             capability, or set the limit to infinity"
        )),
        _ => Some("a security module or a seccomp filter refuses".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn says_what_is_missing() {
        let user = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n";
        assert!(
            refused(user, "", None)
                .unwrap()
                .starts_with("not root, and without CAP_SYS_ADMIN")
        );
        let container = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n";
        assert!(
            refused(container, "", None)
                .unwrap()
                .starts_with("root without CAP_SYS_ADMIN")
        );
        let root = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
        assert!(
            refused(root, "none integrity [confidentiality]", None)
                .unwrap()
                .contains("lockdown")
        );
        let bpf = "Uid:\t0\t0\t0\t0\nCapEff:\t000000c000000000\n";
        assert!(refused(bpf, "", None).unwrap().contains("security module"));
    }

    #[test]
    fn says_which_limit_could_not_be_raised() {
        let limited = Some("Limit  Soft Limit  Hard Limit  Units\nMax locked memory         65536   65536   bytes\n");
        let unlimited = Some("Max locked memory         unlimited   unlimited   bytes\n");
        let root = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
        let without = "Uid:\t0\t0\t0\t0\nCapEff:\t000001fffeffffff\n";
        let advice = |status, limits| refused(status, "[none] integrity confidentiality", limits).unwrap();
        assert!(advice(without, limited).starts_with("RLIMIT_MEMLOCK is 65536 bytes, and capability CAP_SYS_RESOURCE"));
        for (status, limits) in [(root, limited), (without, unlimited), (without, None)] {
            assert!(advice(status, limits).contains("security module"));
        }
    }
}
