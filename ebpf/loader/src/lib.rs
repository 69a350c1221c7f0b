//! Objects, maps, programs and links: how kernel programs get into the kernel.
//!
//! [`Object`] is an ELF file of programs, read by `aya-obj`. Its globals and map sizes are set while it is only bytes;
//! [`Object::create`] makes its maps, freezes what is constant and gives [`Loaded`], from which programs are loaded by
//! name. A [`Program`] is attached by one of its `attach` methods; dropping the [`Link`] detaches it.
//!
//! Promises: nothing is left in the kernel when the values are dropped, but what was pinned to stay ([`Pins`]); every
//! error names the call, the object it was about and, where there is something to do about it, what. All system calls
//! are in the private module `sys`, pass through one function and can be replaced in tests.
//!
//! Leaves out: BTF of map keys and values, `CO-RE` relocations (offsets come from `.rodata` instead), and
//! policy: which program to load on which kernel is the caller's decision. The object is trusted; it comes from the
//! binary or from a directory that only the administrator writes to.
#![deny(unsafe_code)]

mod bytes;
mod dispatcher;
mod error;
mod features;
mod link;
mod linker;
mod loaded;
mod map;
mod object;
mod pin;
pub mod probe;
mod program;
mod ring;
mod succession;
mod sys;

pub use dispatcher::Dispatcher;
pub use ebpf_asm::Code;
pub use error::{Error, SysError};
pub use features::features;
pub use link::Link;
pub use loaded::Loaded;
pub use map::{Map, Maps, Update};
pub use object::Object;
pub use pin::Pins;
pub use program::{Program, ProgramKind, TracingAttach};
pub use ring::{RingBuffer, RingError};
pub use succession::Succession;
pub use sys::Ending;
