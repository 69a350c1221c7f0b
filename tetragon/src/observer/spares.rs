//! Every event on kernels in which a tracepoint may be preempted (see [`COPIES`]).

use ebpf_abi::map::COPIES;
use ebpf_loader::{Error, Link, Loaded, Object, Program, ProgramKind, probe::TRACEFS};
use rustix::mount::{MountFlags, mount};
use zerocopy::IntoBytes as _;

use super::start::PROGRAMS;

/// Attaches exits and executions at the perf events of their tracepoints, during which nothing is preempted, and all
/// programs, `first` among them, in as many spares as it takes: one behind a perf event, else all there may be.
///
/// A perf event's program is not run while this process is preempted in a system call on a map; hence the spare.
pub(super) fn attach(
    loaded: &Loaded,
    object: &Object,
    first: [(u8, Program); 3],
    programs: &mut Vec<(u8, Program)>,
    links: &mut Vec<Link>,
) -> Result<(), Error> {
    let mut unpreempted = Vec::new();
    for (op, program) in first {
        let (program, link) = if let Some(unpreemptible) = perf(loaded, program.name()) {
            unpreempted.push(op);
            unpreemptible
        } else {
            let link = program.attach_raw_tracepoint(program.name())?;
            (program, link)
        };
        links.push(link);
        programs.push((op, program));
    }
    for copy in 1..COPIES {
        let mut spare = object.clone();
        spare.set_global("COPY", copy.as_bytes())?;
        let spare = spare.create_sharing(loaded.maps())?;
        for (op, name) in PROGRAMS {
            if copy > 1 && unpreempted.contains(&op) {
                continue;
            }
            let program = spare.load(name, ProgramKind::RawTracepoint)?;
            links.push(program.attach_raw_tracepoint(name)?);
            programs.push((op, program));
        }
    }
    Ok(())
}

/// The program for the perf event of tracepoint `name`, attached; `None` when there is no such program, or no such
/// event.
fn perf(loaded: &Loaded, name: &str) -> Option<(Program, Link)> {
    let program = loaded.load(&format!("perf_{name}"), ProgramKind::Tracepoint);
    let attached = program.and_then(|program| {
        let link = program.attach_tracepoint("sched", name).or_else(|_| {
            // The mount is the whole system's, as tools that trace make it.
            let _there = mount("tracefs", TRACEFS, "tracefs", MountFlags::empty(), None);
            program.attach_tracepoint("sched", name)
        })?;
        Ok((program, link))
    });
    attached
        .inspect_err(|error| tracing::debug!("no perf event of {name}: {error}"))
        .ok()
}
