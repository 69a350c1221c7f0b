//! `differential EXPORT SEED [GROUP…] [-GROUP…]`: what the kernel does with policies and calls, compared with what the
//! reference evaluator says of them.
//!
//! Policies are generated (`generate`) for hooks that calls of this process reach (`group`), and added to the running
//! agent as text. Then the calls are made (`calls`), each between two others that a marker policy reports, so that the
//! order of events in the export file tells which policies matched which call (`events`). The same text,
//! the values of the arguments and the facts of the process go through [`policy::eval`] (`oracle`). What is reported and
//! what selectors have counted must both be the same.
//!
//! A pair of policy and call that differs is made smaller (`shrink`), and printed with the seed.

mod agent;
mod calls;
mod facts;
mod generate;
mod group;
mod oracle;
mod policies;
mod random;
mod shrink;

use std::{collections::BTreeMap, ffi::CString, path::Path};

use anyhow::{Result, bail, ensure};
use policy::{arg_type::ArgType, operator::Operator};
use serde_json::json;

use super::{
    events::{Events, MARKER},
    say,
};
use calls::{Input, Prepared, World};
use group::{GROUPS, Group};
use policies::Policy;
use random::Random;

/// The tester.
pub fn differential(arguments: &[CString]) -> Result<()> {
    let export = say::string(arguments, 0)?;
    let seed: u64 = say::number(arguments, 1)?;
    let mut events = Events::open(Path::new(export))?;
    let world = World::new()?;
    let mut random = Random::new(seed);
    agent::add(&[MARKER.to_owned()])?;

    let mut rounds = vec![];
    let named: Vec<_> = arguments.iter().skip(2).map(|name| name.to_string_lossy()).collect();
    let left_out = |group: &Group| named.iter().any(|name| name.strip_prefix('-') == Some(group.name));
    let chosen = |group: &Group| named.iter().any(|name| name == group.name);
    let all = named.iter().all(|name| name.starts_with('-'));
    for (index, group) in GROUPS.iter().enumerate() {
        if chosen(group) || all && !left_out(group) {
            rounds.push(Round::new(index, group, &world, &mut random)?);
        }
    }
    let missing = missing(rounds.iter().flat_map(|round| &round.policies));
    ensure!(!named.is_empty() || missing.is_empty(), "nothing compares {missing:?}");
    let policies = rounds.iter().flat_map(|round| &round.policies);
    let texts: BTreeMap<_, _> = policies.map(|policy| (policy.name.clone(), policy.text())).collect();
    agent::add(&texts.values().cloned().collect::<Vec<_>>())?;
    let (mut pairs, mut matches, mut selectors) = (0, 0, 0);
    let mut before = agent::counts()?;
    for round in rounds {
        let group = round.group;
        let mut expected = BTreeMap::new();
        let outcome = round.run(&mut events, &mut expected)?;
        if let Some((policy, input, reported, wanted)) = outcome.mismatch {
            eprintln!(
                "tester: seed {seed}: reported {reported} times instead of {wanted}:\n{}\n{input:?}",
                policy.text()
            );
            let told = shrink::smallest(group, policy, input, &world, &mut events)?;
            bail!("seed {seed}: {told}");
        }
        pairs += outcome.pairs;
        matches += outcome.matches;
        selectors += expected.len();
        // Preparations and calls of other groups may reach the hooks as well.
        let after = agent::counts()?;
        for (selector, count) in &expected {
            let of = |counts: &BTreeMap<agent::Selector, u64>| counts.get(selector).copied().unwrap_or_default();
            let found = of(&after) - of(&before);
            if found < *count || found > *count && !group.hooks.iter().any(|hook| hook.busy) {
                let text = texts.get(&selector.0).map_or("", String::as_str);
                bail!("seed {seed}: {selector:?} matched {count} times and counted {found}: {text}");
            }
        }
        before = after;
    }
    say::line(&json!({
        "pairs": pairs,
        "matches": matches,
        "selectors": selectors,
        "mismatches": 0,
    }))
}

