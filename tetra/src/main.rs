//! The `tetra` command. Everything is in the library, so that tests can reach it.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tetra::main(std::env::args_os())
}
