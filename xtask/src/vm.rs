//! Test machines: QEMU without acceleration, a kernel, an initramfs, and a second serial port to report on.

pub(crate) mod blobs;
pub(crate) mod console;
pub(crate) mod excerpt;
pub(crate) mod folder;
pub(crate) mod machine;
pub(crate) mod qemu;
pub(crate) mod stream;
