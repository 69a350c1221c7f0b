//! Getting a kernel: from the cache, else the newest that Debian's archive serves, else from folders that the user names.

use super::image::{self, Source};
use super::{Entry, Kernel, natural};
use crate::setup::archive::{Archive, Package};
use crate::setup::checksum;
use crate::{paths, tool};
use anyhow::{Context as _, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The kernel of an entry. With `update` the archive is asked for a newer one than the cache has.
pub(super) fn get(entry: &Entry, update: bool) -> Result<Kernel> {
    let Some(pattern) = &entry.package else {
        return prebuilt(entry);
    };
    if !update && let Some(kernel) = cached(entry)? {
        return Ok(kernel);
    }
    let archive = match from_archive(entry, pattern) {
        Ok(kernel) => return Ok(kernel),
        Err(error) => error,
    };
    if let Some(kernel) = cached(entry)? {
        tool::step(&format!(
            "kernel {}: no news from Debian's archive, keeping {}",
            entry.name, kernel.description
        ));
        return Ok(kernel);
    }
    let folders = match from_folders(entry, pattern) {
        Ok(kernel) => return Ok(kernel),
        Err(error) => error,
    };
    prebuilt(entry).map_err(|prebuilt| {
        anyhow!("Debian's archive: {archive:#}\nXTASK_DEB_PATH: {folders:#}\nXTASK_KERNEL_PATH: {prebuilt:#}")
    })
}

/// Folder of the kernels of an entry.
fn home(entry: &Entry) -> Result<PathBuf> {
    Ok(paths::cache()?.join("kernels").join(&entry.name))
}

/// The newest kernel of an entry that the cache has.
fn cached(entry: &Entry) -> Result<Option<Kernel>> {
    let Ok(folders) = fs::read_dir(home(entry)?) else {
        return Ok(None);
    };
    let mut names: Vec<String> = folders
        .flatten()
        .map(|folder| folder.file_name().to_string_lossy().into())
        .collect();
    names.sort_by(|left, right| natural::compare(left, right));
    let home = home(entry)?;
    Ok(names.iter().rev().find_map(|name| image::open(entry, &home.join(name))))
}

/// The newest kernel that the archive has, downloaded unless the cache has it.
fn from_archive(entry: &Entry, pattern: &str) -> Result<Kernel> {
    let archive = Archive::open()?;
    let (prefix, _) = pattern.split_once('*').context("a pattern")?;
    let mut names: Vec<String> = archive
        .names(prefix)?
        .into_iter()
        .filter(|name| matches(pattern, name))
        .collect();
    names.sort_by(|left, right| natural::compare(left, right));
    let newest = names.last().with_context(|| format!("no package is named {pattern}"))?;
    let package = latest(&archive, newest)?;
    // Image, configuration and modules may be packages of their own, with the same release in their names.
    let release = newest
        .strip_prefix("linux-image-")
        .context("a kernel's package is named linux-image-…")?;
    let mut packages = vec![package.clone()];
    for name in &package.depends {
        if name.ends_with(&format!("-{release}")) {
            // Backports do not keep all parts of old releases. What cannot be done without is missed when unpacking.
            packages.extend(latest(&archive, name).ok());
        }
    }
    let description = format!("{} {}", package.name, package.version);
    store(entry, &package.version, |work| {
        tool::step(&format!("kernel {}: getting {description}", entry.name));
        let mut debs = Vec::new();
        for package in &packages {
            debs.push(archive.download(package, work)?);
        }
        let source = |package: &Package| Source {
            package: format!("{} {}", package.name, package.version),
            sha256: package.sha256.clone(),
        };
        Ok((debs, packages.iter().map(source).collect()))
    })
}

/// The newest version of a package.
fn latest(archive: &Archive, name: &str) -> Result<Package> {
    let versions = archive.show(&[name])?;
    let newest = versions
        .into_iter()
        .max_by(|left, right| natural::compare(&left.version, &right.version));
    newest.with_context(|| format!("the archive has no {name}"))
}

/// The newest kernel among the packages in the folders of `XTASK_DEB_PATH`.
fn from_folders(entry: &Entry, pattern: &str) -> Result<Kernel> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in paths::folders("XTASK_DEB_PATH") {
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some((package, _)) = name.split_once('_') else {
                continue;
            };
            if matches(pattern, package.trim_end_matches("-unsigned")) {
                found.push(path);
            }
        }
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let deb = found
        .into_iter()
        .max_by(|left, right| natural::compare(&name(left), &name(right)));
    let deb = deb.with_context(|| format!("no file is named {pattern}_….deb"))?;
    let name = name(&deb);
    let sum = checksum::recorded(&name)?.with_context(|| format!("no checksum of {name} is known"))?;
    checksum::verify(&deb, &sum)?;
    let version = name
        .split('_')
        .nth(1)
        .with_context(|| format!("{name} has no version in its name"))?;
    store(entry, version, |_| {
        tool::step(&format!("kernel {}: unpacking {name}", entry.name));
        Ok((
            vec![deb.clone()],
            vec![Source {
                package: name.clone(),
                sha256: sum.clone(),
            }],
        ))
    })
}

/// Opens a version in the cache, after putting it there if it is not.
fn store(
    entry: &Entry,
    version: &str,
    get: impl FnOnce(&Path) -> Result<(Vec<PathBuf>, Vec<Source>)>,
) -> Result<Kernel> {
    let home = home(entry)?;
    let folder = home.join(version);
    if let Some(kernel) = image::open(entry, &folder) {
        return Ok(kernel);
    }
    fs::create_dir_all(&home)?;
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(&home)?;
    let (debs, sources) = get(work.path())?;
    let out = work.path().join("out");
    image::unpack(entry, &debs, sources, &out)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&out, &folder).with_context(|| format!("create {}", folder.display()))?;
    image::open(entry, &folder).context("the kernel just unpacked is not complete")
}

/// A kernel that somebody built, in the folders of `XTASK_KERNEL_PATH`.
fn prebuilt(entry: &Entry) -> Result<Kernel> {
    let places = paths::folders("XTASK_KERNEL_PATH")
        .into_iter()
        .map(|folder| folder.join(&entry.name));
    let folder = places.into_iter().find(|folder| folder.join("vmlinuz").is_file());
    let folder = folder.with_context(|| format!("no folder has {}/vmlinuz", entry.name))?;
    let image = folder.join("vmlinuz");
    if let Ok(sums) = fs::read_to_string(folder.join("SHA256SUMS")) {
        let Some(sum) = checksum::find(&sums, "vmlinuz") else {
            bail!("{}/SHA256SUMS does not name vmlinuz", folder.display());
        };
        checksum::verify(&image, &sum)?;
    }
    Ok(Kernel {
        name: entry.name.clone(),
        description: format!("{} ({})", image.display(), entry.about),
        image,
        exit_device: entry.exit_device,
        modules: Vec::new(),
    })
}

/// Whether a name is of a pattern with one `*`, which stands for a release: it begins with a digit.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((prefix, suffix)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
    middle.is_some_and(|middle| middle.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let pattern = "linux-image-6.12.*-cloud-amd64";
        assert!(matches(pattern, "linux-image-6.12.118+deb13-cloud-amd64"));
        assert!(!matches(pattern, "linux-image-6.12.118+deb13-cloud-amd64-unsigned"));
        assert!(!matches(pattern, "linux-image-6.1.0-cloud-amd64"));
        assert!(!matches("linux-image-7.*-cloud-amd64", "linux-image-7.x-cloud-amd64"));
    }
}
