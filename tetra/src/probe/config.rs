//! How the running kernel was configured, as far as policies depend on it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use anyhow::Context as _;

/// The options that are shown, in order.
const OPTIONS: [&str; 15] = [
    "CONFIG_AUDIT",
    "CONFIG_AUDITSYSCALL",
    "CONFIG_BPF",
    "CONFIG_BPF_EVENTS",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_JIT_DEFAULT_ON",
    "CONFIG_BPF_KPROBE_OVERRIDE",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_CGROUPS",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_DEBUG_INFO_BTF_MODULES",
    "CONFIG_FTRACE_SYSCALLS",
    "CONFIG_HAVE_BPF_JIT",
    "CONFIG_HAVE_EBPF_JIT",
    "CONFIG_SECURITY",
];

/// Bytes of a configuration that are read; they have some hundred thousand.
const SIZE: u64 = 16 << 20;

/// The options, a line each.
pub(super) fn text() -> anyhow::Result<String> {
    let release = ebpf_loader::probe::kernel_release();
    let plain = format!("/boot/config-{release}");
    let mut text = String::new();
    if let Ok(file) = File::open("/proc/config.gz") {
        flate2::read::GzDecoder::new(file)
            .take(SIZE)
            .read_to_string(&mut text)
            .context("read /proc/config.gz")?;
    } else {
        let file = File::open(&plain).with_context(|| {
            format!("neither /proc/config.gz nor {plain} can be read: the configuration is not known")
        })?;
        file.take(SIZE)
            .read_to_string(&mut text)
            .with_context(|| format!("read {plain}"))?;
    }
    Ok(options(&text))
}

/// The options in a configuration; what it does not name is not set.
fn options(config: &str) -> String {
    let mut out = String::new();
    for option in OPTIONS {
        let value = config
            .lines()
            .find_map(|line| line.strip_prefix(option)?.strip_prefix('='));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{option}:{}", value.unwrap_or("n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_no() {
        let text = options("CONFIG_BPF=y\nCONFIG_BPF_JIT=y\n# CONFIG_AUDIT is not set\nCONFIG_CGROUPS=m\n");
        assert!(text.starts_with("CONFIG_AUDIT:n\nCONFIG_AUDITSYSCALL:n\nCONFIG_BPF:y\nCONFIG_BPF_EVENTS:n\n"));
        assert!(text.contains("\nCONFIG_CGROUPS:m\n"));
        assert_eq!(text.lines().count(), OPTIONS.len());
    }
}
