//! Exec: a process runs a new image.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_probe_read_user},
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use ebpf_abi::{
    event::{DATA_CHUNK, DATA_CHUNKS, DataEvent, ExecEvent, Header, INLINE_ARGS, data_kind, exec_flag, op},
    map::{ExecPrivileges, Namespaces, Outcome, ProcessEntry, ProcessKey, entry_flag},
};

use crate::{
    globals::config,
    maps::{CHUNK, EXEC_PRIVILEGES, PROCESSES, RECORD, RECORD_SIZE},
    output, path,
    read::{field, read_optional},
    task,
};

/// The head of the record; the variable parts come behind it.
const HEAD: u32 = size_of::<ExecEvent>() as u32;

/// Room that every variable part is sure of: no part is longer.
const PART: u32 = 4_096;

/// Longest path in a record.
const PATH_LIMIT: u32 = PART - 1;

/// Last offset at which a part may begin.
const LAST_PART: u32 = RECORD_SIZE as u32 - PART;

/// `sched_process_exec(task, old_pid, bprm)`, include/trace/events/sched.h. Runs in the new image, credentials and
/// arguments in place, before its first instruction.
///
/// The task is always the current one, so this program also tells of any process that runs it by `BPF_PROG_TEST_RUN`:
/// the agent does so once at start and compares the record with `/proc/self`. A field resolved to the wrong place shows
/// there, before any event carries nonsense.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    let bprm = ctx.arg::<u64>(2);
    exec(task::current(), bprm);
    0
}

#[inline(always)]
fn exec(task: u64, bprm: u64) {
    let Some(record) = RECORD.get_ptr_mut(0) else {
        output::count(op::EXECVE, Outcome::NoScratch);
        return;
    };
    let base = record.cast::<u8>();
    let event = base.cast::<ExecEvent>();
    // SAFETY: the helper takes nothing and cannot fail.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let pid: u32 = field!(task, task_tgid);
    let key = ProcessKey::new(pid, now);
    let cred: u64 = field!(task, task_cred);
    let mut flags = exec_flag::EXECVE;

    // Who: the clone that made this process knows its parent, even if that one is gone by now.
    let known = task::entry(pid);
    let (parent, parent_flags) = match known {
        Some(entry) => (entry.parent, entry.flags),
        None => {
            let (parent, parent_flags, known) = task::parent_key(field!(task, task_real_parent));
            if !known {
                flags |= exec_flag::MISS;
            }
            (parent, parent_flags)
        }
    };
    if parent_flags & entry_flag::CLONE != 0 && known.is_some() {
        flags |= exec_flag::CLONE;
    }
    let (nspid, pid_ns) = task::nspid(task);
    let in_init_tree = task::in_init_tree(nspid, parent_flags);
    if in_init_tree {
        flags |= exec_flag::IN_INIT_TREE;
    }
    let caps = task::capabilities(cred);
    let ns = task::namespaces(task, cred, pid_ns);

    let mm: u64 = field!(task, task_mm);
    let file: u64 = field!(mm, mm_exe_file);
    let inode: u64 = field!(file, file_inode);
    // SAFETY: the record is larger than its head, aligned to 8, and belongs to this CPU while the program runs.
    unsafe {
        (*event).process = key;
        (*event).parent = parent;
        (*event).previous = match known {
            Some(entry) => entry.key,
            None => ProcessKey::new(0, 0),
        };
        (*event).nspid = nspid;
        (*event).auid = task::loginuid(task);
        (*event).links = field!(inode, inode_nlink);
        (*event).inode = field!(inode, inode_ino);
        (*event).creds = task::credentials(cred);
        (*event).privileges = privileges();
        if config!(process_cred) != 0 {
            (*event).caps = caps;
        }
        (*event).ns = if config!(process_ns) != 0 { ns } else { NO_NAMESPACES };
    }

    let entry = ProcessEntry {
        key,
        parent,
        flags: if in_init_tree { entry_flag::IN_INIT_TREE } else { 0 },
        nspid,
        ns,
        caps,
    };
    if PROCESSES.insert(&pid, &entry, 0).is_err() {
        output::count(op::EXECVE, Outcome::MapFull);
    }

    let mut end = HEAD;
    let len = filename(base, end, field!(bprm, binprm_filename), &mut flags);
    // SAFETY: as above.
    unsafe { (*event).filename_len = len as u16 };
    end += len;

    let walked = path::walk(&path::file(task, file));
    // SAFETY: `end` is at most HEAD + 4,095, so a part of 4,095 bytes fits.
    let len = if walked == 0 {
        0
    } else {
        unsafe { path::copy::<PATH_LIMIT>(base.add(end as usize)) }
    };
    // SAFETY: as above.
    unsafe { (*event).image_len = len as u16 };
    end += len;

    let place = path::working_directory(task);
    let walked = path::walk(&place);
    if walked == 0 {
        flags |= exec_flag::ERROR_CWD;
    }
    if walked & path::INCOMPLETE != 0 {
        flags |= exec_flag::ERROR_PATH_RESOLUTION_CWD;
    }
    // SAFETY: `end` is at most HEAD + 2 * 4,095.
    let len = if walked == 0 {
        0
    } else {
        unsafe { path::copy::<PATH_LIMIT>(base.add(end as usize)) }
    };
    if place.dentry == place.root_dentry && place.mnt == place.root_mnt {
        flags |= exec_flag::ROOT_CWD;
    }
    // SAFETY: as above.
    unsafe { (*event).cwd_len = len as u16 };
    end += len;

    let mut cgroup_id = 0u64;
    let mut len = 0;
    match task::cgroup_node(task) {
        Ok(node) => {
            cgroup_id = read_optional!(node, kernfs_node_id);
            // SAFETY: `end` is at most HEAD + 3 * 4,095.
            match unsafe { cgroup_name(node, base.add(end as usize)) } {
                Some(name) => len = name,
                None => flags |= exec_flag::ERROR_CGROUP_NAME,
            }
        }
        Err(missing) => flags |= missing,
    }
    // SAFETY: as above.
    unsafe {
        (*event).cgroup_id = cgroup_id;
        (*event).cgroup_len = len as u16;
    }
    end += len;

    let args = strings(
        base,
        end,
        key,
        data_kind::ARGS,
        field!(mm, mm_arg_start),
        field!(mm, mm_arg_end),
    );
    if args.failed {
        flags |= exec_flag::ERROR_ARGS;
    }
    if args.truncated {
        flags |= exec_flag::TRUNC_ARGS;
    }
    if args.data != 0 {
        flags |= exec_flag::DATA_ARGS;
    }
    // SAFETY: as above.
    unsafe {
        (*event).args_len = args.inline;
        (*event).args_data_len = args.data;
    }
    end += args.inline;

    let mut envs = Strings::NONE;
    if config!(process_env) != 0 {
        envs = strings(
            base,
            end,
            key,
            data_kind::ENVS,
            field!(mm, mm_env_start),
            field!(mm, mm_env_end),
        );
        if envs.failed || envs.truncated {
            flags |= exec_flag::ERROR_ENVS;
        }
        if envs.data != 0 {
            flags |= exec_flag::ENVS_DATA;
        }
        end += envs.inline;
    }
    // SAFETY: as above.
    unsafe {
        (*event).envs_len = envs.inline;
        (*event).envs_data_len = envs.data;
        (*event).flags = flags;
        (*event).header = Header {
            size: end,
            op: op::EXECVE,
            reserved: [0; 3],
            ktime: now,
        };
        if end > RECORD_SIZE as u32 {
            return;
        }
        output::send(op::EXECVE, base.cast(), u64::from(end));
    }
}

