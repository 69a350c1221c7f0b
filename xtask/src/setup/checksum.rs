//! Checksums of files that no signed index vouches for.

use crate::{paths, tool};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(file: &Path) -> Result<String> {
    let line = tool::read(Command::new("sha256sum").arg("--").arg(file))?;
    // A backslash in front tells of an escaped file name.
    Ok(line
        .trim_start_matches('\\')
        .split_whitespace()
        .next()
        .context("sha256sum printed nothing")?
        .to_owned())
}

/// Fails unless a file has the given checksum.
pub(crate) fn verify(file: &Path, expected: &str) -> Result<()> {
    let actual = sha256(file)?;
    if actual != expected {
        bail!("{} has SHA-256 {actual}, expected {expected}: refused", file.display());
    }
    Ok(())
}

/// What `xtask/SHA256SUMS` says about a file name.
pub(crate) fn recorded(name: &str) -> Result<Option<String>> {
    let sums = fs::read_to_string(paths::root().join("xtask/SHA256SUMS")).context("read xtask/SHA256SUMS")?;
    Ok(find(&sums, name))
}

/// Looks a name up in the output of `sha256sum`.
pub(crate) fn find(sums: &str, name: &str) -> Option<String> {
    let entries = sums.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let mut of_name = entries.filter(|(_, file)| file.trim_start_matches([' ', '*']) == name);
    of_name.next().map(|(sum, _)| sum.to_owned())
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn names_in_both_modes() {
        let sums = "aa  text\nbb *binary file\n";
        assert_eq!(find(sums, "text").as_deref(), Some("aa"));
        assert_eq!(find(sums, "binary file").as_deref(), Some("bb"));
        assert_eq!(find(sums, "binary"), None);
    }
}
