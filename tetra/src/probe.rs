//! `tetra probe`: what this kernel can do, without an agent.

mod config;

use clap::Subcommand;

use crate::getevents::output;

/// Types of the running kernel.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Capability that probing needs (`CAP_SYS_ADMIN`), as a bit of a set.
const SYS_ADMIN: u64 = 1 << 21;

/// What to print instead.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Print how the kernel was configured
    Config,
}

/// Prints features, a name and `true` or `false` a line.
pub fn run(command: Option<Command>) -> anyhow::Result<()> {
    let printed = match command {
        Some(Command::Config) => config::text()?,
        None => features(),
    };
    output::print(printed.as_bytes())?;
    Ok(())
}

fn features() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if effective(&status) & SYS_ADMIN == 0 {
        crate::warn("without CAP_SYS_ADMIN, most of this cannot be found out: run tetra as root");
    }
    let bytes = std::fs::read(TYPES).unwrap_or_default();
    let types = btf::Btf::parse(&bytes).ok();
    let features = ebpf_loader::features(types.as_ref());
    let lines = features.iter().map(|(name, there)| format!("{name}: {there}\n"));
    lines.collect()
}

/// The effective capabilities in a `/proc/PID/status`.
fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        assert_eq!(effective("Name:\ttetra\nCapEff:\t0000000000200000\n"), SYS_ADMIN);
        assert_eq!(effective(""), 0);
    }
}
