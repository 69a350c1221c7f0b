//! Reading kernel memory.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

/// Kernel types that any bytes make a value of.
///
/// # Safety
///
/// Every bit pattern must be valid.
pub unsafe trait Plain: Copy {}

// SAFETY: integers have no invalid bit pattern.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u8; N] {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u64; N] {}

/// The `T` at `offset` bytes into the kernel structure at `base`; zero when that cannot be read.
#[inline(always)]
pub fn read<T: Plain>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes all `size_of::<T>()` bytes, zeroes on failure (kernel/trace/bpf_trace.c), and every
    // bit pattern is a `T`.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            base.wrapping_add(u64::from(offset)) as *const c_void,
        );
        value.assume_init()
    }
}

/// Like [`read`], of a field that some kernels lack: zero there.
macro_rules! read_optional {
    ($base:expr, $field:ident) => {
        if $crate::globals::offset!($field) == ebpf_abi::field::MISSING {
            Default::default()
        } else {
            $crate::read::read($base, $crate::globals::offset!($field))
        }
    };
}

/// Reads the field of the kernel field table from the structure at the given address.
macro_rules! field {
    ($base:expr, $field:ident) => {
        $crate::read::read($base, $crate::globals::offset!($field))
    };
}

pub(crate) use {field, read_optional};
