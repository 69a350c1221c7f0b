//! What the machine needs before anything can run: file systems, network, modules, limits.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::symlink,
    path::Path,
};

use anyhow::{Context as _, Result};
use rustix::{
    mount::{MountFlags, mount},
    process::{Resource, Rlimit, setrlimit},
};

use crate::{machine::Lockdown, protocol::Plan, sys::process};

/// Type, target, options, and whether the suite can do without.
const MOUNTS: [(&str, &str, &str, bool); 11] = [
    ("proc", "/proc", "", false),
    ("sysfs", "/sys", "", false),
    ("devtmpfs", "/dev", "", false),
    ("devpts", "/dev/pts", "", true),
    ("tmpfs", "/dev/shm", "", true),
    ("tmpfs", "/tmp", "mode=1777", false),
    ("tmpfs", "/run", "mode=755", false),
    ("cgroup2", "/sys/fs/cgroup", "", false),
    ("bpf", "/sys/fs/bpf", "mode=700", true),
    ("tracefs", "/sys/kernel/tracing", "", true),
    ("securityfs", "/sys/kernel/security", "", true),
];

/// Mounts the file systems, and connects standard input and output with the console.
pub fn mounts() -> Result<()> {
    for (kind, target, options, optional) in MOUNTS {
        let _ = fs::create_dir_all(target);
        let options = std::ffi::CString::new(options).context("mount options")?;
        match mount(kind, target, kind, MountFlags::empty(), options.as_c_str()) {
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(_) if optional => {}
            Err(error) => return Err(error).with_context(|| format!("mount {kind} on {target}")),
        }
    }
    // Where older programs look for tracefs; some kernels lack debugfs.
    let _ = mount("debugfs", "/sys/kernel/debug", "debugfs", MountFlags::empty(), c"");
    let _ = symlink("/proc/self/fd", "/dev/fd");
    fs::create_dir_all("/var").context("make /var")?;
    if !Path::new("/var/run").exists() {
        symlink("/run", "/var/run").context("link /var/run")?;
    }
    let console = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/console")
        .context("open /dev/console")?;
    rustix::stdio::dup2_stdin(&console)?;
    rustix::stdio::dup2_stdout(&console)?;
    rustix::stdio::dup2_stderr(&console)?;
    Ok(())
}

/// Network, modules and limits.
pub fn machine(plan: &Plan) -> Result<()> {
    process::loopback_up().context("bring up lo")?;
    for module in &plan.modules {
        let file = File::open(module).with_context(|| format!("open module {module}"))?;
        process::load_module(&file).with_context(|| format!("load module {module}"))?;
    }
    // Kernels before 5.11 account BPF maps as locked memory.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited).context("raise the limit of locked memory")?;
    let _ = rustix::system::sethostname(b"vm");
    if !Path::new("/etc/hosts").exists() {
        fs::write("/etc/hosts", "127.0.0.1 localhost\n").context("write /etc/hosts")?;
    }
    Ok(())
}

/// Locks the kernel down, for as long as it runs.
pub fn lock_down(level: Lockdown) -> Result<()> {
    const PATH: &str = "/sys/kernel/security/lockdown";
    fs::write(PATH, level.name()).with_context(|| format!("lock the kernel down ({PATH})"))
}
