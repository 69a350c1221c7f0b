//! `/proc/<pid>/status`.

use ebpf_abi::map::{Capabilities, Credentials};

/// What is of interest in `/proc/<pid>/status` (proc(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) creds: Credentials,
    pub(super) caps: Capabilities,
    /// Process id in the innermost pid namespace; 0 for processes of the namespace that `/proc` is of.
    pub(super) nspid: u32,
}

impl Status {
    pub(super) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let Self { creds, caps, nspid } = &mut status;
            let hex = || u64::from_str_radix(value.trim(), 16).unwrap_or(0);
            match name {
                "Uid" => [creds.uid, creds.euid, creds.suid, creds.fsuid] = ids(value),
                "Gid" => [creds.gid, creds.egid, creds.sgid, creds.fsgid] = ids(value),
                "NSpid" => *nspid = value.split_whitespace().skip(1).last().map_or(0, number),
                "CapInh" => caps.inheritable = hex(),
                "CapPrm" => caps.permitted = hex(),
                "CapEff" => caps.effective = hex(),
                _ => {}
            }
        }
        status
    }
}

/// Real, effective, saved and file system id.
fn ids(value: &str) -> [u32; 4] {
    let mut ids = value.split_whitespace().map(number);
    [(); 4].map(|()| ids.next().unwrap_or(0))
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_sets() {
        let status = Status::parse(
            "Name:\ta:b\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t900\t12\t1\nCapInh:\t0000000000000001\n\
             CapPrm:\t000001ffffffffff\nCapEff:\t00000000a80425fb\n",
        );
        let creds = &status.creds;
        assert_eq!([creds.uid, creds.euid, creds.suid, creds.fsuid], [1, 2, 3, 4]);
        assert_eq!([creds.gid, creds.egid, creds.sgid, creds.fsgid], [5, 6, 7, 8]);
        assert_eq!(status.nspid, 1);
        let caps = &status.caps;
        assert_eq!(
            [caps.inheritable, caps.permitted, caps.effective],
            [1, 0x1ff_ffff_ffff, 0xa804_25fb]
        );
        assert_eq!(Status::parse("NSpid:\t900\n").nspid, 0);
    }
}
