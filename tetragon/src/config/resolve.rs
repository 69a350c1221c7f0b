//! What the values mean: every flag is looked at here, once, and those that belong together are checked together.

use std::path::{Path, PathBuf};

use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::filter::{Captured, Filters};
use tetragon_api::json::{self, Json, Unknown};
use tetragon_api::v1::{EventType, FieldFilter, Filter, RedactionFilter};
use tracing::metadata::LevelFilter;

use super::environment::Environment;
use super::flags::{self, Flags};
use super::parse::{Parsed, Sources};
use super::{Error, Setting, Source, values};
use crate::observer::{self, Redact};
use crate::redaction::Redaction;
use crate::server::{self, Address};
use crate::{export, health, logging, persistence, sensor};

/// Smallest ring buffer by default. Its pages are mapped twice into the agent, so that it costs twice this in resident
/// memory.
const RING_BYTES: u64 = 1 << 20;
/// Of the ring buffer by default for each CPU, as in Tetragon.
const RING_BYTES_PER_CPU: u64 = 1 << 16;
/// Largest ring buffer.
const RING_BYTES_MAX: u64 = 1 << 30;
/// Most bytes of the name of the directory of pins, which gets `_old` behind it.
const PIN_DIRECTORY_LEN: usize = 200;
const EXECVE_MAP_ENTRIES: u64 = 32_768;

/// What the agent is to do.
#[derive(Debug)]
pub struct Config {
    /// What it says about itself.
    pub logging: logging::Options,
    /// What it observes.
    pub observer: observer::Options,
    /// Which file it writes events to.
    pub export: Option<export::Options>,
    /// Where its API is served.
    pub server: server::Options,
    /// Where its health is served.
    pub health: Option<health::Options>,
    /// Directory of the socket, the pid file and the information file.
    pub run_dir: PathBuf,
    /// Policies to load.
    pub policies: sensor::Files,
    /// What outlives it.
    pub persistence: persistence::Options,
    /// Directory of configuration that was asked for.
    pub config_dir: Option<PathBuf>,
    /// Names in configuration files that are no flags, with their place.
    pub unknown: Vec<String>,
    /// Every flag with its value.
    pub settings: Vec<(String, Setting)>,
}

