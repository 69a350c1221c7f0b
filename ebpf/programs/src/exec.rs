//! Exec: a process runs a new image.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_probe_read_user},
    },
    macros::{raw_tracepoint, tracepoint},
    programs::{RawTracePointContext, TracePointContext},
};
use ebpf_abi::{
    event::{
        DATA_CHUNK, DATA_CHUNKS, DataEvent, ExecEvent, Header, INLINE_ARGS, INLINE_ENVS, data_kind, exec_flag, op,
    },
    map::{ExecPrivileges, Images, Outcome, ProcessKey, entry_flag},
};

use crate::{
    executable,
    globals::{config, copy},
    maps::{CHUNK, Chunk, EXEC, EXEC_PRIVILEGES, LAST_PART, PART, PROCESSES, Scratch},
    output, path,
    read::{field, read_optional},
    task::{self, copy_key, set_key},
};

/// Longest path in a record, and longest file name.
const PATH_LIMIT: u32 = PART as u32 - 1;

/// `sched_process_exec(task, old_pid, bprm)`, include/trace/events/sched.h. Runs in the new image, credentials and
/// arguments in place, before its first instruction.
///
/// The task is always the current one, so this program also tells of any process that runs it by `BPF_PROG_TEST_RUN`:
/// the agent does so once at start and compares the record with `/proc/self`. A field resolved to the wrong place shows
/// there, before any event carries nonsense.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    let bprm = ctx.arg::<u64>(2);
    if !seen(task::current()) {
        run(field!(bprm, binprm_filename));
    }
    0
}

/// The same through the tracepoint's perf event, during which nothing is preempted, whatever the kernel.
///
/// The event is `{ u64 common; u32 filename; pid_t pid; pid_t old_pid; }`, where the low half of `filename` is the
/// distance to a string behind it (include/trace/events/sched.h).
#[tracepoint(category = "sched", name = "sched_process_exec")]
pub fn perf_sched_process_exec(ctx: TracePointContext) -> u32 {
    if !seen(task::current()) {
        // SAFETY: a field of the event; the verifier checks the access.
        let filename = unsafe { *ctx.as_ptr().cast::<u32>().add(2) };
        run((ctx.as_ptr() as u64).wrapping_add(u64::from(filename & 0xffff)));
    }
    0
}

/// Reports an execution of the file whose name is at `filename`.
#[inline(always)]
fn run(filename: u64) {
    if let Some(scratch) = EXEC.get_ptr_mut(copy()) {
        // SAFETY: a map value of this CPU, which nobody else uses while the program runs.
        unsafe { exec(scratch, filename) };
    } else {
        output::count(op::EXECVE, Outcome::NoScratch);
    }
}

/// Whether another instance of this program has seen this execution already.
#[inline(always)]
fn seen(task: u64) -> bool {
    let pid: u32 = field!(task, task_tgid);
    let exec_id: u32 = field!(task, task_self_exec_id);
    // SAFETY: the element stays readable for the run of the program.
    PROCESSES
        .get_ptr(&pid)
        .is_some_and(|entry| unsafe { (*entry).exec_id } == exec_id)
}

/// # Safety
///
/// `scratch` must be valid, and this program's alone.
#[inline(always)]
unsafe fn exec(scratch: *mut Scratch, filename: u64) {
    let task = task::current();
    // SAFETY: the helper takes nothing and cannot fail.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    // SAFETY: pointers into `scratch`, which the caller vouches for; the record is larger than its head.
    unsafe {
        let event = (&raw mut (*scratch).record).cast::<ExecEvent>();
        (*scratch).end = size_of::<ExecEvent>() as u32;
        (*scratch).flags = exec_flag::EXECVE;

        if !identity(scratch, event, task, now) {
            return;
        }
        credentials(scratch, event, task);
        files(scratch, event, task, filename);
        cgroup(scratch, event, task);
        let mm: u64 = field!(task, task_mm);
        arguments(scratch, event, mm);
        environment(scratch, event, mm);

        (*event).flags = (*scratch).flags;
        // At least the head, and no more than fits: which the mask tells the verifier.
        let size = (&raw const (*scratch).end).read_volatile() & (LAST_PART as u32 - 1);
        (*event).header = Header::new(size, op::EXECVE, now);
        output::send(op::EXECVE, event.cast(), u64::from(size));
    }
}

