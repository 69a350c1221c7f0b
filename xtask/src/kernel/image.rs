//! A kernel unpacked in the cache, and the record of what it is.

use super::modules::Index;
use super::{Entry, Kernel};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Name of the record in the folder of a kernel. It is written last: a folder that has it is complete.
const RECORD: &str = "kernel.json";

/// What lies in the folder of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Such as `6.12.118+deb13-cloud-amd64`.
    pub(super) release: String,
    /// The packages that it was unpacked from.
    pub(super) packages: Vec<Source>,
    /// Modules asked for.
    wanted: Vec<String>,
    /// Module files, in the order in which to load them.
    modules: Vec<String>,
}

/// A package and its checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    /// File name or name and version.
    pub(super) package: String,
    /// SHA-256 of the file.
    pub(super) sha256: String,
}

/// The kernel in a folder, if it is complete and has the modules that the matrix wants.
pub(super) fn open(entry: &Entry, folder: &Path) -> Option<Kernel> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    if record.wanted != entry.modules {
        return None;
    }
    let package = record.packages.first().map_or("?", |source| source.package.as_str());
    Some(Kernel {
        name: entry.name.clone(),
        description: format!("Linux {} ({package}, {})", record.release, entry.about),
        image: folder.join("vmlinuz"),
        exit_device: entry.exit_device,
        modules: record
            .modules
            .iter()
            .map(|name| folder.join("modules").join(name))
            .collect(),
    })
}

/// Unpacks packages into the new folder `out`.
pub(super) fn unpack(entry: &Entry, debs: &[PathBuf], packages: Vec<Source>, out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    let tree = tempfile::tempdir_in(out)?;
    for deb in debs {
        crate::tool::read(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(tree.path()))?;
    }
    let modules = ["usr/lib/modules", "lib/modules"].map(|folder| tree.path().join(folder));
    let modules = modules
        .iter()
        .find_map(|folder| fs::read_dir(folder).ok()?.next()?.ok());
    let modules = modules.context("the package has no modules")?;
    let release = modules.file_name().to_string_lossy().into_owned();

    // Old packages have these in /boot with the release in their names, new ones beside the modules.
    let keep = |name: &str| -> io::Result<bool> {
        let places = [
            tree.path().join(format!("boot/{name}-{release}")),
            modules.path().join(name),
        ];
        let Some(place) = places.iter().find(|place| place.is_file()) else {
            return Ok(false);
        };
        fs::copy(place, out.join(name))?;
        Ok(true)
    };
    if !keep("vmlinuz")? {
        bail!("the package has no image of Linux {release}");
    }
    keep("config")?;
    keep("System.map")?;
    let order = Index::read(&modules.path())?.collect(&entry.modules, &out.join("modules"))?;
    let record = Record {
        release,
        packages,
        wanted: entry.modules.clone(),
        modules: order,
    };
    fs::write(out.join(RECORD), serde_json::to_string_pretty(&record)?)?;
    Ok(())
}
