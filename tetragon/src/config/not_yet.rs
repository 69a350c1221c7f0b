//! Flags of features that are not there yet.
//!
//! They can be given the values that leave the feature off, so that command lines and drop-ins written for Tetragon
//! keep working; any other value is refused rather than ignored. A feature that arrives moves its row to
//! [`Flags`](super::flags::Flags).

use clap::{Arg, ArgMatches, Command};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing, or `=true` or `=false`.
    Switch,
    /// A value.
    Value,
}

use Form::{Switch, Value};

/// Name, form, and the values that leave the feature off, the default first.
type Row = (&'static str, Form, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("cgroup-rate", Value, &[""]),
    ("cpuprofile", Value, &[""]),
    ("cri-endpoint", Value, &[""]),
    ("deleted-pod-cache-size", Value, &["1024"]),
    ("disable-kprobe-multi", Switch, &["false"]),
    ("disable-process-cache", Switch, &["false"]),
    ("enable-cgidmap", Switch, &["false"]),
    ("enable-cgidmap-debug", Switch, &["false"]),
    ("enable-cgtrackerid", Switch, &["true", "false"]),
    ("enable-cri", Switch, &["false"]),
    ("enable-event-metrics", Switch, &["true", "false"]),
    ("enable-k8s-api", Switch, &["false"]),
    ("enable-msg-handling-latency", Switch, &["false"]),
    ("enable-pod-annotations", Switch, &["false"]),
    ("enable-pod-info", Switch, &["false"]),
    ("enable-policy-filter", Switch, &["false"]),
    ("enable-policy-filter-cgroup-map", Switch, &["false"]),
    ("enable-policy-filter-debug", Switch, &["false"]),
    ("enable-tracing-policy-crd", Switch, &["true", "false"]),
    ("force-large-progs", Switch, &["false"]),
    ("force-small-progs", Switch, &["false"]),
    ("generate-docs", Switch, &["false"]),
    ("gops-address", Value, &[""]),
    ("k8s-controlplane-retry", Value, &["1"]),
    ("k8s-kubeconfig-path", Value, &[""]),
    ("kernel", Value, &[""]),
    ("memprofile", Value, &[""]),
    (
        "metrics-label-filter",
        Value,
        &["namespace,workload,pod,binary", "", "namespace workload pod binary"],
    ),
    ("metrics-server", Value, &[""]),
    ("netns-dir", Value, &["/var/run/docker/netns/", "/var/run/docker/netns"]),
    ("parents-map-enabled", Switch, &["false", "true"]),
    ("parents-map-entries", Value, &["0"]),
    ("parents-map-size", Value, &[""]),
    ("persist-grpc-policies", Switch, &["false"]),
    (
        "persist-grpc-policies-dir",
        Value,
        &["/var/run/tetragon/grpc-policies", "/var/run/tetragon/grpc-policies/"],
    ),
    ("pprof-address", Value, &[""]),
    ("retprobes-cache-size", Value, &["4096"]),
    ("server-tls-cert-file", Value, &[""]),
    ("server-tls-client-ca-files", Value, &["", "[]"]),
    ("server-tls-key-file", Value, &[""]),
    ("server-tls-require-client-cert", Switch, &["false"]),
    ("sleepable-preload-size", Value, &["32768"]),
    ("use-perf-ring-buffer", Switch, &["false"]),
    ("verbose", Value, &["0"]),
];

/// Adds the flags to `command`, without help: there is nothing to say about them.
pub(super) fn add(command: Command) -> Command {
    command.args(ROWS.iter().map(|&(name, form, off)| {
        let arg = Arg::new(name).long(name).default_value(off[0]).hide(true);
        match form {
            Switch => arg.value_parser(super::values::boolean),
            Value => arg.value_parser(clap::builder::StringValueParser::new()),
        }
    }))
}

/// The first flag that asks for something.
pub(super) fn asked_for(matches: &ArgMatches) -> Option<&'static str> {
    let row = ROWS.iter().find(|&&(name, form, off)| {
        let value = match form {
            Switch => matches.get_one::<bool>(name).map(bool::to_string),
            Value => matches.get_one::<String>(name).map(|value| value.trim().to_owned()),
        };
        value.is_some_and(|value| !off.contains(&value.as_str()))
    });
    row.map(|&(name, ..)| name)
}
