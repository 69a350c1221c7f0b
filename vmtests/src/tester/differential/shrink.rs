//! Making a difference small.

use anyhow::Result;

use super::{
    super::events::Events,
    agent,
    calls::{Input, World},
    group::Group,
    observe,
    oracle::Model,
    policies::Policy,
};

/// Rounds at most; each makes the pair a little smaller.
const ROUNDS: usize = 40;

/// Pairs that are tried in a round at most. Their policies stay, so that none of them has to be taken out again: a change of
/// policies is what takes time.
const PAIRS: usize = 12;

/// A pair that differs still, and how.
struct Difference {
    policy: Policy,
    input: Input,
    reported: usize,
    expected: bool,
}

/// Makes the pair smaller as long as it differs, and tells of it.
pub(super) fn smallest(
    group: &'static Group,
    policy: Policy,
    input: Input,
    world: &World,
    events: &mut Events,
) -> Result<String> {
    let whole = format!("{}\n{input:?}", policy.text());
    let mut names = 0;
    let Some(mut least) = first(group, vec![(policy, input)], world, events, &mut names)? else {
        return Ok(format!("differed once and does not any more:\n{whole}"));
    };
    for _ in 0..ROUNDS {
        let policies = least
            .policy
            .smaller()
            .into_iter()
            .map(|policy| (policy, least.input.clone()));
        let inputs = least
            .input
            .smaller()
            .into_iter()
            .map(|input| (least.policy.clone(), input));
        let pairs: Vec<_> = policies.chain(inputs).collect();
        let mut less = None;
        for pairs in pairs.chunks(PAIRS) {
            less = first(group, pairs.to_vec(), world, events, &mut names)?;
            if less.is_some() {
                break;
            }
        }
        match less {
            Some(less) => least = less,
            None => break,
        }
    }
    let Difference {
        policy,
        input,
        reported,
        expected,
    } = least;
    let should = if expected { "has to report" } else { "must not report" };
    let call = (group.prepare)(&input, world)?;
    Ok(format!(
        "this policy {should} the call and reported it {reported} times:\n{}\n{input:?}\n{:?}",
        policy.text(),
        call.values
    ))
}

/// The first of the pairs that differs.
fn first(
    group: &'static Group,
    pairs: Vec<(Policy, Input)>,
    world: &World,
    events: &mut Events,
    names: &mut usize,
) -> Result<Option<Difference>> {
    let mut there = vec![];
    for (mut policy, input) in pairs {
        *names += 1;
        policy.name = format!("smaller-{names}");
        // What is left may make no sense.
        if Model::new(&policy).is_ok() {
            there.push((policy, input));
        }
    }
    agent::add(&there.iter().map(|(policy, _)| policy.text()).collect::<Vec<_>>())?;
    let mut found = None;
    for (policy, input) in &there {
        let call = (group.prepare)(input, world)?;
        let expected = Model::new(policy)?.verdict(&call).posts;
        let reported = observe(call, events)?.get(&policy.name).copied().unwrap_or_default();
        if reported != usize::from(expected) {
            found = Some(Difference {
                policy: policy.clone(),
                input: input.clone(),
                reported,
                expected,
            });
            break;
        }
    }
    Ok(found)
}
