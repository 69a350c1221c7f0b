//! The command as a child process, and the agent that it talks to.

mod child;
mod server;

pub(crate) use child::{Child, Output, tetra};
pub(crate) use server::{Agent, Script, event};
