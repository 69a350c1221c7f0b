//! Printing, and reading of arguments.

use std::{
    ffi::{CStr, CString},
    io::Write as _,
    str::FromStr,
};

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use crate::sys::process;

/// Prints `value` as a line, at once.
pub fn line(value: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{value}")?;
    stdout.flush().context("print")
}

/// Prints the id of this process.
pub fn own_pid() -> Result<()> {
    line(&json!({ "pid": std::process::id() }))
}

/// `say TEXT`.
pub fn text(arguments: &[CString]) -> Result<()> {
    line(&json!({ "say": string(arguments, 0)? }))
}

/// Argument `index` as text.
pub fn string(arguments: &[CString], index: usize) -> Result<&str> {
    let argument = arguments
        .get(index)
        .with_context(|| format!("argument {} is missing", index + 1))?;
    argument.to_str().context("an argument is not UTF-8")
}

/// Argument `index` as a number.
pub fn number<T: FromStr>(arguments: &[CString], index: usize) -> Result<T> {
    let text = string(arguments, index)?;
    text.parse().map_err(|_| anyhow!("{text:?} is no number"))
}

/// Path of this program.
pub fn own_path() -> Result<CString> {
    let path = std::fs::read_link("/proc/self/exe").context("read /proc/self/exe")?;
    CString::new(path.into_os_string().into_encoded_bytes()).context("own path")
}

/// The command of this program's `noop` with `arguments`.
pub fn noop(arguments: &[CString]) -> Result<Vec<CString>> {
    let mut argv = vec![own_path()?, c"noop".to_owned()];
    argv.extend_from_slice(arguments);
    Ok(argv)
}

/// The command that `arguments` begin with from `index` on; its program is an absolute path, or `tester` for this one.
pub fn command(arguments: &[CString], index: usize) -> Result<Vec<CString>> {
    let mut argv = arguments.get(index..).unwrap_or_default().to_vec();
    let program = argv.first_mut().context("the command is missing")?;
    if program.as_bytes() == b"tester" {
        *program = own_path()?;
    }
    Ok(argv)
}

/// Becomes `argv`; returns only the reason why not.
pub fn exec(argv: &[CString]) -> Result<()> {
    Err(process::exec(argv)).with_context(|| format!("exec {}", shown(argv.first().map(CString::as_c_str))))
}

fn shown(text: Option<&CStr>) -> String {
    text.unwrap_or_default().to_string_lossy().into_owned()
}
