//! Whom programs that outlive their agent take for the agent: see [`agent`].

use std::{io, path::Path};

use ebpf_abi::{hook::agent, map::ProcessKey};
use ebpf_loader::{Map, Maps, Update};

use super::{Options, directory, root};
use crate::procfs::Procfs;

/// What the map is pinned as.
pub(super) const SPARED: &str = "spared";

/// Tells the programs that former agents have left that this process is the agent now. The earlier the better: what their
/// policies kill they kill until then. Where it fails, that is said, and they go on so.
pub fn introduce(options: &Options, procfs: &Procfs) {
    let Some(root) = root::find() else { return };
    for path in directory::paths(&root, options) {
        let pinned = path.join(SPARED);
        if directory::is_ours(&path)
            && pinned.exists()
            && let Err(error) = tell(&pinned, procfs)
        {
            tracing::warn!(
                error,
                "The policies that a former agent has left in force may have signals for this one"
            );
        }
    }
}

fn tell(pinned: &Path, procfs: &Procfs) -> Result<(), String> {
    let own: io::Result<ProcessKey> = procfs.own_key();
    let own = own.map_err(|error| format!("own process id: {error}"))?;
    let map = Map::pinned(pinned).map_err(|error| error.to_string())?;
    map.set(&0_u32, &own, Update::Any).map_err(|error| error.to_string())
}

/// Pins the map of this agent in `directory`.
pub(super) fn pin(directory: &Path, maps: &Maps) -> Result<(), ebpf_loader::Error> {
    maps.get(agent::MAP)?.pin(&directory.join(SPARED))
}
