//! All policies.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use btf::Btf;
use ebpf_codegen::Hook;
use ebpf_loader::{Loaded, Maps};
use policy::{diagnostic::Severity, limits::Limits, model::Policy, yaml::Budget};

use super::{
    Error, Table,
    lower::{self, PointKey, Wanted},
    point::Attached,
    running::{Running, Symbols},
};
use crate::observer::{kernel_object, kernel_types};

/// Where kernel programs and the kernel's types come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `--bpf-lib`.
    pub bpf_lib: Option<PathBuf>,
    /// `--btf`.
    pub btf: Option<PathBuf>,
}

/// The policies that are loaded, and what they came to in the kernel.
#[derive(Debug)]
pub struct Sensors {
    source: Source,
    maps: Arc<Maps>,
    table: Arc<Table>,
    policies: BTreeMap<String, Resident>,
    points: BTreeMap<PointKey, Attached>,
    next_id: u64,
}

/// A policy that is loaded.
#[derive(Debug)]
struct Resident {
    id: u64,
    hooks: Vec<(PointKey, Hook)>,
    domain: String,
    enforces: bool,
}

/// A policy, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Number that it was given.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub domain: String,
    /// How and where it is attached: `fentry:fd_install`.
    pub hooks: Vec<String>,
    /// Bytes of kernel programs at its hook points, shared with other policies.
    pub memory: u64,
    /// Whether it can change what processes do.
    pub enforces: bool,
}

/// What is needed to load programs, for as long as that takes: it is large.
struct Workshop {
    types: Vec<u8>,
    loaded: Loaded,
}

impl Sensors {
    /// No policies yet. `maps` are those of the base sensors.
    pub fn new(source: Source, maps: Arc<Maps>, table: Arc<Table>) -> Self {
        Self {
            source,
            maps,
            table,
            policies: BTreeMap::new(),
            points: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Loads all policies in `text`, or none of them. Returns their names.
    pub fn add(&mut self, text: &str, domain: &str) -> Result<Vec<String>, Error> {
        let Workshop { types, loaded } = self.workshop()?;
        let types = Btf::parse(&types).map_err(|error| Error::Invalid(vec![error.to_string()]))?;
        let symbols = Symbols::default();
        let kernel = Running {
            types: &types,
            symbols: &|name| symbols.has(name),
        };
        let (policies, problems) = policy::resolve::load(text, Budget::default(), &Limits::default(), &kernel);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.iter().partition(|problem| problem.severity == Severity::Error);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if !errors.is_empty() {
            return Err(Error::Invalid(errors.iter().map(ToString::to_string).collect()));
        }
        if policies.is_empty() {
            return Err(Error::Empty);
        }
        if let Some(known) = policies.iter().find(|policy| self.policies.contains_key(&policy.name)) {
            return Err(Error::Exists(known.name.clone()));
        }
        let mut wanted = vec![];
        for policy in &policies {
            wanted.push((policy, lower::policy(policy, &kernel)?));
        }
        let mut added: Vec<String> = vec![];
        for (policy, wanted) in wanted {
            let name = policy.name.clone();
            if let Err(error) = self.insert(policy, wanted, domain, &loaded, &kernel) {
                for name in added {
                    self.take_out(&name, &loaded)?;
                }
                return Err(error);
            }
            added.push(name);
        }
        Ok(added)
    }

    /// Unloads policy `name`.
    pub fn delete(&mut self, name: &str) -> Result<(), Error> {
        if !self.policies.contains_key(name) {
            return Err(Error::Missing(name.to_owned()));
        }
        let Workshop { loaded, .. } = self.workshop()?;
        self.take_out(name, &loaded)
    }

    /// The policies, by name.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |(name, policy): (&String, &Resident)| Listed {
            id: policy.id,
            name: name.clone(),
            domain: policy.domain.clone(),
            hooks: policy
                .hooks
                .iter()
                .map(|(point, _)| format!("{}:{}", point.kind.name(), point.name))
                .collect(),
            memory: policy
                .hooks
                .iter()
                .filter_map(|(point, _)| self.points.get(point))
                .map(Attached::memory)
                .sum(),
            enforces: policy.enforces,
        };
        self.policies.iter().map(listed).collect()
    }

