//! Process 1 of the test machine, and the runner of its plan.
//!
//! Process 1 ([`init`]) must never end, so it does little: it mounts, reaps and waits. The plan is run by a child of it,
//! which may fail like any program. Both are `vm-init`; the child is told by its first argument.

pub mod agent;
pub mod bench;
pub mod cgroup;
pub mod dump;
pub mod examples;
pub mod init;
pub mod interactive;
pub mod leak;
pub mod losses;
pub mod noise;
pub mod report;
pub mod run;
pub mod runner;
pub mod setup;
pub mod spawn;
pub mod verifier;

pub use report::Reporter;

/// Argument that makes `vm-init` the runner.
const RUNNER: &str = "runner";

/// `vm-init`. Returns the exit status of the runner; as process 1 it never returns.
pub fn main() -> i32 {
    if std::env::args().nth(1).as_deref() == Some(RUNNER) {
        runner::main()
    } else {
        init::main()
    }
}
