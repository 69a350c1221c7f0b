//! Order of versions: numbers in a text compare as numbers.

use std::cmp::Ordering;

/// Compares two texts run by run: digits as numbers, the rest as text. A tilde sorts before the end, as in Debian.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    runs(left).cmp(runs(right))
}

/// What a text consists of. `End` sorts after a tilde and before anything else.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Tilde,
    End,
    Text(String),
    Number(u64),
}

fn runs(text: &str) -> impl Iterator<Item = Run> {
    let mut rest = text;
    let mut ended = false;
    std::iter::from_fn(move || {
        let Some(first) = rest.chars().next() else {
            return (!std::mem::replace(&mut ended, true)).then_some(Run::End);
        };
        let is_part = |c: char| c != '~' && c.is_ascii_digit() == first.is_ascii_digit();
        let length = if first == '~' {
            1
        } else {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        };
        let (run, after) = rest.split_at(length);
        rest = after;
        Some(match first {
            '~' => Run::Tilde,
            '0'..='9' => Run::Number(run.parse().unwrap_or(u64::MAX)),
            _ => Run::Text(run.to_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn releases_in_order() {
        let mut names = ["7.x", "6.12-override", "6.1", "5.10", "6.12", "6.18", "6.2~rc1", "6.2"];
        names.sort_by(|left, right| compare(left, right));
        assert_eq!(
            names,
            ["5.10", "6.1", "6.2~rc1", "6.2", "6.12", "6.12-override", "6.18", "7.x"]
        );
    }
}
