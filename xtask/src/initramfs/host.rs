//! Programs of the host for the guest: a shell and what people and cases type into it, with their shared libraries.

use super::cpio::Archive;
use crate::tool;
use anyhow::{Context as _, Result, bail};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Programs without which cases make no sense.
const REQUIRED: &[&str] = &[
    "bash", "basename", "cat", "chgrp", "chmod", "chown", "chroot", "cp", "cut", "date", "dd", "dirname", "echo",
    "env", "expr", "false", "grep", "head", "id", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mktemp", "mount",
    "mv", "nice", "nohup", "nsenter", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "setpriv",
    "setsid", "sleep", "sort", "stat", "stty", "sync", "tail", "tee", "test", "timeout", "touch", "tr", "true",
    "truncate", "tty", "umount", "uname", "uniq", "unshare", "wc", "whoami", "xargs",
];

/// Programs that are pleasant to have in a shell.
const WELCOME: &[&str] = &[
    "clear", "dmesg", "find", "hostname", "ip", "less", "ps", "pgrep", "pkill", "strace", "top", "vi",
];

/// Descriptions of terminals, without which a shell cannot edit its line.
const TERMINALS: &[&str] = &[
    "l/linux",
    "s/screen",
    "s/screen-256color",
    "t/tmux-256color",
    "v/vt100",
    "x/xterm",
    "x/xterm-256color",
];

/// Where shared libraries are looked for.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
];

/// Adds the programs, in `/usr/bin` and `/usr/sbin`, and what they load.
pub(super) fn add(archive: &mut Archive) -> Result<()> {
    let mut libraries = BTreeSet::new();
    for (name, required) in REQUIRED
        .iter()
        .map(|name| (name, true))
        .chain(WELCOME.iter().map(|name| (name, false)))
    {
        let Some(path) = tool::which(name) else {
            if required {
                bail!("{name} is not on this machine, and test machines need a copy");
            }
            continue;
        };
        // Debian names implementations through links, and other distributions have one binary for many names.
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let mut needed = BTreeSet::new();
        match libraries_of(&bytes, &mut needed).with_context(|| path.display().to_string()) {
            Err(error) if required => return Err(error),
            // A script, or a library at an unusual place.
            Err(_) => continue,
            Ok(()) => libraries.extend(needed),
        }
        let folder = if path.parent().is_some_and(|folder| folder.ends_with("sbin")) {
            "sbin"
        } else {
            "bin"
        };
        archive.file(&format!("/usr/{folder}/{name}"), 0o755, &bytes);
    }
    archive.link("/usr/bin/sh", "bash");
    for library in libraries {
        archive.file(
            &library,
            0o755,
            &fs::read(&library).with_context(|| format!("read {library}"))?,
        );
    }
    for name in TERMINALS {
        for folder in [
            "/usr/share/terminfo",
            "/lib/terminfo",
            "/usr/lib/terminfo",
            "/etc/terminfo",
        ] {
            if let Ok(bytes) = fs::read(Path::new(folder).join(name)) {
                archive.file(&format!("/usr/share/terminfo/{name}"), 0o644, &bytes);
                break;
            }
        }
    }
    Ok(())
}

/// Collects the paths of the interpreter and all libraries that a program loads, as the guest is to have them.
fn libraries_of(bytes: &[u8], found: &mut BTreeSet<String>) -> Result<()> {
    let (interpreter, names) = needed(bytes)?;
    if let Some(interpreter) = interpreter {
        // The kernel looks at exactly this path.
        found.insert(merged(&interpreter));
    }
    for name in names {
        let path = find(&name).with_context(|| format!("shared library {name} is not at a usual place"))?;
        let path = merged(path.to_str().context("a path in UTF-8")?);
        if found.insert(path.clone()) {
            libraries_of(&fs::read(&path).with_context(|| format!("read {path}"))?, found)?;
        }
    }
    Ok(())
}

/// The interpreter and the libraries that an ELF file itself names.
fn needed(bytes: &[u8]) -> Result<(Option<String>, Vec<String>)> {
    let header = FileHeader64::<Endianness>::parse(bytes).context("not a 64-bit ELF file")?;
    let endian = header.endian()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    let mut interpreter = None;
    for program in header.program_headers(endian, bytes)? {
        if let Some(path) = program.interpreter(endian, bytes)? {
            interpreter = Some(text(path));
        }
    }
    let sections = header.sections(endian, bytes)?;
    let mut names = Vec::new();
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
            names.push(text(entry.string(endian, strings)?));
        }
    }
    Ok((interpreter, names))
}

fn find(library: &str) -> Option<PathBuf> {
    LIBRARIES
        .iter()
        .map(|folder| Path::new(folder).join(library))
        .find(|path| path.is_file())
}

/// A path where `/lib` and its like are links into `/usr`, as they are in the guest.
fn merged(path: &str) -> String {
    let in_usr = ["/lib/", "/lib64/", "/bin/", "/sbin/"]
        .iter()
        .any(|folder| path.starts_with(folder));
    let usr = format!("/usr{path}");
    if in_usr && Path::new(&usr).exists() {
        usr
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{libraries_of, merged};
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn libraries_of_the_shell() {
        let mut found = BTreeSet::new();
        libraries_of(&fs::read("/bin/sh").unwrap(), &mut found).unwrap();
        assert!(found.iter().any(|path| path.contains("/ld-linux")), "{found:?}");
        assert!(found.iter().any(|path| path.ends_with("/libc.so.6")), "{found:?}");
    }

    #[test]
    fn not_a_program() {
        assert!(libraries_of(b"#!/bin/sh\n", &mut BTreeSet::new()).is_err());
        assert_eq!(merged("/lib/no/such/file"), "/lib/no/such/file");
    }
}