const NO_NAMESPACES: Namespaces = Namespaces {
    uts: 0,
    ipc: 0,
    mnt: 0,
    pid: 0,
    pid_for_children: 0,
    net: 0,
    time: 0,
    time_for_children: 0,
    cgroup: 0,
    user: 0,
};

/// What the `bprm_committing_creds` hook noted of this exec, if it did.
#[inline(always)]
fn privileges() -> ExecPrivileges {
    const NONE: ExecPrivileges = ExecPrivileges {
        flags: 0,
        setuid: 0,
        setgid: 0,
        reserved: 0,
    };
    if config!(process_cred) == 0 {
        return NONE;
    }
    let id = aya_ebpf::helpers::bpf_get_current_pid_tgid();
    let Some(noted) = EXEC_PRIVILEGES.get_ptr(&id) else {
        return NONE;
    };
    // SAFETY: the element stays readable for the run of the program, and only this task writes it.
    let noted = unsafe { *noted };
    let _ = EXEC_PRIVILEGES.remove(&id);
    noted
}

/// The file name given to `execve`, at `base + end`; returns its length.
#[inline(always)]
fn filename(base: *mut u8, end: u32, name: u64, flags: &mut u32) -> u32 {
    // SAFETY: `end` is the constant HEAD, and a part fits behind it.
    let read = unsafe { bpf_probe_read_kernel_str(base.add(end as usize).cast(), PART, name as *const c_void) };
    if read <= 0 {
        *flags |= exec_flag::ERROR_FILENAME;
        return 0;
    }
    // Without the NUL.
    (read as u32).wrapping_sub(1) & 0xfff
}

