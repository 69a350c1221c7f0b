//! Lists in flags: separated by commas; an element that contains one is put in double quotes, as in CSV files.

/// The elements of `text`.
pub fn split(text: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    let mut start = true;
    while let Some(character) = characters.next() {
        match character {
            '"' if start => quoted = true,
            '"' if quoted && characters.next_if_eq(&'"').is_some() => element.push('"'),
            '"' if quoted => quoted = false,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            _ => element.push(character),
        }
        start = character == ',' && !quoted;
    }
    elements.push(element);
    elements
}

/// The elements of all of `texts`: those of a flag that was given several times. An empty text has none, so that
/// `--namespace "$NAMESPACE"` asks for nothing when the variable is empty.
pub fn join(texts: &[String]) -> Vec<String> {
    let given = texts.iter().filter(|text| !text.is_empty());
    given.flat_map(|text| split(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[""]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            ("a,,b", &["a", "", "b"]),
            (r#""[ab]{1,2}",c"#, &["[ab]{1,2}", "c"]),
            (r#""say ""hi""",x"#, &[r#"say "hi""#, "x"]),
            (r#"process.binary == "a""#, &[r#"process.binary == "a""#]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), expected, "{text}");
        }
        assert_eq!(join(&["a,b".into(), String::new(), "c".into()]), ["a", "b", "c"]);
    }
}
