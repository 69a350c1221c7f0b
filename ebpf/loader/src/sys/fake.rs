//! Puts a function in place of the kernel, for the calling thread.

use std::{cell::RefCell, io};

use super::Syscall;

type Answer = Box<dyn FnMut(&mut Syscall<'_>) -> io::Result<u64>>;

thread_local! {
    static KERNEL: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// Until dropped, calls of this thread are answered by a function.
pub(crate) struct Fake(());

impl Fake {
    pub(crate) fn new(answer: impl FnMut(&mut Syscall<'_>) -> io::Result<u64> + 'static) -> Self {
        KERNEL.with_borrow_mut(|kernel| *kernel = Some(Box::new(answer)));
        Self(())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        KERNEL.with_borrow_mut(|kernel| *kernel = None);
    }
}

pub(super) fn answer(call: &mut Syscall<'_>) -> Option<io::Result<u64>> {
    KERNEL.with_borrow_mut(|kernel| {
        let answer = kernel.as_mut()?;
        Some(match call {
            // None of what is tested.
            Syscall::Scheduling | Syscall::Schedule { .. } => Err(io::Error::from_raw_os_error(libc::EPERM)),
            call => answer(call),
        })
    })
}

/// What a fake kernel reads from `union bpf_attr` and from the memory that it points to.
pub(crate) trait ReadAttr {
    /// The number at byte `offset`.
    fn number(&self, offset: usize) -> u32;
    /// Writes the verifier's log of a `BPF_PROG_LOAD`.
    fn fill_log(&self, text: &[u8]);
    /// Reads `len` bytes from the address at byte `offset`.
    fn buffer(&self, offset: usize, len: usize) -> Vec<u8>;
    /// Reads the text that the address at byte `offset` is of.
    fn text(&self, offset: usize) -> String;
}

impl ReadAttr for [u8] {
    fn number(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self[offset..offset + 4].try_into().unwrap())
    }

    fn fill_log(&self, text: &[u8]) {
        assert!(text.len() <= self.number(28) as usize);
        let address = u64::from_ne_bytes(self[32..40].try_into().unwrap());
        // SAFETY: the caller of bpf(2) lends a buffer of the length that it gives, and the text is no longer.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), address as usize as *mut u8, text.len()) };
    }

    fn buffer(&self, offset: usize, len: usize) -> Vec<u8> {
        let address = u64::from_ne_bytes(self[offset..offset + 8].try_into().unwrap());
        // SAFETY: the caller of bpf(2) lends a buffer of at least this length.
        unsafe { std::slice::from_raw_parts(address as usize as *const u8, len) }.to_vec()
    }

    fn text(&self, offset: usize) -> String {
        let address = u64::from_ne_bytes(self[offset..offset + 8].try_into().unwrap());
        // SAFETY: the caller of bpf(2) lends a NUL-terminated text.
        let text = unsafe { std::ffi::CStr::from_ptr(address as usize as *const libc::c_char) };
        text.to_str().unwrap().to_owned()
    }
}
