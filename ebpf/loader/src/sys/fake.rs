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
    KERNEL.with_borrow_mut(|kernel| kernel.as_mut().map(|answer| answer(call)))
}
