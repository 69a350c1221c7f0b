//! Compiles `proto/tetragon/*.proto`.

use std::error::Error;

/// Messages that few events carry: behind a pointer, so that a process in a cache does not pay for their room.
const BOXED: &[&str] = &[
    ".tetragon.Process.pod",
    ".tetragon.Process.cap",
    ".tetragon.Process.ns",
    ".tetragon.Process.process_credentials",
    ".tetragon.Process.binary_properties",
    ".tetragon.ProcessKprobe.return",
    ".tetragon.KprobeArgument.arg.process_credentials_arg",
];

const FILES: &[&str] = &[
    "tetragon/bpf.proto",
    "tetragon/capabilities.proto",
    "tetragon/events.proto",
    "tetragon/eventlogservice.proto",
    "tetragon/sensors.proto",
    "tetragon/tetragon.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let mut builder = tonic_prost_build::configure().btree_map(".").emit_rerun_if_changed(false);
    for path in BOXED {
        builder = builder.boxed(path);
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
