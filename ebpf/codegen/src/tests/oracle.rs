//! The plan read literally.

use ebpf_abi::{
    event::stack,
    hook::{AWAITING, SAVED, pieces},
};

use crate::{
    Action, Arg, Change, Context, Filter, Hashed, Hook, Length, Limit, NewValue, NumberTest, Operand, Ownership, Place,
    Point, Post, Read, Register, Selector, Source, Stage, Subject, hashed,
    tests::machine::{
        CONTEXT, Done, ENTERED, Owners, PAST, World, contains, is_agent, is_beside, is_sent, is_writable, kept_owner,
        parent, pid_of, stack_of, syscall_id, user_memory,
    },
};

pub(super) fn run(point: &Point, world: &World) -> Vec<Done> {
    let mut done = vec![];
    let (mut verdict, mut skipped, mut told) = (0, false, world.told);
    let mut owners = Owners::default();
    let mut changed = None;
    let generation = point.generation.map_or(world.latest, u64::from);
    if generation < world.latest {
        return done;
    }
    done.extend(hashed(&point.hooks).map(|_| Done::Afresh));
    for hook in &point.hooks {
        let kept = world.kept[hook.number as usize % 2];
        let returns = hook.stage == Stage::Return;
        if returns && kept.is_none() {
            continue;
        }
        let (mut withdrawn, mut missed) = (returns, true);
        let mut owner = kept.filter(|_| returns).map_or(0, |(since, _)| kept_owner(since));
        for change in hook.ownership.iter().filter(|_| returns) {
            own(*change, hook, world, owner, &mut owners, &mut done);
        }
        let count = |selector: usize| {
            hook.counters
                .map(|first| Done::Count(u64::from(first) + selector as u64))
        };
        if hook.selectors.is_empty() {
            (withdrawn, missed) = (false, false);
            done.extend(count(0));
            if !returns {
                owner = owner_of(hook, world, &owners);
            }
            let nothing = Effects::default();
            report(
                point,
                hook,
                (0, 0),
                (Post::default(), &nothing),
                (world, owner),
                &mut done,
            );
        }
        for (index, selector) in hook.selectors.iter().enumerate() {
            let mut passed = |filter: &Filter| {
                if let Filter::Remember(_) = filter {
                    done.push(Done::Remember);
                }
                passes(filter, hook, world)
            };
            if !selector.filters.iter().all(&mut passed) {
                continue;
            }
            done.extend(count(index));
            let skips = selector
                .actions
                .iter()
                .any(|action| matches!(action, Action::Override(_)));
            let whole;
            let hook = if let (Stage::Entry { .. }, false) = (&hook.stage, point.context.has_verdict())
                && skips
                && !hook.monitor
            {
                done.push(Done::Forget(u64::from(hook.number), key(point.context, world)));
                whole = Hook {
                    stage: Stage::Whole,
                    ..hook.clone()
                };
                &whole
            } else {
                hook
            };
            if !returns {
                owner = owner_of(hook, world, &owners);
            }
            let (mut last, mut how) = (0, Post::default());
            let mut effects = Effects::default();
            for action in &selector.actions {
                last = match *action {
                    Action::Post(post) => {
                        how = post;
                        0
                    }
                    Action::NoPost => 8,
                    Action::Mark(bits) => {
                        done.push(Done::Mark(bits));
                        8
                    }
                    Action::Ask(number) => number.into(),
                    Action::Ownership(change) => {
                        own(change, hook, world, owner, &mut owners, &mut done);
                        if matches!(change, Ownership::Track(_)) { 10 } else { 11 }
                    }
                    Action::Override(result) if point.context.has_verdict() => {
                        if !hook.monitor && verdict == 0 {
                            verdict = i64::from(result) as u64;
                        }
                        4
                    }
                    Action::Override(result) => {
                        if !hook.monitor && !skipped {
                            skipped = true;
                            done.push(Done::Override(i64::from(result) as u64));
                        }
                        4
                    }
                    Action::Set(place, value) => {
                        if !hook.monitor
                            && let Some(address) = address(place, world)
                        {
                            effects.writes.push((address, value));
                        }
                        14
                    }
                    Action::Change(index) => {
                        if let Some(changes) = hook.changes.get(index)
                            && !hook.monitor
                            && changed.is_none()
                        {
                            changed = registers(changes, world);
                            if changed.is_none() {
                                effects.failed = true;
                                done.push(Done::Failed(point.op.into()));
                            }
                        }
                        4
                    }
                    Action::Notify { error, signal } => {
                        if !hook.monitor {
                            let spared = signal != 0 && is_spared(selector, world);
                            done.extend(spared.then_some(Done::Count(SPARED)));
                            let signal = if spared { 0 } else { signal };
                            let orders = u64::from(signal) << 32 | u64::from(error as u32);
                            told[hook.policy as usize] = orders;
                            done.push(Done::Notify(hook.policy, orders));
                        }
                        12
                    }
                    Action::Withdraw => {
                        told[hook.policy as usize] = 0;
                        done.push(Done::Take(hook.policy));
                        13
                    }
                    Action::Enforce { .. } if hook.monitor => 8,
                    Action::Enforce { overrides } => {
                        done.push(Done::Take(hook.policy));
                        let orders = std::mem::take(&mut told[hook.policy as usize]);
                        let (error, signal) = (i64::from(orders as u32 as i32), orders >> 32);
                        if signal != 0 {
                            send(signal, &mut done);
                        }
                        let decides = overrides && verdict == 0 && !skipped;
                        if !point.context.has_verdict() {
                            let skips = decides && error != 0;
                            done.extend(skips.then_some(Done::Override(error as u64)));
                            skipped |= skips;
                        } else if decides && (-4_095..0).contains(&error) {
                            verdict = error as u64;
                        }
                        8
                    }
                    Action::Signal(number) => {
                        match is_spared(selector, world) {
                            _ if hook.monitor => {}
                            true => done.push(Done::Count(SPARED)),
                            false => send(number.into(), &mut done),
                        }
                        if number == 9 { 2 } else { 9 }
                    }
                };
            }
            missed = false;
            let silent = |action: &Action| matches!(action, Action::NoPost | Action::Mark(_) | Action::Enforce { .. });
            if !selector.actions.iter().any(silent) {
                withdrawn = false;
                report(point, hook, (index, last), (how, &effects), (world, owner), &mut done);
                break;
            }
            effects.take(point, &mut done);
            if let Stage::Entry { saved } = &hook.stage {
                done.push(Done::Begin(u64::from(point.op), u64::from(hook.number), 0));
                done.push(keep(point, hook, saved, (world, owner), true));
            }
            break;
        }
        if missed && let Stage::Entry { .. } = hook.stage {
            done.push(Done::Forget(u64::from(hook.number), key(point.context, world)));
        }
        if withdrawn {
            done.push(Done::Begin(0x600 | u64::from(point.op), u64::from(hook.number), 0));
            done.push(Done::Send);
        }
    }
    for hook in point.hooks.iter().filter(|_| skipped) {
        if let Stage::Entry { .. } = hook.stage
            && world.kept[hook.number as usize % 2].is_some()
        {
            done.push(Done::Begin(0x200 | u64::from(point.op), u64::from(hook.number), 0));
            done.push(Done::Send);
        }
    }
    if let Some(Hashed { point, defers, .. }) = hashed(&point.hooks)
        && verdict != 0
        && done.iter().any(|done| matches!(done, Done::Await(..)))
    {
        if defers {
            done.push(Done::Defer(verdict));
            verdict = 0;
        } else {
            done.extend((0..AWAITING as u64).map(|index| Done::Hash(index, point.into())));
            done.push(Done::Settle(point.into()));
        }
    }
    done.extend((generation != world.latest).then_some(Done::Latest(generation)));
    for (offset, value) in changed.unwrap_or_default() {
        if value != register(offset, world) {
            done.push(Done::Register(offset as usize, value));
        }
    }
    done.extend((verdict != 0).then_some(Done::Verdict(verdict)));
    done
}

