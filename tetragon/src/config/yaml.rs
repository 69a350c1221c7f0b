//! The YAML form of configuration: names with values. A value is the text that is written, so that `0640` or `1e3` mean
//! what they mean in a drop-in file. Lists become texts with commas.
//!
//! Texts must be asked for to be had untouched, and whether a value is one or a list must be known to ask. So there are
//! two passes: the first only looks at kinds.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Names and values of `content`. Values that are maps are left out: no flag has such a form, so the name is none.
pub(super) fn parse(content: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "not UTF-8".to_owned())?;
    let kinds = read(text, KindOfValue)?;
    read(text, TextOfValue(kinds))
}

fn read<V: ReadValue>(text: &str, values: V) -> Result<BTreeMap<String, V::Value>, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        deserializer.deserialize_map(Names(values))
    })
    .map_err(|error| error.to_string().lines().collect::<Vec<_>>().join("; "))
}

/// How to read the value of a name.
trait ReadValue {
    type Value;

    fn read<'de, M: MapAccess<'de>>(&self, name: &str, map: &mut M) -> Result<Option<Self::Value>, M::Error>;
}

/// The first pass.
struct KindOfValue;

/// The second pass, with the results of the first.
struct TextOfValue(BTreeMap<String, Kind>);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    List,
    Map,
}

impl ReadValue for KindOfValue {
    type Value = Kind;

    fn read<'de, M: MapAccess<'de>>(&self, _: &str, map: &mut M) -> Result<Option<Kind>, M::Error> {
        map.next_value().map(Some)
    }
}

impl ReadValue for TextOfValue {
    type Value = String;

    fn read<'de, M: MapAccess<'de>>(&self, name: &str, map: &mut M) -> Result<Option<String>, M::Error> {
        Ok(match self.0.get(name) {
            Some(Kind::List) => Some(map.next_value::<Vec<String>>()?.join(",")),
            Some(Kind::Map) => map.next_value::<IgnoredAny>().map(|_| None)?,
            // Nothing at all is the empty text.
            Some(Kind::Text) | None => Some(map.next_value::<Option<String>>()?.unwrap_or_default()),
        })
    }
}

struct Names<V>(V);

impl<'de, V: ReadValue> Visitor<'de> for Names<V> {
    type Value = BTreeMap<String, V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names of flags with their values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut all = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(value) = self.0.read(&name, &mut map)? {
                all.insert(name, value);
            }
        }
        Ok(all)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Text)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Kind, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::List)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Kind, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Kind::Map)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    #[test]
    fn values_are_texts() {
        let parsed = super::parse(
            b"# nothing\nexport-file-perm: 0640\ncluster-name: 1e3\ndebug: yes\nlog-file:\nlog-level: ~\nbtf: ''\n\
              enable-ancestors: [base, kprobe]\nfilter-environment-variables:\n- A\n- 007\nunknown: {a: [1]}\n\
              export-allowlist: |\n  {\"pid\":[1]}\n  {\"pid\":[2]}\nexport-rate-limit: -1\n",
        );
        expect![[r#"
            Ok(
                {
                    "btf": "",
                    "cluster-name": "1e3",
                    "debug": "yes",
                    "enable-ancestors": "base,kprobe",
                    "export-allowlist": "{\"pid\":[1]}\n{\"pid\":[2]}\n",
                    "export-file-perm": "0640",
                    "export-rate-limit": "-1",
                    "filter-environment-variables": "A,007",
                    "log-file": "",
                    "log-level": "",
                },
            )
        "#]]
        .assert_debug_eq(&parsed);
        assert_eq!(super::parse(b""), Ok([].into()));
    }

    #[test]
    fn errors_are_one_line_with_the_place() {
        let errors = [
            "- 1",
            "text",
            "a: 1\na: 2",
            "a: [",
            "a: 1\n---\nb: 2",
            "a: [[1]]",
            "a: \"x",
        ];
        let errors: Vec<String> = errors.map(|text| super::parse(text.as_bytes()).unwrap_err()).into();
        expect![[r"
            expected mapping start at line 1, column 1
            expected mapping start at line 1, column 1
            duplicate mapping key: a, set DuplicateKeyPolicy in Options if acceptable at line 2, column 1
            unclosed bracket '[' at line 1, column 4
            multiple YAML documents detected; use from_str_multiple or from_str_multiple_with_options at line 3, column 1
            expected string scalar at line 1, column 5
            unclosed quote at line 1, column 4"]].assert_eq(&errors.join("\n"));
    }
}
