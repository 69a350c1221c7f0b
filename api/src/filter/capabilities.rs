//! The `capabilities` field of a filter.

use super::FilterError;
use crate::v1::{CapFilter, CapFilterSet, Capabilities};

/// Conditions on the three capability sets, all of which must hold.
#[derive(Debug)]
pub(super) struct CapabilityCondition {
    permitted: Option<Set>,
    effective: Option<Set>,
    inheritable: Option<Set>,
}

/// A condition on a set of capabilities; bit n is capability n.
#[derive(Debug)]
enum Set {
    Any(u64),
    All(u64),
    Exactly(u64),
    None(u64),
}

impl CapabilityCondition {
    pub(super) fn compile(filter: &CapFilter) -> Result<Self, FilterError> {
        let CapFilter {
            permitted,
            effective,
            inheritable,
        } = filter;
        if permitted.is_none() && effective.is_none() && inheritable.is_none() {
            return Err(FilterError::NoCapabilitySet);
        }
        let set = |name, set: &Option<CapFilterSet>| set.as_ref().map(|set| Set::compile(name, set)).transpose();
        Ok(Self {
            permitted: set("permitted", permitted)?,
            effective: set("effective", effective)?,
            inheritable: set("inheritable", inheritable)?,
        })
    }

    pub(super) fn holds(&self, capabilities: &Capabilities) -> bool {
        let Self {
            permitted,
            effective,
            inheritable,
        } = self;
        let holds = |set: &Option<Set>, list: &[i32]| set.as_ref().is_none_or(|set| set.holds(bits(list)));
        holds(permitted, &capabilities.permitted)
            && holds(effective, &capabilities.effective)
            && holds(inheritable, &capabilities.inheritable)
    }
}

impl Set {
    fn compile(name: &'static str, set: &CapFilterSet) -> Result<Self, FilterError> {
        let CapFilterSet {
            any,
            all,
            exactly,
            none,
        } = set;
        match (any.as_slice(), all.as_slice(), exactly.as_slice(), none.as_slice()) {
            (list @ [_, ..], [], [], []) => Ok(Self::Any(bits(list))),
            ([], list @ [_, ..], [], []) => Ok(Self::All(bits(list))),
            ([], [], list @ [_, ..], []) => Ok(Self::Exactly(bits(list))),
            ([], [], [], list @ [_, ..]) => Ok(Self::None(bits(list))),
            _ => Err(FilterError::CapabilitySet(name)),
        }
    }

    fn holds(&self, have: u64) -> bool {
        match *self {
            Self::Any(wanted) => have & wanted != 0,
            Self::All(wanted) => have & wanted == wanted,
            Self::Exactly(wanted) => have == wanted,
            Self::None(wanted) => have & wanted == 0,
        }
    }
}

/// Capabilities are numbers below 64: the kernel holds a set in 64 bits (`kernel_cap_t`). Others count as 63, which no
/// kernel has.
fn bits(list: &[i32]) -> u64 {
    list.iter()
        .fold(0, |bits, &n| bits | 1 << u32::try_from(n).map_or(63, |n| n.min(63)))
}
