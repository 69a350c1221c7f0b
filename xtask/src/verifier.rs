//! How much the verifier has to do for each kernel program: what test machines report, against `vmtests/verifier.toml`.
//!
//! A program that comes near the verifier's limit (a million instructions) fails on somebody's kernel one day. So its
//! growth is something to agree to: by recording the table anew.

use crate::{paths, tool};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Instructions by program.
pub(crate) type Programs = BTreeMap<String, u64>;

/// Programs by kernel.
type Table = BTreeMap<String, Programs>;

/// By how many per cent a program may grow before the table has to be recorded anew.
const GROWTH: u64 = 25;

const HEADER: &str = "\
# Instructions that the verifier goes through, by kernel and program, with everything switched on that the flags of case
# `verifier` do. Test machines fail when a program grows by more than 25 %. To agree to what is there now:
#
#     cargo xtask vmtest --record verifier
";

/// Compares what kernel `name` reported with the table, or with `record` writes it there. What is found is for people.
pub(crate) fn compare(name: &str, measured: &Programs, record: bool) -> Result<Vec<String>> {
    // Machines run at a time.
    static FILE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FILE.lock().expect("no panic");
    let path = paths::root().join("vmtests/verifier.toml");
    let mut table = read(&path)?;
    if record {
        table.insert(name.to_owned(), measured.clone());
        let text = format!("{HEADER}\n{}", toml::to_string(&table)?);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        tool::step(&format!("{name}: recorded in {}", path.display()));
        return Ok(Vec::new());
    }
    Ok(findings(name, &table, measured))
}

fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn findings(name: &str, table: &Table, measured: &Programs) -> Vec<String> {
    // A kernel of the user's own is not in the table.
    let Some(known) = table.get(name) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (program, &instructions) in measured {
        match known.get(program) {
            None => findings.push(format!("{program} is not in vmtests/verifier.toml")),
            Some(&before) if instructions > before + before * GROWTH / 100 => findings.push(format!(
                "verifying {program} took {instructions} instructions, it was {before} in vmtests/verifier.toml"
            )),
            Some(_) => {}
        }
    }
    let gone = known.keys().filter(|program| !measured.contains_key(*program));
    findings.extend(gone.map(|program| format!("{program} is in vmtests/verifier.toml, and was not loaded")));
    if !findings.is_empty() {
        findings.push("if that is meant to be: cargo xtask vmtest --record verifier".to_owned());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Programs, Table, findings, read};
    use crate::{kernel, paths};
    use expect_test::expect;

    fn programs(all: &[(&str, u64)]) -> Programs {
        all.iter().map(|&(name, number)| (name.to_owned(), number)).collect()
    }

    #[test]
    fn growth_and_strangers_are_found() {
        let table = Table::from([("6.12".to_owned(), programs(&[("exec", 1000), ("exit", 9), ("old", 5)]))]);
        let measured = programs(&[("exec", 1100), ("exit", 12), ("new", 5)]);
        expect![[r#"
            verifying exit took 12 instructions, it was 9 in vmtests/verifier.toml
            new is not in vmtests/verifier.toml
            old is in vmtests/verifier.toml, and was not loaded
            if that is meant to be: cargo xtask vmtest --record verifier"#]]
        .assert_eq(&findings("6.12", &table, &measured).join("\n"));
        assert!(findings("6.12", &table, &table["6.12"]).is_empty());
        assert!(findings("custom", &table, &measured).is_empty());
    }

    #[test]
    fn the_table_is_of_all_kernels() {
        let table = read(&paths::root().join("vmtests/verifier.toml")).unwrap();
        let kernels = kernel::select(&[]).unwrap();
        let mut names: Vec<_> = kernels.into_iter().map(|kernel| kernel.name).collect();
        names.sort();
        assert_eq!(table.into_keys().collect::<Vec<_>>(), names);
    }
}