/// What is done to the interrupted code besides its registers.
#[derive(Debug, Default)]
struct Effects {
    writes: Vec<(u64, u32)>,
    failed: bool,
}

impl Effects {
    /// Does it; returns whether any of it failed.
    fn take(&self, point: &Point, done: &mut Vec<Done>) -> bool {
        let mut failed = self.failed;
        for &(address, value) in &self.writes {
            done.push(Done::Write(address, value));
            if !is_writable(address) {
                failed = true;
                done.push(Done::Failed(point.op.into()));
            }
        }
        failed
    }
}

/// Where in memory the interrupted code has something.
fn address(place: Place, world: &World) -> Option<u64> {
    let Place::Memory {
        base,
        index,
        displacement,
    } = place
    else {
        return None;
    };
    let base = base.map_or(0, |offset| register(offset, world));
    let index = index.map_or(0, |(offset, shift)| register(offset, world) << shift);
    Some(base.wrapping_add(index).wrapping_add(i64::from(displacement) as u64))
}

/// What registers get, whole and in order; nothing if any of it cannot be read.
fn registers(changes: &[Change], world: &World) -> Option<Vec<(i16, u64)>> {
    let mut all: Vec<(i16, u64)> = (0..21).map(|index| (8 * index, register(8 * index, world))).collect();
    for Change { register, value } in changes {
        let read = |part: Register, all: &[(i16, u64)]| {
            let (offset, whole) = all[part.offset as usize / 8];
            low(whole >> (8 * (part.offset - offset)), part.bytes)
        };
        let value = match *value {
            NewValue::Number(number) => number,
            NewValue::Register(source, offset) => read(source, &all).wrapping_add(offset as u64),
            NewValue::Memory(source, offset) => user_memory(read(source, &all).wrapping_add(offset as u64))?,
        };
        let (offset, whole) = &mut all[register.offset as usize / 8];
        let shift = 8 * (register.offset - *offset) as u32;
        let mask = u64::MAX >> (64 - 8 * u32::from(register.bytes)) << shift;
        *whole = *whole & !mask | value << shift & mask;
    }
    Some(all)
}

