//! The words of `Process.flags`.

use ebpf_abi::event::exec_flag as bit;

/// What `flags` says of a process that is not in the cache.
pub const UNKNOWN: &str = "unknown";

/// Bits and their words, in the order in which they are written, which is not that of the numbers. Bits without a word
/// are for the agent itself.
pub const WORDS: &[(u32, &str)] = &[
    (bit::EXECVE, "execve"),
    (bit::PROCFS, "procFS"),
    (bit::ERROR_ENVS, "errorEnvs"),
    (bit::TRUNC_ARGS, "truncArgs"),
    (bit::MISS, "miss"),
    (bit::ERROR_FILENAME, "errorFilename"),
    (bit::ERROR_ARGS, "errorArgs"),
    (bit::NO_CWD, "nocwd"),
    (bit::ROOT_CWD, "rootcwd"),
    (bit::ERROR_CWD, "errorCWD"),
    (bit::CLONE, "clone"),
    (bit::ERROR_CGROUP_NAME, "errorCgroupName"),
    (bit::ERROR_CGROUP_ID, "errorCgroupID"),
    (bit::ERROR_CGROUP_SUBSYS_CGRP, "errorCgroupSubsysCgrp"),
    (bit::ERROR_CGROUP_SUBSYS, "errorCgroupSubsys"),
    (bit::ERROR_CGROUPS, "errorCgroups"),
    (bit::ERROR_PATH_RESOLUTION_CWD, "errorPathResolutionCwd"),
    (bit::DATA_FILENAME, "dataFilename"),
    (bit::DATA_ARGS, "dataArgs"),
    (bit::IN_INIT_TREE, "inInitTree"),
];

/// The words of `bits` ([`exec_flag`](bit)), joined by spaces.
pub fn words(bits: u32) -> String {
    let mut text = String::with_capacity(32);
    for (_, word) in WORDS.iter().filter(|(bit, _)| bits & bit != 0) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_the_table_s() {
        assert_eq!(words(0), "");
        assert_eq!(words(0x4001), "execve clone");
        assert_eq!(words(0x1004), "procFS rootcwd");
        // Envs data, need for cwd and the kernfs error have no word.
        assert_eq!(words(0x2_0402), "");
        assert_eq!(
            words(u32::MAX),
            "execve procFS errorEnvs truncArgs miss errorFilename errorArgs nocwd rootcwd errorCWD clone \
             errorCgroupName errorCgroupID errorCgroupSubsysCgrp errorCgroupSubsys errorCgroups \
             errorPathResolutionCwd dataFilename dataArgs inInitTree"
        );
    }
}
