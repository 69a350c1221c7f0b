//! A Debian of its own, as an archive that the kernel unpacks into memory.
//!
//! It is made by `mmdebstrap` of the archive's packages, which apt verifies, and needs no root: for anyone else it works in a
//! user namespace.

use super::archive;
use super::debian::{self, Need};
use crate::everyday::Userland;
use crate::{paths, tool};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Files that nobody reads on a machine that is emulated for some minutes.
const LEFT_OUT: [&str; 2] = ["/usr/share/doc/*", "/usr/share/locale/*"];

/// The archive of a userland, made unless the cache has it. `fresh` makes it anew, of the packages that Debian has now.
pub(crate) fn get(userland: &Userland, fresh: bool) -> Result<PathBuf> {
    let home = paths::cache()?.join("userland");
    let archive = home.join(format!("{}.cpio", userland.suite));
    // What it was made of. Written last: an archive with a record that fits is complete.
    let record = home.join(format!("{}.record", userland.suite));
    let wanted = format!("{userland:#?}\n");
    if !fresh && archive.exists() && fs::read_to_string(&record).is_ok_and(|text| text == wanted) {
        return Ok(archive);
    }
    let mut needs = vec![
        Need::program("mmdebstrap", "mmdebstrap", "installs a Debian into a folder"),
        Need::program(
            "bsdtar",
            "libarchive-tools",
            "makes it the archive that a kernel unpacks",
        ),
    ];
    if !rustix::process::geteuid().is_root() {
        needs.push(Need::program("newuidmap", "uidmap", "has mmdebstrap work without root"));
    }
    debian::ensure(&needs)?;
    fs::create_dir_all(&home)?;
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(&home)?;
    tool::step(&format!("installing {} for test machines", userland.about));
    let tar = work.path().join("tar");
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=apt", "--format=tar"]);
    command.arg(format!("--include={}", userland.packages.join(",")));
    command.args(LEFT_OUT.map(|files| format!("--dpkgopt=path-exclude={files}")));
    command.arg(format!(
        "--customize-hook=chroot \"$1\" sh -e <<'END'\n{}\nEND",
        userland.setup
    ));
    command
        .arg(&userland.suite)
        .arg(&tar)
        .args(archive::sources_of(&userland.suite)?);
    tool::read(&mut command)?;
    let cpio = work.path().join("cpio");
    let mut command = Command::new("bsdtar");
    command.args(["--create", "--format=newc", "--file"]).arg(&cpio);
    command.arg(format!("@{}", tar.display()));
    tool::read(&mut command)?;
    fs::rename(&cpio, &archive).with_context(|| format!("create {}", archive.display()))?;
    fs::write(&record, wanted).with_context(|| format!("write {}", record.display()))?;
    Ok(archive)
}
