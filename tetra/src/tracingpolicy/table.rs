//! The list of policies as a table, in the columns of Tetragon's.

use tetragon_api::v1::{HookStatus, TracingPolicyActionCounters, TracingPolicyState, TracingPolicyStatus};

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

/// Header of the hooks of a policy.
const HOOKS: [&str; 4] = ["SECTION", "CFGIDX", "DESCRIPTION", "STATUS"];

/// What is in front of the hooks of a policy.
const INDENT: &str = "  ";

/// The table of `policies`, header included. Where some hooks of a policy are not in place, all follow.
pub(super) fn text(policies: &[TracingPolicyStatus]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(policies.iter().map(row));
    let mut out = String::new();
    let mut lines = lines(&rows).into_iter();
    out.extend(lines.next());
    for (policy, line) in policies.iter().zip(lines) {
        out += &line;
        if policy.state() == TracingPolicyState::TpStatePartiallyEnabled {
            let mut hooks = vec![HOOKS.map(str::to_owned)];
            hooks.extend(policy.hook_statuses.iter().map(hook));
            for line in self::lines(&hooks) {
                out += INDENT;
                out += &line;
            }
        }
    }
    out
}

/// The lines of a table.
fn lines<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; COLUMNS]| {
        let mut line = String::new();
        for (index, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if index + 1 < COLUMNS {
                let blanks = widths[index] - cell.chars().count() + GAP;
                line.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        line.push('\n');
        line
    };
    rows.iter().map(line).collect()
}

fn hook(hook: &HookStatus) -> [String; HOOKS.len()] {
    [
        escape(&hook.section).into_owned(),
        hook.hook_idx.to_string(),
        escape(&hook.hook_description).into_owned(),
        short(hook.state().as_str_name(), "STATUS_"),
    ]
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
    use tetragon_api::v1::{HookState, TracingPolicyMode, TracingPolicyStats};

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

    #[test]
    fn hooks_follow_when_some_are_not_in_place() {
        let hook = |position, description: &str, state: HookState| HookStatus {
            section: "kprobes".into(),
            state: state.into(),
            hook_description: description.into(),
            hook_idx: position,
        };
        let policy = TracingPolicyStatus {
            id: 3,
            name: "maps".into(),
            domain: "grpc".into(),
            state: TracingPolicyState::TpStatePartiallyEnabled.into(),
            hook_statuses: vec![
                hook(0, "security_bpf_map_alloc", HookState::StatusCallNotFound),
                hook(1, "bpf_check\u{7}", HookState::StatusLoaded),
            ],
            ..TracingPolicyStatus::default()
        };
        expect![[r"
            ID   NAME   DOMAIN   STATE               FILTERID   NAMESPACE   SENSORS   KERNELMEMORY   MODE      NPOST   NENFORCE   NMONITOR
            3    maps   grpc     partially_enabled   0          (global)              0 B            unknown   0       0          0
              SECTION   CFGIDX   DESCRIPTION              STATUS
              kprobes   0        security_bpf_map_alloc   call_not_found
              kprobes   1        bpf_check\a              loaded
        "]].assert_eq(&text(&[policy]));
    }
}
