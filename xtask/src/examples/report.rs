//! The report of `cargo xtask vmtest --report`: examples by kernels, and the events behind each cell.

use crate::protocol::{EXAMPLES, Verdict};
use crate::vm::stream::Outcome;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Events that are shown of each example on each kernel: there are hundreds of those.
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

    /// A page that needs nothing else: no script, no other file.
    ///
    /// Each example has two lines: its name with what came of it on each kernel, and its summary, which opens to the events.
    fn html(&self) -> String {
        let mut text = HEAD.to_owned();
        text.push_str("<ul>\n");
        for (kernel, release) in &self.kernels {
            let count = |verdict| {
                let cells = self.cells.values().filter_map(|cells| cells.get(kernel));
                cells.filter(|cell| cell.verdict == verdict).count()
            };
            let [passed, failed, skipped] = [Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(count);
            let _ = writeln!(
                text,
                "<li><b>{}</b> {passed} passed, {failed} failed, {skipped} cannot be <small>{}</small>",
                escape(kernel),
                escape(release)
            );
        }
        text.push_str("</ul>\n<table>\n<thead><tr><th scope=\"col\">policy</th>");
        for (kernel, _) in &self.kernels {
            let _ = write!(text, "<th scope=\"col\">{}</th>", escape(kernel));
        }
        text.push_str("</tr></thead>\n");
        for (name, cells) in &self.cells {
            let id = escape(name);
            let _ = write!(
                text,
                "<tbody id=\"{id}\">\n<tr><th scope=\"row\"><a href=\"#{id}\">{id}</a></th>"
            );
            for (kernel, _) in &self.kernels {
                match cells.get(kernel) {
                    Some(cell) => {
                        let (class, mark, word) = words(cell.verdict);
                        let place = if cell.is_empty() {
                            id.clone()
                        } else {
                            place(name, kernel)
                        };
                        let _ = write!(
                            text,
                            "<td class=\"{class}\"><a href=\"#{place}\">{mark}<span> {word}</span></a></td>"
                        );
                    }
                    None => text.push_str("<td></td>"),
                }
            }
            let summary = self.summaries.get(&format!("{EXAMPLES}/{name}"));
            let summary = escape(summary.map_or("", String::as_str));
            let _ = write!(
                text,
                "</tr>\n<tr><td class=\"told\" colspan=\"{}\">",
                self.kernels.len() + 1
            );
            if cells.values().all(Cell::is_empty) {
                text.push_str(&summary);
            } else {
                let summary = if summary.is_empty() { "reasons" } else { &summary };
                let _ = writeln!(text, "<details><summary>{summary}</summary>");
                for (kernel, _) in &self.kernels {
                    if let Some(cell) = cells.get(kernel).filter(|cell| !cell.is_empty()) {
                        cell.html(&place(name, kernel), kernel, &mut text);
                    }
                }
                text.push_str("</details>");
            }
            text.push_str("</td></tr>\n</tbody>\n");
        }
        text.push_str("</table>\n</html>\n");
        text
    }
}

impl Cell {
    /// Whether there is nothing to say beyond the verdict.
    fn is_empty(&self) -> bool {
        self.reason.is_empty() && self.events.is_empty()
    }

    /// What there is to say, on `kernel`.
    fn html(&self, place: &str, kernel: &str, text: &mut String) {
        let (class, _, word) = words(self.verdict);
        let count = match self.events.len() {
            0 => String::new(),
            1 => ", 1 event".to_owned(),
            many if many > SHOWN => format!(", {SHOWN} of {many} events"),
            many => format!(", {many} events"),
        };
        let _ = writeln!(
            text,
            "<section id=\"{place}\" class=\"{class}\"><h2>{}: {word}{count}</h2>",
            escape(kernel)
        );
        if !self.reason.is_empty() {
            let _ = writeln!(text, "<pre>{}</pre>", escape(&self.reason));
        }
        for event in self.events.iter().take(SHOWN) {
            let pretty = serde_json::to_string_pretty(&brief(event)).unwrap_or_default();
            let _ = writeln!(text, "<pre>{}</pre>", escape(&pretty));
        }
        text.push_str("</section>\n");
    }
}

/// The page up to the heading. Colours are the reader's choice, as the browser knows it.
const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Example policies on the kernels of the matrix</title>
<style>
:root { color-scheme: light dark; --line: #ccc; --head: #f3f3f3; --dim: #555; --pass: #176b2c; --fail: #b3161b }
@media (prefers-color-scheme: dark) {
  :root { --line: #444; --head: #26282b; --dim: #aaa; --pass: #6fce85; --fail: #ff8a84 }
}
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5em auto; max-width: 80em; padding: 0 1em }
ul { padding-left: 1.2em }
small, .told, .skipped { color: var(--dim) }
small { display: block }
table { border-collapse: separate; border-spacing: 0; width: 100% }
th, td { padding: .2em .5em; text-align: left; vertical-align: top }
thead th:first-child { width: 100% }
thead th { background: var(--head); border-bottom: 1px solid var(--line); position: sticky; top: 0 }
tbody th { font-weight: 600; overflow-wrap: anywhere }
td { white-space: nowrap }
.told { border-bottom: 1px solid var(--line); font-size: 14px; overflow-wrap: anywhere; padding-bottom: .5em; white-space: normal }
.passed > a, .passed > h2 { color: var(--pass) }
.failed > a, .failed > h2 { color: var(--fail); font-weight: 600 }
.skipped > a { color: var(--dim) }
a { color: inherit; text-decoration: none }
a:hover { text-decoration: underline }
tbody, section { scroll-margin-top: 3em }
section:target { outline: 2px solid var(--line); outline-offset: .3em }
summary { cursor: pointer }
section h2 { font-size: 14px; margin: 1em 0 .3em }
pre { background: var(--head); color: CanvasText; font-size: 12px; margin: .3em 0; overflow-wrap: anywhere; padding: .6em; white-space: pre-wrap }
@media (max-width: 60em) {
  td > a > span { clip-path: inset(50%); position: absolute }
}
</style>
<h1>Example policies on the kernels of the matrix</h1>
";

/// The class of a verdict, a sign and a word for it.
fn words(verdict: Verdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Verdict::Passed => ("passed", "✓", "passed"),
        Verdict::Failed => ("failed", "✗", "failed"),
        Verdict::Skipped => ("skipped", "–", "cannot be"),
    }
}