/// The last component of the cgroup path of kernfs node `node`, at `to`; returns its length, at most 127. The root
/// cgroup has an empty name.
///
/// # Safety
///
/// `to` must have room for 128 bytes in the verifier's eyes.
#[inline(always)]
pub unsafe fn cgroup_name(node: u64, to: *mut u8) -> Option<u32> {
    let name: u64 = read_optional!(node, kernfs_node_name);
    // SAFETY: the caller vouches for the target.
    let read = unsafe { bpf_probe_read_kernel_str(to.cast(), 128, name as *const c_void) };
    if read <= 0 {
        None
    } else {
        Some((read as u32).wrapping_sub(1) & 0x7f)
    }
}

/// What became of the arguments or the environment.
struct Strings {
    /// Bytes in the record.
    inline: u32,
    /// Bytes sent before it.
    data: u32,
    failed: bool,
    truncated: bool,
}

impl Strings {
    const NONE: Self = Self {
        inline: 0,
        data: 0,
        failed: false,
        truncated: false,
    };
}

/// The user memory from `from` to `to`: into the record at `base + end` when it is short, else in data records.
#[inline(always)]
fn strings(base: *mut u8, end: u32, key: ProcessKey, kind: u32, from: u64, to: u64) -> Strings {
    let len = to.wrapping_sub(from);
    let mut result = Strings::NONE;
    if len == 0 || to < from {
        return result;
    }
    if len <= u64::from(INLINE_ARGS) {
        if end > LAST_PART {
            result.failed = true;
            return result;
        }
        let len = len as u32 & 0xfff;
        // SAFETY: the part begins at LAST_PART at most and has at most 4,095 bytes.
        if unsafe { bpf_probe_read_user(base.add(end as usize).cast(), len, from as *const c_void) } == 0 {
            result.inline = len;
        } else {
            result.failed = true;
        }
        return result;
    }

    // Cannot be more than the address space, and more than fits below is cut.
    let len = if len > u64::from(u32::MAX) {
        u32::MAX
    } else {
        len as u32
    };
    result.data = send_strings(from, len, kind, key.pid, key.ktime);
    result.truncated = result.data < len;
    result
}

/// Sends the `len` bytes of user memory from `from` in data records; returns how many bytes went out, which is less
/// than `len` when the ring is full, the memory is not there, or [`DATA_CHUNKS`] are not enough.
///
/// Exported for the reason given at [`path::path_walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn send_strings(from: u64, len: u32, kind: u32, pid: u32, ktime: u64) -> u32 {
    let Some(chunk) = CHUNK.get_ptr_mut(0) else {
        return 0;
    };
    let key = ProcessKey::new(pid, ktime);
    let full = len / DATA_CHUNK as u32;
    let mut sent = 0;
    while sent < DATA_CHUNKS {
        if sent >= full {
            break;
        }
        let offset = sent * DATA_CHUNK as u32;
        // SAFETY: the chunk has room for DATA_CHUNK bytes.
        if !unsafe {
            send_chunk(
                chunk,
                key,
                kind,
                from.wrapping_add(u64::from(offset)),
                offset,
                DATA_CHUNK as u32,
            )
        } {
            break;
        }
        sent += 1;
    }
    let offset = sent * DATA_CHUNK as u32;
    let rest = len & (DATA_CHUNK as u32 - 1);
    if sent < full || rest == 0 {
        return offset;
    }
    // SAFETY: the rest is smaller than a chunk.
    if unsafe { send_chunk(chunk, key, kind, from.wrapping_add(u64::from(offset)), offset, rest) } {
        offset + rest
    } else {
        offset
    }
}

/// Sends `len` bytes of user memory from `from`, which are at `offset` in their whole.
///
/// # Safety
///
/// `len` is at most [`DATA_CHUNK`] in the verifier's eyes.
#[inline(always)]
unsafe fn send_chunk(
    chunk: *mut crate::maps::Chunk,
    key: ProcessKey,
    kind: u32,
    from: u64,
    offset: u32,
    len: u32,
) -> bool {
    let size = size_of::<DataEvent>() as u32 + len;
    // SAFETY: the chunk is a whole map value of this CPU; the caller bounds `len`.
    unsafe {
        let read = bpf_probe_read_user((&raw mut (*chunk).bytes).cast(), len, from as *const c_void);
        if read != 0 {
            return false;
        }
        (*chunk).head = DataEvent {
            header: Header {
                size,
                op: op::DATA,
                reserved: [0; 3],
                ktime: key.ktime,
            },
            process: key,
            kind,
            len,
            offset,
            reserved: 0,
        };
        output::send(op::DATA, chunk.cast(), u64::from(size))
    }
}
