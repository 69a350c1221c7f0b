//! A kernel of the user's own.

use super::{Kernel, modules};
use anyhow::{Result, bail};
use std::path::Path;

/// The kernel of `--kernel-image` and `--modules`.
///
/// The folder of modules is searched for what the tests need (`overlay`, `veth`); what is not found is taken for built
/// in. Without such a folder no module is loaded.
pub(crate) fn custom(image: &Path, folder: Option<&Path>) -> Result<Kernel> {
    if !image.is_file() {
        bail!("there is no kernel image {}", image.display());
    }
    let modules = match folder {
        Some(folder) => {
            let index = modules::Index::read(folder)?;
            let wanted: Vec<String> = ["overlay", "veth"].map(str::to_owned).to_vec();
            let present: Vec<String> = wanted.into_iter().filter(|name| index.has(name)).collect();
            let work = crate::paths::target().join("vm/custom-modules");
            index
                .collect(&present, &work)?
                .into_iter()
                .map(|name| work.join(name))
                .collect()
        }
        None => Vec::new(),
    };
    Ok(Kernel {
        name: "custom".to_owned(),
        description: image.display().to_string(),
        image: image.to_path_buf(),
        // Nobody knows.
        exit_device: false,
        modules,
    })
}
