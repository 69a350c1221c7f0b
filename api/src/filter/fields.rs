//! Field filters: which fields of an event a client gets.
//!
//! Paths are relative to the event's own message (`process.exec_id`), spelled as the schema does or in lowerCamelCase;
//! through lists they reach every element. The envelope (node name, time) is never touched. Filters apply one after
//! another, each to the event types of its set (all when empty).
//!
//! They work on the encoded message, where a field is a number and a subtree a slice: no code for each message.

use prost::Message as _;
use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::event::event_type;
use crate::json::Json as _;
use crate::json::schema::{Kind, Label, Message};
use crate::v1::{FieldFilter, FieldFilterAction, GetEventsResponse};

/// Compiled field filters.
#[derive(Debug, Default)]
pub struct FieldFilters(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    action: FieldFilterAction,
    /// The event types to which it applies, as fields of the envelope.
    types: Vec<Node>,
}

/// A field on some path.
#[derive(Debug)]
struct Node {
    number: u32,
    /// A path ends here: the whole field is meant.
    whole: bool,
    below: Vec<Node>,
}

/// A field filter that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FieldFilterError {
    /// No event type of the set has the field.
    #[error("field filter: no event type that it applies to has a field {0:?}")]
    Path(String),
    /// Not an action.
    #[error("field filter: unknown action {0}, give INCLUDE or EXCLUDE")]
    Action(i32),
}