    /// Detaches everything.
    pub fn clear(&mut self) {
        self.points.clear();
        self.policies.clear();
    }

    fn workshop(&self) -> Result<Workshop, Error> {
        let types = kernel_types(self.source.btf.as_deref(), self.source.bpf_lib.as_deref())?;
        let object = kernel_object(self.source.bpf_lib.as_deref())?;
        Ok(Workshop {
            types,
            loaded: object.with_maps(Arc::clone(&self.maps))?,
        })
    }

    fn insert(
        &mut self,
        policy: &Policy,
        wanted: Vec<Wanted>,
        domain: &str,
        loaded: &Loaded,
        kernel: &Running<'_>,
    ) -> Result<(), Error> {
        // Known before the first event can come.
        let numbers = self
            .table
            .add(wanted.iter().map(|wanted| wanted.info.clone()).collect());
        let hooks: Vec<(PointKey, Hook)> = wanted
            .into_iter()
            .zip(&numbers)
            .map(|(wanted, &number)| (wanted.point, Hook { number, ..wanted.hook }))
            .collect();
        self.next_id += 1;
        let points: Vec<PointKey> = hooks.iter().map(|(point, _)| point.clone()).collect();
        let policy_loaded = Resident {
            id: self.next_id,
            hooks,
            domain: domain.to_owned(),
            enforces: policy.enforces(),
        };
        self.policies.insert(policy.name.clone(), policy_loaded);
        for (index, point) in points.iter().enumerate() {
            if points[..index].contains(point) {
                continue;
            }
            if let Err(error) = self.bring_up(point, loaded, kernel) {
                self.take_out(&policy.name, loaded)?;
                return Err(named(error, &policy.name));
            }
        }
        tracing::info!(policy = policy.name, hooks = ?self.list().iter().find(|listed| listed.name == policy.name).map(|listed| listed.hooks.clone()).unwrap_or_default(), "Added TracingPolicy with success");
        Ok(())
    }

    /// The hooks of all policies at `point`, in the order in which the policies came.
    fn hooks_at(&self, point: &PointKey) -> Vec<Hook> {
        let mut policies: Vec<&Resident> = self.policies.values().collect();
        policies.sort_unstable_by_key(|policy| policy.id);
        let hooks = policies.iter().flat_map(|policy| &policy.hooks);
        hooks
            .filter(|(at, _)| at == point)
            .map(|(_, hook)| hook.clone())
            .collect()
    }

    /// Makes `point` do what all policies want of it.
    fn bring_up(&mut self, point: &PointKey, loaded: &Loaded, kernel: &Running<'_>) -> Result<(), Error> {
        let hooks = self.hooks_at(point);
        if let Some(attached) = self.points.get_mut(point) {
            return attached.exchange(hooks, loaded);
        }
        let attached = Attached::attach(point, hooks, loaded, kernel)?;
        self.points.insert(point.clone(), attached);
        Ok(())
    }

    fn take_out(&mut self, name: &str, loaded: &Loaded) -> Result<(), Error> {
        let Some(policy) = self.policies.remove(name) else {
            return Ok(());
        };
        for (point, _) in &policy.hooks {
            let hooks = self.hooks_at(point);
            if hooks.is_empty() {
                self.points.remove(point);
            } else if let Some(attached) = self.points.get_mut(point) {
                attached.exchange(hooks, loaded)?;
            }
        }
        let numbers: Vec<u32> = policy.hooks.iter().map(|(_, hook)| hook.number).collect();
        self.table.remove(&numbers);
        Ok(())
    }
}

/// The error with the policy in it.
fn named(error: Error, policy: &str) -> Error {
    match error {
        Error::Hook { hook, reason, .. } => Error::Hook {
            policy: policy.to_owned(),
            hook,
            reason,
        },
        other => other,
    }
}
