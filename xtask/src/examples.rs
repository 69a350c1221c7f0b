//! `cargo xtask examples`: writes `examples/README.md` from what the policies say of themselves.
//!
//! Each opens with a comment: what it detects or prevents, a blank line, and entries `Name: text` ([`ENTRIES`]).

pub(crate) mod report;

use crate::everyday::{self, Everyday, Phase};
use crate::paths;
use crate::protocol::EXAMPLES;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How the files of tests end.
const TEST: &str = ".test.toml";

/// The entry of what a policy tells of where nothing is amiss, as `cargo xtask noise` counts it: numbers, and perhaps a
/// semicolon and what is to be said of them.
pub(crate) const NOISE: &str = "Noise";

/// What the comment of a policy tells, and whether each must.
const ENTRIES: [(&str, bool); 6] = [
    ("ATT&CK", true),
    ("Cost", true),
    (NOISE, false),
    ("Blind spots", true),
    ("Kernels", true),
    ("Differs", false),
];

/// The folders, in the order in which they are shown, and what is in each.
const FOLDERS: [(&str, &str); 4] = [
    ("quickstart", "To begin with."),
    (LIBRARY, "To be switched on and left on."),
    (
        "tracingpolicy",
        "What can be asked of the kernel, one thing each: to be adapted.",
    ),
    ("other", "For clusters, with what they are about."),
];

/// The folder of policies that are left on: each says how much it tells of where nothing is amiss ([`NOISE`]).
pub(crate) const LIBRARY: &str = "policylibrary";

/// Arguments of `cargo xtask examples`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fail if the file is not what would be written, and leave it.
    #[arg(long)]
    check: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let folder = paths::root().join(EXAMPLES);
    let (path, text) = (folder.join("README.md"), readme(&folder)?);
    if args.check {
        let there = fs::read_to_string(&path).unwrap_or_default();
        ensure!(
            there == text,
            "{} is not current: run cargo xtask examples",
            path.display()
        );
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// Names of all tests: paths in the project without `.test.toml`, in order.
pub(crate) fn tests() -> Result<Vec<String>> {
    let files = files_below(&paths::root().join(EXAMPLES), EXAMPLES)?;
    let names = files.iter().filter_map(|file| file.strip_suffix(TEST));
    Ok(names.map(str::to_owned).collect())
}

/// Files of the policies in a folder of the examples and below it, as paths in that of the examples, in order.
pub(crate) fn policies(folder: &str) -> Result<Vec<String>> {
    let files = files_below(&paths::root().join(EXAMPLES).join(folder), folder)?;
    Ok(files.into_iter().filter(|file| stem(file).is_some()).collect())
}

/// The name of a policy's file without its end.
fn stem(file: &str) -> Option<&str> {
    [".yaml", ".yml"].iter().find_map(|suffix| file.strip_suffix(suffix))
}

/// All files below `folder`, which is called `name`, in order.
fn files_below(folder: &Path, name: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path(), &inner)?);
        } else {
            files.push(inner);
        }
    }
    files.sort();
    Ok(files)
}

/// What a policy says of itself.
#[derive(Debug)]
struct About {
    summary: String,
    entries: BTreeMap<&'static str, String>,
}