impl FieldFilters {
    /// Compiles `filters`. Each path must exist in one event type to which its filter applies. A filter without paths
    /// changes nothing.
    pub fn compile(filters: &[FieldFilter]) -> Result<Self, FieldFilterError> {
        let filters = filters
            .iter()
            .filter(|f| f.fields.as_ref().is_some_and(|mask| !mask.paths.is_empty()));
        filters.map(Compiled::compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes from `event` what the filters do not let through.
    pub fn apply(&self, event: &mut GetEventsResponse) {
        let number = event_type(event) as u32;
        let mut bytes: Option<Vec<u8>> = None;
        for Compiled { action, types } in &self.0 {
            let Some(node) = types.iter().find(|node| node.number == number) else {
                continue;
            };
            let before = bytes.take().unwrap_or_else(|| encode(event));
            let mut after = Vec::with_capacity(before.len());
            // What cannot be filtered is not shown; our own encoding always can.
            bytes = Some(match filter(&before, std::slice::from_ref(node), *action, &mut after) {
                Some(()) => after,
                None => Vec::new(),
            });
        }
        if let Some(bytes) = bytes {
            event.event = GetEventsResponse::decode(bytes.as_slice())
                .ok()
                .and_then(|decoded| decoded.event);
        }
    }
}

impl Compiled {
    fn compile(filter: &FieldFilter) -> Result<Self, FieldFilterError> {
        let FieldFilter {
            event_set,
            fields,
            action,
            invert_event_set,
        } = filter;
        let action = FieldFilterAction::try_from(*action).map_err(|_| FieldFilterError::Action(*action))?;
        let inverted = invert_event_set.unwrap_or_default();
        let applies = |number: u32| event_set.is_empty() || event_set.contains(&(number as i32)) != inverted;
        // The members of the oneof are the event types: the numbers are the same.
        let events = GetEventsResponse::SCHEMA
            .fields
            .iter()
            .filter(|field| field.oneof.is_some());
        let mut types: Vec<(&Message, Node)> = Vec::new();
        for field in events.filter(|field| applies(field.number)) {
            if let Kind::Message(message) = field.kind {
                types.push((
                    message,
                    Node {
                        number: field.number,
                        whole: false,
                        below: Vec::new(),
                    },
                ));
            }
        }
        for path in fields.iter().flat_map(|mask| &mask.paths) {
            let mut found = false;
            for (message, node) in &mut types {
                if let Some(numbers) = resolve(message, path) {
                    node.add(&numbers);
                    found = true;
                }
            }
            if !found {
                return Err(FieldFilterError::Path(path.clone()));
            }
        }
        Ok(Self {
            action,
            types: types.into_iter().map(|(_, node)| node).collect(),
        })
    }
}

impl Node {
    /// Adds the path of `numbers` below this field.
    fn add(&mut self, numbers: &[u32]) {
        let Some((&number, rest)) = numbers.split_first() else {
            self.whole = true;
            return;
        };
        let index = self
            .below
            .iter()
            .position(|node| node.number == number)
            .unwrap_or_else(|| {
                self.below.push(Self {
                    number,
                    whole: false,
                    below: Vec::new(),
                });
                self.below.len() - 1
            });
        self.below[index].add(rest);
    }
}

/// Field numbers along `path` from `message` on; `None` when there is no such field.
fn resolve(message: &'static Message, path: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    let mut message = Some(message);
    for name in path.split('.') {
        let field = message?.field(name)?;
        numbers.push(field.number);
        message = match field.kind {
            Kind::Message(message) if field.label != Label::Map => Some(message),
            _ => None,
        };
    }
    Some(numbers)
}

/// The event with its field number, without the envelope's own fields.
fn encode(event: &GetEventsResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(event) = &event.event {
        event.encode(&mut bytes);
    }
    bytes
}

/// Copies the fields of the message `bytes` that pass to `out`. `None` when `bytes` is not a message.
fn filter(mut bytes: &[u8], nodes: &[Node], action: FieldFilterAction, out: &mut Vec<u8>) -> Option<()> {
    while bytes.has_remaining() {
        let record = bytes;
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let content = bytes;
        skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
        let record = &record[..record.len() - bytes.len()];
        let keep = action == FieldFilterAction::Include;
        match nodes.iter().find(|node| node.number == number) {
            None if keep => {}
            None => out.extend_from_slice(record),
            Some(node) if node.whole => {
                if keep {
                    out.extend_from_slice(record);
                }
            }
            Some(node) if wire_type == WireType::LengthDelimited => {
                let mut content = &content[..content.len() - bytes.len()];
                decode_varint(&mut content).ok()?;
                let mut inner = Vec::with_capacity(content.len());
                filter(content, &node.below, action, &mut inner)?;
                encode_key(number, wire_type, out);
                encode_varint(inner.len() as u64, out);
                out.extend_from_slice(&inner);
            }
            Some(_) => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Unknown, parse, parse_event, write_event};

    /// Checks what `filters` (JSON) make of `event` (JSON).
    fn check(filters: &[&str], event: &str, expected: &str) {
        let filters: Vec<FieldFilter> = filters
            .iter()
            .map(|filter| parse(filter, Unknown::Reject).unwrap())
            .collect();
        let mut event = parse_event(event).unwrap();
        FieldFilters::compile(&filters).unwrap().apply(&mut event);
        let mut line = Vec::new();
        write_event(&event, &mut line);
        assert_eq!(String::from_utf8(line).unwrap().trim_end(), expected);
    }

    const EXEC: &str = r#"{"process_exec":{"process":{"exec_id":"a","pid":0,"binary":"/b","pod":{"name":"p","pod_labels":{"k":"v"}},"environment_variables":[{"Key":"x","Value":"y"},{"Key":"z"}]},"parent":{"pid":1}},"node_name":"n"}"#;

    #[test]
    fn include_keeps_only_what_is_named() {
        check(
            &[r#"{"fields":"process.pid,process.pod.podLabels,process.environment_variables.Key"}"#],
            EXEC,
            r#"{"process_exec":{"process":{"pid":0,"pod":{"pod_labels":{"k":"v"}},"environment_variables":[{"Key":"x"},{"Key":"z"}]}},"node_name":"n"}"#,
        );
        check(
            &[r#"{"fields":"process,process.pid"}"#],
            r#"{"process_exec":{"process":{"pid":0,"binary":"/b"},"parent":{"pid":1}}}"#,
            r#"{"process_exec":{"process":{"pid":0,"binary":"/b"}}}"#,
        );
        // No field of this type is named.
        check(
            &[r#"{"fields":"function_name"}"#],
            EXEC,
            r#"{"process_exec":{},"node_name":"n"}"#,
        );
    }

    #[test]
    fn exclude_drops_what_is_named() {
        check(
            &[r#"{"fields":"process.pod,process.environmentVariables,parent","action":"EXCLUDE"}"#],
            EXEC,
            r#"{"process_exec":{"process":{"exec_id":"a","pid":0,"binary":"/b"}},"node_name":"n"}"#,
        );
    }

    #[test]
    fn filters_follow_one_another() {
        check(
            &[
                r#"{"fields":"process"}"#,
                r#"{"fields":"process.pod,process.environment_variables","action":"EXCLUDE"}"#,
            ],
            EXEC,
            r#"{"process_exec":{"process":{"exec_id":"a","pid":0,"binary":"/b"}},"node_name":"n"}"#,
        );
    }

    #[test]
    fn only_for_the_event_types_of_the_set() {
        let exit = r#"{"process_exit":{"process":{"pid":3},"status":7}}"#;
        let dropped = r#"{"process_exit":{"process":{"pid":3}}}"#;
        check(
            &[r#"{"fields":"status","action":"EXCLUDE","event_set":["PROCESS_EXIT"]}"#],
            exit,
            dropped,
        );
        check(&[r#"{"fields":"process","event_set":["PROCESS_EXEC"]}"#], exit, exit);
        check(
            &[r#"{"fields":"process","event_set":["PROCESS_EXEC"],"invert_event_set":true}"#],
            exit,
            dropped,
        );
        check(
            &[r#"{"fields":"process","event_set":["PROCESS_EXIT"],"invert_event_set":true}"#],
            exit,
            exit,
        );
        check(&[r#"{"event_set":["PROCESS_EXIT"]}"#], exit, exit);
    }

    #[test]
    fn bad_filters() {
        let error = |filter: &str| FieldFilters::compile(&[parse(filter, Unknown::Reject).unwrap()]).unwrap_err();
        for path in [
            "proces",
            "process.",
            "process.pid.value",
            "node_name",
            "process.pod.pod_labels.k",
            "status",
        ] {
            let filter = format!(r#"{{"fields":"{path}","event_set":["PROCESS_EXEC"]}}"#);
            assert_eq!(error(&filter), FieldFilterError::Path(path.to_owned()));
        }
        assert_eq!(error(r#"{"fields":"process","action":7}"#), FieldFilterError::Action(7));
    }
}
