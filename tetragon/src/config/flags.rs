//! Every flag, in one place: name, form, default and help. Drop-in files, YAML keys and environment variables have the
//! same names and take the same forms.

#![allow(
    clippy::struct_field_names,
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "fields are named like flags, and their comments are the help"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Command, FromArgMatches, Parser};

use super::values::{boolean, duration, number, permissions, rate, size};
use super::{Error, not_yet};

const MAX: u64 = u64::MAX;
const U32: u64 = u32::MAX as u64;

/// What was typed, or set in the environment or in files. What it means is in [`Config`](super::Config).
#[derive(Clone, Debug, Parser)]
#[command(
    name = "tetragon",
    version = crate::VERSION,
    about = "Observes processes with eBPF and exports what they do as events",
    disable_help_subcommand = true
)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) general: General,
    #[command(flatten)]
    pub(super) logging: Logging,
    #[command(flatten)]
    pub(super) export: Export,
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    pub(super) events: Events,
    #[command(flatten)]
    pub(super) sizes: Sizes,
}

/// Where things are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "General")]
pub(super) struct General {
    /// Directory with one file a flag, stronger than all other configuration files
    #[arg(long, default_value = "")]
    pub(super) config_dir: String,
    /// Directory that may hold tetragon.bpf.o, to use instead of the one built in, and kernel type information
    #[arg(long, default_value = "/var/lib/tetragon/")]
    pub(super) bpf_lib: String,
    /// File with the type information (BTF) of the running kernel [default: /sys/kernel/btf/vmlinux]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) btf: String,
    /// Where the proc file system of the host is
    #[arg(long, default_value = "/proc/")]
    pub(super) procfs: PathBuf,
    /// Name of the cluster, to put into events
    #[arg(long, default_value = "")]
    pub(super) cluster_name: String,
    /// Directory with policies to load
    #[arg(long, default_value = super::POLICY_DIR)]
    pub(super) tracing_policy_dir: PathBuf,
    /// File with a policy to load
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) tracing_policy: String,
    /// Let GetUrl actions of policies ask at addresses of this machine and of private networks
    #[arg(long, default_value = "false")]
    pub(super) allow_action_private_addresses: bool,
    /// Keep policies in force when the agent has ended, however it ended
    #[arg(long, default_value = "false")]
    pub(super) keep_sensors_on_exit: bool,
    /// Remove what a former agent has kept in force at start; else when the policies of this one are loaded
    #[arg(long, default_value = "true")]
    pub(super) release_pinned_bpf: bool,
    /// Name of the directory, in the BPF file system, of what is kept in force
    #[arg(long, default_value = "tetragon")]
    pub(super) bpf_dir: String,
}

/// What the agent says about itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub(super) struct Logging {
    /// The same as --log-level debug
    #[arg(short, long, default_value = "false")]
    pub(super) debug: bool,
    /// trace, debug, info, warn, error, fatal or panic
    #[arg(long, default_value = "info")]
    pub(super) log_level: String,
    /// text or json, with times as text-ts or json-ts
    #[arg(long, default_value = "text")]
    pub(super) log_format: String,
    /// File to write the log to, besides standard output
    #[arg(long, default_value = "")]
    pub(super) log_file: String,
}

/// The file of events.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Export")]
pub(super) struct Export {
    /// File to append events to as JSON, one a line; none when empty
    #[arg(long, default_value = "")]
    pub(super) export_filename: String,
    /// Size in MiB at which the file is rotated; 0 stands for 100
    #[arg(long, default_value = "10", value_parser = number(0, U32))]
    pub(super) export_file_max_size_mb: u64,
    /// Time after which the file is rotated, whatever its size; 0 for never
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub(super) export_file_rotation_interval: Duration,
    /// Rotated files to keep; 0 for all
    #[arg(long, default_value = "5", value_parser = number(0, U32))]
    pub(super) export_file_max_backups: u64,
    /// Compress rotated files with gzip
    #[arg(long, default_value = "false")]
    pub(super) export_file_compress: bool,
    /// Permissions of new files, in octal
    #[arg(long, default_value = "600", value_parser = permissions)]
    pub(super) export_file_perm: u32,
    /// Events a minute at most: -1 for any number, 0 for no export
    #[arg(long, default_value = "-1", value_parser = rate)]
    pub(super) export_rate_limit: i64,
    /// JSON objects, each a filter: export only events that match one of them
    #[arg(long, default_value = "")]
    pub(super) export_allowlist: String,
    /// JSON objects, each a filter: export no event that matches one of them
    #[arg(long, default_value = "")]
    pub(super) export_denylist: String,
    /// JSON objects that say which fields of events to export
    #[arg(long, default_value = "")]
    pub(super) field_filters: String,
    /// JSON objects that say what to hide of arguments and environment variables, in all outputs
    #[arg(long, default_value = "")]
    pub(super) redaction_filters: String,
    /// Allow `pid_set` in export filters
    #[arg(long, default_value = "false")]
    pub(super) enable_pid_set_filter: bool,
    /// Merge equal events; no event type is ever merged yet
    #[arg(long, default_value = "false")]
    pub(super) enable_export_aggregation: bool,
    /// How long to wait for equal events
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub(super) export_aggregation_window_size: Duration,
    /// Events that may wait to be merged
    #[arg(long, default_value = "10000", value_parser = number(0, MAX))]
    pub(super) export_aggregation_buffer_size: u64,
}