/// Who: the image's identity, its parent's and its predecessor's. Replaces the process's entry, and tells whether the
/// execution is this instance's to report.
#[inline(always)]
unsafe fn identity(scratch: *mut Scratch, event: *mut ExecEvent, task: u64, now: u64) -> bool {
    // SAFETY: see `exec`.
    unsafe {
        let entry = &raw mut (*scratch).entry;
        let pid: u32 = field!(task, task_tgid);
        let mut parent_flags = 0;
        if let Some(known) = PROCESSES.get_ptr(&pid) {
            // The clone that made this process knew its parent, which may be gone by now.
            copy_key(&raw const (*known).key, &raw mut (*event).previous);
            copy_key(&raw const (*known).parent, &raw mut (*entry).parent);
            parent_flags = (*known).flags;
            task::copy_images(&raw const (*known).images, &raw mut (*entry).images);
            if parent_flags & entry_flag::CLONE != 0 {
                (*scratch).flags |= exec_flag::CLONE;
            } else {
                // The image before takes the place of the parent.
                (*entry).images.parent = (*entry).images.image;
                (*entry).images.parent_followed = (*entry).images.followed;
            }
        } else {
            set_key(0, 0, &raw mut (*event).previous);
            task::no_images(&raw mut (*entry).images);
            match task::identity(field!(task, task_real_parent), &raw mut (*entry).parent) {
                Some(flags) => parent_flags = flags,
                None => (*scratch).flags |= exec_flag::MISS,
            }
        }
        (*entry).images.image = Images::KNOWN;
        // Until it is noted.
        (*entry).executable = 0;
        let (nspid, pid_ns) = task::nspid(task);
        (*entry).flags = 0;
        if task::in_init_tree(nspid, parent_flags) {
            (*scratch).flags |= exec_flag::IN_INIT_TREE;
            (*entry).flags = entry_flag::IN_INIT_TREE;
        }
        set_key(pid, now, &raw mut (*entry).key);
        (*entry).nspid = nspid;
        (*entry).exec_id = field!(task, task_self_exec_id);
        (*entry).start = 0;
        let cred: u64 = field!(task, task_cred);
        task::namespaces(task, pid_ns, &raw mut (*entry).ns);
        task::capabilities(cred, &raw mut (*entry).caps);
        copy_key(&raw const (*entry).key, &raw mut (*event).process);
        copy_key(&raw const (*entry).parent, &raw mut (*event).parent);
        (*event).nspid = nspid;
        task::remember(op::EXECVE, pid, entry)
    }
}

/// Credentials, capabilities, namespaces, and what of them this exec changed.
#[inline(always)]
unsafe fn credentials(scratch: *mut Scratch, event: *mut ExecEvent, task: u64) {
    // SAFETY: see `exec`.
    unsafe {
        (*event).auid = task::loginuid(task);
        task::credentials(field!(task, task_cred), &raw mut (*event).creds);
        if config!(process_cred) != 0 {
            (*event).caps = (*scratch).entry.caps;
            privileges(&raw mut (*event).privileges);
        }
        if config!(process_ns) != 0 {
            (*event).ns = (*scratch).entry.ns;
        }
    }
}

/// Writes what the `bprm_committing_creds` hook noted of this exec, zeroes if nothing.
///
/// The stores are volatile, lest the compiler makes a call to `memset` of them: the verifier walks its loop byte by
/// byte, for every way that leads to it.
#[inline(always)]
unsafe fn privileges(to: *mut ExecPrivileges) {
    let id = bpf_get_current_pid_tgid();
    let (mut flags, mut setuid, mut setgid) = (0, 0, 0);
    if let Some(noted) = EXEC_PRIVILEGES.get_ptr(&id) {
        // SAFETY: the element stays readable for the run of the program, and only this task writes it.
        (flags, setuid, setgid) = unsafe { ((*noted).flags, (*noted).setuid, (*noted).setgid) };
        let _ = EXEC_PRIVILEGES.remove(&id);
    }
    // SAFETY: see `exec`.
    unsafe {
        (&raw mut (*to).flags).write_volatile(flags);
        (&raw mut (*to).setuid).write_volatile(setuid);
        (&raw mut (*to).setgid).write_volatile(setgid);
    }
}

