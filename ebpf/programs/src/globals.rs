//! Constants that user space writes before load.

use ebpf_abi::{config::Config, field::Offsets};

/// Checked by the loader before anything else.
#[unsafe(no_mangle)]
pub static ABI_VERSION: u32 = ebpf_abi::ABI_VERSION;

/// Where the running kernel keeps things.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::UNRESOLVED;

/// What the user switched on.
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    process_cred: 0,
    process_ns: 0,
    process_env: 0,
    cgroup_subsys: ebpf_abi::config::CGROUP_V2,
    executable_key: [0; 2],
};

/// Which of the [`ebpf_abi::map::COPIES`] instances this is. Each has scratch memory of its own: one may be preempted
/// while another runs.
#[unsafe(no_mangle)]
pub static COPY: u32 = 0;

/// The number of this instance.
#[inline(always)]
pub fn copy() -> u32 {
    load(&COPY)
}

/// The value that user space gave `global`. The read is volatile, because the value in the object is another one.
#[inline(always)]
pub fn load<T: Copy>(global: &T) -> T {
    // SAFETY: a reference is valid, aligned and initialised.
    unsafe { core::ptr::read_volatile(global) }
}

/// One entry of the kernel field table.
macro_rules! offset {
    ($field:ident) => {
        $crate::globals::load(&$crate::globals::OFFSETS.$field)
    };
}

/// One configuration value.
macro_rules! config {
    ($field:ident) => {
        $crate::globals::load(&$crate::globals::CONFIG.$field)
    };
}

pub(crate) use {config, offset};
