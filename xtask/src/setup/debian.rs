//! What comes from the distribution, and its installation on Debian.

use crate::tool;
use anyhow::{Context as _, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that the distribution brings.
pub(super) struct Need {
    /// Debian package.
    package: String,
    /// What it is needed for, for users of other distributions.
    purpose: String,
    /// Whether the machine has it, whoever brought it.
    present: bool,
}

impl Need {
    /// A program on the search path.
    pub(super) fn program(name: &str, package: &str, purpose: &str) -> Self {
        Self {
            package: package.to_owned(),
            purpose: format!("{name}: {purpose}"),
            present: tool::which(name).is_some(),
        }
    }

    /// A file at a fixed place.
    pub(super) fn file(path: &Path, package: &str, purpose: &str) -> Self {
        Self {
            package: package.to_owned(),
            purpose: format!("{}: {purpose}", path.display()),
            present: path.exists(),
        }
    }
}

/// Installs what is missing. On other distributions than Debian the error names it.
pub(super) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.present).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let describe = |need: &&Need| format!("\n  {} ({})", need.purpose, need.package);
    let list = missing.iter().map(describe).collect::<Vec<_>>().concat();
    if !is_debian() {
        bail!("this machine lacks the following (in brackets: Debian's package); install it and try again:{list}");
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package.as_str()).collect();
    tool::step(&format!("installing {}", packages.join(", ")));
    apt_get(&["update", "-qq"]).with_context(|| format!("cannot install{list}"))?;
    let install = ["install", "-qq", "--yes", "--no-install-recommends"];
    apt_get(&[&install, packages.as_slice()].concat()).with_context(|| format!("cannot install{list}"))
}

/// Whether packages are Debian's.
fn is_debian() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    tool::which("apt-get").is_some() && release.lines().any(|line| line == "ID=debian")
}

/// Runs the system's `apt-get`, through `sudo` when not root.
fn apt_get(args: &[&str]) -> Result<()> {
    let apt_get: PathBuf = tool::which("apt-get").context("no apt-get")?;
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("env")
    } else if tool::which("sudo").is_some() {
        // A question for a password can be answered only on a terminal.
        let ask: &[&str] = if env::var_os("CI").is_some() {
            &["--non-interactive"]
        } else {
            &[]
        };
        let mut sudo = Command::new("sudo");
        sudo.args(ask).arg("env");
        sudo
    } else {
        bail!("not root, and there is no sudo");
    };
    command
        .arg("DEBIAN_FRONTEND=noninteractive")
        .arg(apt_get)
        .args(super::archive::PATIENCE)
        .args(args);
    tool::read(&mut command).map(drop)
}
