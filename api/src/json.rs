//! The JSON form of events and other messages: canonical proto3 JSON with the schema's own field names.
//!
//! Written by code generated for each message, straight into a byte vector: fields in declaration order, no spaces, 64-bit
//! numbers as strings, bytes in standard base64, enums as names (bare numbers when unknown), wrappers as bare values,
//! maps with sorted keys, nothing for what is not set, only the necessary escapes.
//!
//! Read by one parser over generated tables: names in the schema's spelling or in lowerCamelCase; numbers bare or in
//! strings; [`Unknown`] says what becomes of fields of other versions. Input never panics, and needs memory in
//! proportion to its length.
//!
//! `Any` values are understood only for the types that `GetInfo` uses.
//!
//! ```
//! let line = r#"{"process_exec":{"process":{"pid":1,"binary":"/sbin/init"}},"node_name":"n"}"#;
//! let event = tetragon_api::json::parse_event(line)?;
//! let mut out = Vec::new();
//! tetragon_api::json::write_event(&event, &mut out);
//! assert_eq!(out, [line.as_bytes(), b"\n"].concat());
//! # Ok::<(), tetragon_api::json::ParseError>(())
//! ```

mod parse;
pub mod schema;
mod time;
mod well_known;
mod write;

pub use parse::Unknown;

use serde::de::DeserializeSeed as _;

use crate::v1;
use parse::Object;
use schema::{Enum, Field, Kind, Label, Message};

/// A message of the API.
pub trait Json: prost::Message + Default + sealed::Write {
    /// Its fields.
    const SCHEMA: &'static Message;
}

mod sealed {
    /// Something that has a JSON form.
    pub trait Write {
        /// Appends the JSON form to `out`.
        fn write(&self, out: &mut Vec<u8>);
    }
}

/// Text that is not the JSON form of the message asked for. Says what and where.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ParseError(#[from] serde_json::Error);

impl ParseError {
    /// The same about text that is one line of many, whose number the caller knows: with the column alone, if any.
    pub fn in_line(&self) -> String {
        let Self(error) = self;
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        match (text.strip_suffix(&position), error.column()) {
            (Some(reason), 0) => reason.to_owned(),
            (Some(reason), column) => format!("{reason} at column {column}"),
            (None, _) => text,
        }
    }
}

/// Appends `event` as one line, newline included.
pub fn write_event(event: &v1::GetEventsResponse, out: &mut Vec<u8>) {
    write(event, out);
    out.push(b'\n');
}

/// Appends the JSON form of `message`, without a newline.
pub fn write<M: Json>(message: &M, out: &mut Vec<u8>) {
    message.write(out);
}

/// An event from one line of JSON. Ignores what it does not know; an event of an unknown type has no `event`.
pub fn parse_event(line: &str) -> Result<v1::GetEventsResponse, ParseError> {
    parse(line, Unknown::Ignore)
}

/// A message from its JSON form.
pub fn parse<M: Json>(text: &str, unknown: Unknown) -> Result<M, ParseError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let message = next(&mut deserializer, unknown)?;
    deserializer.end()?;
    Ok(message)
}

/// Messages from JSON objects one after another, with or without white space between them.
pub fn parse_all<M: Json>(text: &str, unknown: Unknown) -> Result<Vec<M>, ParseError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut messages = Vec::new();
    while deserializer.end().is_err() {
        messages.push(next(&mut deserializer, unknown)?);
    }
    Ok(messages)
}

type Reader<'a> = serde_json::Deserializer<serde_json::de::StrRead<'a>>;

fn next<M: Json>(deserializer: &mut Reader<'_>, unknown: Unknown) -> Result<M, ParseError> {
    let mut bytes = Vec::new();
    Object {
        message: M::SCHEMA,
        unknown,
        out: &mut bytes,
    }
    .deserialize(deserializer)?;
    M::decode(bytes.as_slice()).map_err(|error| ParseError(serde::de::Error::custom(error)))
}

#[allow(dead_code, deprecated, clippy::all, clippy::pedantic, reason = "generated code")]
mod generated {
    use super::{Enum, Field, Json, Kind, Label, Message, sealed, v1, write};

    include!(concat!(env!("OUT_DIR"), "/json.rs"));
}

#[cfg(test)]
mod tests;
