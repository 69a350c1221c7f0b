//! Bytes of the ring buffer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tetragon::record::{Record, decode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = decode(bytes) else { return };
    // Nothing is read twice and nothing left out.
    let variable = match record {
        Record::Exec(exec) => {
            exec.filename.len()
                + exec.image.len()
                + exec.cwd.len()
                + exec.cgroup.len()
                + exec.args.len()
                + exec.envs.len()
                + size_of_val(&exec.head)
        }
        Record::Exit(exit) => size_of_val(&exit),
        Record::Clone(clone) => clone.cgroup.len() + size_of_val(&clone.head),
        Record::Data(data) => data.bytes.len() + size_of_val(&data.head),
        Record::Hook(hook) => {
            let args = hook.args.values();
            let read: usize = args.map(|arg| size_of_val(&arg.head) + arg.bytes.len()).sum();
            assert!(size_of_val(&hook.head) + read <= bytes.len());
            return;
        }
    };
    assert_eq!(variable, bytes.len());
});
