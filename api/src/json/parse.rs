//! Reading: from JSON text to protobuf bytes by the tables of [`schema`](super::schema), and from those to the message.
//!
//! One parser serves every message. It makes no tree of the input; its memory is the encoded message.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{Field, Kind, Label, Message};
use super::time::{parse_duration, parse_timestamp};
use super::well_known::{parse_any, parse_field_mask};

/// What to do with fields and enum names that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Go on as if they were not there: input from another version.
    Ignore,
    /// Fail: input that a user wrote.
    Reject,
}

/// An object, appended to `out` as the fields of `message`.
pub(super) struct Object<'a> {
    pub(super) message: &'static Message,
    pub(super) unknown: Unknown,
    pub(super) out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { message, unknown, out } = self;
        let mut seen = 0_u64;
        let mut oneofs = 0_u64;
        while let Some(index) = map.next_key_seed(Key { message, unknown })? {
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &message.fields[index];
            let before = out.len();
            map.next_value_seed(Entry {
                field,
                unknown,
                out: &mut *out,
            })?;
            if seen & 1 << index != 0 {
                return Err(A::Error::custom(format_args!("field `{}` given twice", field.name)));
            }
            seen |= 1 << index;
            if let Some(oneof) = field.oneof
                && out.len() > before
            {
                if oneofs & 1 << oneof != 0 {
                    return Err(A::Error::custom(format_args!(
                        "`{}` excludes a field given before",
                        field.name
                    )));
                }
                oneofs |= 1 << oneof;
            }
        }
        Ok(())
    }
}

/// The key of an object: the index of its field.
struct Key {
    message: &'static Message,
    unknown: Unknown,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let index = self.message.position(key);
        if index.is_none() && self.unknown == Unknown::Reject {
            return Err(E::custom(format_args!(
                "unknown field `{key}` in {}",
                self.message.name
            )));
        }
        Ok(index)
    }
}

/// All that a field holds: one value, a list or a map.
struct Entry<'a> {
    field: &'static Field,
    unknown: Unknown,
    out: &'a mut Vec<u8>,
}

