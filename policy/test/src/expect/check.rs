//! Holding expectations against what happened.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    Count, Each, Expectations, Same,
    output::{self, Stream},
    pattern::{Mismatch, Pattern, brief},
    scope::{Scope, plain},
    sequence,
};

/// What happened.
#[derive(Debug, Default)]
pub struct Facts {
    /// All events of the export files.
    pub events: Vec<Value>,
    /// Standard output and error of each step.
    pub outputs: BTreeMap<String, (String, String)>,
    /// Values that expectations may refer to.
    pub scope: Scope,
}

impl Expectations {
    /// What does not hold; nothing when all does. Captures are in the scope of `facts` afterwards.
    pub fn check(&self, facts: &mut Facts) -> Vec<String> {
        let mut failures = Vec::new();
        let mut note = |what: &str, result: Result<(), String>| {
            if let Err(error) = result {
                failures.push(format!("{what}: {error}"));
            }
        };
        if !self.event.is_empty() {
            let found = patterns(&self.event)
                .and_then(|patterns| sequence::find(&patterns, &facts.events, self.ordered, &mut facts.scope));
            note("event", found.map(|_| ()));
        }
        for (index, data) in self.none.iter().enumerate() {
            note(&format!("none {}", index + 1), none(data, facts));
        }
        for (index, count) in self.count.iter().enumerate() {
            note(&format!("count {}", index + 1), check_count(count, facts));
        }
        for (index, each) in self.each.iter().enumerate() {
            note(&format!("each {}", index + 1), check_each(each, facts));
        }
        for (index, expectation) in self.output.iter().enumerate() {
            let result = facts.output(&expectation.of, expectation.stream);
            let result = result.and_then(|text| output::check(expectation, &text, &facts.scope));
            note(&format!("output {} of {}", index + 1, expectation.of), result);
        }
        for same in &self.same {
            note(&format!("same {}", same.of), check_same(same, facts));
        }
        failures
    }

    /// The events to compare whole.
    pub fn golden_events<'a>(&self, facts: &'a Facts) -> Result<Vec<&'a Value>, String> {
        let patterns = patterns(&self.golden)?;
        for pattern in &patterns {
            if !facts
                .events
                .iter()
                .any(|event| pattern.matches(event, &facts.scope).is_ok())
            {
                return Err(format!("golden: no event matches {pattern:?}"));
            }
        }
        let wanted = |event: &&Value| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(event, &facts.scope).is_ok())
        };
        Ok(facts.events.iter().filter(wanted).collect())
    }
}

impl Facts {
    fn output(&self, step: &str, stream: Stream) -> Result<String, String> {
        let (stdout, stderr) = self
            .outputs
            .get(step)
            .ok_or_else(|| format!("no step is named {step}"))?;
        Ok(match stream {
            Stream::Stdout => stdout.clone(),
            Stream::Stderr => stderr.clone(),
            Stream::Both => format!("{stdout}{stderr}"),
        })
    }

    fn matching(&self, pattern: &Pattern) -> Result<Vec<usize>, String> {
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            match pattern.matches(event, &self.scope) {
                Ok(_) => found.push(index),
                Err(Mismatch {
                    nonsense: true,
                    path,
                    reason,
                    ..
                }) => return Err(format!("{path}: {reason}")),
                Err(_) => {}
            }
        }
        Ok(found)
    }
}

fn patterns(data: &[Value]) -> Result<Vec<Pattern>, String> {
    data.iter().map(Pattern::parse).collect()
}

fn none(data: &Value, facts: &Facts) -> Result<(), String> {
    let pattern = Pattern::parse(data)?;
    if let Some(index) = facts.matching(&pattern)?.first() {
        return Err(format!("event {index} matches: {}", facts.events[*index]));
    }
    // A misspelt field matches nothing, which must not pass for success.
    for path in pattern.paths() {
        let pointer = format!("/{}", path.replace('.', "/"));
        if !facts.events.iter().any(|event| event.pointer(&pointer).is_some()) {
            return Err(format!("no event has {path}, so this says nothing"));
        }
    }
    Ok(())
}

fn check_count(count: &Count, facts: &Facts) -> Result<(), String> {
    let got = facts.matching(&Pattern::parse(&count.of)?)?.len();
    let Count {
        of: _,
        is,
        at_least,
        at_most,
    } = count;
    if is.is_none() && at_least.is_none() && at_most.is_none_or(|most| most == usize::MAX) {
        return Err("gives no number".to_owned());
    }
    if is.is_some_and(|is| got != is)
        || at_least.is_some_and(|least| got < least)
        || at_most.is_some_and(|most| got > most)
    {
        return Err(format!("{got} events match {}", brief(&count.of)));
    }
    Ok(())
}

fn check_each(each: &Each, facts: &mut Facts) -> Result<(), String> {
    let pattern = Pattern::parse(&each.event)?;
    let key = match pattern.at(&each.by) {
        Some(Pattern::Text(key)) => key.clone(),
        _ => return Err(format!("{} is not text in the event", each.by)),
    };
    let pointer = format!("/{}", each.by.replace('.', "/"));
    let mut index: HashMap<String, Vec<&Value>> = HashMap::new();
    for event in &facts.events {
        if let Some(value) = event.pointer(&pointer) {
            index.entry(plain(value)).or_default().push(event);
        }
    }
    let lines = facts
        .scope
        .get(&each.of)
        .and_then(Value::as_array)
        .filter(|lines| !lines.is_empty())
        .cloned()
        .ok_or_else(|| format!("step {} printed no JSON lines", each.of))?;
    let mut scope = facts.scope.clone();
    let mut failures = Vec::new();
    for line in &lines {
        scope.set("line", line.clone());
        let key = plain(&scope.expand(&key)?);
        let candidates = index.get(&key).map_or(&[][..], Vec::as_slice);
        let (mut matched, mut miss) = (0, Mismatch::default());
        for event in candidates {
            match pattern.matches(event, &scope) {
                Ok(_) => matched += 1,
                Err(mismatch) => miss = mismatch,
            }
        }
        if matched != each.count {
            let Mismatch { path, reason, .. } = miss;
            failures.push(format!(
                "{matched} of {} events match for {} {path} {reason}",
                candidates.len(),
                brief(line)
            ));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let total = failures.len();
    failures.truncate(3);
    Err(format!(
        "{total} of {} lines:\n  {}",
        lines.len(),
        failures.join("\n  ")
    ))
}

fn check_same(same: &Same, facts: &Facts) -> Result<(), String> {
    let text = facts.output(&same.of, Stream::Stdout)?;
    let printed = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).map_err(|error| format!("{line:?}: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    let first = printed.first().ok_or("printed no event")?;
    let start = facts.events.iter().position(|event| event == first);
    let start = start.ok_or_else(|| format!("{first} is not in the export file"))?;
    for (offset, event) in printed.iter().enumerate() {
        match facts.events.get(start + offset) {
            Some(exported) if exported == event => {}
            other => {
                return Err(format!(
                    "event {offset} differs:\n  printed {event}\n  exported {}",
                    other.unwrap_or(&Value::Null)
                ));
            }
        }
    }
    let wanted = facts.matching(&Pattern::parse(&same.with)?)?;
    if wanted.is_empty() {
        return Err("no event of the export file matches `with`".to_owned());
    }
    match wanted
        .iter()
        .find(|index| !(start..start + printed.len()).contains(index))
    {
        Some(index) => Err(format!("lacks event {index}: {}", facts.events[*index])),
        None => Ok(()),
    }
}