/// Whether the current process gets no signal of `selector`.
fn is_spared(selector: &Selector, world: &World) -> bool {
    selector.spared.contains(&world.pid) || selector.spares_agent && is_agent(world.pid)
}

/// What counts signals that are not sent.
const SPARED: u64 = ebpf_abi::hook::counters::SPARED as u64;
const UNSENT: u64 = ebpf_abi::hook::counters::UNSENT as u64;

fn send(signal: u64, done: &mut Vec<Done>) {
    done.push(Done::Signal(signal));
    done.extend((!is_sent(signal)).then_some(Done::Count(UNSENT)));
}

/// What tells the call from others.
pub(super) fn key(context: Context, world: &World) -> u64 {
    match context {
        Context::Registers | Context::Program | Context::SyscallRegisters { .. } => ENTERED,
        Context::Record => world.task,
        _ => CONTEXT,
    }
}

/// Where the way to socket `index` leads, and what is there.
fn socket(hook: &Hook, index: usize, world: &World) -> Option<(u64, u64)> {
    let socket = &hook.sockets[index];
    let address = follow(socket.source, &socket.way, hook, world).ok()?;
    Some((socket.structure.into(), address))
}

/// Whose event it is; 0 for that of the current process.
fn owner_of(hook: &Hook, world: &World, owners: &Owners) -> u32 {
    let sockets = (0..hook.sockets.len()).filter_map(|index| socket(hook, index, world));
    let mut known = sockets.map(|(structure, address)| owners.of(structure, address));
    known.rfind(|owner| *owner != 0).unwrap_or(0)
}

fn own(change: Ownership, hook: &Hook, world: &World, owner: u32, owners: &mut Owners, done: &mut Vec<Done>) {
    let (Ownership::Track(index) | Ownership::Untrack(index)) = change;
    let Some((structure, address)) = socket(hook, index, world) else {
        return;
    };
    match change {
        Ownership::Track(_) => {
            owners.track(structure, address, owner);
            done.push(Done::Track(structure, address, owner));
        }
        Ownership::Untrack(_) => {
            owners.untrack(structure, address);
            done.push(Done::Untrack(structure, address));
        }
    }
}

