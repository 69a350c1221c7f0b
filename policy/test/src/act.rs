//! What both runners do alike: files that steps make, and what is made of how a program ended and what it printed.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::signal;

/// Writes a file; folders on the way are made. `mode` is its permissions, as octal text.
pub fn write(path: &Path, text: &str, mode: &str) -> Result<()> {
    let what = || format!("write {}", path.display());
    make_parents(path).with_context(what)?;
    fs::write(path, text).with_context(what)?;
    let mode = u32::from_str_radix(mode, 8).context("mode")?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).context("set permissions")
}

/// Copies the program `of`, found as by [`find_program`] in `search`, to `to`; folders on the way are made.
pub fn copy(of: &str, to: &Path, search: &str) -> Result<()> {
    let program = find_program(of, search).with_context(|| format!("no program {of}"))?;
    let what = || format!("copy {} to {}", program.display(), to.display());
    make_parents(to).with_context(what)?;
    fs::copy(&program, to).with_context(what)?;
    Ok(())
}

fn make_parents(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// The program called `name`, which is a path or in one of the folders of `search`, separated by colons.
pub fn find_program(name: &str, search: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let found = fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(runs);
    }
    search.split(':').map(|folder| Path::new(folder).join(name)).find(runs)
}

/// How a process ended, in words.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => format!("{status:?}"),
    }
}

/// Refuses an end other than with exit code `exit` or, if there is one, by `signal`. The error has what the program printed.
pub fn check_end(status: ExitStatus, exit: i32, signal: Option<&str>, output: (String, String)) -> Result<()> {
    let expected = match signal {
        Some(signal) => format!("signal {}", signal::number(signal)?),
        None => format!("exit code {exit}"),
    };
    let (got, (stdout, stderr)) = (ending(status), output);
    ensure!(
        got == expected,
        "ended with {got}, expected {expected}\n{stdout}{stderr}"
    );
    Ok(())
}

/// The lines that are JSON objects.
pub fn objects(stdout: &str) -> Vec<Value> {
    let values = stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    values.filter(Value::is_object).collect()
}
