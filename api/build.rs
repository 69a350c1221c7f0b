//! Compiles `proto/tetragon/*.proto` into messages and services (`tonic-prost-build`) and into the tables and writers
//! of the JSON form (`build/json.rs`), from one descriptor set. Needs no `protoc`.

#[path = "build/json.rs"]
mod json;

use std::error::Error;
use std::path::Path;

/// Messages that few processes or arguments carry: behind a pointer, so that the others do not pay for their room.
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
    println!("cargo::rerun-if-changed=build");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("json.rs"), json::generate(&descriptors)?)?;
    // Maps in key order: that is how their JSON form is written.
    let mut builder = tonic_prost_build::configure()
        .btree_map(".")
        .emit_rerun_if_changed(false);
    for path in BOXED {
        builder = builder.boxed(path);
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
