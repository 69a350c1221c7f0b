//! Finding expected events among those that came.
//!
//! Ordered: each expectation matches a later event than the one before it; other events may lie between. Unordered: each
//! matches another event. Captures of earlier expectations hold in later ones, so a match found first may have to be
//! given up for another one: the search goes back, within a limit.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    pattern::{Mismatch, Pattern},
    scope::Scope,
};

/// Comparisons of a pattern with an event that one search may take.
const LIMIT: usize = 2_000_000;

/// Near misses that a failure shows.
const SHOWN: usize = 3;

/// Finds all `patterns`; captures are in `scope` afterwards. Returns the index of the event of each.
pub fn find(patterns: &[Pattern], events: &[Value], ordered: bool, scope: &mut Scope) -> Result<Vec<usize>, String> {
    let mut search = Search {
        patterns,
        events,
        ordered,
        compared: 0,
        deepest: 0,
        misses: Vec::new(),
    };
    let mut found = Vec::new();
    match search.step(&mut found, scope) {
        Ok(true) => Ok(found),
        Ok(false) => Err(search.failure()),
        Err(nonsense) => Err(nonsense),
    }
}

struct Search<'a> {
    patterns: &'a [Pattern],
    events: &'a [Value],
    ordered: bool,
    compared: usize,
    /// The furthest expectation that was tried, and how it failed.
    deepest: usize,
    misses: Vec<(usize, Mismatch)>,
}

impl Search<'_> {
    fn step(&mut self, found: &mut Vec<usize>, scope: &mut Scope) -> Result<bool, String> {
        let position = found.len();
        let Some(pattern) = self.patterns.get(position) else {
            return Ok(true);
        };
        if position > self.deepest {
            self.deepest = position;
            self.misses.clear();
        }
        let first = if self.ordered {
            found.last().map_or(0, |last| last + 1)
        } else {
            0
        };
        for index in first..self.events.len() {
            if found.contains(&index) {
                continue;
            }
            self.compared += 1;
            if self.compared > LIMIT {
                return Err(format!(
                    "the search takes too long at expectation {position}; name events more exactly"
                ));
            }
            match pattern.matches(&self.events[index], scope) {
                Ok(bindings) => {
                    let before = scope.clone();
                    for (name, value) in bindings.captured {
                        scope.capture(&name, value);
                    }
                    found.push(index);
                    if self.step(found, scope)? {
                        return Ok(true);
                    }
                    found.pop();
                    *scope = before;
                }
                // An event of another type is a mismatch; whatever else cannot be compared is a mistake in the data.
                Err(mismatch) if mismatch.nonsense => {
                    return Err(format!(
                        "expectation {position}: {}: {}",
                        mismatch.path, mismatch.reason
                    ));
                }
                Err(mismatch) if position == self.deepest => self.misses.push((index, mismatch)),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    fn failure(mut self) -> String {
        let (total, deepest) = (self.patterns.len(), self.deepest);
        let mut text = format!("expectation {} of {total} has no event:", deepest + 1);
        self.misses
            .sort_by_key(|(_, mismatch)| std::cmp::Reverse(mismatch.score));
        self.misses.dedup_by(|a, b| a.1 == b.1);
        for (index, Mismatch { path, reason, .. }) in self.misses.iter().take(SHOWN) {
            let _ = write!(text, "\n  event {index}: {path}: {reason}");
        }
        if self.misses.is_empty() {
            text.push_str(" none is left");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Pattern, Scope, find};

    fn search(patterns: &Value, events: &Value, ordered: bool) -> Result<Vec<usize>, String> {
        let patterns: Vec<_> = patterns
            .as_array()
            .unwrap()
            .iter()
            .map(|data| Pattern::parse(data).unwrap())
            .collect();
        find(&patterns, events.as_array().unwrap(), ordered, &mut Scope::default())
    }

    #[test]
    fn order_matters_only_when_asked() {
        let events = json!([{"n": 1}, {"n": 2}, {"n": 3}]);
        assert_eq!(search(&json!([{"n": 1}, {"n": 3}]), &events, true), Ok(vec![0, 2]));
        assert_eq!(search(&json!([{"n": 3}, {"n": 1}]), &events, false), Ok(vec![2, 0]));
        let error = search(&json!([{"n": 3}, {"n": 1}]), &events, true).unwrap_err();
        assert_eq!(error, "expectation 2 of 2 has no event: none is left");
    }

    #[test]
    fn one_event_serves_one_expectation() {
        let events = json!([{"n": 1}, {"n": 2}]);
        let error = search(&json!([{"n": 1}, {"n": 1}]), &events, false).unwrap_err();
        assert_eq!(
            error,
            "expectation 2 of 2 has no event:\n  event 1: n: 1 expected, got 2"
        );
    }

    #[test]
    fn a_capture_that_leads_nowhere_is_given_up() {
        let events = json!([{"id": "a"}, {"id": "b"}, {"parent": "b"}]);
        assert_eq!(
            search(&json!([{"id": {"capture": "p"}}, {"parent": "${p}"}]), &events, true),
            Ok(vec![1, 2])
        );
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_at_once() {
        let error = search(&json!([{"n": "${x.y}"}]), &json!([{"n": 1}]), true).unwrap_err();
        assert_eq!(error, "expectation 0: n: ${x.y} has no value");
    }
}