/// Where the page tells of an example on a kernel.
fn place(name: &str, kernel: &str) -> String {
    format!("{}:{}", escape(name), escape(kernel))
}

/// An event without what is the same in most: of processes what they are, not what they may, and of the parent, which is the
/// one that runs all tests, not what it was told.
fn brief(event: &Value) -> Value {
    const FIELDS: [(&str, &[&str]); 2] = [
        ("process", &["binary", "arguments", "cwd", "pid", "uid"]),
        ("parent", &["binary", "pid"]),
    ];
    let mut event = event.clone();
    for inner in event.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        let Some(inner) = inner.as_object_mut() else { continue };
        inner.remove("ancestors");
        for (process, kept) in FIELDS {
            if let Some(process) = inner.get_mut(process).and_then(Value::as_object_mut) {
                process.retain(|field, _| kept.contains(&&**field));
            }
        }
    }
    event
}

/// Text within HTML, also within the quotes of an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::protocol::Verdict;
    use crate::vm::stream::Outcome;
    use expect_test::expect;
    use serde_json::json;

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
    fn as_html() {
        let html = report().html();
        let (_, body) = html.split_once("</h1>\n").unwrap();
        expect![[r##"
            <ul>
            <li><b>5.10</b> 1 passed, 0 failed, 1 cannot be <small>Linux 5.10.1</small>
            <li><b>6.1</b> 0 passed, 1 failed, 0 cannot be <small>Linux 6.1.1</small>
            </ul>
            <table>
            <thead><tr><th scope="col">policy</th><th scope="col">5.10</th><th scope="col">6.1</th></tr></thead>
            <tbody id="a/open">
            <tr><th scope="row"><a href="#a/open">a/open</a></th><td class="passed"><a href="#a/open:5.10">✓<span> passed</span></a></td><td></td></tr>
            <tr><td class="told" colspan="3"><details><summary>opens</summary>
            <section id="a/open:5.10" class="passed"><h2>5.10: passed, 1 event</h2>
            <pre>{
              &quot;process_kprobe&quot;: {
                &quot;args&quot;: &quot;&lt;b&gt;&quot;
              }
            }</pre>
            </section>
            </details></td></tr>
            </tbody>
            <tbody id="a/skb">
            <tr><th scope="row"><a href="#a/skb">a/skb</a></th><td class="skipped"><a href="#a/skb:5.10">–<span> cannot be</span></a></td><td class="failed"><a href="#a/skb:6.1">✗<span> failed</span></a></td></tr>
            <tr><td class="told" colspan="3"><details><summary>reasons</summary>
            <section id="a/skb:5.10" class="skipped"><h2>5.10: cannot be</h2>
            <pre>no function &lt;skb&gt;</pre>
            </section>
            <section id="a/skb:6.1" class="failed"><h2>6.1: failed</h2>
            <pre>why</pre>
            </section>
            </details></td></tr>
            </tbody>
            </table>
            </html>
        "##]].assert_eq(body);
    }

    #[test]
    fn hostile_text_stays_text() {
        const HOSTILE: &str = "</pre><script>alert('x')</script>\"><img src=x onerror=alert(1)>&lt;";
        let mut report = Report::default();
        let event = json!({ "process_kprobe": { "args": [HOSTILE], "process": { "binary": HOSTILE } } });
        let result = json!({ "name": format!("examples/{HOSTILE}"), "summary": HOSTILE, "events": [event] });
        let outcomes = [outcome(&format!("examples/{HOSTILE}"), Verdict::Failed, HOSTILE)];
        report.add(HOSTILE, HOSTILE, &outcomes, &result.to_string()).unwrap();
        let html = report.html();
        let (_, body) = html.split_once("</h1>\n").unwrap();
        for part in ["<script", "<img", "</pre><", "'x'", "\"><img"] {
            assert!(!body.contains(part), "{part}");
        }
        assert_eq!(html.matches("<pre>").count(), 2);
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    }

    #[test]
    fn events_without_what_processes_may() {
        let parent = json!({ "pid": 1, "binary": "/a", "arguments": "of all tests" });
        let process = json!({ "pid": 2, "binary": "/b", "arguments": "c", "cap": {} });
        let event = json!({ "process_kprobe": { "process": process, "parent": parent, "args": [1] }, "time": "t" });
        let (parent, process) = (
            json!({ "pid": 1, "binary": "/a" }),
            json!({ "pid": 2, "binary": "/b", "arguments": "c" }),
        );
        let brief = json!({ "process_kprobe": { "process": process, "parent": parent, "args": [1] }, "time": "t" });
        assert_eq!(super::brief(&event), brief);
    }
}
