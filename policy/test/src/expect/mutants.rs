//! Proof that expectations can fail: each value in them, altered, must make them fail.
//!
//! A case that passes with an altered expectation does not look at what it seems to look at.

use serde_json::Value;

use super::Expectations;

/// Values of one kind of expectation.
type Values = fn(&mut Expectations) -> Vec<&mut Value>;

/// The expectations with one value altered, for each value, and where it is.
pub fn mutants(original: &Expectations) -> Vec<(String, Expectations)> {
    let mut mutants = Vec::new();
    let lists: [(&str, Values); 4] = [
        ("event", |it| it.event.iter_mut().collect()),
        ("count", |it| {
            it.count
                .iter_mut()
                .filter(|count| count.at_most.is_none())
                .map(|count| &mut count.of)
                .collect()
        }),
        ("each", |it| it.each.iter_mut().map(|each| &mut each.event).collect()),
        ("output", |it| {
            it.output.iter_mut().flat_map(|output| &mut output.lines).collect()
        }),
    ];
    for (name, list) in lists {
        for index in 0..list(&mut original.clone()).len() {
            for leaf in 0.. {
                let mut mutant = original.clone();
                let mut left = leaf;
                let Some(path) = alter(list(&mut mutant)[index], &mut left) else {
                    break;
                };
                mutants.push((format!("{name} {}: {path}", index + 1), mutant));
            }
        }
    }
    for index in 0..original.count.len() {
        let mut mutant = original.clone();
        let count = &mut mutant.count[index];
        if let Some(is) = &mut count.is {
            *is += 1;
        } else if let Some(least) = &mut count.at_least {
            *least = usize::MAX;
        } else {
            continue;
        }
        mutants.push((format!("count {}: its number", index + 1), mutant));
    }
    mutants
}

/// Alters leaf number `left` of `data`, and says where it is; `None` when there are not so many.
fn alter(data: &mut Value, left: &mut usize) -> Option<String> {
    match data {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                // The name of a capture means nothing by itself; what must not match proves nothing when altered.
                if name == "capture" || name == "not" {
                    continue;
                }
                if let Some(path) = alter_field(name, value, left) {
                    return Some(if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{name}.{path}")
                    });
                }
            }
            None
        }
        Value::Array(items) => items.iter_mut().enumerate().find_map(|(index, item)| {
            let path = alter(item, left)?;
            Some(format!("{index}.{path}"))
        }),
        scalar => alter_field("", scalar, left),
    }
}

fn alter_field(name: &str, value: &mut Value, left: &mut usize) -> Option<String> {
    if value.is_object() || value.is_array() {
        return alter(value, left);
    }
    if *left > 0 {
        *left -= 1;
        return None;
    }
    *value = match (name, &*value) {
        ("regex", _) => Value::from("^altered$"),
        ("at_least", _) => Value::from(u64::MAX),
        ("at_most", _) => Value::from(-1),
        (_, Value::Bool(flag)) => Value::from(!flag),
        (_, Value::Number(number)) => Value::from(number.as_f64().unwrap_or_default() as i64 + 1),
        (_, Value::String(text)) => Value::from(format!("{text}altered")),
        _ => Value::Null,
    };
    Some(String::new())
}

#[cfg(test)]
mod tests {
    use super::{Expectations, mutants};

    #[test]
    fn every_value_is_altered_once() {
        let text = "
            [[event]]
            a = { b = 1, c = { capture = 'x' }, d = { prefix = 'p' } }
            e = [true, 'text']
            [[count]]
            of.f = { regex = 'g' }
            is = 3
            [[output]]
            of = 'step'
            lines = ['h']
        ";
        let found = mutants(&Expectations::parse(text).unwrap());
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "event 1: a.b",
                "event 1: a.d.prefix",
                "event 1: e.0.",
                "event 1: e.1.",
                "count 1: f.regex",
                "output 1: ",
                "count 1: its number"
            ]
        );
        assert_eq!(found[0].1.event[0]["a"]["b"], 2);
        assert_eq!(found[1].1.event[0]["a"]["d"]["prefix"], "paltered");
        assert_eq!(found[2].1.event[0]["e"][0], false);
        assert_eq!(found[6].1.count[0].is, Some(4));
    }
}