fn keep(point: &Point, hook: &Hook, saved: &[Source], (world, owner): (&World, u32), quiet: bool) -> Done {
    // What is beyond was in the scratch before.
    let mut words = [0xa5a5_a5a5_a5a5_a5a5; SAVED];
    for (word, source) in words.iter_mut().zip(saved) {
        *word = self::word(*source, hook, world).unwrap_or(0);
    }
    Done::Keep(u64::from(hook.number), key(point.context, world), words, owner, quiet)
}

fn report(
    point: &Point,
    hook: &Hook,
    (selector, action): (usize, u64),
    (post, effects): (Post, &Effects),
    (world, owner): (&World, u32),
    done: &mut Vec<Done>,
) {
    let flags = match hook.stage {
        Stage::Return => 0x200,
        _ if hook.sockets.is_empty() => 0,
        _ => 0x800,
    };
    let whose = (flags == 0x800 && owner != 0).then_some(Done::Owned(owner));
    done.extend(whose.clone());
    done.push(Done::Begin(
        flags | u64::from(point.op),
        u64::from(hook.number),
        (selector as u64) << 16 | action,
    ));
    let arguments = |may_be_beside: bool| {
        let argument = move |arg: &Arg| {
            let kind = u64::from(arg.kind);
            let beside = || beside(arg, hook, world).filter(|_| may_be_beside);
            match value(arg, hook, world) {
                Ok(Value::Number(value, _)) => Done::Number(kind, value),
                Ok(Value::Bytes(text)) => beside().unwrap_or(Done::Text(kind, text)),
                Err(status) => Done::Error(kind, status),
            }
        };
        hook.args.iter().map(argument)
    };
    let begin = done.last().cloned();
    done.extend(arguments(post.limit.is_none()));
    if let Some(Limit { window, scope }) = post.limit {
        done.push(Done::Limit(window, scope.into()));
        if world.limited {
            effects.take(point, done);
            if hook.stage == Stage::Return {
                done.push(Done::Begin(0x600 | u64::from(point.op), u64::from(hook.number), 0));
                done.push(Done::Send);
            } else if let Stage::Entry { saved } = &hook.stage {
                done.push(keep(point, hook, saved, (world, owner), true));
            }
            return;
        }
        if hook.args.iter().any(|arg| arg.beside) {
            done.extend(whose);
            done.extend(begin);
            done.extend(arguments(true));
        }
    }
    for (wanted, kind, user) in [
        (post.kernel_stack, stack::KERNEL, false),
        (post.user_stack, stack::USER, true),
    ] {
        let stack = stack_of(world, user).filter(|_| wanted);
        done.extend(stack.map(|stack| Done::Text(kind.into(), stack)));
    }
    if let Stage::Entry { saved } = &hook.stage {
        done.push(keep(point, hook, saved, (world, owner), false));
    }
    if let Some(Hashed { point, .. }) = post.hash {
        let before = done.iter().filter(|done| matches!(done, Done::Await(..))).count();
        done.push(Done::Await(before as u64, point.into()));
    }
    if effects.take(point, done) {
        done.push(Done::Flag(16));
    }
    done.push(Done::Send);
}

/// What is reported of bytes beside the record.
fn beside(arg: &Arg, hook: &Hook, world: &World) -> Option<Done> {
    let (len, user) = match arg.read {
        Read::Bytes { user, .. } => (length(arg, hook, world).ok()?, user),
        Read::Pieces(pieces::ITERATOR, _) => (0, false),
        _ => return None,
    };
    let address = end(arg, hook, world).ok()?;
    (arg.beside && is_beside(address, len)).then_some(Done::Beside(arg.kind.into(), address, len, user))
}

/// Of bytes or pieces, how many, or the status of the argument.
fn length(arg: &Arg, hook: &Hook, world: &World) -> Result<u64, u64> {
    match arg.read {
        Read::Bytes { len, .. } | Read::Pieces(_, len) => match len {
            Length::Fixed(len) => Ok(len.into()),
            Length::Word { source, bytes, signed } => {
                Ok(extended(word(source, hook, world).ok_or(UNREADABLE)?, bytes, signed))
            }
        },
        _ => Ok(0),
    }
}