/// The file name as given, the image as the kernel found it, and the working directory.
#[inline(always)]
unsafe fn files(scratch: *mut Scratch, event: *mut ExecEvent, task: u64, filename: u64) {
    // SAFETY: see `exec`; every part is at most PATH_LIMIT long.
    unsafe {
        let read = bpf_probe_read_kernel_str(part(scratch).cast(), PART as u32, filename as *const c_void);
        if read <= 0 {
            (*scratch).flags |= exec_flag::ERROR_FILENAME;
            (*event).filename_len = 0;
        } else {
            // Without the NUL.
            (*event).filename_len = advance(scratch, (read as u32).wrapping_sub(1) & PATH_LIMIT) as u16;
        }

        let mm: u64 = field!(task, task_mm);
        let file: u64 = field!(mm, mm_exe_file);
        let inode: u64 = field!(file, file_inode);
        (*event).links = field!(inode, inode_nlink);
        (*event).inode = field!(inode, inode_ino);
        path::walk(&path::file(task, file), path::exec_buffer());
        executable::note();
        (*event).image_len = advance(scratch, path::copy::<PATH_LIMIT>(path::exec_buffer(), part(scratch))) as u16;

        let place = path::working_directory(task);
        let walked = path::walk(&place, path::exec_buffer());
        if walked == 0 {
            (*scratch).flags |= exec_flag::ERROR_CWD;
        }
        if walked & path::INCOMPLETE != 0 {
            (*scratch).flags |= exec_flag::ERROR_PATH_RESOLUTION_CWD;
        }
        if (place.dentry ^ place.root_dentry) | (place.mnt ^ place.root_mnt) == 0 {
            (*scratch).flags |= exec_flag::ROOT_CWD;
        }
        (*event).cwd_len = advance(scratch, path::copy::<PATH_LIMIT>(path::exec_buffer(), part(scratch))) as u16;
    }
}