/// The gRPC API.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// Address of the gRPC API, host:port or unix:///path; none when empty
    #[arg(long, default_value = "localhost:54321")]
    pub(super) server_address: String,
    /// Events that may wait for one client; further ones are dropped and counted
    #[arg(long, default_value = "10000", value_parser = number(1, 1 << 24))]
    pub(super) event_queue_size: u64,
    /// Address of the gRPC health service, host:port or just :port; none when empty
    #[arg(long, default_value = ":6789")]
    pub(super) health_server_address: String,
    /// Without effect: changes of the agent's health are told at once
    #[arg(long, default_value = "10", value_parser = number(1, U32))]
    pub(super) health_server_interval: u64,
    /// Answer EnableTracingPolicy and DisableTracingPolicy, which ConfigureTracingPolicy has replaced
    #[arg(long, default_value = "false")]
    pub(super) enable_deprecated_tracingpolicy_grpc: bool,
}

/// What is in events.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Events")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that stands alone")]
pub(super) struct Events {
    /// Credentials and capabilities of processes
    #[arg(long, default_value = "false")]
    pub(super) enable_process_cred: bool,
    /// Namespaces of processes
    #[arg(long, default_value = "false")]
    pub(super) enable_process_ns: bool,
    /// Types of events to add ancestors to: base, kprobe, tracepoint, loader, uprobe, lsm, usdt
    #[arg(long, default_value = "", value_delimiter = ',', action = ArgAction::Append)]
    pub(super) enable_ancestors: Vec<String>,
    /// Environment variables of processes
    #[arg(long, default_value = "false")]
    pub(super) enable_process_environment_variables: bool,
    /// Names of environment variables to keep; all when empty
    #[arg(long, default_value = "", value_delimiter = ',', action = ArgAction::Append)]
    pub(super) filter_environment_variables: Vec<String>,
    /// Addresses in stack traces
    #[arg(long, default_value = "false")]
    pub(super) expose_stack_addresses: bool,
    /// Account names of users: disabled or unix
    #[arg(long, default_value = "disabled")]
    pub(super) username_metadata: String,
}

/// Bounds of memory and time.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sizes")]
pub(super) struct Sizes {
    /// Bytes of the ring buffer for each CPU, with K, M or G; 0 for the default
    #[arg(long, default_value = "0", value_parser = size)]
    pub(super) rb_size: u64,
    /// Bytes of the ring buffer for all CPUs together, with K, M or G
    #[arg(long, default_value = "0", value_parser = size)]
    pub(super) rb_size_total: u64,
    /// Without effect: there is no queue behind the ring buffer
    #[arg(long, default_value = "65535", value_parser = number(0, U32))]
    pub(super) rb_queue_size: u64,
    /// Processes in the process cache
    #[arg(long, default_value = "65536", value_parser = number(16, 1 << 24))]
    pub(super) process_cache_size: u64,
    /// Time that an ended process stays in the process cache, at least
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub(super) process_cache_gc_interval: Duration,
    /// Long arguments and environments that may wait for their event
    #[arg(long, default_value = "1024", value_parser = number(1, 1 << 20))]
    pub(super) data_cache_size: u64,
    /// Attempts to complete an event whose process or parent is not known yet
    #[arg(long, default_value = "15", value_parser = number(0, 10_000))]
    pub(super) event_cache_retries: u64,
    /// Seconds between two attempts
    #[arg(long, default_value = "2", value_parser = number(1, 86_400))]
    pub(super) event_cache_retry_delay: u64,
    /// Processes that the kernel programs remember; 0 for the default of 32768
    #[arg(long, default_value = "0", value_parser = number(0, 1 << 24))]
    pub(super) execve_map_entries: u64,
    /// The same as a number of bytes, with K, M or G
    #[arg(long, default_value = "")]
    pub(super) execve_map_size: String,
}

/// The definition of the command line.
pub(super) fn command() -> Command {
    let command = <Flags as clap::CommandFactory>::command();
    let command = not_yet::add(command).args_override_self(true);
    // As Go's flag parsers have it: the next word is the value, also with a dash in front; a switch takes its value
    // only with an equals sign.
    command.mut_args(|arg| {
        if is_switch(&arg) {
            arg.action(ArgAction::Set)
                .value_parser(boolean)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
                .value_name("BOOL")
        } else {
            arg.allow_hyphen_values(true)
        }
    })
}

/// Whether `arg` is true or false.
pub(super) fn is_switch(arg: &clap::Arg) -> bool {
    arg.get_value_parser().type_id() == std::any::TypeId::of::<bool>()
}

/// Whether `arg` can be set to an empty text. For others that means the default.
pub(super) fn takes_empty(arg: &clap::Arg) -> bool {
    arg.get_value_parser().type_id() == std::any::TypeId::of::<String>()
}

impl Flags {
    pub(super) fn from_matches(matches: &clap::ArgMatches) -> Result<Self, Error> {
        <Self as FromArgMatches>::from_arg_matches(matches).map_err(|error| Error::Usage(super::parse::line(&error)))
    }
}