/// Types and operators that no policy has.
fn missing<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<(ArgType, Operator)> {
    let mut there = vec![];
    for policy in policies {
        let filters = policy.selectors.iter().flat_map(|selector| &selector.filters);
        there.extend(filters.map(|filter| (policy.types[filter.arg], filter.operator)));
    }
    let all = ArgType::ALL
        .iter()
        .flat_map(|&of| generate::operators(of).map(move |operator| (of, operator)));
    all.filter(|way| !there.contains(way)).collect()
}

/// A group with its policies and calls.
struct Round {
    group: &'static Group,
    policies: Vec<Policy>,
    calls: Vec<(Input, Prepared)>,
}

/// What came of a round.
struct Outcome {
    pairs: usize,
    matches: usize,
    /// With how often it was reported, and how often it should have been.
    mismatch: Option<(Policy, Input, usize, usize)>,
}

impl Round {
    fn new(index: usize, group: &'static Group, world: &World, random: &mut Random) -> Result<Self> {
        let mut calls = vec![];
        for _ in 0..group.calls {
            let input = (group.generate)(random);
            let prepared = (group.prepare)(&input, world)?;
            calls.push((input, prepared));
        }
        let pool = generate::Pool::of(calls.iter().map(|(_, prepared)| prepared), world);
        let policies = (0..group.policies)
            .map(|number| generate::policy(index, group, number, &pool, random))
            .collect::<Result<_>>()?;
        Ok(Self { group, policies, calls })
    }

    /// Makes the calls; adds what selectors must have counted then to `expected`.
    fn run(self, events: &mut Events, expected: &mut BTreeMap<agent::Selector, u64>) -> Result<Outcome> {
        let models = self.policies.iter().map(oracle::Model::new);
        let models = models.collect::<Result<Vec<_>>>()?;
        for model in &models {
            for selector in model.selectors() {
                expected.entry(selector).or_insert(0);
            }
        }
        let mut outcome = Outcome {
            pairs: 0,
            matches: 0,
            mismatch: None,
        };
        for (input, prepared) in self.calls {
            let verdicts: Vec<_> = models.iter().map(|model| model.verdict(&prepared)).collect();
            let reported = observe(prepared, events)?;
            for ((policy, model), verdict) in self.policies.iter().zip(&models).zip(verdicts) {
                outcome.pairs += 1;
                let counted = verdict
                    .selectors
                    .and_then(|selector| expected.get_mut(&model.selector(selector)));
                if let Some(count) = counted {
                    *count += 1;
                }
                let times = reported.get(&policy.name).copied().unwrap_or_default();
                outcome.matches += times;
                let wanted = usize::from(verdict.posts);
                if times != wanted && outcome.mismatch.is_none() {
                    outcome.mismatch = Some((policy.clone(), input.clone(), times, wanted));
                }
            }
        }
        Ok(outcome)
    }
}

/// Makes a call, and returns how often each policy reported it.
fn observe(prepared: Prepared, events: &mut Events) -> Result<BTreeMap<String, usize>> {
    let before = calls::marker();
    let pid = (prepared.act)()?;
    let after = calls::marker();
    events.wait(|event| event.marker() == Some(before))?;
    let mut reported = BTreeMap::new();
    events.wait(|event| {
        if event.marker() == Some(after) {
            return true;
        }
        if event.pid == u64::from(pid) {
            *reported.entry(event.policy.clone()).or_insert(0) += 1;
        }
        false
    })?;
    Ok(reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_meets_every_operator() {
        let mut random = Random::new(1);
        let mut policies = vec![];
        for (index, group) in GROUPS.iter().enumerate() {
            for number in 0..group.policies {
                let policy = generate::policy(index, group, number, &generate::Pool::some(), &mut random);
                policies.push(policy.unwrap());
            }
        }
        assert_eq!(missing(policies.iter()), []);
        assert_ne!(missing(policies[..100].iter()), []);
    }
}
