//! The kernel structure fields that the programs read, declared once.
//!
//! One line below makes a field of [`Offsets`] (a `.rodata` global of the object), the rule by which user space
//! resolves it against the running kernel's type information, and the constant that kernel code reads it through.
//! A source lists alternatives, newest kernel first; the first that exists wins. Members of anonymous structs and
//! unions are named as C code would name them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of a field that the running kernel does not have. Programs compare with it and the verifier cuts the branch.
pub const MISSING: u32 = u32::MAX;

/// Where the value of a field of [`Offsets`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Byte offset of a member, as `struct.member.member`; alternatives in order of preference.
    Member(&'static [&'static str]),
    /// Size of a type in bytes.
    Size(&'static str),
    /// Value of an enumerator, as `enum.ENUMERATOR`.
    Enumerator(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in [`Offsets`].
    pub name: &'static str,
    /// How it is resolved.
    pub source: Source,
    /// Whether the agent can run without it.
    pub required: bool,
}

macro_rules! kernel_fields {
    ($($(#[$doc:meta])* $name:ident: $need:ident $kind:ident $source:tt;)*) => {
        /// Offsets, sizes and enumerators resolved against the running kernel; [`MISSING`] where it has none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct Offsets {
            $($(#[$doc])* #[doc = concat!("`", stringify!($source), "`")] pub $name: u32,)*
        }

        impl Offsets {
            /// A table in which nothing is resolved.
            pub const UNRESOLVED: Self = Self { $($name: MISSING,)* };
        }

        /// The rules, in the order of the fields of [`Offsets`], which holds nothing but one `u32` for each.
        pub const TABLE: &[Field] = &[$(Field {
            name: stringify!($name),
            source: kernel_fields!(@source $kind $source),
            required: kernel_fields!(@need $need),
        },)*];
    };
    (@source member [$($path:literal),+]) => { Source::Member(&[$($path),+]) };
    (@source size [$path:literal]) => { Source::Size($path) };
    (@source enumerator [$path:literal]) => { Source::Enumerator($path) };
    (@need required) => { true };
    (@need optional) => { false };
}

kernel_fields! {
    task_pid: required member ["task_struct.pid"];
    task_tgid: required member ["task_struct.tgid"];
    task_real_parent: required member ["task_struct.real_parent"];
    task_group_leader: required member ["task_struct.group_leader"];
    /// Renamed in 5.5.
    task_start_boottime: required member ["task_struct.start_boottime", "task_struct.real_start_time"];
    task_exit_code: required member ["task_struct.exit_code"];
    /// Counts executions; a thread has that of its process.
    task_self_exec_id: required member ["task_struct.self_exec_id"];
    task_signal: required member ["task_struct.signal"];
    task_mm: required member ["task_struct.mm"];
    task_fs: required member ["task_struct.fs"];
    /// With which it acts at the moment: the kernel lends it others, such as those of who mounted an overlay.
    task_cred: required member ["task_struct.cred"];
    /// Its own.
    task_real_cred: required member ["task_struct.real_cred"];
    task_nsproxy: required member ["task_struct.nsproxy"];
    task_thread_pid: required member ["task_struct.thread_pid"];
    task_cgroups: required member ["task_struct.cgroups"];
    /// Only with `CONFIG_AUDIT`.
    task_loginuid: optional member ["task_struct.loginuid.val"];

    signal_live: required member ["signal_struct.live.counter"];
    signal_flags: required member ["signal_struct.flags"];
    signal_group_exit_code: required member ["signal_struct.group_exit_code"];

    mm_arg_start: required member ["mm_struct.arg_start"];
    mm_arg_end: required member ["mm_struct.arg_end"];
    mm_env_start: required member ["mm_struct.env_start"];
    mm_env_end: required member ["mm_struct.env_end"];
    mm_exe_file: required member ["mm_struct.exe_file"];

    binprm_filename: required member ["linux_binprm.filename"];
    binprm_cred: required member ["linux_binprm.cred"];
    binprm_file: required member ["linux_binprm.file"];
    kiocb_filp: required member ["kiocb.ki_filp"];

    /// Descriptors of a process.
    task_files: required member ["task_struct.files"];
    files_fdt: required member ["files_struct.fdt"];
    fdtable_max_fds: required member ["fdtable.max_fds"];
    fdtable_fd: required member ["fdtable.fd"];

    path_mnt: required member ["path.mnt"];
    path_dentry: required member ["path.dentry"];
    dentry_inode: required member ["dentry.d_inode"];
    dentry_sb: required member ["dentry.d_sb"];
    super_block_root: required member ["super_block.s_root"];

    file_path_mnt: required member ["file.f_path.mnt"];
    file_path_dentry: required member ["file.f_path.dentry"];
    file_inode: required member ["file.f_inode"];

    inode_mode: required member ["inode.i_mode"];
    inode_ino: required member ["inode.i_ino"];
    inode_nlink: required member ["inode.i_nlink"];

    fs_root_mnt: required member ["fs_struct.root.mnt"];
    fs_root_dentry: required member ["fs_struct.root.dentry"];
    fs_pwd_mnt: required member ["fs_struct.pwd.mnt"];
    fs_pwd_dentry: required member ["fs_struct.pwd.dentry"];

    dentry_parent: required member ["dentry.d_parent"];
    dentry_name: required member ["dentry.d_name.name"];
    dentry_name_len: required member ["dentry.d_name.len"];
    dentry_hash_pprev: required member ["dentry.d_hash.pprev"];

    vfsmount_root: required member ["vfsmount.mnt_root"];
    mount_mnt: required member ["mount.mnt"];
    mount_parent: required member ["mount.mnt_parent"];
    mount_mountpoint: required member ["mount.mnt_mountpoint"];

    cred_uid: required member ["cred.uid.val"];
    cred_gid: required member ["cred.gid.val"];
    cred_suid: required member ["cred.suid.val"];
    cred_sgid: required member ["cred.sgid.val"];
    cred_euid: required member ["cred.euid.val"];
    cred_egid: required member ["cred.egid.val"];
    cred_fsuid: required member ["cred.fsuid.val"];
    cred_fsgid: required member ["cred.fsgid.val"];
    cred_securebits: required member ["cred.securebits"];
    /// Two 32-bit halves until 6.2, one 64-bit word since: the same bytes.
    cred_cap_inheritable: required member ["cred.cap_inheritable"];
    cred_cap_permitted: required member ["cred.cap_permitted"];
    cred_cap_effective: required member ["cred.cap_effective"];
    cred_user_ns: required member ["cred.user_ns"];

    user_ns_level: required member ["user_namespace.level"];
    user_ns_owner: required member ["user_namespace.owner.val"];
    user_ns_group: required member ["user_namespace.group.val"];
    user_ns_inum: required member ["user_namespace.ns.inum"];

    nsproxy_uts: required member ["nsproxy.uts_ns"];
    nsproxy_ipc: required member ["nsproxy.ipc_ns"];
    nsproxy_mnt: required member ["nsproxy.mnt_ns"];
    nsproxy_pid_for_children: required member ["nsproxy.pid_ns_for_children"];
    nsproxy_net: required member ["nsproxy.net_ns"];
    nsproxy_time: optional member ["nsproxy.time_ns"];
    nsproxy_time_for_children: optional member ["nsproxy.time_ns_for_children"];
    nsproxy_cgroup: optional member ["nsproxy.cgroup_ns"];
    uts_ns_inum: optional member ["uts_namespace.ns.inum"];
    ipc_ns_inum: optional member ["ipc_namespace.ns.inum"];
    mnt_ns_inum: optional member ["mnt_namespace.ns.inum"];
    pid_ns_inum: optional member ["pid_namespace.ns.inum"];
    net_ns_inum: optional member ["net.ns.inum"];
    time_ns_inum: optional member ["time_namespace.ns.inum"];
    cgroup_ns_inum: optional member ["cgroup_namespace.ns.inum"];

    pid_level: required member ["pid.level"];
    pid_numbers: required member ["pid.numbers"];
    upid_size: required size ["upid"];
    upid_nr: required member ["upid.nr"];
    upid_ns: required member ["upid.ns"];

    socket_sk: required member ["socket.sk"];
    sock_family: required member ["sock.__sk_common.skc_family"];
    sock_state: required member ["sock.__sk_common.skc_state"];
    sock_num: required member ["sock.__sk_common.skc_num"];
    sock_dport: required member ["sock.__sk_common.skc_dport"];
    sock_saddr: required member ["sock.__sk_common.skc_rcv_saddr"];
    sock_daddr: required member ["sock.__sk_common.skc_daddr"];
    /// Only with `CONFIG_IPV6`.
    sock_v6_saddr: optional member ["sock.__sk_common.skc_v6_rcv_saddr"];
    sock_v6_daddr: optional member ["sock.__sk_common.skc_v6_daddr"];
    sock_type: required member ["sock.sk_type"];
    sock_protocol: required member ["sock.sk_protocol"];
    sock_mark: required member ["sock.sk_mark"];
    sock_priority: required member ["sock.sk_priority"];

    skb_head: required member ["sk_buff.head"];
    skb_network_header: required member ["sk_buff.network_header"];
    skb_transport_header: required member ["sk_buff.transport_header"];
    skb_len: required member ["sk_buff.len"];
    skb_hash: required member ["sk_buff.hash"];
    skb_mark: required member ["sk_buff.mark"];
    skb_priority: required member ["sk_buff.priority"];

    /// `TS_COMPAT` in it: the system call is one of a 32-bit program.
    task_status: optional member ["task_struct.thread_info.status"];

    bpf_map_type: optional member ["bpf_map.map_type"];
    bpf_map_key_size: optional member ["bpf_map.key_size"];
    bpf_map_value_size: optional member ["bpf_map.value_size"];
    bpf_map_max_entries: optional member ["bpf_map.max_entries"];
    bpf_map_name: optional member ["bpf_map.name"];
    bpf_prog_type: optional member ["bpf_prog.type"];
    bpf_prog_len: optional member ["bpf_prog.len"];
    bpf_prog_aux: optional member ["bpf_prog.aux"];
    bpf_prog_aux_name: optional member ["bpf_prog_aux.name"];
    perf_event_attr: optional member ["perf_event.attr"];

    module_name: optional member ["module.name"];
    module_taints: optional member ["module.taints"];
    load_info_name: optional member ["load_info.name"];
    load_info_mod: optional member ["load_info.mod"];
    /// Only with `CONFIG_MODULE_SIG`.
    load_info_sig_ok: optional member ["load_info.sig_ok"];

    /// One byte since 5.14; before, bits of a word, with the direction in the lowest.
    iov_iter_type: optional member ["iov_iter.iter_type", "iov_iter.type"];
    iov_iter_offset: optional member ["iov_iter.iov_offset"];
    iov_iter_count: optional member ["iov_iter.count"];
    iov_iter_iov: optional member ["iov_iter.__iov", "iov_iter.iov"];
    iov_iter_segments: optional member ["iov_iter.nr_segs"];
    iter_iovec: optional enumerator ["iter_type.ITER_IOVEC"];
    iter_kvec: optional enumerator ["iter_type.ITER_KVEC"];
    /// Since 6.0.
    iter_ubuf: optional enumerator ["iter_type.ITER_UBUF"];

    css_set_dfl_cgrp: optional member ["css_set.dfl_cgrp"];
    css_set_subsys: optional member ["css_set.subsys"];
    css_cgroup: optional member ["cgroup_subsys_state.cgroup"];
    cgroup_kn: optional member ["cgroup.kn"];
    kernfs_node_name: optional member ["kernfs_node.name"];
    kernfs_node_id: optional member ["kernfs_node.id"];
    cgroup_subsys_memory: optional enumerator ["cgroup_subsys_id.memory_cgrp_id"];
    cgroup_subsys_pids: optional enumerator ["cgroup_subsys_id.pids_cgrp_id"];
    cgroup_subsys_cpuset: optional enumerator ["cgroup_subsys_id.cpuset_cgrp_id"];
}

const _: () = assert!(size_of::<Offsets>() == TABLE.len() * size_of::<u32>());
