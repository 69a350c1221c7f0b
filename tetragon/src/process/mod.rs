//! The process cache: who every process is, ready to be put into events.
//!
//! An image is inserted when its exec, its clone or the scan of `/proc` tells of it, and *ended* when it exits or is
//! replaced. Each image holds a reference on its parent until it has ended, so a parent can be shown as long as children
//! live. What has ended and is referred to by nobody stays for one or two intervals of the garbage collection.
//!
//! Promises: never more than its capacity, in number and in bytes; an image with references is dropped only when the cache is full of such, and
//! that is counted; all operations take constant time. Invents nothing: what is not there is not shown.

mod cache;
mod dead;
mod hash;

pub use cache::{Cache, Slot};

#[cfg(test)]
mod tests;
