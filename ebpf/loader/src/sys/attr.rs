//! Layouts of `union bpf_attr` by command (include/uapi/linux/bpf.h), as far as they are used. The kernel takes what a
//! shorter structure lacks as zero.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub(crate) struct $name { $(pub(crate) $field: $ty,)* })*
    };
}

attributes! {
    MapCreate {
        map_type: u32, key_size: u32, value_size: u32, max_entries: u32, map_flags: u32, inner_map_fd: u32,
        numa_node: u32, map_name: [u8; 16], map_ifindex: u32, btf_fd: u32, btf_key_type_id: u32,
        btf_value_type_id: u32, btf_vmlinux_value_type_id: u32, map_extra: u64,
    }
    Element {
        map_fd: u32, reserved: u32, key: u64, value: u64, flags: u64,
    }
    MapFreeze {
        map_fd: u32,
    }
    ProgLoad {
        prog_type: u32, insn_cnt: u32, insns: u64, license: u64, log_level: u32, log_size: u32, log_buf: u64,
        kern_version: u32, prog_flags: u32, prog_name: [u8; 16], prog_ifindex: u32, expected_attach_type: u32,
        prog_btf_fd: u32, func_info_rec_size: u32, func_info: u64, func_info_cnt: u32, line_info_rec_size: u32,
        line_info: u64, line_info_cnt: u32, attach_btf_id: u32, attach_btf_obj_fd: u32, core_relo_cnt: u32,
    }
    ObjPin {
        path: u64, fd: u32, flags: u32,
    }
    BtfLoad {
        btf: u64, log_buf: u64, btf_size: u32, log_size: u32, log_level: u32, reserved: u32,
    }
    RawTracepointOpen {
        name: u64, prog_fd: u32, reserved: u32,
    }
    ObjectInfo {
        fd: u32, info_len: u32, info: u64,
    }
    TestRun {
        prog_fd: u32, retval: u32, data_size_in: u32, data_size_out: u32, data_in: u64, data_out: u64, repeat: u32,
        duration: u32, ctx_size_in: u32, ctx_size_out: u32, ctx_in: u64, ctx_out: u64, flags: u32, cpu: u32,
    }
    /// A batch of elements.
    Batch {
        start: u64, end: u64, keys: u64, values: u64, count: u32, map_fd: u32, elem_flags: u64, flags: u64,
    }
    /// For programs attached to many functions of the kernel.
    KprobeMulti {
        prog_fd: u32, target_fd: u32, attach_type: u32, link_flags: u32, flags: u32, count: u32, symbols: u64,
        addresses: u64, cookies: u64,
    }
    /// For programs attached to many functions of a file.
    UprobeMulti {
        prog_fd: u32, target_fd: u32, attach_type: u32, link_flags: u32, path: u64, offsets: u64, counters: u64,
        cookies: u64, count: u32, flags: u32, pid: u32, reserved: u32,
    }
    /// For programs attached to perf events.
    LinkCreate {
        prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32, cookie: u64,
    }
}

impl MapCreate {
    /// What the layout has to come to; a shorter one would leave out `map_extra`.
    pub(crate) const SIZE: usize = 72;
}

const _: () = {
    assert!(size_of::<MapCreate>() == MapCreate::SIZE);
    assert!(size_of::<Element>() == 32);
    assert!(size_of::<ProgLoad>() == 120);
    assert!(size_of::<TestRun>() == 72);
    assert!(size_of::<LinkCreate>() == 24);
};
