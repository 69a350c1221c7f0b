//! The list of policies as a table, in the columns of Tetragon's.

use tetragon_api::v1::{TracingPolicyActionCounters, TracingPolicyStatus};

use crate::compact::escape;

const HEADER: [&str; 12] = [
    "ID",
    "NAME",
    "DOMAIN",
    "STATE",
    "FILTERID",
    "NAMESPACE",
    "SENSORS",
    "KERNELMEMORY",
    "MODE",
    "NPOST",
    "NENFORCE",
    "NMONITOR",
];

/// Blanks between columns.
const GAP: usize = 3;

/// The table of `policies`, header included.
pub(super) fn text(policies: &[TracingPolicyStatus]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(policies.iter().map(row));
    let mut widths = [0; HEADER.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if index + 1 < HEADER.len() {
                let blanks = widths[index] - cell.chars().count() + GAP;
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        out.push('\n');
    }
    out
}

fn row(policy: &TracingPolicyStatus) -> [String; HEADER.len()] {
    let counts = policy.stats.as_ref().and_then(|stats| stats.action_counters);
    let count = |pick: fn(&TracingPolicyActionCounters) -> u64| counts.as_ref().map_or(0, pick).to_string();
    [
        policy.id.to_string(),
        escape(&policy.name).into_owned(),
        escape(&policy.domain).into_owned(),
        short(policy.state().as_str_name(), "TP_STATE_"),
        policy.filter_id.to_string(),
        if policy.namespace.is_empty() {
            "(global)".to_owned()
        } else {
            escape(&policy.namespace).into_owned()
        },
        escape(&policy.sensors.join(",")).into_owned(),
        size(policy.kernel_memory_bytes),
        short(policy.mode().as_str_name(), "TP_MODE_"),
        count(|counts| counts.post),
        count(|counts| counts.signal + counts.r#override + counts.notify_enforcer + counts.set),
        count(|counts| {
            counts.monitor_signal + counts.monitor_override + counts.monitor_notify_enforcer + counts.monitor_set
        }),
    ]
}

/// Name of an enumerator without its prefix, in lower case.
fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// Bytes in decimal units.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "two digits behind the point are shown")]
    let mut value = bytes as f64;
    let mut unit = "B";
    for name in UNITS {
        if value < 1_000.0 {
            break;
        }
        value /= 1_000.0;
        unit = name;
    }
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tetragon_api::v1::{TracingPolicyMode, TracingPolicyState, TracingPolicyStats};

    use super::*;

    #[test]
    fn columns_are_those_of_tetragon() {
        let policies = [
            TracingPolicyStatus {
                id: 1,
                name: "files".into(),
                domain: "grpc".into(),
                state: TracingPolicyState::TpStateEnabled.into(),
                sensors: vec!["fentry:fd_install".into(), "kprobe:__x64_sys_write".into()],
                kernel_memory_bytes: 1_880_000,
                mode: TracingPolicyMode::TpModeMonitorOnly.into(),
                ..TracingPolicyStatus::default()
            },
            TracingPolicyStatus {
                id: 12,
                name: "kill\u{1b}[2J".into(),
                namespace: "shop".into(),
                domain: "static".into(),
                kernel_memory_bytes: 512,
                mode: TracingPolicyMode::TpModeEnforce.into(),
                stats: Some(TracingPolicyStats {
                    action_counters: Some(TracingPolicyActionCounters {
                        post: 5,
                        signal: 2,
                        r#override: 1,
                        monitor_set: 7,
                        ..TracingPolicyActionCounters::default()
                    }),
                    ..TracingPolicyStats::default()
                }),
                ..TracingPolicyStatus::default()
            },
        ];
        expect![[r"
            ID   NAME          DOMAIN   STATE     FILTERID   NAMESPACE   SENSORS                                    KERNELMEMORY   MODE           NPOST   NENFORCE   NMONITOR
            1    files         grpc     enabled   0          (global)    fentry:fd_install,kprobe:__x64_sys_write   1.88 MB        monitor_only   0       0          0
            12   kill\x1b[2J   static   unknown   0          shop                                                   512 B          enforce        5       3          7
        "]]
        .assert_eq(&text(&policies));
    }
}