/// The cgroup that names the container.
#[inline(always)]
unsafe fn cgroup(scratch: *mut Scratch, event: *mut ExecEvent, task: u64) {
    // SAFETY: see `exec`; a name is at most 127 bytes long.
    unsafe {
        (*event).cgroup_id = 0;
        (*event).cgroup_len = 0;
        match task::cgroup_node(task) {
            Ok(node) => {
                (*event).cgroup_id = read_optional!(node, kernfs_node_id);
                match cgroup_name(node, part(scratch)) {
                    Some(len) => (*event).cgroup_len = advance(scratch, len) as u16,
                    None => (*scratch).flags |= exec_flag::ERROR_CGROUP_NAME,
                }
            }
            Err(missing) => (*scratch).flags |= missing,
        }
    }
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

#[inline(always)]
unsafe fn arguments(scratch: *mut Scratch, event: *mut ExecEvent, mm: u64) {
    // SAFETY: see `exec`.
    unsafe {
        (*event).args_data_len = 0;
        (*event).args_len = 0;
        let from: u64 = field!(mm, mm_arg_start);
        let to: u64 = field!(mm, mm_arg_end);
        let len = length(from, to);
        if len <= INLINE_ARGS {
            match inline::<INLINE_ARGS>(scratch, from, len) {
                Some(len) => (*event).args_len = len,
                None => (*scratch).flags |= exec_flag::ERROR_ARGS,
            }
            return;
        }
        let key = (*scratch).entry.key;
        let sent = send_strings(from, len, data_kind::ARGS, key.pid, key.ktime);
        (*event).args_data_len = sent;
        (*scratch).flags |= exec_flag::DATA_ARGS;
        if sent < len {
            (*scratch).flags |= exec_flag::TRUNC_ARGS;
        }
    }
}

#[inline(always)]
unsafe fn environment(scratch: *mut Scratch, event: *mut ExecEvent, mm: u64) {
    // SAFETY: see `exec`.
    unsafe {
        (*event).envs_data_len = 0;
        (*event).envs_len = 0;
        if config!(process_env) == 0 {
            return;
        }
        let from: u64 = field!(mm, mm_env_start);
        let to: u64 = field!(mm, mm_env_end);
        let len = length(from, to);
        if len <= INLINE_ENVS {
            match inline::<INLINE_ENVS>(scratch, from, len) {
                Some(len) => (*event).envs_len = len,
                None => (*scratch).flags |= exec_flag::ERROR_ENVS,
            }
            return;
        }
        let key = (*scratch).entry.key;
        let sent = send_strings(from, len, data_kind::ENVS, key.pid, key.ktime);
        (*event).envs_data_len = sent;
        (*scratch).flags |= exec_flag::ENVS_DATA;
        if sent < len {
            (*scratch).flags |= exec_flag::ERROR_ENVS;
        }
    }
}

/// Where the next part of the record goes: at least [`PART`] bytes before the end of `scratch`.
///
/// # Safety
///
/// `scratch` must be valid.
#[inline(always)]
unsafe fn part(scratch: *mut Scratch) -> *mut u8 {
    // SAFETY: the caller vouches for it. The parts before the last one and the head are shorter than LAST_PART in all,
    // so the mask changes nothing but what the verifier knows; the read is volatile so that the compiler knows as little.
    unsafe {
        let end = (&raw const (*scratch).end).read_volatile() as usize & (LAST_PART - 1);
        (&raw mut (*scratch).record).cast::<u8>().add(end)
    }
}

const _: () = assert!(
    size_of::<ExecEvent>() + 3 * PATH_LIMIT as usize + 127 + (INLINE_ARGS + INLINE_ENVS) as usize <= LAST_PART,
    "a record may be longer than the mask in `part` and `exec` allows"
);

/// Makes the `len` bytes just written at [`part`] part of the record; returns `len`.
#[inline(always)]
unsafe fn advance(scratch: *mut Scratch, len: u32) -> u32 {
    // SAFETY: see `exec`.
    unsafe {
        let end = &raw mut (*scratch).end;
        end.write_volatile(end.read_volatile() + len);
    }
    len
}

/// Number of bytes from `from` to `to`; more than 4 GiB count as 4 GiB, which is cut anyway.
#[inline(always)]
fn length(from: u64, to: u64) -> u32 {
    let len = to.saturating_sub(from);
    if len > u64::from(u32::MAX) {
        u32::MAX
    } else {
        len as u32
    }
}

/// Copies `len` bytes of user memory from `from` into the record, at most `LIMIT`, which is one less than a power of
/// two; nothing when they are not there.
#[inline(always)]
unsafe fn inline<const LIMIT: u32>(scratch: *mut Scratch, from: u64, len: u32) -> Option<u32> {
    // SAFETY: see `exec`; LIMIT is less than a part. Through memory, because the compiler knows the bound and would drop
    // the mask, which the verifier needs.
    unsafe {
        (&raw mut (*scratch).len).write_volatile(len);
        let len = (&raw const (*scratch).len).read_volatile() & LIMIT;
        if bpf_probe_read_user(part(scratch).cast(), len, from as *const c_void) != 0 {
            return None;
        }
        Some(advance(scratch, len))
    }
}

/// Sends the `len` bytes of user memory from `from` in data records; returns how many bytes went out, which is less
/// than `len` when the ring is full, the memory is not there, or [`DATA_CHUNKS`] are not enough.
///
/// Exported for the reason given at [`path::path_walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn send_strings(from: u64, len: u32, kind: u32, pid: u32, ktime: u64) -> u32 {
    let Some(chunk) = CHUNK.get_ptr_mut(copy()) else {
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
        let from = from.wrapping_add(u64::from(offset));
        // SAFETY: the chunk has room for DATA_CHUNK bytes.
        if !unsafe { send_chunk(chunk, key, kind, from, offset, DATA_CHUNK as u32) } {
            break;
        }
        sent += 1;
    }
    let offset = sent * DATA_CHUNK as u32;
    let rest = len & (DATA_CHUNK as u32 - 1);
    if sent < full || rest == 0 {
        return offset;
    }
    let from = from.wrapping_add(u64::from(offset));
    // SAFETY: the rest is smaller than a chunk.
    if unsafe { send_chunk(chunk, key, kind, from, offset, rest) } {
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
unsafe fn send_chunk(chunk: *mut Chunk, key: ProcessKey, kind: u32, from: u64, offset: u32, len: u32) -> bool {
    let size = size_of::<DataEvent>() as u32 + len;
    // SAFETY: the chunk is a whole map value of this CPU; the caller bounds `len`.
    unsafe {
        if bpf_probe_read_user((&raw mut (*chunk).bytes).cast(), len, from as *const c_void) != 0 {
            return false;
        }
        let head = &raw mut (*chunk).head;
        (*head).header = Header::new(size, op::DATA, key.ktime);
        set_key(key.pid, key.ktime, &raw mut (*head).process);
        (*head).kind = kind;
        (*head).len = len;
        (*head).offset = offset;
        (*head).reserved = 0;
        output::send(op::DATA, chunk.cast(), u64::from(size))
    }
}
