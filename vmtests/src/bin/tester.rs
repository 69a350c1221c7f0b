//! `tester NAME ARGS…`: everything is in the library.
fn main() {
    std::process::exit(vmtests::tester::main());
}
