//! `/init` of the test machine: everything is in the library.
fn main() {
    std::process::exit(vmtests::guest::main());
}
