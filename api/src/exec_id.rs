//! `exec_id`: the name of a process that holds across nodes and reuse of process ids.
//!
//! Base64 (standard, padded) of `<node name>:<start in nanoseconds since boot>:<process id>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What an `exec_id` says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecId {
    /// Name of the node. Any text.
    pub node: String,
    /// When the process began, nanoseconds since boot.
    pub ktime: u64,
    /// Process id in the initial pid namespace.
    pub pid: u32,
}

/// The `exec_id` of process `pid` of `node`, started `ktime` nanoseconds after boot.
pub fn encode(node: &str, ktime: u64, pid: u32) -> String {
    let mut text = Vec::with_capacity(node.len() + 32);
    text.extend_from_slice(node.as_bytes());
    text.push(b':');
    text.extend_from_slice(itoa::Buffer::new().format(ktime).as_bytes());
    text.push(b':');
    text.extend_from_slice(itoa::Buffer::new().format(pid).as_bytes());
    STANDARD.encode(text)
}

/// Takes an `exec_id` apart. `None` when it is not one.
pub fn decode(exec_id: &str) -> Option<ExecId> {
    let text = String::from_utf8(STANDARD.decode(exec_id).ok()?).ok()?;
    let (rest, pid) = text.rsplit_once(':')?;
    let (node, ktime) = rest.rsplit_once(':')?;
    Some(ExecId {
        node: node.to_owned(),
        ktime: ktime.parse().ok()?,
        pid: pid.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encode_and_decode() {
        assert_eq!(
            encode("node-a", 910_000_000_001, 4242),
            "bm9kZS1hOjkxMDAwMDAwMDAwMTo0MjQy"
        );
        assert_eq!(encode("node-a", 1, 0), "bm9kZS1hOjE6MA==");
        for (node, ktime, pid) in [
            ("", 0, 0),
            ("node-a", 1, 0),
            ("a:b:c", u64::MAX, u32::MAX),
            ("нода", 7, 9),
        ] {
            let expected = ExecId {
                node: node.to_owned(),
                ktime,
                pid,
            };
            assert_eq!(decode(&encode(node, ktime, pid)), Some(expected));
        }
    }

    #[test]
    fn not_exec_ids() {
        for text in ["", "!", "bm9kZS1h", "bm9kZS1hOjE=", "bm9kZS1hOjE6eA==", "//8="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
