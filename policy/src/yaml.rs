//! YAML as a tree of nodes that know where they stand.
//!
//! Reading is bounded in every direction ([`Budget`]), so that no file can cost more than a few megabytes: policies
//! come from people who may install policies, but also through an API, and the agent that reads them is privileged.

mod emit;
mod load;
mod node;

pub use emit::{Out, emit};
pub use load::{Budget, documents};
pub(crate) use node::shorten;
pub use node::{Key, Node, NodeKind};
