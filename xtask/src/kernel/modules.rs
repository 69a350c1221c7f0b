//! Kernel modules out of a package: the few that tests need, with what they depend on, ready to load.

use anyhow::{Context as _, Result, bail};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSection as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The modules below a folder.
pub(super) struct Index {
    /// Files by module name.
    files: BTreeMap<String, PathBuf>,
    /// Names of modules that are part of the image.
    built_in: BTreeSet<String>,
}

impl Index {
    /// Looks for modules below `folder`, as `…/lib/modules/RELEASE` has them.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut index = Self {
            files: BTreeMap::new(),
            built_in: BTreeSet::new(),
        };
        index.walk(folder)?;
        Ok(index)
    }

    /// Whether there is a file for the module.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(&canonical(name))
    }

    /// Puts the wanted modules and what they depend on into `out`, not compressed. Gives the file names in the order in
    /// which to load them.
    pub(super) fn collect(&self, wanted: &[String], out: &Path) -> Result<Vec<String>> {
        fs::create_dir_all(out)?;
        let mut order = Vec::new();
        for name in wanted {
            self.add(&canonical(name), out, &mut order)?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, out: &Path, order: &mut Vec<String>) -> Result<()> {
        let file_name = format!("{name}.ko");
        if self.built_in.contains(name) || order.contains(&file_name) {
            return Ok(());
        }
        let path = self
            .files
            .get(name)
            .with_context(|| format!("the kernel has no module {name}"))?;
        let module = plain(path)?;
        for dependency in dependencies(&module).with_context(|| path.display().to_string())? {
            self.add(&dependency, out, order)?;
        }
        fs::write(out.join(&file_name), module)?;
        order.push(file_name);
        Ok(())
    }

    fn walk(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
            let entry = entry?;
            let (path, file_name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type()?.is_dir() {
                self.walk(&path)?;
            } else if file_name == "modules.builtin" {
                self.built_in
                    .extend(fs::read_to_string(&path)?.lines().filter_map(module_name));
            } else if let Some(name) = module_name(&file_name) {
                self.files.insert(name, path);
            }
        }
        Ok(())
    }
}

/// Name of the module in a file, such as `virtio_net` for `net/virtio-net.ko.xz`.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, ending) = file.split_once(".ko")?;
    ["", ".xz", ".zst", ".gz"].contains(&ending).then(|| canonical(name))
}

/// A module's name as the kernel spells it.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The bytes of a module, decompressed by the program that its ending names.
fn plain(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|ending| ending.to_str()) {
        Some("ko") => return fs::read(path).with_context(|| path.display().to_string()),
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => bail!("{} is compressed in an unknown way", path.display()),
    };
    let mut command = Command::new(program);
    let output = command
        .arg("-dc")
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("start {program} to unpack {}", path.display()))?;
    if !output.status.success() {
        bail!("{program} cannot unpack {}", path.display());
    }
    Ok(output.stdout)
}

/// Names of the modules that a module depends on, from its own `depends=`.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let elf = ElfFile64::<Endianness>::parse(module)?;
    let section = elf.section_by_name(".modinfo").context("no section .modinfo")?;
    Ok(depends(section.data()?))
}

fn depends(modinfo: &[u8]) -> Vec<String> {
    let entries = modinfo
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok());
    let lists = entries.filter_map(|entry| entry.strip_prefix("depends="));
    lists
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(canonical)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{depends, module_name};

    #[test]
    fn names_of_files() {
        assert_eq!(
            module_name("kernel/drivers/net/virtio-net.ko.xz").as_deref(),
            Some("virtio_net")
        );
        assert_eq!(module_name("overlay.ko").as_deref(), Some("overlay"));
        assert_eq!(module_name("overlay.ko.sig"), None);
        assert_eq!(module_name("modules.order"), None);
    }

    #[test]
    fn dependencies_of_modinfo() {
        assert_eq!(
            depends(b"license=GPL\0depends=nf-tables,crc32c\0name=x\0"),
            ["nf_tables", "crc32c"]
        );
        assert!(depends(b"depends=\0").is_empty());
    }
}
