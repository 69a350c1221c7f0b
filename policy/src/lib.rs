//! TracingPolicy: from the text of a file to what is to be done in the kernel.
#![forbid(unsafe_code)]

pub mod arg_type;
pub mod diagnostic;
pub mod leaf;
pub mod names;
pub mod object;
pub mod operator;
pub mod parse;
pub mod place;
pub mod spec;
pub mod suggest;
pub mod yaml;
