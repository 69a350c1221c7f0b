//! The file of a test: `NAME.test.toml` beside the policy `NAME.yaml`.
//!
//! ```toml
//! summary = "opening /etc/passwd for writing is told, for reading is not"
//!
//! [[step]]                            # see `step`; the policy is loaded before the first one
//! do = "run"
//! name = "writer"
//! argv = ["bash", "-c", "exec 3>>/etc/passwd"]
//!
//! [[step]]
//! do = "run"
//! name = "reader"
//! argv = ["cat", "/etc/passwd"]
//!
//! [[event]]                           # see `expect`
//! process_kprobe = { policy_name = "openat-write", process = { pid = "${writer_pid}" } }
//!
//! [[none]]
//! process_kprobe = { policy_name = "openat-write", process = { pid = "${reader_pid}" } }
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{
    expect::Expectations,
    step::{Step, check_names},
};

/// How the names of test files end.
const SUFFIX: &str = ".test.toml";

/// A test.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// Its file.
    pub path: PathBuf,
    /// What it shows, in a line.
    pub summary: String,
    /// The file of the policy.
    pub policy: PathBuf,
    /// Texts of the policy that are replaced, such as placeholders for addresses of a cluster. `${…}` in the new text is
    /// replaced in turn.
    pub replace: BTreeMap<String, String>,
    /// Programs and files that must be there.
    pub needs: Vec<String>,
    /// What it does to a machine that is used for something else as well, if anything.
    pub disturbs: Option<String>,
    /// Reasons for which a kernel may refuse the policy.
    pub unless: Vec<Unless>,
    /// What to do.
    pub steps: Vec<Step>,
    /// What is expected.
    pub expectations: Expectations,
}

/// A kernel that cannot have the policy: not a failure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// Text in the agent's refusal.
    pub refused: String,
    /// Why that is as it should be.
    pub because: String,
}

/// What [`Expectations`] do not read.
#[derive(Debug, Deserialize)]
struct Head {
    summary: String,
    policy: Option<String>,
    #[serde(default)]
    replace: BTreeMap<String, String>,
    #[serde(default)]
    needs: Vec<String>,
    disturbs: Option<String>,
    #[serde(default)]
    unless: Vec<Unless>,
    step: Vec<Step>,
}

impl PolicyTest {
    /// Reads the test in the file `path`. Errors name it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(path, &text).with_context(|| path.display().to_string())
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        let mut head = toml::Table::new();
        for name in ["summary", "policy", "replace", "needs", "disturbs", "unless", "step"] {
            head.extend(table.remove_entry(name));
        }
        let head = head.try_into::<Head>()?;
        let expectations = Expectations::parse(&toml::to_string(&table)?).map_err(anyhow::Error::msg)?;
        let Head {
            summary,
            policy,
            replace,
            needs,
            disturbs,
            unless,
            mut step,
        } = head;
        for step in &step {
            if let Step::Start(_) | Step::Stop { .. } | Step::Kill { .. } = step {
                bail!("a test of a policy uses the agent that is running: it cannot start, stop or kill one");
            }
        }
        check_names(&step)?;
        match step.iter().filter(|step| matches!(step, Step::Load)).count() {
            0 => step.insert(0, Step::Load),
            1 => {}
            _ => bail!("the policy is loaded twice"),
        }
        ensure!(
            expectations.golden.is_empty() && expectations.same.is_empty(),
            "`golden` and `same` are for cases of test machines"
        );
        let folder = path.parent().unwrap_or(Path::new(""));
        let policy = match policy {
            Some(name) => folder.join(name),
            None => folder.join(beside(path)?),
        };
        Ok(Self {
            path: path.to_owned(),
            summary,
            policy,
            replace,
            needs,
            disturbs,
            unless,
            steps: step,
            expectations,
        })
    }

    /// The text of the policy. What is put in place of its placeholders goes through `fill` first, for references in it.
    pub fn yaml(&self, fill: impl Fn(&str) -> Result<String, String>) -> Result<String> {
        let policy = &self.policy;
        let mut yaml = std::fs::read_to_string(policy).with_context(|| format!("read {}", policy.display()))?;
        for (from, to) in &self.replace {
            ensure!(
                yaml.contains(from),
                "{}: there is no {from:?} to replace in {}",
                self.path.display(),
                policy.display()
            );
            yaml = yaml.replace(from, &fill(to).map_err(anyhow::Error::msg)?);
        }
        Ok(yaml)
    }

    /// The test's name: the path without what all test files end with.
    pub fn name(&self) -> String {
        let path = self.path.to_string_lossy();
        path.strip_suffix(SUFFIX).unwrap_or(&path).to_owned()
    }
}