/// Makes sense of `parsed`.
pub(super) fn resolve(parsed: Parsed, environment: &dyn Environment) -> Result<Config, Error> {
    let Parsed {
        flags,
        sources,
        config_dir,
        unknown,
        settings,
    } = parsed;
    let Flags {
        general,
        logging,
        export,
        server,
        events,
        sizes,
    } = flags;
    let flags::General {
        config_dir: _,
        bpf_lib,
        btf,
        procfs,
        cluster_name,
        tracing_policy_dir,
        tracing_policy,
        allow_action_private_addresses,
        keep_sensors_on_exit,
        release_pinned_bpf,
        bpf_dir,
    } = general;
    let node_name = node_name(environment);
    let bpf_lib = bpf_lib_folder(&bpf_lib, &sources, environment)?;
    let captured = captured(&events, &sources)?;
    let run_dir = PathBuf::from(crate::RUN_DIR);
    let redaction = redaction(&export.redaction_filters, &sources)?;
    let ring_bytes = ring_bytes(&sizes, &sources, environment.cpus())?;
    let execve_map_entries = execve_map_entries(&sizes, &sources)?;
    let persistence = persistence::Options {
        directory: pin_directory(&bpf_dir, &sources)?,
        keep: keep_sensors_on_exit,
        release: release_pinned_bpf,
    };
    if !tracing_policy_dir.is_absolute() {
        return Err(sources.error("tracing-policy-dir", "give an absolute path"));
    }
    let flags::Events {
        enable_process_cred,
        enable_process_ns,
        enable_ancestors: _,
        enable_process_environment_variables,
        filter_environment_variables,
        expose_stack_addresses,
        username_metadata,
    } = events;
    let flags::Sizes {
        rb_size: _,
        rb_size_total: _,
        rb_queue_size: _,
        process_cache_size,
        process_cache_gc_interval,
        data_cache_size,
        event_cache_retries,
        event_cache_retry_delay,
        execve_map_entries: _,
        execve_map_size: _,
    } = sizes;
    if process_cache_gc_interval.is_zero() {
        return Err(sources.error("process-cache-gc-interval", "give a duration above zero"));
    }
    let observer = observer::Options {
        bpf_lib,
        btf: (!btf.is_empty()).then(|| btf.into()),
        procfs,
        node_name: node_name.clone(),
        cluster_name: cluster_name.clone(),
        ring_bytes: ring_bytes as usize,
        execve_map_entries: execve_map_entries as u32,
        process_cache_size: process_cache_size as usize,
        process_cache_gc_interval,
        data_cache_size: data_cache_size as usize,
        event_cache_retries: event_cache_retries as u32,
        event_cache_retry_delay: std::time::Duration::from_secs(event_cache_retry_delay),
        process_cred: enable_process_cred,
        process_ns: enable_process_ns,
        ancestors: captured.ancestors.clone(),
        environment: enable_process_environment_variables.then(|| named(filter_environment_variables)),
        usernames: match username_metadata.as_str() {
            "" | "disabled" => false,
            "unix" => true,
            other => {
                return Err(sources.error("username-metadata", format!("{other:?}: give disabled or unix")));
            }
        },
        stack_addresses: expose_stack_addresses,
        private_addresses: allow_action_private_addresses,
        redaction,
        // Made when it starts.
        pins: None,
    };
    let flags::Server {
        server_address,
        event_queue_size,
        health_server_address,
        health_server_interval: _,
        enable_deprecated_tracingpolicy_grpc,
    } = server;
    let address = Address::parse(&server_address)
        .map_err(|reason| sources.error("server-address", format!("{server_address:?}: {reason}")))?;
    let addresses = match address {
        // Clients on this host find a socket in the file system as well.
        Some(tcp @ Address::Tcp(..)) => vec![tcp, Address::Unix(run_dir.join("tetragon.sock"))],
        Some(unix) => vec![unix],
        None => Vec::new(),
    };
    let health = health::Options::from_address(&health_server_address)
        .map_err(|reason| sources.error("health-server-address", format!("{health_server_address:?}: {reason}")))?;
    Ok(Config {
        logging: log(&logging, &sources)?,
        observer,
        export: export_file(export, &sources, &captured, (&node_name, &cluster_name))?,
        server: server::Options {
            addresses,
            queue: event_queue_size as usize,
            deprecated: enable_deprecated_tracingpolicy_grpc,
            captured,
        },
        health,
        run_dir,
        policies: sensor::Files {
            must_exist: !matches!(sources.of("tracing-policy-dir"), Source::Default),
            directory: tracing_policy_dir,
            file: Some(PathBuf::from(tracing_policy)).filter(|path| *path != Path::new("")),
        },
        persistence,
        config_dir,
        unknown,
        settings,
    })
}

/// The folder of `--bpf-lib`. Nobody has to have the default one, and packages of Tetragon name theirs in drop-ins that
/// outlive it; one that was typed must be there.
fn bpf_lib_folder(folder: &str, sources: &Sources, environment: &dyn Environment) -> Result<Option<PathBuf>, Error> {
    let folder = PathBuf::from(folder);
    match environment.files(&folder) {
        Ok(_) => Ok(Some(folder)),
        Err(error) if sources.of("bpf-lib") == Source::CommandLine && folder != Path::new("") => {
            Err(sources.error("bpf-lib", format!("read {}: {error}", folder.display())))
        }
        Err(_) => Ok(None),
    }
}

/// The name of `--bpf-dir`, which the BPF file system must take: it keeps dots for itself.
fn pin_directory(name: &str, sources: &Sources) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.len() > PIN_DIRECTORY_LEN || name.contains(['/', '.', '\0']) {
        let reason = format!("{name:?}: give a name without dots and slashes, such as tetragon");
        return Err(sources.error("bpf-dir", reason));
    }
    Ok(name.to_owned())
}

