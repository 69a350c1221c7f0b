//! Networks that leave that of the machine alone.

use std::{
    ffi::CString,
    fs::{self, File},
    net::Ipv4Addr,
    path::Path,
};

use anyhow::{Context as _, Result};

use super::say;
use crate::sys::{network, process};

/// `network ADDRESSES COMMAND…`: IPv4, separated by commas, or `-`. Those behind `veth:` belong to one end of a pair of
/// devices, all others to `lo`.
pub fn network(arguments: &[CString]) -> Result<()> {
    let (addresses, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    process::unshare(libc::CLONE_NEWNET).context("unshare")?;
    network::up("lo").context("bring up lo")?;
    if addresses.contains("veth:") {
        network::make_veth().context("make a pair of devices")?;
        network::up("veth0")
            .and_then(|()| network::up("veth1"))
            .context("bring the pair up")?;
    }
    for (index, text) in addresses.split(',').filter(|text| *text != "-").enumerate() {
        let (interface, text) = match text.strip_prefix("veth:") {
            Some(rest) => ("veth0", rest),
            None => ("lo", text),
        };
        let address: Ipv4Addr = text.parse().with_context(|| format!("{text:?} is no address"))?;
        network::add_address(&format!("{interface}:{index}"), address).with_context(|| format!("add {address}"))?;
    }
    say::exec(&argv)
}

/// `filtered COMMAND…`: packets of all processes in this cgroup pass, for as long as the command runs.
pub fn filtered(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("no unified cgroup")?;
    let folder = Path::new("/sys/fs/cgroup").join(own);
    let cgroup = File::open(&folder).with_context(|| format!("open {}", folder.display()))?;
    let _kept = network::look_at_packets(&cgroup).context("attach programs")?;
    say::exec(&argv)
}
