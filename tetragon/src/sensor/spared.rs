//! Whom policies send no signal: process 1, without which the kernel panics, and the agent, without which nobody watches.
//!
//! Which process the agent is is no constant of the programs, as they may outlive it: they look it up
//! ([`agent`](ebpf_abi::hook::agent)), by its id and by when it started.
//!
//! A selector that means one of them names it: by `matchPIDs` with operator In, and neither as a process of a pid namespace
//! nor as an ancestor of others. Ids are those of the host. It is any signal, as what one comes to is up to who gets it; and
//! signals only: to be denied something is the end of nobody.

use ebpf_codegen::Hook;
use policy::model::{self, PidFilter, ProcessFilter, Selector};

/// The process that all others come from.
const INIT: u32 = 1;

/// Tells the selectors of `part`, which are those of `hook`, whom they spare: process 1 and the agent, whose id is `agent`.
pub(super) fn mark(hook: &model::Hook, agent: u32, part: &mut Hook) {
    for (selector, written) in part.selectors.iter_mut().zip(&hook.selectors) {
        selector.spared = if names(written, INIT) { vec![] } else { vec![INIT] };
        selector.spares_agent = !names(written, agent);
    }
}

/// Whether `selector` asks for process `pid` itself.
fn names(selector: &Selector, pid: u32) -> bool {
    selector.process.iter().any(|condition| {
        matches!(condition, ProcessFilter::Pid(PidFilter {
            negated: false,
            namespaced: false,
            follow_forks: false,
            values,
        }) if values.contains(&pid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spared(conditions: &[PidFilter]) -> Vec<u32> {
        let selector = Selector {
            process: conditions.iter().cloned().map(ProcessFilter::Pid).collect(),
            ..Selector::default()
        };
        [INIT, 77].into_iter().filter(|pid| !names(&selector, *pid)).collect()
    }

    #[test]
    fn whoever_is_named_is_meant() {
        let named = |values: &[u32]| PidFilter {
            negated: false,
            values: values.to_vec(),
            namespaced: false,
            follow_forks: false,
        };
        assert_eq!(spared(&[]), [1, 77]);
        assert_eq!(spared(&[named(&[2, 3])]), [1, 77]);
        assert_eq!(spared(&[named(&[1])]), [77]);
        assert!(spared(&[named(&[77, 1])]).is_empty());
        for other in [
            PidFilter {
                negated: true,
                ..named(&[77])
            },
            PidFilter {
                namespaced: true,
                ..named(&[1])
            },
            PidFilter {
                follow_forks: true,
                ..named(&[1, 77])
            },
        ] {
            assert_eq!(spared(&[other]), [1, 77]);
        }
    }
}
