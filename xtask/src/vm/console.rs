//! What the kernel says on the console when something is wrong.

/// Marks of trouble in a line of the kernel, wherever they come from.
const ALWAYS: &[&str] = &[
    "Kernel panic",
    "BUG:",
    "Oops",
    "general protection",
    "KASAN",
    "KCSAN",
    "UBSAN",
    "soft lockup",
    "rcu_sched self-detected stall",
    "rcu: INFO:",
    "blocked for more than",
    "unregister_netdevice: waiting",
    "Out of memory:",
];

/// A warning is trouble of ours only when BPF is in its stack.
const WARNING: &str = "WARNING: CPU";

/// Lines after a warning in which BPF is looked for.
const STACK: usize = 40;

/// Lines shown before and after a finding.
const AROUND: usize = 6;

/// Finds trouble; each finding is the line with those around it.
pub(crate) fn scan(console: &str) -> Vec<String> {
    let lines: Vec<&str> = console.lines().map(|line| line.trim_end_matches('\r')).collect();
    let mut findings = Vec::new();
    let mut next = 0;
    for (at, line) in lines.iter().enumerate() {
        // Lines of programs of the guest have no time in front.
        if at < next || !line.starts_with('[') {
            continue;
        }
        let warning = line.contains(WARNING)
            && lines[at..(at + STACK).min(lines.len())]
                .iter()
                .any(|line| line.to_lowercase().contains("bpf"));
        if warning || ALWAYS.iter().any(|mark| line.contains(mark)) {
            let end = (at + AROUND + 1).min(lines.len());
            findings.push(lines[at.saturating_sub(AROUND)..end].join("\n"));
            next = end;
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::scan;
    use expect_test::expect;

    #[test]
    fn a_panic_with_its_surroundings() {
        let console =
            "[    1.0] before\r\n[    2.0] Kernel panic - not syncing: Attempted to kill init!\r\n[    2.1] CPU: 0\r\n";
        expect![[r#"
            [
                "[    1.0] before\n[    2.0] Kernel panic - not syncing: Attempted to kill init!\n[    2.1] CPU: 0",
            ]
        "#]]
        .assert_debug_eq(&scan(console));
    }

    #[test]
    fn programs_may_say_anything() {
        assert!(scan("agent: BUG: is a word\n[ 1.0] all is well\n").is_empty());
    }

    #[test]
    fn warnings_count_only_with_bpf_in_the_stack() {
        assert!(scan("[ 1.0] WARNING: CPU: 0 PID: 1 at drivers/acpi/x.c:1 y\n[ 1.1] RIP: z\n").is_empty());
        assert_eq!(
            scan("[ 1.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 y\n[ 1.1]  bpf_prog_load+0x1\n").len(),
            1
        );
    }
}
