//! Bytes of the kernel as text: what a process was called with, where, and in which environment.

use std::ffi::CStr;

use tetragon_api::v1::EnvVar;

/// Bytes as text; each run of bytes that are not UTF-8 becomes one U+FFFD.
pub fn lossy(bytes: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    let mut after_invalid = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let run_goes_on = after_invalid && chunk.valid().is_empty();
        after_invalid = !chunk.invalid().is_empty();
        if after_invalid && !run_goes_on {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Strings that are ended by NUL each; the last one need not be. Nothing is left when `None`.
#[derive(Clone, Debug)]
struct Strings<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take().filter(|rest| !rest.is_empty())?;
        // The standard library looks for NUL in whole words; arguments can be long.
        let string = CStr::from_bytes_until_nul(rest).map_or(rest, CStr::to_bytes);
        self.0 = rest.get(string.len() + 1..);
        Some(string)
    }
}

/// Arguments as one line: without the first one, joined by spaces, those that have spaces between quotation marks, with
/// a space in front of them even if nothing precedes. Quotation marks within are left as they are.
///
/// `arguments` are ended by NUL each; the last one need not be.
pub fn arguments(arguments: &[u8]) -> String {
    let mut arguments = Strings(Some(arguments));
    let (Some(_first), Some(rest)) = (arguments.next(), arguments.0) else {
        return String::new();
    };
    let mut line = Vec::with_capacity(rest.len() + 8);
    for (index, argument) in arguments.enumerate() {
        if argument.contains(&b' ') {
            line.extend_from_slice(b" \"");
            line.extend_from_slice(argument);
            line.push(b'"');
        } else {
            if index > 0 {
                line.push(b' ');
            }
            line.extend_from_slice(argument);
        }
    }
    String::from_utf8(line).unwrap_or_else(|error| lossy(error.as_bytes()))
}

/// Environment variables of the given names, of all names if there are none. `environment` are `NAME=value` strings
/// ended by NUL each.
pub fn environment(environment: &[u8], names: &[String]) -> Vec<EnvVar> {
    Strings(Some(environment))
        .filter_map(|variable| {
            let end = variable.iter().position(|&byte| byte == b'=').unwrap_or(variable.len());
            let (name, value) = variable.split_at(end);
            let wanted = names.is_empty() || names.iter().any(|wanted| wanted.as_bytes() == name);
            wanted.then(|| EnvVar {
                key: lossy(name),
                value: lossy(value.strip_prefix(b"=").unwrap_or(value)),
            })
        })
        .collect()
}

/// `path` seen from `/`: as it is when it begins there, else joined to the directory `cwd`, `.` and `..` resolved by
/// name. `None` for a relative path without a directory.
pub fn absolute(path: &[u8], cwd: &[u8]) -> Option<String> {
    if path.first() == Some(&b'/') {
        return Some(lossy(path));
    }
    if cwd.first() != Some(&b'/') || path.is_empty() {
        return None;
    }
    let mut components: Vec<&[u8]> = Vec::new();
    let slash = |byte: &u8| *byte == b'/';
    for component in cwd.split(slash).chain(path.split(slash)) {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    let mut joined = Vec::with_capacity(cwd.len() + path.len() + 1);
    for component in components {
        joined.push(b'/');
        joined.extend_from_slice(component);
    }
    if joined.is_empty() {
        joined.push(b'/');
    }
    Some(lossy(&joined))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn invalid_runs_become_one_character() {
        assert_eq!(lossy(b"abc"), "abc");
        assert_eq!(lossy(b"\xff"), "\u{fffd}");
        assert_eq!(lossy(b"a\xff\xfe\xe2\x28b\xff"), "a\u{fffd}(b\u{fffd}");
        assert_eq!(lossy("a\u{fffd}".as_bytes()), "a\u{fffd}");
    }

    #[test]
    fn one_line_of_arguments() {
        let check = |bytes: &[u8], expected: Expect| expected.assert_eq(&format!("{:?}", arguments(bytes)));
        check(b"", expect![[r#""""#]]);
        check(b"ls", expect![[r#""""#]]);
        check(b"ls\0", expect![[r#""""#]]);
        check(b"ls\0-l\0/tmp\0", expect![[r#""-l /tmp""#]]);
        check(b"a\0b c\0", expect![[r#"" \"b c\"""#]]);
        check(b"a\0x\0b c\0y\0", expect![[r#""x \"b c\" y""#]]);
        check(b"a\0\0", expect![[r#""""#]]);
        check(b"a\0\0b\0", expect![[r#"" b""#]]);
        check(b"a\0b\0\0\0", expect![[r#""b  ""#]]);
        check(
            b"a\0say \"hi\"\0new\nline\0",
            expect![[r#"" \"say \"hi\"\" new\nline""#]],
        );
        check(b"a\0\xff\xfe\0cut", expect![[r#""� cut""#]]);
    }

    #[test]
    fn variables_by_name() {
        let show = |variables: Vec<EnvVar>| {
            let shown: Vec<_> = variables
                .iter()
                .map(|var| format!("{}={}", var.key, var.value))
                .collect();
            shown.join(" ")
        };
        let bytes = b"A=1\0B=x=y\0odd\0C=\0";
        assert_eq!(show(environment(bytes, &[])), "A=1 B=x=y odd= C=");
        assert_eq!(show(environment(bytes, &["B".to_owned(), "Z".to_owned()])), "B=x=y");
        assert!(environment(b"", &[]).is_empty());
    }

    #[test]
    fn paths_from_the_root() {
        let check = |path: &str, cwd: &str, expected: Option<&str>| {
            assert_eq!(
                absolute(path.as_bytes(), cwd.as_bytes()).as_deref(),
                expected,
                "{path} in {cwd}"
            );
        };
        check("/bin/ls", "/tmp", Some("/bin/ls"));
        check("/bin/../ls", "/tmp", Some("/bin/../ls"));
        check("./a", "/tmp", Some("/tmp/a"));
        check("a", "/", Some("/a"));
        check("../../../a", "/tmp/b", Some("/a"));
        check("..", "/tmp", Some("/"));
        check("a", "", None);
        check("", "/tmp", None);
    }
}
