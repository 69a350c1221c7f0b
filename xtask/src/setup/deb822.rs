//! Debian's control format, as `apt-cache show` prints it: paragraphs of `Field: value`, separated by empty lines.

use std::collections::BTreeMap;

/// A paragraph: fields by name, continuation lines joined by line breaks.
pub(crate) type Paragraph = BTreeMap<String, String>;

/// Reads all paragraphs. Lines that are neither field nor continuation are ignored.
pub(crate) fn parse(text: &str) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph::new()];
    let mut field = String::new();
    for line in text.lines() {
        let paragraph = paragraphs.last_mut().expect("there is always one");
        if line.trim().is_empty() {
            if !paragraph.is_empty() {
                paragraphs.push(Paragraph::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = paragraph.get_mut(&field) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut field);
            paragraph.insert(field.clone(), value.trim().to_owned());
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Names of packages in a relation field (`Depends`), without versions; of alternatives the first.
pub(crate) fn packages(relation: &str) -> impl Iterator<Item = &str> {
    relation
        .split(',')
        .filter_map(|part| part.split(['|', '(', '[']).next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{packages, parse};
    use expect_test::expect;

    #[test]
    fn paragraphs_and_continuations() {
        let text = "Package: a\nDescription: first\n second\n\nno field here\n\n\nPackage: b\nVersion: 1:2~bpo\n";
        expect![[r#"
            [
                {
                    "Description": "first\nsecond",
                    "Package": "a",
                },
                {
                    "Package": "b",
                    "Version": "1:2~bpo",
                },
            ]
        "#]]
        .assert_debug_eq(&parse(text));
    }

    #[test]
    fn relations() {
        let depends = "kmod, dracut | initramfs-tools (>= 0.120), linux-base-6.18.15+deb13-cloud-amd64 (= 6.18.15-1)";
        let names: Vec<&str> = packages(depends).collect();
        assert_eq!(names, ["kmod", "dracut", "linux-base-6.18.15+deb13-cloud-amd64"]);
        assert_eq!(packages("").count(), 0);
    }
}
