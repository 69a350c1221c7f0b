//! Files of policies.

use std::path::Path;

use anyhow::Context as _;

/// Largest file that is read, in bytes. The parser has bounds of its own; this one is for what is no policy at all.
const SIZE: u64 = 16 << 20;

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let kind = std::fs::metadata(path).with_context(|| format!("read {name}"))?;
    anyhow::ensure!(
        kind.len() <= SIZE,
        "{name}: more than 16 MiB, that is no policy: give a smaller file"
    );
    std::fs::read_to_string(path).with_context(|| format!("read {name}"))
}
