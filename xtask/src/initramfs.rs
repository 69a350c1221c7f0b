//! What a test machine finds in its memory when it starts: an initramfs, and nothing else.
//!
//! It is archives one after the other, as the kernel allows: the payload, made once a run, which may have a whole userland
//! before it, and what differs from machine to machine. Neither is compressed: emulated decompression takes longer than reading.

mod cpio;
mod host;
mod payload;

pub(crate) use payload::Payload;

use crate::kernel::Kernel;
use crate::protocol::{PLAN_PATH, Plan};
use anyhow::{Context as _, Result};
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Folder of modules in the guest.
const MODULES: &str = "/modules";

/// Writes the initramfs of one machine. Fills in the plan's modules.
pub(crate) fn write(file: &Path, payload: &Payload, kernel: &Kernel, mut plan: Plan) -> Result<()> {
    let mut own = cpio::Archive::new();
    for module in &kernel.modules {
        let name = module.file_name().context("a module has a name")?.to_string_lossy();
        let path = format!("{MODULES}/{name}");
        own.file(
            &path,
            0o644,
            &fs::read(module).with_context(|| module.display().to_string())?,
        );
        plan.modules.push(path);
    }
    own.file(PLAN_PATH, 0o644, &serde_json::to_vec(&plan)?);
    let mut file = fs::File::create(file).with_context(|| format!("create {}", file.display()))?;
    file.write_all(payload.bytes())?;
    file.write_all(&own.finish())?;
    Ok(())
}
