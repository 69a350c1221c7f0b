//! `tetra tracingpolicy check`: what is wrong with files of policies, all of it.
//!
//! With the type information of a kernel, also whether that kernel has what they name. A line for each problem goes to
//! standard output, in the form that editors know from compilers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use btf::Btf;
use policy::diagnostic::Severity;
use policy::kernel::{Kernel, NoKernel};
use policy::limits::Limits;
use policy::yaml::Budget;
use policy_btf::{TypedKernel, tracepoint};

use super::file;
use crate::compact::escape;
use crate::getevents::output;

/// Checks `files`, for the kernel of the type information in `btf`.
pub(super) fn run(files: &[PathBuf], btf: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = btf else {
        return all(files, &NoKernel);
    };
    let wrong = || format!("{}: give the /sys/kernel/btf/vmlinux of a kernel", path.display());
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let types = Btf::parse(&bytes).with_context(wrong)?;
    all(
        files,
        &TypedKernel {
            types: &types,
            symbols: &|_| false,
            tracepoints: &|group, event| tracepoint::fields(&types, group, event),
            programs: &|_, _, _| None,
        },
    )
}

fn all(files: &[PathBuf], kernel: &dyn Kernel) -> anyhow::Result<()> {
    let mut bad = 0;
    for path in files {
        let (text, right) = one(path, kernel);
        output::print(text.as_bytes())?;
        bad += usize::from(!right);
    }
    anyhow::ensure!(bad == 0, "{bad} of {} files would be refused", files.len());
    Ok(())
}

/// What is to be said of a file, and whether it can be loaded.
fn one(path: &Path, kernel: &dyn Kernel) -> (String, bool) {
    let shown = path.display().to_string();
    let name = escape(&shown);
    let text = match file::read(path) {
        Ok(text) => text,
        Err(error) => return (format!("{name}: {}\n", escape(&format!("{error:#}"))), false),
    };
    let (policies, problems) = policy::resolve::load(&text, Budget::default(), &Limits::default(), kernel);
    let mut out = String::new();
    // Writing to a string cannot fail.
    for problem in &problems {
        let _ = writeln!(out, "{name}:{}", escape(&problem.to_string()));
    }
    let mut right = problems.iter().all(|problem| problem.severity != Severity::Error);
    for policy in policies.iter().filter(|_| right) {
        let policy_name = escape(&policy.name);
        if policy.asks_for_hashes() {
            let _ = writeln!(
                out,
                "{name}: {policy_name} needs a kernel that measures files (CONFIG_IMA)"
            );
        }
    }
    for policy in &policies {
        if let Some(reason) = policy.needs_workload() {
            right = false;
            let policy_name = escape(&policy.name);
            let _ = writeln!(
                out,
                "{name}: {policy_name} is refused: {reason}, which the agent does not know"
            );
        }
    }
    if right {
        let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        let _ = writeln!(out, "{name}: {} can be loaded", escape(&names.join(", ")));
    }
    (out, right)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_depends_on_the_machine_is_said() {
        let head = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: a}\nspec:\n";
        let hashed = "  lsmhooks:\n  - hook: file_open\n    args: [{index: 0, type: file}]\n    selectors:\n    - matchActions: [{action: Post, imaHash: true}]\n";
        let of_pods = "  podSelector: {matchLabels: {app: b}}\n  kprobes:\n  - call: sys_dup\n";
        for (spec, line, right) in [
            (hashed, ": a needs a kernel that measures files (CONFIG_IMA)\n", true),
            (of_pods, ", which the agent does not know\n", false),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            write!(file, "{head}{spec}").unwrap();
            let (text, loadable) = one(file.path(), &NoKernel);
            assert!(text.contains(line), "{text}");
            assert_eq!((loadable, text.contains("can be loaded")), (right, right), "{text}");
        }
    }
}
