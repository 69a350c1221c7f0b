//! Policies without an agent.

use std::path::{Path, PathBuf};

use expect_test::expect;
use tempfile::TempDir;

use super::support::{Child, Output, tetra};

const HEAD: &str = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: files}\nspec:\n  kprobes:\n";

/// Runs `tetra tracingpolicy` in `folder`.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tetra(&[&["tracingpolicy"], arguments].concat());
    command.current_dir(folder);
    Child::start(command).finish()
}

/// A folder with a file of hooks for each name.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, hooks) in files {
        std::fs::write(folder.path().join(name), format!("{HEAD}{hooks}")).expect("a file");
    }
    folder
}

/// Type information of a kernel with one function, `fd_install(int fd, struct file *file)`.
fn types(folder: &Path) -> PathBuf {
    let mut builder = btf::Builder::new();
    let int = builder.int("int", 4);
    let file = builder.structure("file", 16, &[("f_flags", int, 0), ("f_mode", int, 32)]);
    let pointer = builder.pointer(file);
    let parameters = [builder.string("fd"), int.0, builder.string("file"), pointer.0];
    let prototype = builder.raw(btf::Kind::FuncProto, "", false, 2, 0, &parameters);
    builder.raw(btf::Kind::Func, "fd_install", false, 1, prototype.0, &[]);
    let path = folder.join("kernel.btf");
    std::fs::write(&path, builder.finish()).expect("a file");
    path
}

#[test]
fn every_problem_of_every_file_is_shown() {
    let folder = folder(&[
        (
            "good.yaml",
            "  - call: fd_install\n    syscall: false\n    args: [{index: 1, type: file}]\n",
        ),
        (
            "bad.yaml",
            "  - call: sys_opn\n  - call: fd_install\n    syscall: false\n    args: [{index: 1, type: fil}]\n",
        ),
        (
            "odd.yaml",
            "  - call: fd_install\n    syscall: false\n  options: [{name: policy-mod, value: monitor}]\n",
        ),
    ]);
    let good = run(folder.path(), &["check", "good.yaml", "odd.yaml"]);
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""), "{good:?}");
    expect![[r#"
        good.yaml: files can be loaded
        odd.yaml:8:20: warning: spec.options[0].name: option `policy-mod` is unknown and without effect (did you mean `policy-mode`?)
        odd.yaml: files can be loaded
    "#]]
    .assert_eq(&good.stdout);
    let bad = run(folder.path(), &["check", "bad.yaml", "nowhere.yaml", "good.yaml"]);
    assert_eq!(bad.code, Some(1));
    expect![[r#"
        bad.yaml:6:11: spec.kprobes[0].call: `sys_opn` is no system call (did you mean `sys_open`? a plain function needs `syscall: false`)
        bad.yaml:9:29: spec.kprobes[1].args[0].type: `fil` is not a type of argument (did you mean `file`?)
        nowhere.yaml: read nowhere.yaml: No such file or directory (os error 2)
        good.yaml: files can be loaded
    "#]]
    .assert_eq(&bad.stdout);
    assert_eq!(bad.stderr, "Error: 2 of 3 files would be refused\n");
}

#[test]
fn with_the_types_of_a_kernel_names_are_looked_up() {
    let hook = "  - call: fd_install\n    syscall: false\n    args: [{index: 1, type: int, resolve: ";
    let folder = folder(&[
        ("good.yaml", &format!("{hook}f_mode}}]\n")),
        ("member.yaml", &format!("{hook}f_mod}}]\n")),
        (
            "index.yaml",
            "  - call: fd_install\n    syscall: false\n    args: [{index: 2, type: int}]\n",
        ),
        ("function.yaml", "  - call: fd_instal\n    syscall: false\n"),
    ]);
    let types = types(folder.path());
    let types = types.to_str().expect("text");
    let files = ["good.yaml", "member.yaml", "index.yaml", "function.yaml"];
    let without = run(folder.path(), &[&["check"], &files[..]].concat());
    assert_eq!(
        (without.code, without.stdout.lines().count()),
        (Some(0), 4),
        "{without:?}"
    );
    let with = run(folder.path(), &[&["check", "--btf", types], &files[..]].concat());
    assert_eq!(with.code, Some(1));
    expect![[r#"
        good.yaml: files can be loaded
        member.yaml:8:43: spec.kprobes[0].args[0].resolve: `file` has no member `f_mod`
        index.yaml:8:20: spec.kprobes[0].args[0].index: `fd_install` has no parameter 2 (0 to 1)
        function.yaml:6:11: spec.kprobes[0].call: the kernel has no function `fd_instal` (did you mean `fd_install`?)
    "#]]
    .assert_eq(&with.stdout);
    let wrong = run(folder.path(), &["check", "--btf", "good.yaml", "good.yaml"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""));
    assert!(
        wrong
            .stderr
            .starts_with("Error: good.yaml: give the /sys/kernel/btf/vmlinux of a kernel: "),
        "{}",
        wrong.stderr
    );
}

#[test]
fn what_is_written_can_be_checked() {
    let folder = folder(&[("policy.yaml", "  - call: sys_read\n")]);
    let modified = run(folder.path(), &["modify", "policy.yaml", "-m", "monitor"]);
    assert_eq!((modified.code, modified.stderr.as_str()), (Some(0), ""));
    assert!(
        modified
            .stdout
            .ends_with("  options:\n  - name: policy-mode\n    value: monitor\n")
    );
    let generated = run(folder.path(), &["generate", "all-syscalls-list", "-m", "/bin/cat"]);
    assert_eq!((generated.code, generated.stderr.as_str()), (Some(0), ""));
    assert!(generated.stdout.contains("matchBinaries"));
    for (name, text) in [("modified.yaml", modified.stdout), ("generated.yaml", generated.stdout)] {
        std::fs::write(folder.path().join(name), text).expect("a file");
        let checked = run(folder.path(), &["check", name]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
}
