//! Records of hooks of policies.

use ebpf_abi::event::{HookArg, HookEvent};
use zerocopy::FromBytes as _;

/// [`HookEvent`] with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook<'a> {
    /// The fixed part.
    pub head: HookEvent,
    /// The arguments, each decoded when it is asked for.
    pub args: Args<'a>,
}

/// An argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What is known of it.
    pub head: HookArg,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The arguments of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a>(pub(super) &'a [u8]);

impl<'a> Args<'a> {
    /// The arguments in order. Ends early where the bytes are none.
    pub fn values(self) -> impl Iterator<Item = Value<'a>> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let (head, rest) = HookArg::read_from_prefix(left).ok()?;
            let len = head.len as usize;
            let (bytes, rest) = rest.split_at_checked(len.checked_next_multiple_of(8)?)?;
            left = rest;
            Some(Value {
                head,
                bytes: bytes.get(..len)?,
            })
        })
    }
}

impl Value<'_> {
    /// The number that it is.
    pub fn number(&self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes.try_into().ok()?))
    }
}
