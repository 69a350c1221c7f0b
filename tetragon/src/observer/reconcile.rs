//! What has to be put right when something got lost, or there is no room: processes whose end got lost are taken out of the
//! process cache by comparing it with the kernel's map, and paths that no process needs out of that of executables.

use ebpf_abi::map::ProcessEntry;

use super::{Error, pipeline::Pipeline, start::Attached};
use crate::executables;

/// Ends every process that the cache takes to live and the kernel programs do not know, if an event of theirs was lost
/// since the last time. Between two losses both sides agree by themselves.
pub(super) fn reconcile(pipeline: &mut Pipeline, attached: &Attached) -> Result<(), Error> {
    let stats = attached.stats.read();
    let forgotten = stats.ops.iter().map(|op| op.path_forgotten).sum();
    if forgotten != pipeline.forgotten {
        pipeline.forgotten = forgotten;
        // Those that have ended close their files yet.
        let processes = [attached.maps.get("execve_map")?, attached.maps.get("tg_ended_map")?];
        let swept = executables::sweep(attached.maps.get(executables::MAP)?, processes)?;
        tracing::debug!(swept, "Made room for paths of executables");
    }
    let lost = stats.lost() + stats.ops.iter().map(|op| op.map_full).sum::<u64>();
    if lost == pipeline.reconciled {
        return Ok(());
    }
    pipeline.reconciled = lost;
    let map = attached.maps.get("execve_map")?;
    for key in pipeline.cache.alive() {
        let entry: Option<ProcessEntry> = map.get(&key.pid)?;
        if entry.is_none_or(|entry| entry.key != key)
            && let Some(slot) = pipeline.cache.find(key)
        {
            pipeline.cache.end(slot);
        }
    }
    Ok(())
}
