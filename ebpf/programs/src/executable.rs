//! The paths of executables, noted when they are executed: later the file may have another name, or none.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use ebpf_abi::{
    event::op,
    executable::{self, PATH_MAX},
    map::{Executable, Outcome},
};

use crate::{
    globals::{config, copy},
    maps::{EXECUTABLE, EXECUTABLES, PATH, PATH_SIZE, PROCESSES},
    output, path,
    read::field,
    task,
};

/// Notes the path last walked into the exec program's buffer as that of the current process, which has an entry if there
/// was room for it.
#[inline(always)]
pub fn note() {
    let id = executable_note();
    let pid: u32 = field!(task::current(), task_tgid);
    if let Some(entry) = PROCESSES.get_ptr_mut(&pid) {
        // SAFETY: the element stays readable for the run of the program; the process executes, so nobody else changes it.
        unsafe { (*entry).executable = id };
    }
}

/// Remembers that path, and returns what it is called there; 0 when it is too long, or there is no room.
///
/// Exported for the reason given at [`path::path_walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn executable_note() -> u64 {
    let (Some(from), Some(path)) = (PATH.get_ptr(path::exec_buffer()), EXECUTABLE.get_ptr_mut(copy())) else {
        return 0;
    };
    // SAFETY: whole map values of this CPU, which nobody else uses while the program runs.
    unsafe {
        let start = (&raw const (*from).start).read_volatile();
        let len = (PATH_SIZE as u32).wrapping_sub(start);
        if len == 0 || len > PATH_MAX as u32 {
            return 0;
        }
        // The masks change nothing but what the verifier knows.
        let bytes = (&raw const (*from).bytes).cast::<u8>().add((start & 0xfff) as usize);
        (&raw mut (*path).len).write_volatile(len);
        let len = (&raw const (*path).len).read_volatile() & PATH_MAX as u32;
        bpf_probe_read_kernel((&raw mut (*path).words).cast(), len, bytes.cast());
        (*path).reserved = 0;
        let id = executable::id(config!(executable_key), &(*path).words, len);
        if EXECUTABLES.get_ptr(&id).is_none() && EXECUTABLES.insert(&id, &*path, 0).is_err() {
            output::count(op::EXECVE, Outcome::PathForgotten);
            return 0;
        }
        id
    }
}

/// The path of the executable of the current process, if it was noted.
#[inline(always)]
pub fn of_current() -> Option<*const Executable> {
    let entry = task::current_entry()?;
    // SAFETY: the element stays readable for the run of the program.
    let id = unsafe { (*entry).executable };
    if id == 0 {
        return None;
    }
    EXECUTABLES.get_ptr(&id)
}