/// The policy beside a test.
fn beside(path: &Path) -> Result<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name
        .strip_suffix(SUFFIX)
        .with_context(|| format!("names of tests end in {SUFFIX}, unless `policy` names the policy"))?;
    Ok(format!("{stem}.yaml"))
}

/// The tests of the policy in `file`, which are in the same folder.
fn of_policy(file: &Path) -> Result<Vec<PathBuf>> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = folder.join(entry?.file_name());
        if path.to_string_lossy().ends_with(SUFFIX) && PolicyTest::read(&path)?.policy.file_name() == file.file_name() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The test files in `place`, in order: the file itself, those of a policy, or all in a folder and in the folders below it.
pub fn find(place: &Path) -> Result<Vec<PathBuf>> {
    if !place.is_dir() {
        let is_policy = place.extension().is_some_and(|end| end == "yaml" || end == "yml");
        return if is_policy {
            of_policy(place)
        } else {
            Ok(vec![place.to_owned()])
        };
    }
    let mut found = Vec::new();
    let entries = std::fs::read_dir(place).with_context(|| format!("list {}", place.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(find(&path)?);
        } else if path.to_string_lossy().ends_with(SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::PolicyTest;
    use crate::step::Step;

    fn parse(text: &str) -> anyhow::Result<PolicyTest> {
        PolicyTest::parse(Path::new("tests/openat.test.toml"), text)
    }

    const EVENT: &str = "[[event]]\nprocess_kprobe.policy_name = 'x'\n";

    #[test]
    fn the_policy_is_beside_and_loaded_first() {
        let test = parse(&format!(
            "summary = 's'\n[[step]]\ndo = 'run'\nname = 'a'\nargv = ['true']\n{EVENT}"
        ));
        let test = test.unwrap();
        assert_eq!(test.policy, Path::new("tests/openat.yaml"));
        assert_eq!(test.name(), "tests/openat");
        assert!(matches!(test.steps[..], [Step::Load, Step::Run(_)]));
    }

    #[test]
    fn it_may_be_loaded_later() {
        let steps = "[[step]]\ndo = 'run'\nname = 'a'\nargv = ['true']\n[[step]]\ndo = 'load'\n";
        let test = parse(&format!("summary = 's'\npolicy = 'other.yml'\n{steps}{EVENT}")).unwrap();
        assert_eq!(test.policy, Path::new("tests/other.yml"));
        assert!(matches!(test.steps[..], [Step::Run(_), Step::Load]));
    }

    #[test]
    fn mistakes_are_refused() {
        let error = |text: &str| format!("{:#}", parse(text).unwrap_err());
        let step = "[[step]]\ndo = 'run'\nname = 'a'\nargv = ['true']\n";
        assert!(error(&format!("{step}{EVENT}")).contains("missing field `summary`"));
        assert!(error(&format!("summary = 's'\n{step}")).contains("expects nothing"));
        assert!(error(&format!("summary = 's'\nneed = ['x']\n{step}{EVENT}")).contains("unknown field `need`"));
        let agent = format!("summary = 's'\n[[step]]\ndo = 'stop'\n{EVENT}");
        assert!(error(&agent).contains("the agent that is running"));
        let twice = "[[step]]\ndo = 'load'\n";
        assert!(error(&format!("summary = 's'\n{twice}{twice}{EVENT}")).contains("loaded twice"));
        let unknown = "[[step]]\ndo = 'wait'\nof = 'b'\n";
        assert!(error(&format!("summary = 's'\n{unknown}{EVENT}")).contains("no step before is named b"));
    }
}
