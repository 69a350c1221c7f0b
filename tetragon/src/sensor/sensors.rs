//! All policies.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use btf::Btf;
use ebpf_abi::hook::owners;
use ebpf_codegen::Hook;
use ebpf_loader::{Loaded, Maps, Pins, ProgramKind};
use policy::{
    diagnostic::{Diagnostic, Severity},
    kernel::{Kernel, NoKernel},
    limits::Limits,
    model::{Mode, Policy},
    yaml::Budget,
};
use tetragon_api::v1::{HookStatus, TracingPolicyStatus};

use super::{
    Error, Id, Table, conflict,
    counters::Counters,
    hash::Outlasting,
    images::{self, Conditions},
    lower::{self, Wanted},
    point::{self, Attached, Keeping},
    points::PointKey,
    program_types::ProgramTypes,
    resident::{Placed, Resident, State, is_enforcer, selectors},
    running::{Running, Symbols},
    tracepoint,
};
use crate::{
    executables,
    observer::{kernel_object, kernel_types},
    persistence::NO_PERF_LINKS,
    procfs::Procfs,
};

/// Domain that today's agent keeps for itself.
const RESERVED: &str = "sensors";

/// Where kernel programs and the kernel's types come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `--bpf-lib`.
    pub bpf_lib: Option<PathBuf>,
    /// `--btf`.
    pub btf: Option<PathBuf>,
    /// `--procfs`; empty for `/proc`.
    pub procfs: PathBuf,
}

/// The policies that were added, and what they came to in the kernel.
#[derive(Debug)]
pub struct Sensors {
    source: Source,
    maps: Arc<Maps>,
    table: Arc<Table>,
    pins: Option<Arc<Pins>>,
    outlasting: Arc<Outlasting>,
    counters: Counters,
    policies: BTreeMap<Id, Resident>,
    points: BTreeMap<PointKey, Attached>,
    last_number: u64,
}

/// The kernel programs, for as long as a change takes: they are large. Read when they are first needed.
struct Workshop {
    bpf_lib: Option<PathBuf>,
    maps: Arc<Maps>,
    loaded: OnceCell<Loaded>,
}

impl Workshop {
    fn loaded(&self) -> Result<&Loaded, Error> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let object = kernel_object(self.bpf_lib.as_deref())?;
        let loaded = object.with_maps(Arc::clone(&self.maps))?;
        Ok(self.loaded.get_or_init(|| loaded))
    }
}

/// A policy with everything that needs the kernel's types.
struct Lowered {
    id: Id,
    mode: Mode,
    enforces: bool,
    conditions: Conditions,
    /// With what programs are loaded as for each part.
    hooks: Vec<(Wanted, Vec<ProgramKind>)>,
    statuses: Vec<HookStatus>,
}

impl Lowered {
    fn new(
        policy: &Policy,
        domain: &str,
        kernel: &Running<'_>,
        procfs: &Procfs,
        agent: u32,
        mut conditions: Conditions,
    ) -> Result<Self, Error> {
        let mut hooks = vec![];
        let (all, statuses) = lower::policy(policy, kernel, procfs, agent, &mut conditions)?;
        for wanted in all {
            let kinds = wanted.parts.iter().map(|(point, _)| point::program_kind(point, kernel));
            let kinds = kinds
                .collect::<Result<_, _>>()
                .map_err(|error| named(error, &policy.name))?;
            hooks.push((wanted, kinds));
        }
        Ok(Self {
            id: Id::of(policy, domain),
            mode: policy.options.mode.unwrap_or(Mode::Enforce),
            enforces: policy.enforces(),
            conditions,
            hooks,
            statuses,
        })
    }
}

