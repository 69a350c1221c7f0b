//! Policies as code: what all policies want at one hook point becomes one eBPF function.
//!
//! The input is a [`Point`]: how a program is called there, and the [`Hook`]s of policies, each with the arguments that
//! it reports and its selectors. The output is code in the place of [`runtime::POLICIES`](ebpf_abi::hook::runtime): it
//! tries the selectors of each hook in order, takes the actions of the first that matches, and reports. Arguments are
//! read when a selector or a report first needs them, once for all policies, and nothing is compared that no policy
//! asks for: what a policy costs is what it says.
//!
//! Promises: no I/O; the same input gives the same code; work in proportion to the input. What can be said in a
//! [`Point`] can be compiled, but for code that is too long for the kernel (32,767 instructions between a jump and its
//! target), which is an error. There is no limit to the number of selectors, filters and values but that.
//!
//! Leaves out: names. What functions, fields and values are called is the business of the `policy` crate.
#![forbid(unsafe_code)]

mod change;
mod compile;
mod field;
mod hash;
mod number;
mod plan;
mod read;
mod report;
mod search;
mod text;

#[cfg(test)]
mod tests;

pub use change::CHANGED;
pub use compile::{claim, compile};
pub use ebpf_asm::{Code, Error};
pub use hash::{ELSEWHERE, LONGEST, hash, hashed, settle};
pub use plan::{
    Action, Arg, Change, Context, FileOffsets, Filter, Hashed, Hook, Length, Limit, NewValue, NumberTest, Operand,
    Ownership, Place, Point, Post, Read, Register, Selector, Socket, Source, Stage, Subject, TextTest,
};
pub use text::POSTFIX_MAX;
