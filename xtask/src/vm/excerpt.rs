//! What of a failure is worth a terminal: the whole is in the records of the run.

/// Lines kept of each part.
const LINES: usize = 30;

/// Characters kept of each line. An event is longer than that.
const CHARACTERS: usize = 240;

/// Shortens the parts of a text. A part begins with a line such as `--- agent`.
pub(crate) fn excerpt(text: &str) -> String {
    let mut parts: Vec<Vec<String>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with("--- ") {
            parts.push(Vec::new());
        }
        let mut short: String = line.chars().take(CHARACTERS).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        parts.last_mut().expect("there is always one").push(short);
    }
    let mut lines = Vec::new();
    for part in parts {
        let more = part.len().saturating_sub(LINES);
        lines.extend(part.into_iter().take(LINES));
        if more > 0 {
            lines.push(format!("… and {more} more lines"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{CHARACTERS, LINES, excerpt};

    #[test]
    fn short_texts_stay() {
        let text = "no event\n--- agent\nboom\n--- events";
        assert_eq!(excerpt(text), text);
    }

    #[test]
    fn long_lines_and_parts_are_cut() {
        let text = format!("{}\n--- agent\n{}", "ä".repeat(CHARACTERS + 1), "x\n".repeat(LINES + 1));
        let short = excerpt(&text);
        assert!(short.starts_with(&format!("{}…\n--- agent\nx", "ä".repeat(CHARACTERS))));
        assert!(short.ends_with("x\n… and 2 more lines"));
    }
}
