//! What is in a BPF file system.

use std::{
    env,
    ffi::CString,
    fs, iter,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use ebpf_loader::{Dispatcher, Pins, Program, ProgramKind};
use serde_json::json;

use super::say;

/// `pins PATH`: prints what is there and below, in order, with permissions, and where links lead.
pub fn pins(arguments: &[CString]) -> Result<()> {
    let mut paths = vec![PathBuf::from(say::string(arguments, 0)?)];
    let mut found = vec![];
    while let Some(path) = paths.pop() {
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        if data.is_dir() {
            paths.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        }
        found.push((path, data));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, data) in found {
        let leads = fs::read_link(&path).ok();
        say::line(&json!({
            "path": path,
            "mode": format!("{:o}", data.permissions().mode()),
            "leads": leads,
        }))?;
    }
    Ok(())
}

/// Name of the folder in each folder.
const NESTED: &str = "nested";

/// `nest PATH DEPTH`: a folder, and so many within each other there.
pub fn nest(arguments: &[CString]) -> Result<()> {
    let (path, depth) = (say::string(arguments, 0)?, say::number::<u32>(arguments, 1)?);
    for folder in iter::once(path).chain(iter::repeat_n(NESTED, depth as usize)) {
        fs::create_dir(folder).with_context(|| format!("make {folder}"))?;
        env::set_current_dir(folder)?;
    }
    say::line(&json!({ "made": depth }))
}

/// `unnest PATH`: removes that, and says how many they were.
pub fn unnest(arguments: &[CString]) -> Result<()> {
    let path = say::string(arguments, 0)?;
    env::set_current_dir(path)?;
    let mut depth = 0;
    while env::set_current_dir(NESTED).is_ok() {
        depth += 1;
    }
    for _ in 0..depth {
        env::set_current_dir("..")?;
        fs::remove_dir(NESTED)?;
    }
    fs::remove_dir(path)?;
    say::line(&json!({ "removed": depth }))
}

/// `pin DIRECTORY [AGENT]`: pins a link and a map in folders, as another agent may have done; `AGENT` is what is said of it.
pub fn pin(arguments: &[CString]) -> Result<()> {
    let directory = Path::new(say::string(arguments, 0)?);
    let pins = |folder: &str| -> Result<Arc<Pins>> {
        let folder = directory.join(folder);
        fs::create_dir_all(&folder).context("make a folder")?;
        let pins = Pins::new(folder);
        pins.leave();
        Ok(Arc::new(pins))
    };
    let program = Program::empty("foreign", ProgramKind::RawTracepoint)?;
    let mut link = program.attach_raw_tracepoint("sched_process_exit")?;
    link.pin(&pins("__base__/event_exit/prog")?, "link")?;
    let mut dispatcher = Dispatcher::new("foreign", ProgramKind::RawTracepoint)?;
    dispatcher.pin(&pins("policy/generic_kprobe")?, "map")?;
    if arguments.len() > 1 {
        symlink(say::string(arguments, 1)?, directory.join("agent")).context("link")?;
    }
    say::line(&json!({ "pinned": directory }))
}
