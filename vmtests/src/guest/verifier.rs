//! How much the verifier had to do for each kernel program, as the agent logs it. The host compares.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde_json::Value;

use super::Reporter;
use crate::protocol::Event;

/// Sends what the log says; that it says nothing of a program is a finding.
pub fn tell(case: &Path, log: &str, reporter: &mut Reporter) -> Result<Vec<String>> {
    let programs = in_log(log);
    let mut findings = Vec::new();
    if programs.is_empty() {
        findings.push("the agent logged no kernel programs".to_owned());
    }
    for (program, instructions) in programs {
        if instructions == 0 {
            findings.push(format!("the kernel did not say what verifying {program} took"));
        }
        reporter.send(Event::Measure {
            name: case.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            quantity: program,
            value: instructions.into(),
            unit: "instructions".to_owned(),
        })?;
    }
    Ok(findings)
}

/// Programs and the instructions that the verifier went through; the most where a program was loaded several times.
fn in_log(log: &str) -> BTreeMap<String, u32> {
    let mut programs = BTreeMap::new();
    for line in log.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let number = |key: &str| entry.get(key).and_then(Value::as_u64);
        if let (Some("attached"), Some(program), Some(verified)) = (text("msg"), text("program"), number("verified")) {
            let most = programs.entry(program.to_owned()).or_insert(0);
            *most = u32::try_from(verified).unwrap_or(u32::MAX).max(*most);
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::in_log;

    #[test]
    fn the_most_of_each_program() {
        let log = "{\"msg\":\"attached\",\"program\":\"a\",\"verified\":7}\nno JSON\n\
            {\"msg\":\"other\",\"program\":\"b\",\"verified\":7}\n\
            {\"msg\":\"attached\",\"program\":\"a\",\"verified\":5}\n";
        assert_eq!(in_log(log).into_iter().collect::<Vec<_>>(), [("a".to_owned(), 7)]);
    }
}
