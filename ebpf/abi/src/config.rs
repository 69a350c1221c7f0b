//! Configuration known at load, written to `.rodata` and frozen, so that the verifier cuts the branches it rules out.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the `CONFIG` global of the base sensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Config {
    /// Not 0: read capabilities and credentials (`--enable-process-cred`).
    pub process_cred: u32,
    /// Not 0: read namespaces (`--enable-process-ns`).
    pub process_ns: u32,
    /// Not 0: read environment variables (`--enable-process-environment-variables`).
    pub process_env: u32,
    /// Index into `css_set.subsys` of the cgroup v1 controller that names containers; [`CGROUP_V2`] to use the
    /// default hierarchy.
    pub cgroup_subsys: u32,
    /// Key of [`executable::id`](crate::executable::id): random, and secret.
    pub executable_key: [u64; 2],
}

/// [`Config::cgroup_subsys`] when containers are named by the unified hierarchy.
pub const CGROUP_V2: u32 = u32::MAX;
