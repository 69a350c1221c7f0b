//! Embeds the kernel programs that `cargo xtask build` leaves in `target/bpf`. Without them the agent is built all the
//! same and wants `--bpf-lib`.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../target/bpf");
    // What is watched must exist, or cargo runs this anew each time.
    fs::create_dir_all(&folder)?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let object = fs::read(folder.join("tetragon.bpf.o")).unwrap_or_default();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("tetragon.bpf.o"), object)?;
    Ok(())
}
