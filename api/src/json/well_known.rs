//! `google.protobuf.FieldMask` and `Any` as JSON.

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Any, FieldMask, ListValue, Struct, Value};
use serde_json::Value as Json;

use super::sealed::Write;
use super::write::{close, open, set, string};

const TYPE_PREFIX: &str = "type.googleapis.com/google.protobuf.";

/// Paths in lowerCamelCase, joined by commas.
impl Write for FieldMask {
    fn write(&self, out: &mut Vec<u8>) {
        let mut text = String::new();
        for (index, path) in self.paths.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let mut upper = false;
            for c in path.chars() {
                match c {
                    '_' => upper = true,
                    c => text.push(if std::mem::take(&mut upper) {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }),
                }
            }
        }
        string(out, &text);
    }
}

/// Paths joined by commas, in lowerCamelCase or as the schema spells them. A name that begins with a capital is the
/// schema's own.
pub(super) fn parse_field_mask(text: &str) -> FieldMask {
    let paths = text.split(',').filter(|path| !path.is_empty());
    let names = |path: &str| path.split('.').map(snake_case).collect::<Vec<_>>().join(".");
    FieldMask {
        paths: paths.map(names).collect(),
    }
}

fn snake_case(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return name.to_owned();
    }
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// The types that `GetInfo` uses. Of a value of another type, only the type is written.
impl Write for Any {
    fn write(&self, out: &mut Vec<u8>) {
        open(out);
        set(out, "\"@type\":", &self.type_url);
        let name = self.type_url.strip_prefix(TYPE_PREFIX).unwrap_or_default();
        let bytes = self.value.as_slice();
        // The wrapper messages decode as the bare types.
        match name {
            "StringValue" => write_value(out, String::decode(bytes)),
            "BoolValue" => write_value(out, bool::decode(bytes)),
            "Int64Value" => write_value(out, i64::decode(bytes)),
            "ListValue" => write_value(out, ListValue::decode(bytes)),
            _ => {}
        }
        close(out);
    }
}

fn write_value<V: Write>(out: &mut Vec<u8>, value: Result<V, prost::DecodeError>) {
    if let Ok(value) = value {
        set(out, "\"value\":", &value);
    }
}

impl Write for ListValue {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(json_list(self).to_string().as_bytes());
    }
}

fn json_list(list: &ListValue) -> Json {
    Json::Array(list.values.iter().map(json_value).collect())
}

fn json_value(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(*value),
        // Whole numbers print without a fraction.
        Some(Kind::NumberValue(value)) if value.fract() == 0.0 && value.abs() < 1e15 => Json::from(*value as i64),
        Some(Kind::NumberValue(value)) => Json::from(*value),
        Some(Kind::StringValue(value)) => Json::String(value.clone()),
        Some(Kind::ListValue(list)) => json_list(list),
        Some(Kind::StructValue(fields)) => Json::Object(
            fields
                .fields
                .iter()
                .map(|(key, value)| (key.clone(), json_value(value)))
                .collect(),
        ),
    }
}

/// An `Any` from its JSON form; the message says what is wrong.
pub(super) fn parse_any(value: &Json) -> Result<Any, &'static str> {
    let type_url = value
        .get("@type")
        .and_then(Json::as_str)
        .ok_or("an Any needs a string `@type`")?;
    let name = type_url.strip_prefix(TYPE_PREFIX).unwrap_or_default();
    let value = value.get("value").unwrap_or(&Json::Null);
    let bytes = match (name, value) {
        ("StringValue", Json::String(value)) => value.encode_to_vec(),
        ("BoolValue", Json::Bool(value)) => value.encode_to_vec(),
        ("Int64Value", Json::String(value)) => value.parse::<i64>().map_err(|_| "not a 64-bit number")?.encode_to_vec(),
        ("Int64Value", Json::Number(value)) => value.as_i64().ok_or("not a 64-bit number")?.encode_to_vec(),
        ("ListValue", Json::Array(values)) => list_value(values).encode_to_vec(),
        ("StringValue" | "BoolValue" | "Int64Value" | "ListValue", _) => return Err("`value` does not fit `@type`"),
        _ => Vec::new(),
    };
    Ok(Any {
        type_url: type_url.to_owned(),
        value: bytes,
    })
}

fn list_value(values: &[Json]) -> ListValue {
    ListValue {
        values: values.iter().map(value_of).collect(),
    }
}

fn value_of(value: &Json) -> Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(values) => Kind::ListValue(list_value(values)),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(key, value)| (key.clone(), value_of(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}
