//! Reader of BTF, the kernel's type information (Documentation/bpf/btf.rst in the kernel sources).
//!
//! The kernel describes its own structures in `/sys/kernel/btf/vmlinux`, and those of modules in further files that
//! build on it. This crate answers where a member lies in a structure, how large a type is, what value an enumerator
//! has and what parameters a function takes; [`fields`] applies that to the table of fields the kernel programs read.
//!
//! Promises: no I/O; any bytes give a value or an error, never a panic, and never more work or memory than is
//! proportional to their length, cyclic types included. The bytes are borrowed and nothing is copied from them: the
//! reader keeps one `u32` a type.
//!
//! Leaves out: big-endian BTF, `.BTF.ext`, and writing anything but the plain kinds that [`Builder`] knows.
//!
//! ```
//! use btf::{Btf, Builder};
//!
//! let mut builder = Builder::new();
//! let int = builder.int("int", 4);
//! builder.structure("point", 8, &[("x", int, 0), ("y", int, 32)]);
//! let bytes = builder.finish();
//!
//! let btf = Btf::parse(&bytes)?;
//! let point = btf.structure("point").expect("it was just written");
//! assert_eq!(btf.member(point, "y").map(|member| member.byte_offset()), Some(4));
//! # Ok::<(), btf::Error>(())
//! ```
#![forbid(unsafe_code)]

mod builder;
mod enumerator;
mod error;
pub mod fields;
mod function;
mod header;
mod kind;
mod member;
mod minimise;
mod read;
mod search;
mod size;
mod types;

pub use builder::Builder;
pub use error::Error;
pub use function::{Function, Param};
pub use kind::Kind;
pub use member::{Member, RawMember};
pub use minimise::minimise;
pub use types::{Btf, Type, TypeId};
