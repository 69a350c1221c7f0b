//! Getting the kernel programs to run.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::Arc,
};

use btf::Btf;
use ebpf_abi::{config::Config, event::op, hook::agent};
use ebpf_loader::{Link, Maps, Pins, Program, ProgramKind, RingBuffer, Update};
use rustix::param::page_size;
use tetragon_api::v1::GetEventsResponse;
use zerocopy::IntoBytes as _;

use super::{
    Error, Options,
    calls::{Calls, Functions},
    cgroup,
    data::DataCache,
    held::Held,
    kernel_types::{self, KernelTypes},
    loads::Loads,
    object,
    pipeline::Pipeline,
    privileges, self_test, spares,
    stats::{self, Counters, StatsHandle},
    waiting::Waiting,
};
use crate::{
    clock::Clock,
    event::{Builder, Containers},
    persistence::NO_PERF_LINKS,
    process::Cache,
    procfs::{Cgroup, Procfs, namespaces},
    sensor, stack,
    users::Users,
};

/// The programs by the event type that they send, in the order in which they are attached, each called as its
/// tracepoint.
///
/// Exits first: an entry made before somebody watches for the exit would stay for ever. Executions before clones: a
/// clone whose execution went unnoticed would be taken for its parent for ever.
pub(super) const PROGRAMS: [(u8, &str); 3] = [
    (op::EXIT, "sched_process_exit"),
    (op::EXECVE, "sched_process_exec"),
    (op::CLONE, "sched_process_fork"),
];

/// A structure of every kernel in which a tracepoint may be preempted, and of some in which it may not (6.15 on). There
/// is no closer sign, and a spare costs little.
const PREEMPTIBLE: &str = "srcu_ctr";

/// Programs attached, maps, and the ring.
#[derive(Debug)]
pub(super) struct Attached {
    /// Dropping them detaches the programs.
    pub(super) links: Vec<Link>,
    pub(super) ring: RingBuffer,
    pub(super) maps: Arc<Maps>,
    pub(super) stats: Arc<StatsHandle>,
    pub(super) procfs: Procfs,
    /// Key of what paths are called, see [`ebpf_abi::executable::id`].
    pub(super) executable_key: [u64; 2],
}

/// Loads, tests and attaches the kernel programs. What is needed for that alone is gone afterwards.
pub(super) fn attach(
    options: &Options,
    counters: &Arc<Counters>,
    hooks: &Arc<sensor::Table>,
) -> Result<Attached, Error> {
    let mut object = object::object(options.bpf_lib.as_deref())?;
    let KernelTypes { path, bytes } = kernel_types::find(options.btf.as_deref(), options.bpf_lib.as_deref())?;
    let types = Btf::parse(&bytes).map_err(|error| Error::KernelTypes {
        path: path.clone(),
        error,
    })?;
    let resolved = btf::fields::resolve(&types).map_err(|error| Error::Fields {
        path: path.clone(),
        error,
    })?;
    tracing::debug!("kernel fields from {}:\n{resolved}", path.display());
    let (cgroup_subsys, cgroup) = cgroup::detect(&options.procfs, &resolved.offsets);
    let config = config(options, cgroup_subsys);
    object.set_global("OFFSETS", resolved.offsets.as_bytes())?;
    object.set_global("CONFIG", config.as_bytes())?;
    object.set_max_entries("tg_events", ring_size(options.ring_bytes))?;
    object.set_max_entries("execve_map", options.execve_map_entries.max(1))?;
    let preemptible = types.structure(PREEMPTIBLE).is_some();
    let spare = object.clone();
    let loaded = object.create()?;
    if let Some(refused) = loaded.btf_refused() {
        tracing::debug!("the kernel does not take the type information of its programs: {refused}");
    }

    let procfs = procfs(options, cgroup);
    let own = procfs.own_key().map_err(|error| Error::Procfs {
        path: procfs.root().join("self"),
        error,
    })?;
    // Before anything is attached that may act on it.
    loaded.map(agent::MAP)?.set(&0_u32, &own, Update::Any)?;
    let mut ring = RingBuffer::new(loaded.map("tg_events")?)?;
    let load = |(_, name): (u8, &str)| loaded.load(name, ProgramKind::RawTracepoint);
    let [exit, exec, fork] = [load(PROGRAMS[0])?, load(PROGRAMS[1])?, load(PROGRAMS[2])?];
    self_test::run(&exec, &exit, &mut ring, loaded.maps(), &procfs, &config, &path)?;
    let sent_before = [op::EXECVE, op::EXIT, op::DATA].map(|op| (op, stats::sent(loaded.maps(), op)));
    let mut links = Vec::new();
    links.extend(
        options
            .process_cred
            .then(|| privileges::attach(&loaded, &types))
            .flatten(),
    );
    let mut programs = Vec::new();
    let first = [(op::EXIT, exit), (op::EXECVE, exec), (op::CLONE, fork)];
    if preemptible {
        spares::attach(&loaded, &spare, first, &mut programs, &mut links)?;
    } else {
        for (op, program) in first {
            links.push(program.attach_raw_tracepoint(program.name())?);
            programs.push((op, program));
        }
    }
    for (_, program) in &programs {
        tell(program);
    }
    if let Some(pins) = &options.pins {
        pin(&mut links, &programs, pins)?;
    }
    let maps = loaded.into_maps();
    let stats = Arc::new(StatsHandle::new(
        Arc::clone(counters),
        Arc::clone(&maps),
        programs,
        sent_before,
        Arc::clone(hooks),
    ));
    Ok(Attached {
        links,
        ring,
        maps,
        stats,
        procfs,
        executable_key: config.executable_key,
    })
}