impl Sensors {
    /// No policies yet. `maps` are those of the base sensors; what is attached is pinned in `pins`.
    pub fn new(source: Source, maps: Arc<Maps>, table: Arc<Table>, pins: Option<Arc<Pins>>) -> Self {
        Self {
            source,
            counters: Counters::new(Arc::clone(&maps)),
            outlasting: Arc::new(Outlasting::new(Arc::clone(&maps))),
            maps,
            table,
            pins,
            policies: BTreeMap::new(),
            points: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// Loads all policies in `text`, or none of them. One that cannot be loaded stays in the list, with the reason, until
    /// it is deleted or added again.
    pub fn add(&mut self, text: &str, domain: &str) -> Result<(), Error> {
        if domain == RESERVED {
            return Err(Error::Reserved);
        }
        let types = kernel_types(self.source.btf.as_deref(), self.source.bpf_lib.as_deref())?;
        let types = Btf::parse(&types).map_err(|error| Error::Invalid(vec![error.to_string()]))?;
        let (symbols, programs) = (Symbols::default(), ProgramTypes::default());
        let kernel = Running {
            types: &types,
            symbols: &|name| symbols.has(name),
            tracepoints: &tracepoint::of_running,
            programs: &|file, structure, path| Some(programs.walk(file, structure, path)),
        };
        let (policies, problems) = read(text, &kernel);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.iter().partition(|problem| problem.severity == Severity::Error);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if !errors.is_empty() {
            let error = Error::Invalid(errors.iter().map(ToString::to_string).collect());
            // What only this kernel refuses is a policy nevertheless.
            let (known, _) = read(text, &NoKernel);
            for policy in known.iter().filter(|policy| !policies.contains(policy)) {
                self.refuse(Id::of(policy, domain), &error);
            }
            return Err(error);
        }
        if policies.is_empty() {
            return Err(Error::Empty);
        }
        let agent = self.procfs().own_pid();
        let agent = agent.map_err(|error| Error::Invalid(vec![format!("own process id: {error}")]))?;
        let mut lowered: Vec<Lowered> = vec![];
        for policy in &policies {
            let id = Id::of(policy, domain);
            if self.policies.get(&id).is_some_and(|known| !is_refused(known)) {
                return Err(Error::Exists(Box::new(id)));
            }
            let taken = lowered.iter().map(|policy| policy.conditions.mask());
            let taken = taken.fold(self.conditions(), |taken, mask| taken | mask);
            match Lowered::new(policy, domain, &kernel, &self.procfs(), agent, Conditions::new(!taken)) {
                Ok(policy) => lowered.push(policy),
                Err(error) => {
                    self.refuse(id, &error);
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.track(&lowered) {
            for policy in &lowered {
                self.refuse(policy.id.clone(), &error);
            }
            return Err(error);
        }
        let workshop = self.workshop();
        let Err(mut error) = self.insert(&lowered, &workshop) else {
            return Ok(());
        };
        // Which one it is shows when they come one by one.
        for (index, policy) in lowered.iter().enumerate() {
            if lowered.len() > 1 {
                match self.insert(std::slice::from_ref(policy), &workshop) {
                    Ok(()) => continue,
                    Err(of_this) => error = of_this,
                }
            }
            for Lowered { id, .. } in &lowered[..index] {
                if let Err(error) = self.take_out(id, &workshop) {
                    tracing::error!(policy = %id, %error, "A policy could not be taken back");
                }
            }
            self.refuse(policy.id.clone(), &error);
            return Err(error);
        }
        Ok(())
    }

    /// Unloads a policy.
    pub fn delete(&mut self, id: &Id) -> Result<(), Error> {
        self.find(id)?;
        let workshop = self.workshop();
        self.take_out(id, &workshop)
    }

    /// Changes the mode of a policy, then whether it is enabled.
    pub fn configure(&mut self, id: &Id, mode: Option<Mode>, enable: Option<bool>) -> Result<(), Error> {
        let workshop = self.workshop();
        // Before anything is changed.
        match (&self.find(id)?.state, enable) {
            (State::Enabled, Some(true)) => return Err(Error::Already(Box::new(id.clone()), "enabled")),
            (State::Disabled, Some(false)) => return Err(Error::Already(Box::new(id.clone()), "disabled")),
            _ => {}
        }
        if let Some(mode) = mode {
            let policy = self.find(id)?;
            match &policy.state {
                State::Refused(_) => return Err(Error::Refused(Box::new(id.clone()))),
                _ if !policy.enforces => return Err(Error::NoMode(Box::new(id.clone()))),
                State::Enabled if policy.mode != mode => {
                    self.change(std::slice::from_ref(id), &State::Enabled, Some(mode), &workshop)?;
                }
                // Counts when it is enabled.
                State::Enabled | State::Disabled => {
                    if let Some(policy) = self.policies.get_mut(id) {
                        policy.mode = mode;
                    }
                }
            }
        }
        if let Some(enable) = enable {
            if is_refused(self.find(id)?) {
                return Err(Error::Refused(Box::new(id.clone())));
            }
            let state = if enable { State::Enabled } else { State::Disabled };
            self.change(std::slice::from_ref(id), &state, None, &workshop)?;
            self.say_what_ends(id);
        }
        Ok(())
    }

    /// The policies, by domain, namespace and name.
    pub fn list(&self) -> Result<Vec<TracingPolicyStatus>, Error> {
        let status = |(id, policy): (&Id, &Resident)| {
            let state = policy.state_in_api();
            Ok(TracingPolicyStatus {
                id: policy.number,
                name: id.name.clone(),
                namespace: id.namespace.clone(),
                domain: id.domain.clone(),
                sensors: policy.descriptions(),
                #[allow(deprecated, reason = "old clients look at it")]
                enabled: policy.state == State::Enabled,
                error: match &policy.state {
                    State::Refused(reason) => reason.clone(),
                    State::Enabled | State::Disabled => String::new(),
                },
                state: state.into(),
                kernel_memory_bytes: self.memory(policy),
                mode: policy.mode_in_api().into(),
                stats: Some(policy.stats(&self.counters)?),
                hook_statuses: match policy.state {
                    State::Enabled => policy.statuses.clone(),
                    State::Disabled | State::Refused(_) => vec![],
                },
                ..TracingPolicyStatus::default()
            })
        };
        self.policies.iter().map(status).collect()
    }

    /// The domains of the policies, in order.
    pub fn domains(&self) -> BTreeSet<String> {
        self.policies.keys().map(|id| id.domain.clone()).collect()
    }

    /// Detaches everything but what is pinned to stay, and waits for those who sleep in it.
    pub fn clear(&mut self) {
        self.points.clear();
        self.policies.clear();
        self.outlasting.wait();
    }

    /// Bytes of the programs at the hook points of `policy`, which other policies may share.
    fn memory(&self, policy: &Resident) -> u64 {
        if policy.state != State::Enabled {
            return 0;
        }
        let attached = policy.points();
        let attached = attached.iter().filter_map(|(point, _)| self.points.get(point));
        attached.map(Attached::memory).sum()
    }

    fn workshop(&self) -> Workshop {
        Workshop {
            bpf_lib: self.source.bpf_lib.clone(),
            maps: Arc::clone(&self.maps),
            loaded: OnceCell::new(),
        }
    }

    fn find(&self, id: &Id) -> Result<&Resident, Error> {
        self.policies.get(id).ok_or_else(|| Error::Missing {
            id: id.to_string(),
            // The one that was probably meant.
            near: self
                .policies
                .keys()
                .find(|known| known.name == id.name)
                .map(ToString::to_string),
        })
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Keeps in the list that policy `id` could not be loaded.
    fn refuse(&mut self, id: Id, error: &Error) {
        // It is the one of that name that is loaded which counts.
        if self.policies.get(&id).is_some_and(|known| !is_refused(known)) {
            return;
        }
        let refused = Resident {
            number: self.next_number(),
            state: State::Refused(error.to_string()),
            mode: Mode::Enforce,
            enforces: false,
            hooks: vec![],
            conditions: Conditions::default(),
            statuses: vec![],
        };
        self.policies.insert(id, refused);
    }

    /// Makes room for owners of sockets, if one of `policies` is the first that asks for it. Programs that look for owners
    /// look there from now on.
    fn track(&mut self, policies: &[Lowered]) -> Result<(), Error> {
        let hooks = policies.iter().flat_map(|policy| &policy.hooks);
        let mut parts = hooks.flat_map(|(wanted, _)| &wanted.parts);
        if self.maps.get(owners::MAP)?.max_entries() == owners::COUNT || !parts.any(|(_, hook)| hook.tracks()) {
            return Ok(());
        }
        let larger = Arc::new(self.maps.resized(owners::MAP, owners::COUNT)?);
        let before = std::mem::replace(&mut self.maps, larger);
        let workshop = self.workshop();
        let points: BTreeMap<_, _> = self.policies.values().flat_map(Resident::points).collect();
        for (point, kind) in points {
            let looks = self.hooks_at(&point).iter().any(|hook| !hook.sockets.is_empty());
            if looks && let Err(error) = self.settle(&point, kind, &workshop) {
                self.maps = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Loads policies that are not there yet: all of them, or none.
    fn insert(&mut self, policies: &[Lowered], workshop: &Workshop) -> Result<(), Error> {
        let mut ids: Vec<Id> = vec![];
        let mut result = Ok(());
        for policy in policies {
            result = self.place(policy);
            if result.is_err() {
                break;
            }
            ids.push(policy.id.clone());
        }
        let result = result.and_then(|()| self.change(&ids, &State::Enabled, None, workshop));
        if let Err(error) = result {
            for id in &ids {
                self.forget(id);
            }
            return Err(match policies {
                [policy] => named(error, &policy.id.name),
                _ => error,
            });
        }
        for id in &ids {
            let sensors = self.find(id)?.descriptions();
            tracing::info!(policy = %id, hooks = ?sensors, "Added TracingPolicy with success");
            self.say_what_ends(id);
            self.say_what_passes(id);
        }
        Ok(())
    }

    /// Warns of what ends with the agent although it is to outlive it.
    fn say_what_ends(&self, id: &Id) {
        let Some(policy) = self.policies.get(id).filter(|_| self.pins.is_some()) else {
            return;
        };
        let ends = |(point, _): &(PointKey, _)| self.points.get(point).is_some_and(|point| !point.is_pinned());
        let points = policy.points();
        let hooks: Vec<String> = points
            .iter()
            .filter(|point| ends(point))
            .map(|(point, _)| point.to_string())
            .collect();
        if !hooks.is_empty() {
            tracing::warn!(policy = %id, ?hooks, "Hooks of a policy end with the agent: {NO_PERF_LINKS}");
        }
    }

    /// Warns of denials that are not sure.
    fn say_what_passes(&self, id: &Id) {
        let points = self.policies.get(id).map(Resident::points).unwrap_or_default();
        let mut unsure = points.iter().filter(|(point, _)| point.kind.lets_pass());
        if let Some((hook, _)) = unsure.next() {
            tracing::warn!(
                policy = %id, %hook, others = unsure.count(),
                "Calls may pass hooks of a policy while the kernel has preempted another one there; they are counted as missed. \
                 Those of LSM hooks never do"
            );
        }
    }

    /// Gives a policy everything but programs.
    fn place(&mut self, policy: &Lowered) -> Result<(), Error> {
        let Lowered {
            id,
            mode,
            enforces,
            conditions,
            hooks,
            statuses,
        } = policy;
        let modes = if *enforces { 2 } else { 1 };
        let parts = hooks.iter().flat_map(|(wanted, _)| &wanted.parts);
        let mut counters = self
            .take_counters(parts.map(|(_, hook)| modes * selectors(hook)), id)?
            .into_iter();
        // Known before the first event can come.
        let numbers = self
            .table
            .add(hooks.iter().map(|(wanted, _)| wanted.info.clone()).collect());
        let policy = self.next_number();
        let mut placed = vec![];
        for ((wanted, kinds), number) in hooks.iter().zip(numbers) {
            let parts = wanted.parts.iter().zip(kinds).zip(&mut counters);
            placed.extend(parts.map(|(((point, hook), kind), counters)| {
                Placed::new(wanted, (point.clone(), *kind, hook.clone()), (policy, number), counters)
            }));
        }
        let resident = Resident {
            number: policy,
            state: State::Disabled,
            mode: *mode,
            enforces: *enforces,
            hooks: placed,
            conditions: conditions.clone(),
            statuses: statuses.clone(),
        };
        self.policies.insert(id.clone(), resident);
        Ok(())
    }

    /// Counters for hooks that need so many each.
    fn take_counters(&mut self, counts: impl Iterator<Item = u32>, id: &Id) -> Result<Vec<Range<u32>>, Error> {
        let mut taken = vec![];
        for count in counts {
            let error = match self.counters.take(count) {
                Ok(Some(range)) => {
                    taken.push(range);
                    continue;
                }
                Ok(None) => Error::Counters(Box::new(id.clone())),
                Err(error) => error,
            };
            for range in taken {
                self.counters.give_back(range);
            }
            return Err(error);
        }
        Ok(taken)
    }

    /// Changes what policies do, at all of their hook points or at none. `mode` is that of all of them from now on, or each
    /// keeps its own.
    fn change(&mut self, ids: &[Id], state: &State, mode: Option<Mode>, workshop: &Workshop) -> Result<(), Error> {
        let (mut before, mut points) = (vec![], vec![]);
        for id in ids {
            let Some(policy) = self.policies.get_mut(id) else {
                continue;
            };
            before.push((id, policy.state.clone(), policy.mode));
            policy.state = state.clone();
            policy.mode = mode.unwrap_or(policy.mode);
            for point in policy.points() {
                if !points.contains(&point) {
                    points.push(point);
                }
            }
        }
        // First what others ask for, and longest. Whoever enters a function returns: its return comes before it.
        // Whoever is told something is there to hear it.
        let enforces = |point: &PointKey| {
            let mut changed = ids.iter().filter_map(|id| self.policies.get(id));
            changed.any(|policy| policy.has_enforcer_at(point))
        };
        let rank = |point: &PointKey| match () {
            () if *point == images::point() => 0,
            () if point.kind.sees_return() || enforces(point) => 1,
            () => 2,
        };
        points.sort_by_cached_key(|(point, _)| rank(point));
        if *state != State::Enabled || mode == Some(Mode::Monitor) {
            points.reverse();
        }
        for (index, (point, kind)) in points.iter().enumerate() {
            let settled = self.settle(point, *kind, workshop);
            let settled = settled.and_then(|()| self.follow(ids, point, workshop));
            let Err(error) = settled else {
                continue;
            };
            for (id, state, mode) in before {
                if let Some(policy) = self.policies.get_mut(id) {
                    (policy.state, policy.mode) = (state, mode);
                }
            }
            // In reverse: what asks goes before the notes that it asks for.
            for (point, kind) in points[..=index].iter().rev() {
                let settled = self.settle(point, *kind, workshop);
                if let Err(error) = settled.and_then(|()| self.follow(ids, point, workshop)) {
                    tracing::error!(hook = %point, %error, "A change could not be taken back");
                }
            }
            return Err(error);
        }
        Ok(())
    }

    /// Sees to the conditions on executables of policies, once `point` has come or gone that notes them: the processes that
    /// run have them as well before anybody asks, and none has them when nobody does.
    fn follow(&self, ids: &[Id], point: &PointKey, workshop: &Workshop) -> Result<(), Error> {
        if *point != images::point() {
            return Ok(());
        }
        let (mut come, mut gone) = (vec![], 0);
        for policy in ids.iter().filter_map(|id| self.policies.get(id)) {
            if policy.state == State::Enabled {
                come.extend(policy.conditions.taken.iter().cloned());
            } else {
                gone |= policy.conditions.mask();
            }
        }
        if come.is_empty() && gone == 0 {
            return Ok(());
        }
        let processes = images::Processes {
            map: self.maps.get("execve_map")?,
            executables: self.maps.get(executables::MAP)?,
            program: workshop.loaded()?.load("hook_images", ProgramKind::RawTracepoint)?,
        };
        processes.clear(gone)?;
        processes.seed(&self.procfs(), &come)
    }

    fn procfs(&self) -> Procfs {
        let root = Some(self.source.procfs.as_path()).filter(|root| !root.as_os_str().is_empty());
        Procfs::new(root.unwrap_or(Path::new("/proc")))
    }

    /// The conditions on executables of all policies.
    fn conditions(&self) -> u64 {
        let masks = self.policies.values().map(|policy| policy.conditions.mask());
        masks.fold(0, |all, mask| all | mask)
    }

    /// Makes `point` do what all policies want of it.
    fn settle(&mut self, point: &PointKey, kind: ProgramKind, workshop: &Workshop) -> Result<(), Error> {
        let hooks = self.hooks_at(point);
        if !hooks.is_empty() {
            conflict::check(point, &hooks, |other| self.hooks_at(other), self.enabled())?;
        }
        self.outlasting.sweep();
        if hooks.is_empty() {
            self.points.remove(point);
        } else if let Some(attached) = self.points.get_mut(point) {
            attached.exchange(hooks, workshop.loaded()?)?;
        } else {
            let keeping = Keeping {
                table: Arc::clone(&self.table),
                pins: self.pins.clone(),
                outlasting: Arc::clone(&self.outlasting),
            };
            let attached = Attached::attach(point, kind, hooks, workshop.loaded()?, keeping)?;
            self.points.insert(point.clone(), attached);
        }
        Ok(())
    }

    fn enabled(&self) -> impl Iterator<Item = &Resident> {
        self.policies.values().filter(|policy| policy.state == State::Enabled)
    }

    /// The hooks of all enabled policies at `point`, in the order in which the policies came; enforcers last, so that
    /// they are told before they look.
    fn hooks_at(&self, point: &PointKey) -> Vec<Hook> {
        let mut policies: Vec<&Resident> = self.enabled().collect();
        policies.sort_unstable_by_key(|policy| policy.number);
        let hooks = policies
            .iter()
            .flat_map(|policy| policy.hooks.iter().map(|hook| (hook, policy.mode)));
        let mut hooks: Vec<Hook> = hooks
            .filter(|(hook, _)| hook.point == *point)
            .filter_map(|(hook, mode)| hook.in_mode(mode))
            .collect();
        hooks.sort_by_key(is_enforcer);
        hooks
    }

    fn take_out(&mut self, id: &Id, workshop: &Workshop) -> Result<(), Error> {
        self.change(std::slice::from_ref(id), &State::Disabled, None, workshop)?;
        self.forget(id);
        Ok(())
    }

    /// Removes a policy that nothing in the kernel is of any more.
    fn forget(&mut self, id: &Id) {
        let Some(policy) = self.policies.remove(id) else {
            return;
        };
        let numbers: Vec<u32> = policy.hooks.iter().map(Placed::number).collect();
        self.table.remove(&numbers);
        for hook in policy.hooks {
            self.counters.give_back(hook.counters);
        }
    }
}

fn read(text: &str, kernel: &dyn Kernel) -> (Vec<Policy>, Vec<Diagnostic>) {
    policy::resolve::load(text, Budget::default(), &Limits::default(), kernel)
}

fn is_refused(policy: &Resident) -> bool {
    matches!(policy.state, State::Refused(_))
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
