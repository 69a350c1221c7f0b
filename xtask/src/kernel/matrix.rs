//! The kernel matrix: `kernels/NAME.toml`, one file a kernel.

use super::{Kernel, fetch, natural};
use crate::paths;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::fs;

/// A file of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The file's name without its ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// Where it comes from, for people.
    pub(crate) about: String,
    /// Name of the Debian package, with one `*` for what changes from release to release.
    pub(crate) package: Option<String>,
    /// Whether it is only found in the folders of `XTASK_KERNEL_PATH`, and may be absent.
    #[serde(default)]
    pub(crate) prebuilt: bool,
    /// Whether programs of the guest can reach QEMU's exit device.
    #[serde(default = "yes")]
    pub(crate) exit_device: bool,
    /// Modules that tests need. Those that they depend on come along; those that are built in are left out.
    #[serde(default)]
    pub(crate) modules: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Entry {
    /// The kernel, downloaded if need be. None when it may be absent and is.
    pub(crate) fn get(&self, update: bool) -> Result<Option<Kernel>> {
        let kernel = fetch::get(self, update).with_context(|| format!("kernel {} is not to be had", self.name));
        if self.prebuilt {
            Ok(kernel.ok())
        } else {
            kernel.map(Some)
        }
    }

    /// The kernel, which the user asked for by name.
    pub(crate) fn require(&self) -> Result<Kernel> {
        fetch::get(self, false).with_context(|| format!("kernel {} is not to be had", self.name))
    }
}

/// The whole matrix, oldest first.
fn all() -> Result<Vec<Entry>> {
    let folder = paths::root().join("kernels");
    let mut entries = Vec::new();
    for file in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = file?.path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        entries.push(parse(&name, &text).with_context(|| path.display().to_string())?);
    }
    entries.sort_by(|left, right| natural::compare(&left.name, &right.name));
    Ok(entries)
}

/// The named entries, in the order of the matrix; all of them when none is named.
pub(crate) fn select(names: &[String]) -> Result<Vec<Entry>> {
    let all = all()?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|entry| entry.name != **name)) {
        let known: Vec<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
        bail!("no kernel is named {unknown}; there are {}", known.join(", "));
    }
    Ok(all
        .into_iter()
        .filter(|entry| names.is_empty() || names.contains(&entry.name))
        .collect())
}

/// The kernel of that name.
pub(crate) fn named(name: &str) -> Result<Kernel> {
    select(&[name.to_owned()])?
        .first()
        .context("one is selected")?
        .require()
}

/// The newest kernel of the matrix.
pub(crate) fn newest() -> Result<Kernel> {
    all()?
        .iter()
        .rfind(|entry| !entry.prebuilt)
        .context("the matrix is empty")?
        .require()
}

fn parse(name: &str, text: &str) -> Result<Entry> {
    let entry: Entry = toml::from_str(text)?;
    if entry.prebuilt == entry.package.is_some() {
        bail!("either `package` or `prebuilt = true` says where the kernel comes from");
    }
    if entry
        .package
        .as_ref()
        .is_some_and(|package| package.matches('*').count() != 1)
    {
        bail!("`package` needs one `*`");
    }
    Ok(Entry {
        name: name.to_owned(),
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use super::{all, parse, select};
    use expect_test::expect;

    #[test]
    fn the_matrix_of_the_repository() {
        let names: Vec<String> = all().unwrap().into_iter().map(|entry| entry.name).collect();
        expect![[r#"5.10 6.1 6.12 6.12-override 6.18 7.x"#]].assert_eq(&names.join(" "));
    }

    #[test]
    fn selection_keeps_the_order_of_the_matrix() {
        let names: Vec<String> = select(&["6.12".into(), "5.10".into()])
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["5.10", "6.12"]);
        let error = select(&["4.4".into()]).unwrap_err().to_string();
        expect![[r#"no kernel is named 4.4; there are 5.10, 6.1, 6.12, 6.12-override, 6.18, 7.x"#]].assert_eq(&error);
    }

    #[test]
    fn files_that_say_too_much_or_too_little() {
        for text in [
            "about = ''",
            "about = ''\nprebuilt = true\npackage = 'a*'",
            "about = ''\npackage = 'a'",
            "about = ''\npackage = 'a*'\nsuite = 'b'",
        ] {
            assert!(parse("x", text).is_err(), "{text}");
        }
    }
}