/// Pins what is attached: `programs` at the last of `links`, and perhaps what is not among them at the first.
fn pin(links: &mut [Link], programs: &[(u8, Program)], pins: &Arc<Pins>) -> Result<(), Error> {
    let others = links.len().saturating_sub(programs.len());
    let names = std::iter::repeat_n("privileges", others).chain(programs.iter().map(|(_, program)| program.name()));
    for (link, name) in links.iter_mut().zip(names) {
        if !link.pin(pins, name)? {
            tracing::warn!(program = name, "Ends with the agent: {NO_PERF_LINKS}");
        }
    }
    Ok(())
}

/// Says how large a program is. Test machines read it, and compare with `vmtests/verifier.toml`.
pub(super) fn tell(program: &Program) {
    tracing::debug!(
        program = program.name(),
        verified = program.verified_insns(),
        bytes = program.xlated_len(),
        "attached"
    );
}

/// What turns records into events.
pub(super) fn pipeline(options: Options, procfs: Option<&Procfs>, counters: Arc<Counters>, clock: Clock) -> Pipeline {
    let Options {
        procfs: root,
        node_name,
        cluster_name,
        process_cache_size,
        data_cache_size,
        event_cache_retries,
        event_cache_retry_delay,
        process_cred,
        process_ns,
        ancestors,
        environment,
        usernames,
        stack_addresses,
        redaction,
        ..
    } = options;
    let builder = Builder {
        node_name: node_name.clone(),
        process_cred,
        process_ns,
        environment,
        users: usernames.then(|| Users::new(Path::new("/etc/passwd"))),
        redaction,
        host: namespaces(&root.join("1/ns")),
        containers: Containers::new(procfs.cloned()),
    };
    Pipeline {
        cache: Cache::new(process_cache_size, !ancestors.is_empty()),
        builder,
        clock,
        data: DataCache::new(data_cache_size),
        waiting: Waiting::new(event_cache_retries, event_cache_retry_delay),
        ancestors,
        response: GetEventsResponse {
            node_name,
            cluster_name,
            ..GetEventsResponse::default()
        },
        counters,
        hooks: sensor::Reader::default(),
        calls: Calls::default(),
        program_calls: Calls::default(),
        functions: Functions::default(),
        loads: Loads::default(),
        names: stack::Names::new(Procfs::new(&root), stack_addresses),
        naming: None,
        errands: None,
        held: Held::default(),
        reconciled: 0,
        forgotten: 0,
    }
}

fn config(options: &Options, cgroup_subsys: u32) -> Config {
    Config {
        process_cred: options.process_cred.into(),
        // Account names are for processes in the host's namespaces only.
        process_ns: (options.process_ns || options.usernames).into(),
        process_env: options.environment.is_some().into(),
        cgroup_subsys,
        // Keyed with what the system's source of random numbers gave.
        executable_key: [0_u8, 1].map(|half| RandomState::new().hash_one(half)),
    }
}

fn procfs(options: &Options, cgroup: Cgroup) -> Procfs {
    let mut procfs = Procfs::new(&options.procfs);
    procfs.cgroup = cgroup;
    procfs.environ = options.environment.is_some();
    procfs
}

/// Sizes of a ring buffer are powers of two and whole pages.
fn ring_size(bytes: usize) -> u32 {
    let size = bytes.clamp(page_size(), 1 << 30).next_power_of_two();
    u32::try_from(size).unwrap_or(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes() {
        assert_eq!(ring_size(0) as usize, page_size());
        assert_eq!(ring_size(65_535), 65_536);
        assert_eq!(ring_size(3 << 20), 4 << 20);
        assert_eq!(ring_size(usize::MAX), 1 << 30);
    }
}
