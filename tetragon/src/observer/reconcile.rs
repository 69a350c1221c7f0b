//! Processes whose end got lost: taken out of the process cache by comparing it with the kernel's map.

use ebpf_abi::map::ProcessEntry;

use super::{Error, pipeline::Pipeline, start::Attached};

/// Ends every process that the cache takes to live and the kernel programs do not know, if an event of theirs was lost
/// since the last time. Between two losses both sides agree by themselves.
pub(super) fn reconcile(pipeline: &mut Pipeline, attached: &Attached) -> Result<(), Error> {
    let stats = attached.stats.read();
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
