//! The report of `cargo xtask vmtest --report`: examples by kernels, and the events behind each cell.

use crate::protocol::{EXAMPLES, Verdict};
use crate::vm::stream::Outcome;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Events that are shown of each cell: there are hundreds of cells.
const SHOWN: usize = 3;

/// What came of the examples on each kernel.
#[derive(Default)]
pub(crate) struct Report {
    kernels: Vec<(String, String)>,
    /// By example and kernel.
    cells: BTreeMap<String, BTreeMap<String, Cell>>,
    summaries: BTreeMap<String, String>,
}

struct Cell {
    verdict: Verdict,
    reason: String,
    events: Vec<Value>,
}

impl Report {
    /// Adds what came of the examples on `kernel`; `results` are the lines of `tetra policytest run --output json` there.
    pub(crate) fn add(&mut self, kernel: &str, release: &str, outcomes: &[Outcome], results: &str) -> Result<()> {
        self.kernels.push((kernel.to_owned(), release.to_owned()));
        let mut events = BTreeMap::new();
        for line in results.lines() {
            let result: Value = serde_json::from_str(line).with_context(|| format!("{kernel}: a result"))?;
            let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
            // The guest has the project in a folder of its own.
            let name = text("name");
            let start = name.find(EXAMPLES).unwrap_or(0);
            self.summaries.insert(name[start..].to_owned(), text("summary"));
            events.insert(
                name[start..].to_owned(),
                result["events"].as_array().cloned().unwrap_or_default(),
            );
        }
        let prefix = format!("{EXAMPLES}/");
        for outcome in outcomes {
            let Some(name) = outcome.name.strip_prefix(&prefix) else {
                continue;
            };
            let cell = Cell {
                verdict: outcome.verdict,
                reason: outcome.detail.clone(),
                events: events.remove(&outcome.name).unwrap_or_default(),
            };
            self.cells
                .entry(name.to_owned())
                .or_default()
                .insert(kernel.to_owned(), cell);
        }
        Ok(())
    }