impl About {
    /// Reads the comment that `policy` opens with.
    fn parse(policy: &str) -> Result<Self> {
        let lines = policy.lines().map_while(|line| line.strip_prefix('#'));
        let mut paragraphs = vec![String::new()];
        for line in lines {
            let known = ENTRIES
                .iter()
                .any(|(name, _)| line.trim().starts_with(&format!("{name}: ")));
            if line.trim().is_empty() || known {
                paragraphs.push(String::new());
            }
            let paragraph = paragraphs.last_mut().context("there is one")?;
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
        let mut paragraphs = paragraphs.into_iter().filter(|paragraph| !paragraph.is_empty());
        let summary = paragraphs.next().context("it does not open with a comment")?;
        let mut entries = BTreeMap::new();
        for paragraph in paragraphs {
            let known = ENTRIES.iter().find_map(|(name, _)| {
                let text = paragraph.strip_prefix(&format!("{name}: "))?;
                Some((*name, text.to_owned()))
            });
            let (name, text) = known.with_context(|| format!("no entry is called as in {paragraph:?}"))?;
            if entries.insert(name, text).is_some() {
                bail!("{name} is there twice");
            }
        }
        for (name, must) in ENTRIES {
            ensure!(!must || entries.contains_key(name), "there is no {name}");
        }
        Ok(Self { summary, entries })
    }
}

/// The text of `README.md`.
fn readme(folder: &Path) -> Result<String> {
    let mut text = "\
<!-- Written by `cargo xtask examples` from the comments of the policies. -->

# Example policies

Each file says more of itself: what it costs, and what passes it by. Beside each is its test: `tetra policytest run FILE` does
what the policy is about and looks whether the agent tells of it; what came of that on each kernel of the matrix is in
[REPORT.md](REPORT.md).
"
    .to_owned();
    for (name, about) in FOLDERS {
        let noise = name == LIBRARY;
        let inner = folder.join(name);
        if !inner.exists() {
            continue;
        }
        let _ = write!(text, "\n## {name}\n\n{about}\n");
        let mut columns = vec!["what it does", "ATT&CK", "kernels"];
        if noise {
            columns.push("noise");
            text.push_str(&everyday()?);
        }
        let rule = " --- |".repeat(columns.len());
        let _ = write!(text, "\n| policy | {} |\n| --- |{rule}\n", columns.join(" | "));
        for file in files_below(&inner, name)? {
            if stem(&file).is_none() {
                continue;
            }
            let path = folder.join(&file);
            let policy = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let About { summary, entries } = About::parse(&policy).with_context(|| path.display().to_string())?;
            let short = file.split_once('/').map_or(&*file, |(_, rest)| rest);
            let mut cells = vec![&*summary, &entries["ATT&CK"], &entries["Kernels"]];
            if noise {
                let told = entries
                    .get(NOISE)
                    .with_context(|| format!("{file}: there is no {NOISE}"))?;
                cells.push(told.split(';').next().unwrap_or_default());
            }
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| [{short}]({file}) | {} |", cells.join(" | "));
        }
    }
    Ok(text)
}

/// What the numbers of noise are of.
fn everyday() -> Result<String> {
    let Everyday {
        kernel,
        userland,
        phases,
    } = everyday::parse(everyday::TEXT).context("vmtests/everyday.toml")?;
    let mut text = format!(
        "\nNoise is how many events came of each where nothing is amiss, counted by `cargo xtask noise` with all of them loaded:\n{}, Linux {kernel}.\n\n",
        userland.about
    );
    for Phase { name, about, .. } in phases {
        let _ = writeln!(text, "- {name}: {about}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{About, EXAMPLES, TEST, files_below, readme, stem};
    use crate::paths;

    #[test]
    fn each_policy_has_a_test_and_the_list_is_current() {
        let folder = paths::root().join(EXAMPLES);
        let files = files_below(&folder, "").unwrap();
        for file in &files {
            if let Some(stem) = stem(file) {
                assert!(files.contains(&format!("{stem}{TEST}")), "{file} has no test");
            }
        }
        let there = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert_eq!(there, readme(&folder).unwrap(), "run cargo xtask examples");
    }

    #[test]
    fn what_a_policy_says_of_itself() {
        let text = "# Opening\n# files.\n#\n# ATT&CK: T1\n# Cost: little,\n#   or none\n# Blind spots: x\n# Kernels: all\nkind: a\n# b";
        let about = About::parse(text).unwrap();
        assert_eq!(about.summary, "Opening files.");
        assert_eq!(about.entries["Cost"], "little, or none");
        let lacks = About::parse(&text.replace("# Kernels: all\n", "")).unwrap_err();
        assert_eq!(lacks.to_string(), "there is no Kernels");
        assert!(About::parse("kind: a").is_err());
        assert!(
            About::parse("# a\n#\n# Costs: b\n")
                .unwrap_err()
                .to_string()
                .contains("Costs: b")
        );
    }
}