/// Status of an argument that cannot be read itself.
const UNREADABLE: u64 = u32::MAX as u64;

/// `None`: it cannot be read.
fn word(source: Source, hook: &Hook, world: &World) -> Option<u64> {
    Some(match source {
        Source::Saved(index) => world.kept[hook.number as usize % 2].map_or(0, |kept| kept.1[usize::from(index)]),
        Source::Parameter(index) => world.args[usize::from(index)],
        Source::Return => world.result,
        Source::Task => world.task,
        // Either the third parameter or, at a system call, nothing of it.
        Source::Register { bytes, .. } => low(world.register, bytes),
        Source::Operand(Operand { place, bytes, signed }) => {
            let whole = match place {
                Place::Constant(value) => value,
                Place::Register(offset) => register(offset, world),
                Place::Memory {
                    base,
                    index,
                    displacement,
                } => {
                    let base = base.map_or(0, |offset| register(offset, world));
                    let index = index.map_or(0, |(offset, shift)| register(offset, world) << shift);
                    user_memory(base.wrapping_add(index).wrapping_add(i64::from(displacement) as u64))?
                }
            };
            extended(whole, bytes, signed)
        }
        Source::Record => CONTEXT,
        // The words of the record are the arguments and the result.
        Source::Field { offset, bytes } => low(recorded(offset, world), bytes),
        Source::DataLoc { offset } => {
            let words = recorded(offset / 8 * 8, world);
            CONTEXT + (words >> (offset % 8 * 8) & 0xffff)
        }
    })
}

/// The register at that offset in `struct pt_regs`.
fn register(offset: i16, world: &World) -> u64 {
    let parameters = [112, 104, 96, 88, 72, 64];
    let parameter = parameters.iter().position(|known| *known == offset);
    parameter.map_or(world.result, |index| world.args[index])
}

fn extended(word: u64, bytes: u8, signed: bool) -> u64 {
    match (bytes, signed) {
        (1, true) => word as u8 as i8 as u64,
        (1, false) => u64::from(word as u8),
        (2, true) => word as u16 as i16 as u64,
        (2, false) => u64::from(word as u16),
        (4, true) => word as u32 as i32 as u64,
        (4, false) => u64::from(word as u32),
        _ => word,
    }
}

fn low(word: u64, bytes: u8) -> u64 {
    word & u64::MAX >> (64 - 8 * u32::from(bytes))
}

/// The word that a tracepoint has recorded there.
fn recorded(offset: u16, world: &World) -> u64 {
    let index = usize::from(offset / 8);
    world
        .args
        .get(index)
        .copied()
        .unwrap_or(if index == 6 { world.result } else { PAST })
}

enum Value {
    Number(u64, bool),
    Bytes(Vec<u8>),
}

/// Where its way ends, or the status of the argument.
fn end(arg: &Arg, hook: &Hook, world: &World) -> Result<u64, u64> {
    follow(arg.source, &arg.way, hook, world)
}

fn follow(source: Source, way: &[i32], hook: &Hook, world: &World) -> Result<u64, u64> {
    let mut at = word(source, hook, world).ok_or(UNREADABLE)?;
    if let Some((last, pointers)) = way.split_last() {
        for (index, offset) in pointers.iter().enumerate() {
            let next = at.wrapping_add(i64::from(*offset) as u64);
            at = world.on_way(source, next).ok_or(index as u64 + 1)?;
        }
        at = at.wrapping_add(i64::from(*last) as u64);
    }
    Ok(at)
}

/// The value, or the status of the argument.
fn value(arg: &Arg, hook: &Hook, world: &World) -> Result<Value, u64> {
    let len = length(arg, hook, world)?;
    let mut at = end(arg, hook, world)?;
    let (bytes, signed) = if let Read::Number { bytes, signed } = arg.read {
        (bytes, signed)
    } else if arg.read == Read::Syscall {
        (8, false)
    } else {
        let bytes = match arg.read {
            Read::Bytes { .. } | Read::Pieces(..) => world.bytes(at, len),
            _ => world.string(at),
        };
        return bytes.map(Value::Bytes).ok_or(UNREADABLE);
    };
    if !arg.way.is_empty() {
        at = world.on_way(arg.source, at).ok_or(arg.way.len() as u64)?;
    }
    let value = extended(at, bytes, signed);
    let value = if arg.read == Read::Syscall {
        syscall_id(value)
    } else {
        value
    };
    Ok(Value::Number(value, signed))
}