    /// Writes `report.md` and `report.html` to `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        for (name, text) in [("report.md", self.markdown()), ("report.html", self.html())] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = "\
<!-- Written by `cargo xtask vmtest --report examples`. -->

# Example policies on the kernels of the matrix

✅ the test passes, and fails without the policy · ⏭️ this kernel cannot have the policy, for the reason below · ❌ the test fails

| policy |"
            .to_owned();
        for (kernel, _) in &self.kernels {
            let _ = write!(text, " {kernel} |");
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(self.kernels.len()));
        text.push('\n');
        let mut reasons: Vec<&str> = Vec::new();
        for (name, cells) in &self.cells {
            let _ = write!(text, "| {name} |");
            for (kernel, _) in &self.kernels {
                let Some(cell) = cells.get(kernel) else {
                    text.push_str(" |");
                    continue;
                };
                match cell.verdict {
                    Verdict::Passed => text.push_str(" ✅ |"),
                    Verdict::Failed => text.push_str(" ❌ |"),
                    Verdict::Skipped => {
                        let known = reasons.iter().position(|reason| *reason == cell.reason);
                        let number = known.unwrap_or_else(|| {
                            reasons.push(&cell.reason);
                            reasons.len() - 1
                        });
                        let _ = write!(text, " ⏭️ {} |", number + 1);
                    }
                }
            }
            text.push('\n');
        }
        text.push('\n');
        for (number, reason) in reasons.iter().enumerate() {
            let _ = writeln!(text, "{}. {reason}", number + 1);
        }
        text.push_str("\nKernels:\n\n");
        for (kernel, release) in &self.kernels {
            let _ = writeln!(text, "- {kernel}: {release}");
        }
        text
    }

    fn html(&self) -> String {
        let mut text = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <title>Example policies on the kernels of the matrix</title>\n<style>\n\
             body { font: 15px/1.4 system-ui, sans-serif; margin: 2em }\n\
             table { border-collapse: collapse }\n\
             th, td { border: 1px solid #bbb; padding: .3em .6em; vertical-align: top; text-align: left }\n\
             th { background: #f3f3f3; position: sticky; top: 0 }\n\
             pre { max-width: 60em; overflow-x: auto; font-size: 12px }\n\
             small { color: #555; display: block }\n\
             .failed { background: #fdd } .skipped { background: #eee } .passed { background: #efe }\n\
             </style>\n<h1>Example policies on the kernels of the matrix</h1>\n<table>\n<tr><th>policy</th>"
            .to_owned();
        for (kernel, release) in &self.kernels {
            let _ = write!(text, "<th>{}<small>{}</small></th>", escape(kernel), escape(release));
        }
        text.push_str("</tr>\n");
        for (name, cells) in &self.cells {
            let summary = self.summaries.get(&format!("{EXAMPLES}/{name}"));
            let summary = summary.map_or("", String::as_str);
            let _ = write!(text, "<tr><td>{}<small>{}</small></td>", escape(name), escape(summary));
            for (kernel, _) in &self.kernels {
                match cells.get(kernel) {
                    Some(cell) => cell_html(cell, &mut text),
                    None => text.push_str("<td></td>"),
                }
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</table>\n</html>\n");
        text
    }
}

fn cell_html(cell: &Cell, text: &mut String) {
    let (class, word) = match cell.verdict {
        Verdict::Passed => ("passed", "passed"),
        Verdict::Failed => ("failed", "failed"),
        Verdict::Skipped => ("skipped", "cannot be"),
    };
    let _ = write!(text, "<td class=\"{class}\">");
    if cell.reason.is_empty() && cell.events.is_empty() {
        let _ = write!(text, "{word}");
    } else {
        let count = match cell.events.len() {
            0 => String::new(),
            1 => ", 1 event".to_owned(),
            many => format!(", {many} events"),
        };
        let _ = write!(text, "<details><summary>{word}{count}</summary>");
        if !cell.reason.is_empty() {
            let _ = write!(text, "<p>{}</p>", escape(&cell.reason));
        }
        for event in cell.events.iter().take(SHOWN) {
            let pretty = serde_json::to_string_pretty(event).unwrap_or_default();
            let _ = write!(text, "<pre>{}</pre>", escape(&pretty));
        }
        text.push_str("</details>");
    }
    text.push_str("</td>");
}

/// Text within HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::protocol::Verdict;
    use crate::vm::stream::Outcome;
    use expect_test::expect;

    fn outcome(name: &str, verdict: Verdict, detail: &str) -> Outcome {
        Outcome {
            name: name.to_owned(),
            verdict,
            detail: detail.to_owned(),
        }
    }

    fn report() -> Report {
        let mut report = Report::default();
        let outcomes = [
            outcome("exits", Verdict::Passed, ""),
            outcome("examples/a/open", Verdict::Passed, ""),
            outcome("examples/a/skb", Verdict::Skipped, "no function <skb>"),
        ];
        let results = "{\"name\": \"/x/examples/a/open\", \"summary\": \"opens\", \"events\": [{\"process_kprobe\": {\"args\": \"<b>\"}}]}";
        report.add("5.10", "Linux 5.10.1", &outcomes, results).unwrap();
        report
            .add(
                "6.1",
                "Linux 6.1.1",
                &[outcome("examples/a/skb", Verdict::Failed, "why")],
                "",
            )
            .unwrap();
        report
    }

    #[test]
    fn as_markdown() {
        expect![[r#"
            <!-- Written by `cargo xtask vmtest --report examples`. -->

            # Example policies on the kernels of the matrix

            ✅ the test passes, and fails without the policy · ⏭️ this kernel cannot have the policy, for the reason below · ❌ the test fails

            | policy | 5.10 | 6.1 |
            | --- | --- | --- |
            | a/open | ✅ | |
            | a/skb | ⏭️ 1 | ❌ |

            1. no function <skb>

            Kernels:

            - 5.10: Linux 5.10.1
            - 6.1: Linux 6.1.1
        "#]]
        .assert_eq(&report().markdown());
    }

    #[test]
    fn as_html_with_events_as_text() {
        let html = report().html();
        let rows: Vec<&str> = html.lines().filter(|line| line.starts_with("<tr><td>")).collect();
        expect![[r#"
            <tr><td>a/open<small>opens</small></td><td class="passed"><details><summary>passed, 1 event</summary><pre>{
            <tr><td>a/skb<small></small></td><td class="skipped"><details><summary>cannot be</summary><p>no function &lt;skb&gt;</p></details></td><td class="failed"><details><summary>failed</summary><p>why</p></details></td></tr>
        "#]]
        .assert_eq(&(rows.join("\n") + "\n"));
        assert!(html.contains("&quot;args&quot;: &quot;&lt;b&gt;&quot;"));
    }
}
