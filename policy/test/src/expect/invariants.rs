//! What holds of every stream of events, whatever the case.

use std::collections::{HashMap, HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Violations shown at most.
const SHOWN: usize = 5;

/// Nanoseconds by which images may be out of order.
const SLACK: u64 = 100_000_000;

/// Checks `events`, which are all that one agent wrote, and names what does not hold:
///
/// - an image is reported once, and ends once;
/// - no image ends that was not reported, unless it is a clone that never called `execve`;
/// - `exec_id` is of the node, the process id and a time; `parent_exec_id` is that of the parent in the event;
/// - images begin in order.
pub fn violations(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut began: HashMap<String, usize> = HashMap::new();
    let mut ended: HashSet<String> = HashSet::new();
    let mut latest = 0;
    for (index, event) in events.iter().enumerate() {
        let mut note = |what: String| found.push(format!("event {index}: {what}"));
        let (kind, body) = match (event.get("process_exec"), event.get("process_exit")) {
            (Some(body), None) => ("exec", body),
            (None, Some(body)) => ("exit", body),
            _ => continue,
        };
        let id = text(body, "/process/exec_id").to_owned();
        if let Err(error) = identity(body.pointer("/process"), event) {
            note(error);
        }
        if let Some(parent) = body.get("parent") {
            if let Err(error) = identity(Some(parent), event) {
                note(format!("parent: {error}"));
            }
            if text(body, "/parent/exec_id") != text(body, "/process/parent_exec_id") {
                note("parent_exec_id is not the exec_id of the parent".to_owned());
            }
        } else {
            note("has no parent".to_owned());
        }
        let flags = text(body, "/process/flags");
        if kind == "exec" {
            if let Some(first) = began.insert(id.clone(), index) {
                note(format!("the same image as in event {first}"));
            }
        } else {
            if !ended.insert(id.clone()) {
                note("the image has ended before".to_owned());
            }
            if !began.contains_key(&id) && !ends_unseen(body) {
                note(format!("an exit of {} that never began", text(body, "/process/binary")));
            }
        }
        // Processes found in /proc come in the order of their parents. CPUs that report at once may come a little late.
        if kind == "exec" && !flags.contains("procFS") {
            let ktime = ktime(&id);
            if ktime + SLACK < latest {
                note(format!("began at {ktime}, after one that began at {latest}"));
            }
            latest = latest.max(ktime);
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("… and {more} more"));
    }
    found
}

/// Whether the process may end without having been reported: kernel threads are not, nor is what was cloned and never
/// called `execve`.
fn ends_unseen(body: &Value) -> bool {
    let began = text(body, "/process/flags")
        .split(' ')
        .any(|flag| flag == "clone" || flag == "procFS");
    !began || text(body, "/process/binary").starts_with('[')
}

fn identity(process: Option<&Value>, event: &Value) -> Result<(), String> {
    let process = process.ok_or("has no process")?;
    let id = text(process, "/exec_id");
    let decoded = STANDARD.decode(id).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(|| format!("exec_id {id:?} is not base64"))?;
    let mut parts = decoded.rsplitn(3, ':');
    let pid = parts.next().and_then(|part| part.parse::<u64>().ok());
    let time = parts.next().and_then(|part| part.parse::<u64>().ok());
    if pid.is_none() || pid != process.get("pid").map_or(Some(0), Value::as_u64) || time.is_none() {
        return Err(format!("exec_id says {decoded}, pid is {:?}", process.get("pid")));
    }
    if parts.next() != event.get("node_name").and_then(Value::as_str) {
        return Err(format!("exec_id says {decoded}, the node is another"));
    }
    Ok(())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The time in an `exec_id`; 0 when there is none.
fn ktime(id: &str) -> u64 {
    let decoded = STANDARD
        .decode(id)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    decoded
        .rsplit(':')
        .nth(1)
        .and_then(|part| part.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    use super::violations;

    fn process(pid: u32, time: u64) -> Value {
        json!({
            "exec_id": STANDARD.encode(format!("vm:{time}:{pid}")), "pid": pid, "binary": "/bin/x",
            "flags": "execve", "parent_exec_id": STANDARD.encode("vm:1:2"),
        })
    }

    fn event(kind: &str, pid: u32, time: u64) -> Value {
        let parent = json!({ "exec_id": STANDARD.encode("vm:1:2"), "pid": 2 });
        json!({
            kind: { "process": process(pid, 7), "parent": parent },
            "node_name": "vm", "time": format!("2030-01-01T00:00:00.{time:09}Z"),
        })
    }

    fn exec_at(pid: u32, time: u64) -> Value {
        let mut event = event("process_exec", pid, 1);
        event["process_exec"]["process"] = process(pid, time);
        event
    }

    #[test]
    fn a_life_is_fine() {
        let events = [event("process_exec", 9, 1), event("process_exit", 9, 2)];
        assert_eq!(violations(&events), Vec::<String>::new());
    }

    #[test]
    fn doubles_are_named() {
        let events = [event("process_exec", 9, 1), event("process_exec", 9, 2)];
        assert_eq!(violations(&events), ["event 1: the same image as in event 0"]);
        let events = [
            event("process_exec", 9, 1),
            event("process_exit", 9, 2),
            event("process_exit", 9, 3),
        ];
        assert_eq!(violations(&events), ["event 2: the image has ended before"]);
    }

    #[test]
    fn order_and_identity_are_compared() {
        let events = [exec_at(9, 500_000_000), exec_at(8, 300_000_000)];
        assert_eq!(
            violations(&events),
            ["event 1: began at 300000000, after one that began at 500000000"]
        );
        let mut wrong = event("process_exec", 9, 1);
        wrong["process_exec"]["process"]["pid"] = json!(8);
        assert!(violations(&[wrong])[0].contains("exec_id says vm:7:9, pid is Some(Number(8))"));
        let mut wrong = event("process_exec", 9, 1);
        wrong["process_exec"]["process"]["parent_exec_id"] = json!("eA==");
        assert_eq!(
            violations(&[wrong]),
            ["event 0: parent_exec_id is not the exec_id of the parent"]
        );
    }
}