fn bytes(subject: Subject, hook: &Hook, world: &World) -> Option<Vec<u8>> {
    match subject {
        Subject::Arg(index) => match value(hook.args.get(index)?, hook, world) {
            Ok(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        },
        Subject::Binary => world.binary.clone(),
        Subject::Pid | Subject::Fact(_) => None,
    }
}

fn passes(filter: &Filter, hook: &Hook, world: &World) -> bool {
    match filter {
        Filter::Number(subject, test) => {
            let value = match *subject {
                Subject::Arg(index) => hook.args.get(index).and_then(|arg| match value(arg, hook, world) {
                    Ok(Value::Number(value, signed)) => Some((value, signed)),
                    _ => None,
                }),
                Subject::Pid => Some((u64::from(world.pid), false)),
                Subject::Fact(what) => Some((world.facts[what as usize % 8], false)),
                Subject::Binary => None,
            };
            value.is_some_and(|(value, signed)| number_passes(test, value, signed))
        }
        Filter::Text(subject, test) => bytes(*subject, hook, world).is_some_and(|text| test.passes(&text)),
        Filter::Field {
            subject,
            offset,
            bytes: width,
            mask,
            test,
        } => bytes(*subject, hook, world).is_some_and(|bytes| {
            let mut cell = [0; 8];
            let width = usize::from(*width);
            cell[..width].copy_from_slice(&padded(&bytes)[usize::from(*offset) - 16..][..width]);
            number_passes(test, u64::from_le_bytes(cell) & mask, false)
        }),
        Filter::Contains {
            subject,
            texts,
            fold,
            not,
        } => bytes(*subject, hook, world)
            .is_some_and(|bytes| texts.iter().any(|text| contains(&bytes, text, *fold)) != *not),
        Filter::Gained { old, new } => {
            let set = |index: usize| match hook.args.get(index).map(|arg| value(arg, hook, world)) {
                Some(Ok(Value::Number(value, _))) => Some(value),
                _ => None,
            };
            set(*old).zip(set(*new)).is_some_and(|(old, new)| new & !old != 0)
        }
        Filter::Lineage { namespaced, pids, not } => {
            let mut task = world.task;
            if *namespaced && pid_of(task, true) == 0 {
                return false;
            }
            let mut found = false;
            for _ in 0..10 {
                let pid = pid_of(task, *namespaced);
                if *namespaced && pid == 0 {
                    break;
                }
                found |= pids.contains(&(pid as u32));
                task = parent(task);
                if task == 0 {
                    break;
                }
            }
            found != *not
        }
        Filter::Remember(_) => true,
        Filter::Address {
            subject,
            offset,
            networks,
            not,
        } => bytes(*subject, hook, world).is_some_and(|bytes| {
            let mut address = [0; 16];
            address.copy_from_slice(&padded(&bytes)[usize::from(*offset) - 16..][..16]);
            let within = |(network, bits): &([u8; 16], u8)| {
                let shift = 128 - u32::from(*bits);
                let key = |address: [u8; 16]| u128::from_be_bytes(address).checked_shr(shift).unwrap_or(0);
                key(*network) == key(address)
            };
            networks.iter().any(within) != *not
        }),
    }
}

/// What the machine has behind the end of what was read.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() + 64, 0xa5);
    padded
}

fn number_passes(test: &NumberTest, value: u64, signed: bool) -> bool {
    match test {
        NumberTest::In { ranges, not } => {
            let within = |&(first, last): &(u64, u64)| {
                if signed {
                    (first as i64..=last as i64).contains(&(value as i64))
                } else {
                    (first..=last).contains(&value)
                }
            };
            ranges.iter().any(within) != *not
        }
        NumberTest::AnyBit { masks, not } => masks.iter().any(|mask| value & mask != 0) != *not,
    }
}
