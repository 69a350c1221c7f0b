//! What an observer is told.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use ebpf_loader::Pins;
use tetragon_api::v1::{EnvVar, EventType};

/// What an observer is told, in the terms of the agent's flags.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the agent that stands alone"
)]
pub struct Options {
    /// Folder that replaces the embedded kernel object by its `tetragon.bpf.o` and may hold type information
    /// (`--bpf-lib`).
    pub bpf_lib: Option<PathBuf>,
    /// File with the kernel's type information (`--btf`).
    pub btf: Option<PathBuf>,
    /// Where the host's `/proc` is (`--procfs`).
    pub procfs: PathBuf,
    /// Name of the node in events and in `exec_id`.
    pub node_name: String,
    /// Name of the cluster in events; empty for none.
    pub cluster_name: String,
    /// Bytes of the ring buffer, rounded up to a power of two and to a page.
    pub ring_bytes: usize,
    /// Processes that the kernel programs remember at a time.
    pub execve_map_entries: u32,
    /// Processes in the process cache, at least 16. Their paths, arguments and environments take a kibibyte each on the
    /// average at most, and what is left takes less than that.
    pub process_cache_size: usize,
    /// How long an ended process stays in the process cache: between one and two of these.
    pub process_cache_gc_interval: Duration,
    /// Long arguments and environments that wait for the rest of their event.
    pub data_cache_size: usize,
    /// How often an event that lacks its process or its parent is tried again before it goes out without.
    pub event_cache_retries: u32,
    /// Time between two tries.
    pub event_cache_retry_delay: Duration,
    /// Credentials and capabilities (`--enable-process-cred`).
    pub process_cred: bool,
    /// Namespaces (`--enable-process-ns`).
    pub process_ns: bool,
    /// Types of events with ancestors (`--enable-ancestors`).
    pub ancestors: Vec<EventType>,
    /// Environment variables: `None` for none, else the names to keep, all if there are none
    /// (`--enable-process-environment-variables`, `--filter-environment-variables`).
    pub environment: Option<Vec<String>>,
    /// Account names (`--username-metadata unix`).
    pub usernames: bool,
    /// Addresses in stack traces (`--expose-stack-addresses`).
    pub stack_addresses: bool,
    /// Whether policies may have the agent ask at addresses that only this machine or its network reaches
    /// (`--allow-action-private-addresses`).
    pub private_addresses: bool,
    /// Hides secrets in arguments and environment variables (`--redaction-filters`).
    pub redaction: Option<Box<dyn Redact>>,
    /// Where to pin what is attached, if it is to outlive the agent (`--keep-sensors-on-exit`).
    pub pins: Option<Arc<Pins>>,
}

/// Hides secrets. Called once for each process, when it enters the process cache.
pub trait Redact: Send {
    /// Replaces what must not be shown of the process that executes `binary`.
    fn redact(&self, binary: &str, arguments: &mut String, environment: &mut [EnvVar]);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bpf_lib: None,
            btf: None,
            procfs: PathBuf::from("/proc"),
            node_name: String::new(),
            cluster_name: String::new(),
            ring_bytes: 1 << 20,
            execve_map_entries: 32_768,
            process_cache_size: 65_536,
            process_cache_gc_interval: Duration::from_secs(30),
            data_cache_size: 1_024,
            event_cache_retries: 15,
            event_cache_retry_delay: Duration::from_secs(2),
            process_cred: false,
            process_ns: false,
            ancestors: vec![],
            environment: None,
            usernames: false,
            stack_addresses: false,
            private_addresses: false,
            redaction: None,
            pins: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("bpf_lib", &self.bpf_lib)
            .field("btf", &self.btf)
            .field("procfs", &self.procfs)
            .finish_non_exhaustive()
    }
}