impl Entry<'_> {
    /// One value with its own key, as field `number`.
    fn one(&mut self, number: u32) -> One<'_> {
        One {
            name: self.field.name,
            kind: &self.field.kind,
            number,
            unknown: self.unknown,
            out: self.out,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        match self.field.label {
            Label::One => self.one(self.field.number).deserialize(deserializer),
            Label::Many | Label::Map => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.field.label == Label::Map {
            "an object"
        } else {
            "a list"
        };
        write!(f, "{what} for `{}`", self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        if self.field.label != Label::Many {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let number = self.field.number;
        while seq.next_element_seed(self.one(number))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.field.label != Label::Map {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        }
        let number = self.field.number;
        while let Some(key) = map.next_key::<String>()? {
            let start = self.out.len();
            bytes(self.out, 1, key.as_bytes());
            map.next_value_seed(self.one(2))?;
            prefix(self.out, start, number);
        }
        Ok(())
    }
}

/// One value.
struct One<'a> {
    name: &'static str,
    kind: &'static Kind,
    number: u32,
    unknown: Unknown,
    out: &'a mut Vec<u8>,
}

impl One<'_> {
    fn varint(&mut self, value: u64) {
        encode_key(self.number, WireType::Varint, self.out);
        encode_varint(value, self.out);
    }

    /// The bare value inside the message that wraps it.
    fn wrapped<E: Error>(self, inner: &'static Kind, put: impl FnOnce(One<'_>) -> Result<(), E>) -> Result<(), E> {
        let start = self.out.len();
        put(One {
            kind: inner,
            number: 1,
            out: &mut *self.out,
            ..self
        })?;
        prefix(self.out, start, self.number);
        Ok(())
    }

    fn integer<E: Error>(mut self, value: i128) -> Result<(), E> {
        let range = match self.kind {
            Kind::Int32 | Kind::Enum(_) => i128::from(i32::MIN)..=i128::from(i32::MAX),
            Kind::Uint32 => 0..=i128::from(u32::MAX),
            Kind::Int64 => i128::from(i64::MIN)..=i128::from(i64::MAX),
            Kind::Uint64 => 0..=i128::from(u64::MAX),
            Kind::Wrapper(inner) => return self.wrapped(inner, |one| one.integer(value)),
            _ => return Err(E::custom(format_args!("`{}` does not take a number", self.name))),
        };
        if !range.contains(&value) {
            return Err(E::custom(format_args!("{value} is out of range for `{}`", self.name)));
        }
        self.varint(value as u64);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.kind {
            Kind::Any => {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
                if !value.is_null() {
                    let any = parse_any(&value).map_err(D::Error::custom)?;
                    bytes(self.out, self.number, &any.encode_to_vec());
                }
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Bool | Kind::Wrapper(Kind::Bool) => "true or false",
            Kind::Message(_) => "an object",
            Kind::Enum(_) => "a name",
            Kind::String | Kind::Bytes | Kind::Timestamp | Kind::Duration | Kind::FieldMask | Kind::Any => "a string",
            Kind::Int32 | Kind::Uint32 | Kind::Int64 | Kind::Uint64 | Kind::Wrapper(_) => "a whole number",
        };
        write!(f, "{what} for `{}`", self.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        match self.kind {
            Kind::Bool => self.varint(u64::from(value)),
            Kind::Wrapper(inner) => return self.wrapped(inner, |one| one.visit_bool(value)),
            _ => return Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    /// Whole numbers may be written with a fraction or an exponent.
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if value.fract() != 0.0 {
            return Err(E::invalid_type(serde::de::Unexpected::Float(value), &self));
        }
        self.integer(value as i128)
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        let wrong = |one: &Self| E::invalid_value(serde::de::Unexpected::Str(value), one);
        match self.kind {
            Kind::String => bytes(self.out, self.number, value.as_bytes()),
            Kind::Bytes => {
                let decoded = decode_base64(value).ok_or_else(|| wrong(&self))?;
                bytes(self.out, self.number, &decoded);
            }
            Kind::Enum(names) => match names.number(value) {
                Some(number) => self.varint(i64::from(number) as u64),
                None if self.unknown == Unknown::Ignore => {}
                None => return Err(wrong(&self)),
            },
            Kind::Timestamp => {
                let time = parse_timestamp(value).ok_or_else(|| wrong(&self))?;
                bytes(self.out, self.number, &time.encode_to_vec());
            }
            Kind::Duration => {
                let duration = parse_duration(value).ok_or_else(|| wrong(&self))?;
                bytes(self.out, self.number, &duration.encode_to_vec());
            }
            Kind::FieldMask => bytes(self.out, self.number, &parse_field_mask(value).encode_to_vec()),
            Kind::Int32 | Kind::Uint32 | Kind::Int64 | Kind::Uint64 => {
                let number = value.parse().map_err(|_| wrong(&self))?;
                return self.integer(number);
            }
            Kind::Wrapper(inner) => return self.wrapped(inner, |one| one.visit_str(value)),
            Kind::Bool | Kind::Message(_) | Kind::Any => return Err(wrong(&self)),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Message(message) = *self.kind else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        let start = self.out.len();
        Object {
            message,
            unknown: self.unknown,
            out: &mut *self.out,
        }
        .visit_map(map)?;
        prefix(self.out, start, self.number);
        Ok(())
    }
}

fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Puts key and length of field `number` before what was written since `start`.
fn prefix(out: &mut Vec<u8>, start: usize, number: u32) {
    let end = out.len();
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint((end - start) as u64, out);
    let head = out.len() - end;
    out[start..].rotate_right(head);
}

/// Standard or URL-safe alphabet, with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}