/// Name of this node, as Tetragon finds it.
fn node_name(environment: &dyn Environment) -> String {
    let variables = ["HUBBLE_NODE_NAME", "NODE_NAME"];
    let named = variables.iter().find_map(|name| {
        let value = environment.variable(name)?.to_string_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    });
    named.unwrap_or_else(|| environment.host_name())
}

/// The elements of a list that are not empty.
fn named(list: Vec<String>) -> Vec<String> {
    let trimmed = list.into_iter().map(|name| name.trim().to_owned());
    trimmed.filter(|name| !name.is_empty()).collect()
}

fn log(flags: &flags::Logging, sources: &Sources) -> Result<logging::Options, Error> {
    let flags::Logging {
        debug,
        log_level,
        log_format,
        log_file,
    } = flags;
    let level = logging::parse_level(log_level)
        .map_err(|reason| sources.error("log-level", format!("{log_level:?}: {reason}")))?;
    let format = logging::Format::parse(log_format)
        .map_err(|reason| sources.error("log-format", format!("{log_format:?}: {reason}")))?;
    Ok(logging::Options {
        level: if *debug { LevelFilter::DEBUG.max(level) } else { level },
        format,
        file: (!log_file.is_empty()).then(|| log_file.into()),
    })
}

/// What events will hold that filters may ask for.
fn captured(events: &flags::Events, sources: &Sources) -> Result<Captured, Error> {
    const FAMILIES: [(&str, &[EventType]); 7] = [
        ("base", &[EventType::ProcessExec, EventType::ProcessExit]),
        ("kprobe", &[EventType::ProcessKprobe]),
        ("tracepoint", &[EventType::ProcessTracepoint]),
        ("loader", &[EventType::ProcessLoader]),
        ("uprobe", &[EventType::ProcessUprobe]),
        ("lsm", &[EventType::ProcessLsm]),
        ("usdt", &[EventType::ProcessUsdt]),
    ];
    let names = named(events.enable_ancestors.clone());
    let mut ancestors = Vec::new();
    for name in &names {
        let Some((_, types)) = FAMILIES.iter().find(|(family, _)| family == name) else {
            let families = FAMILIES.map(|(family, _)| family).join(", ");
            return Err(sources.error("enable-ancestors", format!("{name:?}: give some of {families}")));
        };
        ancestors.extend_from_slice(types);
    }
    if !names.is_empty() && !names.iter().any(|name| name == "base") {
        return Err(sources.error("enable-ancestors", "the others need base, give base as well"));
    }
    Ok(Captured {
        process_cred: events.enable_process_cred,
        ancestors,
    })
}

/// Bytes of the one ring buffer that all CPUs share, before it is rounded up to a power of two.
fn ring_bytes(sizes: &flags::Sizes, sources: &Sources, cpus: u64) -> Result<u64, Error> {
    let (flag, bytes) = match (sizes.rb_size, sizes.rb_size_total) {
        (0, 0) => ("rb-size", RING_BYTES.max(RING_BYTES_PER_CPU.saturating_mul(cpus))),
        (for_each, 0) => ("rb-size", for_each.saturating_mul(cpus)),
        (0, total) => ("rb-size-total", total),
        _ => return Err(sources.error("rb-size-total", "give only one of --rb-size and --rb-size-total")),
    };
    if bytes > RING_BYTES_MAX {
        let reason = format!("{bytes} bytes for {cpus} CPUs are too many, give less than 1G for all together");
        return Err(sources.error(flag, reason));
    }
    Ok(bytes)
}

