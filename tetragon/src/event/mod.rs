//! Building what the API calls a process, from records and from `/proc`, and the rest of exec and exit events.

mod builder;
mod containers;
mod credentials;
pub mod hook;
mod signal;

pub use builder::{Builder, ExecParts};
pub use containers::{CgroupOf, Containers};
pub use credentials::{binary_properties, capabilities, namespaces};
pub use signal::{Ending, ending};
