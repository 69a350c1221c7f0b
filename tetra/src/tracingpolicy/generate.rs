//! `tetra tracingpolicy generate`: policies to begin with.

mod elf;
mod functions;

use std::path::PathBuf;

use clap::Subcommand;
use policy::parse::print;
use policy::place::Spanned;
use policy::spec::{BinaryFilter, Document, PathOperator, Selector};

/// What the policy observes.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Nothing
    Empty,
    /// Each system call, by a hook of its own
    AllSyscalls,
    /// All system calls, by one hook with a list
    AllSyscallsList,
    /// Functions of the running kernel that can be traced
    FtraceList {
        /// Only those that match this regular expression
        #[arg(short, long, default_value = "", hide_default_value = true)]
        regex: String,
    },
    /// All functions of a program or library
    Uprobes {
        /// The file
        #[arg(short, long, value_name = "PATH")]
        binary: PathBuf,
    },
    /// All probes that a program or library declares
    Usdts {
        /// The file
        #[arg(short, long, value_name = "PATH")]
        binary: PathBuf,
    },
}

/// The text of a policy that observes `what`, of the executable `binary` only if there is one.
pub(super) fn policy(what: &What, binary: Option<&str>) -> anyhow::Result<String> {
    let mut document = match what {
        What::Empty => Document::new("empty"),
        What::AllSyscalls => functions::syscalls(),
        What::AllSyscallsList => functions::syscall_list(),
        What::FtraceList { regex } => functions::traceable(regex)?,
        What::Uprobes { binary } => elf::uprobes(binary)?,
        What::Usdts { binary } => elf::usdts(binary)?,
    };
    if let Some(path) = binary {
        restrict(&mut document, path);
    }
    Ok(print(&document))
}

/// Adds a selector on the executable to each hook.
fn restrict(document: &mut Document, path: &str) {
    let selector = Selector {
        match_binaries: vec![BinaryFilter {
            operator: Spanned::nowhere(PathOperator::In),
            values: vec![Spanned::nowhere(path.to_owned())],
            ..BinaryFilter::default()
        }],
        ..Selector::default()
    };
    let spec = &mut document.spec;
    let kprobes = spec.kprobes.iter_mut().map(|hook| &mut hook.selectors);
    let uprobes = spec.uprobes.iter_mut().map(|hook| &mut hook.selectors);
    let usdts = spec.usdts.iter_mut().map(|hook| &mut hook.selectors);
    for selectors in kprobes.chain(uprobes).chain(usdts) {
        selectors.push(selector.clone());
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use policy::kernel::NoKernel;
    use policy::limits::Limits;
    use policy::yaml::Budget;

    use super::*;

    fn check(what: &What, binary: Option<&str>) -> (String, policy::model::Policy) {
        let text = policy(what, binary).unwrap();
        let (mut policies, problems) = policy::resolve::load(&text, Budget::default(), &Limits::default(), &NoKernel);
        let expected = usize::from(matches!(what, What::Empty));
        assert_eq!(problems.len(), expected, "{problems:?}");
        (text, policies.pop().unwrap())
    }

    #[test]
    fn nothing() {
        expect![[r"
            apiVersion: cilium.io/v1alpha1
            kind: TracingPolicy
            metadata:
              name: empty
            spec: {}
        "]]
        .assert_eq(&check(&What::Empty, None).0);
    }

    #[test]
    fn system_calls_of_one_executable() {
        let (text, policy) = check(&What::AllSyscalls, Some("/bin/cat"));
        assert!(policy.hooks.len() > 300);
        assert!(
            text.starts_with(
                "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata:\n  name: syscalls\nspec:\n  kprobes:\n  - \
                 call: sys_read\n    selectors:\n    - matchBinaries:\n      - operator: In\n        values:\n        - \
                 /bin/cat\n"
            ),
            "{text}"
        );
        let (_, list) = check(&What::AllSyscallsList, None);
        assert_eq!(list.hooks.len(), 1);
    }

    #[test]
    fn functions_of_this_test() {
        let binary = std::env::current_exe().unwrap();
        let text = policy(&What::Uprobes { binary: binary.clone() }, None).unwrap();
        assert!(text.contains("    - main\n"), "its symbols were stripped");
        let error = policy_error(&What::Usdts { binary });
        assert!(error.ends_with(" declares no probes"), "{error}");
        let error = policy_error(&What::Uprobes {
            binary: "/proc/version".into(),
        });
        assert!(error.starts_with("/proc/version: "), "{error}");
    }

    fn policy_error(what: &What) -> String {
        format!("{:#}", policy(what, None).unwrap_err())
    }
}