fn execve_map_entries(sizes: &flags::Sizes, sources: &Sources) -> Result<u64, Error> {
    let size = sizes.execve_map_size.as_str();
    let bytes = if size.is_empty() { Ok(0) } else { values::size(size) };
    let bytes = bytes.map_err(|reason| sources.error("execve-map-size", format!("{size:?}: {reason}")))?;
    match (sizes.execve_map_entries, bytes) {
        (0, 0) => Ok(EXECVE_MAP_ENTRIES),
        (entries, 0) => Ok(entries),
        (0, bytes) => {
            let entry = size_of::<ebpf_abi::map::ProcessEntry>() + size_of::<u32>();
            let entries = bytes / entry as u64;
            if entries == 0 || entries > 1 << 24 {
                let reason = format!(
                    "{size:?}: an entry takes {entry} bytes, give from {entry} to {}G",
                    entry >> 6
                );
                return Err(sources.error("execve-map-size", reason));
            }
            Ok(entries)
        }
        _ => Err(sources.error(
            "execve-map-size",
            "give only one of --execve-map-entries and --execve-map-size",
        )),
    }
}

/// Messages of type `M` in the value of `flag`.
fn messages<M: Json>(flag: &str, text: &str, sources: &Sources) -> Result<Vec<M>, Error> {
    json::parse_all(text, Unknown::Reject).map_err(|error| sources.error(flag, error))
}

fn redaction(text: &str, sources: &Sources) -> Result<Option<Box<dyn Redact>>, Error> {
    let filters: Vec<RedactionFilter> = messages("redaction-filters", text, sources)?;
    let redaction = Redaction::compile(&filters).map_err(|error| sources.error("redaction-filters", error))?;
    Ok((!redaction.is_empty()).then(|| Box::new(redaction) as Box<dyn Redact>))
}

fn export_file(
    export: flags::Export,
    sources: &Sources,
    captured: &Captured,
    (node_name, cluster_name): (&str, &str),
) -> Result<Option<export::Options>, Error> {
    let flags::Export {
        export_filename,
        export_file_max_size_mb,
        export_file_rotation_interval,
        export_file_max_backups,
        export_file_compress,
        export_file_perm,
        export_rate_limit,
        export_allowlist,
        export_denylist,
        field_filters,
        redaction_filters: _,
        enable_pid_set_filter,
        // No event type is merged: events would pass straight through.
        enable_export_aggregation: _,
        export_aggregation_window_size: _,
        export_aggregation_buffer_size: _,
    } = export;
    let list = |flag: &str, text: &str| -> Result<Vec<Filter>, Error> {
        let filters: Vec<Filter> = messages(flag, text, sources)?;
        if !enable_pid_set_filter && filters.iter().any(|filter| !filter.pid_set.is_empty()) {
            return Err(sources.error(flag, "pid_set needs --enable-pid-set-filter"));
        }
        Filters::compile_for(&filters, &[], captured).map_err(|error| sources.error(flag, error))?;
        Ok(filters)
    };
    let allow = list("export-allowlist", &export_allowlist)?;
    let deny = list("export-denylist", &export_denylist)?;
    let filters = Filters::compile_for(&allow, &deny, captured);
    let filters = filters.map_err(|error| sources.error("export-denylist", error))?;
    let fields: Vec<FieldFilter> = messages("field-filters", &field_filters, sources)?;
    let fields = FieldFilters::compile(&fields).map_err(|error| sources.error("field-filters", error))?;
    if export_filename.is_empty() || export_rate_limit == 0 {
        return Ok(None);
    }
    let mebibytes = if export_file_max_size_mb == 0 {
        100
    } else {
        export_file_max_size_mb
    };
    Ok(Some(export::Options {
        file: export::FileOptions {
            path: export_filename.into(),
            max_bytes: mebibytes << 20,
            interval: (!export_file_rotation_interval.is_zero()).then_some(export_file_rotation_interval),
            max_backups: export_file_max_backups as usize,
            compress: export_file_compress,
            mode: export_file_perm,
        },
        rate_limit: u64::try_from(export_rate_limit).ok(),
        filters,
        fields,
        node_name: node_name.to_owned(),
        cluster_name: cluster_name.to_owned(),
    }))
}
