//! TracingPolicy: from the text of a file to what is to be done in the kernel.
//!
//! ```text
//! text ──▶ yaml ──▶ spec::Document ──▶ model::Policy ──▶ (kernel configuration)
//!          nodes     as it was written   as it is meant ──▶ eval: what has to happen
//! ```
//!
//! - [`parse`](parse::parse) reads a file into [documents](spec::Document), which know where each value stands, and
//!   [`print`](parse::print) writes them;
//! - [`resolve`] checks everything else and makes [policies](model::Policy) of them: lists and macros resolved, values
//!   typed, defaults in place. It asks a [`Kernel`](kernel::Kernel) what only a kernel knows;
//! - [`eval`] says what a policy has to do with a call. It is made for tests of the kernel programs.
//!
//! [`resolve::load`] does the first two:
//!
//! ```
//! use policy::kernel::NoKernel;
//! use policy::limits::Limits;
//! use policy::yaml::Budget;
//!
//! let text = "
//! apiVersion: cilium.io/v1alpha1
//! kind: TracingPolicy
//! metadata: {name: writes}
//! spec:
//!   kprobes:
//!   - call: sys_write
//!     args: [{index: 0, type: fd}, {index: 2, type: size_t}]
//!     selectors:
//!     - matchArgs: [{index: 0, operator: Prefx, values: [/etc/]}]
//! ";
//! let (policies, problems) = policy::resolve::load(text, Budget::default(), &Limits::default(), &NoKernel);
//! assert!(policies.is_empty());
//! assert_eq!(
//!     problems[0].to_string(),
//!     "10:40: spec.kprobes[0].selectors[0].matchArgs[0].operator: `Prefx` is not an operator \
//!      (did you mean `Prefix`?)",
//! );
//! ```
//!
//! Bad input is normal: every problem of a file is reported at once, with line, column, field and what is allowed.
//!
//! What a file may say is declared in tables: objects and their fields in [`spec`], types in [`arg_type`], operators in
//! [`operator`], names of numbers in [`names`], bounds in [`limits`]. A new type or operator is a row there.
//!
//! No I/O, no kernel, no clock: the same text and the same answers give the same result.

#![forbid(unsafe_code)]

pub mod arg_type;
pub mod diagnostic;
pub mod eval;
pub mod kernel;
pub mod leaf;
pub mod limits;
pub mod model;
pub mod names;
pub mod object;
pub mod operator;
pub mod parse;
pub mod place;
pub mod resolve;
pub mod spec;
pub mod suggest;
pub mod syscalls;
pub mod yaml;
