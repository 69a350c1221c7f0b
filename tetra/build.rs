//! Tells `tetra version --build` which commit it is, and which compiler made it. Without git, it is unknown.

use std::path::Path;
use std::process::Command;

const HEAD: &str = "../.git/logs/HEAD";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Changes with every commit and checkout. A file that is not there would count as changed every time.
    if Path::new(HEAD).exists() {
        println!("cargo::rerun-if-changed={HEAD}");
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    set("RUST_VERSION", output(&rustc, &["--version"]).as_deref());
    // Of the commit, not of the build: the same source gives the same program.
    set("DATE", output("git", &["log", "-1", "--format=%cI"]).as_deref());
    set("COMMIT", output("git", &["rev-parse", "HEAD"]).as_deref());
    let changes = output("git", &["status", "--porcelain", "--untracked-files=no"]);
    let state = |changes: &String| if changes.is_empty() { "clean" } else { "dirty" };
    set("TREE_STATE", changes.as_ref().map(state));
}

fn set(name: &str, value: Option<&str>) {
    println!("cargo::rustc-env=TETRA_{name}={}", value.unwrap_or("unknown"));
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
