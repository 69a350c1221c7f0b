//! Policies from numbers: for every operator, values near those that the calls have.

use anyhow::Result;
use policy::{
    arg_type::{ArgType, Class},
    eval::{Process, Value},
    names::{CAPABILITIES, CapabilitySet, FAMILIES, FileType, Namespace, Numbers, PROTOCOLS, TCP_STATES},
    operator::{Grammar, OPERATORS, Operator},
};
use serde_json::json;

use super::{
    calls::{Prepared, Raw, World},
    group::{Group, Hook, Role, Whose},
    oracle::Model,
    policies::{Filter, Policy, Selector},
    random::Random,
};

/// What the calls of a group have, by what it is.
#[derive(Default)]
pub(super) struct Pool {
    words: Vec<u64>,
    texts: Vec<String>,
    sets: Vec<u64>,
    addresses: Vec<std::net::IpAddr>,
    ports: Vec<u16>,
    families: Vec<u16>,
    protocols: Vec<u16>,
    states: Vec<u8>,
    processes: Vec<Process>,
    own: u32,
}

/// Numbers at which something changes.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
    u64::MAX - 1,
    u64::MAX - 127,
];

impl Pool {
    pub(super) fn of<'a>(calls: impl Iterator<Item = &'a Prepared>, world: &World) -> Self {
        let mut pool = Self {
            own: world.own.pid,
            ..Self::default()
        };
        for call in calls {
            pool.processes.extend(call.executed.clone());
            pool.processes.push(call.process.clone());
            for value in &call.values {
                pool.add(value);
            }
        }
        pool
    }

    /// Without calls.
    #[cfg(test)]
    pub(super) fn some() -> Self {
        Self {
            processes: vec![Process {
                binary: Some("/usr/bin/some".to_owned()),
                ..Process::default()
            }],
            ..Self::default()
        }
    }

    fn add(&mut self, raw: &Raw) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match raw {
            Raw::Word(word) => self.words.push(*word),
            Raw::Value(Value::Bytes(bytes)) => self.texts.push(text(bytes)),
            Raw::Value(Value::File { path, .. }) => self.texts.push(text(path)),
            Raw::Value(Value::Unix { family, path }) => {
                self.families.push(*family);
                self.texts.push(text(path));
            }
            Raw::Value(Value::CapSet(set)) => self.sets.push(*set),
            Raw::Value(Value::Socket(socket)) => {
                self.families.push(socket.family);
                self.protocols.push(socket.protocol);
                self.states.push(socket.state);
                for end in [&socket.source, &socket.destination].into_iter().flatten() {
                    self.addresses.push(end.address);
                    self.ports.extend(end.port);
                }
            }
            Raw::Value(_) => {}
        }
    }
}

/// A policy that can be added; those that make no sense, such as a range without numbers, are not taken.
pub(super) fn policy(
    index: usize,
    group: &'static Group,
    number: usize,
    pool: &Pool,
    random: &mut Random,
) -> Result<Policy> {
    let hook = &group.hooks[number % group.hooks.len()];
    // Each way to compare something there has its turn.
    let ways = ways(hook);
    let (arg, arg_type, operator) = ways[number / group.hooks.len() % ways.len()];
    let mut tries = 0;
    loop {
        let mut types: Vec<ArgType> = hook.args.iter().map(|arg| *random.pick(arg.types)).collect();
        types[arg] = arg_type;
        let mut policy = Policy {
            name: format!("g{index}-{}-{number}", group.name),
            hook,
            types,
            selectors: vec![],
        };
        for _ in 0..[1, 1, 1, 2, 3][random.below(5)] {
            let selector = selector(&policy, pool, random);
            policy.selectors.push(selector);
        }
        let first = filter(&policy.types, arg, operator, pool, random);
        policy.selectors[0].filters[0] = first;
        tries += 1;
        match Model::new(&policy) {
            Ok(_) => return Ok(policy),
            Err(error) if tries > 1_000 => return Err(error),
            Err(_) => {}
        }
    }
}

/// Arguments of a hook, types that they can have, and operators that compare those.
fn ways(hook: &Hook) -> Vec<(usize, ArgType, Operator)> {
    let mut ways: Vec<(usize, ArgType, Operator)> = vec![];
    for (index, arg) in hook.args.iter().enumerate() {
        for &arg_type in arg.types {
            let new = !ways.iter().any(|(_, known, _)| *known == arg_type);
            ways.extend(
                operators(arg_type)
                    .filter(|_| new)
                    .map(|operator| (index, arg_type, operator)),
            );
        }
    }
    ways
}

/// Operators for values of a type.
pub(super) fn operators(arg_type: ArgType) -> impl Iterator<Item = Operator> {
    let rows = OPERATORS.iter().filter(move |row| {
        // Not known, or not supported.
        let known = arg_type.class() != Class::Unknown && row.operator != Operator::CelExpr;
        known && row.operator.compares(arg_type.class())
    });
    rows.map(|row| row.operator)
}

fn selector(policy: &Policy, pool: &Pool, random: &mut Random) -> Selector {
    let mut process = vec![];
    let follow = policy.hook.whose == Whose::Childs;
    let whose = json!({"operator": "In", "followForks": follow, "values": [pool.own]});
    process.push(("matchPIDs", whose));
    if random.chance(30) {
        process.push(of_process(pool, random));
    }
    let mut filters = vec![];
    for _ in 0..[1, 1, 1, 2, 3][random.below(5)] {
        let arg = random.below(policy.types.len());
        let operators: Vec<Operator> = operators(policy.types[arg]).collect();
        let operator = *random.pick(&operators);
        filters.push(filter(&policy.types, arg, operator, pool, random));
    }
    Selector {
        process,
        filters,
        // What returns was reported already when it was entered.
        silent: policy.hook.args.iter().all(|arg| arg.role != Role::Returned) && random.chance(10),
    }
}

fn filter(types: &[ArgType], arg: usize, operator: Operator, pool: &Pool, random: &mut Random) -> Filter {
    Filter {
        arg,
        second: (operator == Operator::CapabilitiesGained).then(|| random.below(types.len())),
        operator,
        values: values(operator, types[arg], pool, random),
    }
}

fn values(operator: Operator, arg_type: ArgType, pool: &Pool, random: &mut Random) -> Vec<String> {
    let count = match random.below(40) {
        0..26 => 1,
        26..35 => random.from(2, 4),
        35..39 => random.from(5, 9),
        _ => 30,
    };
    let class = arg_type.class();
    let one = |random: &mut Random| match operator.row().grammar {
        Grammar::OfClass => of_class(operator, class, pool, random),
        Grammar::Bits if class == Class::CapSet => set(pool, random),
        Grammar::Bits => format!("{:#x}", word(pool, random) & all(class)),
        Grammar::Range => range(class, pool, random),
        Grammar::Set if random.chance(40) => range(class, pool, random),
        Grammar::Set => number(class, pool, random),
        Grammar::Network => network(pool, random),
        Grammar::Port => port(pool, random),
        Grammar::Protocol => named(&PROTOCOLS, pool.protocols.iter().map(|&number| number.into()), random),
        Grammar::Family => named(&FAMILIES, pool.families.iter().map(|&number| number.into()), random),
        Grammar::State => named(&TCP_STATES, pool.states.iter().map(|&number| number.into()), random),
        Grammar::FileType => random.pick(FileType::ALL).name().to_owned(),
        Grammar::Expression | Grammar::Nothing => String::new(),
    };
    if operator.row().grammar == Grammar::Nothing {
        return vec![];
    }
    (0..count).map(|_| one(random)).collect()
}

fn of_class(operator: Operator, class: Class, pool: &Pool, random: &mut Random) -> String {
    match class {
        Class::Int { .. } | Class::Syscall => number(class, pool, random),
        Class::Capability => {
            let number = word(pool, random) % 41;
            CAPABILITIES
                .name(number)
                .map_or_else(|| number.to_string(), str::to_owned)
        }
        Class::BpfCmd => (word(pool, random) % 256).to_string(),
        Class::CapSet => set(pool, random),
        _ => text(operator, pool, random),
    }
}

fn word(pool: &Pool, random: &mut Random) -> u64 {
    match random.below(10) {
        0..6 if !pool.words.is_empty() => *random.pick(&pool.words),
        0..9 => *random.pick(&EDGES),
        _ => random.next(),
    }
}

/// All bits of a number of that class.
const fn all(class: Class) -> u64 {
    match class {
        Class::Int { bits, .. } => u64::MAX >> (64 - bits),
        _ => u32::MAX as u64,
    }
}

fn integer(class: Class, pool: &Pool, random: &mut Random) -> i128 {
    let near = word(pool, random).wrapping_add([0, 0, 0, 1, u64::MAX][random.below(5)]) & all(class);
    match class {
        Class::Int { bits, signed: true } => {
            let unused = 64 - bits;
            i128::from((near << unused).cast_signed() >> unused)
        }
        _ => i128::from(near),
    }
}

fn number(class: Class, pool: &Pool, random: &mut Random) -> String {
    let value = integer(class, pool, random);
    if value >= 0 && random.chance(20) {
        return format!("{value:#x}");
    }
    value.to_string()
}

fn range(class: Class, pool: &Pool, random: &mut Random) -> String {
    let (one, other) = (integer(class, pool, random), integer(class, pool, random));
    format!("{}:{}", one.min(other), one.max(other))
}

fn set(pool: &Pool, random: &mut Random) -> String {
    let base = if pool.sets.is_empty() || random.chance(20) {
        1 << random.below(41)
    } else {
        *random.pick(&pool.sets)
    };
    let set = if random.chance(25) {
        base ^ 1 << random.below(41)
    } else {
        base
    };
    let names: Vec<&str> = (0..41)
        .filter(|bit| set & 1 << bit != 0)
        .filter_map(|bit| CAPABILITIES.name(bit))
        .collect();
    if names.is_empty() || random.chance(50) {
        return format!("{set:#x}");
    }
    names.join(",")
}

fn text(operator: Operator, pool: &Pool, random: &mut Random) -> String {
    let whole: Vec<char> = match random.below(20) {
        0..18 if !pool.texts.is_empty() => random.pick(&pool.texts).chars().collect(),
        _ => super::calls::texts::any(random, 12).chars().collect(),
    };
    let most = whole.len().min([2, 4, 16, 64, 120, 255][random.below(6)]);
    let mut part = match operator {
        Operator::Prefix | Operator::NotPrefix => whole[..random.from(0, most)].to_vec(),
        Operator::Postfix | Operator::NotPostfix => whole[whole.len() - random.from(0, most)..].to_vec(),
        Operator::SubString | Operator::SubStringIgnCase => {
            let len = random.from(0, most);
            let at = random.from(0, whole.len() - len);
            whole[at..at + len].to_vec()
        }
        _ => whole,
    };
    if random.chance(25) && !part.is_empty() {
        let at = random.below(part.len());
        match random.below(4) {
            0 => part[at] = 'x',
            1 => drop(part.remove(at)),
            2 => part.insert(at, 'b'),
            _ => part.truncate(at),
        }
    }
    if random.chance(if operator == Operator::SubStringIgnCase { 60 } else { 5 }) {
        for letter in &mut part {
            *letter = if random.chance(50) {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
        }
    }
    part.into_iter().collect()
}

fn network(pool: &Pool, random: &mut Random) -> String {
    let some = [
        "0.0.0.0",
        "127.0.0.1",
        "10.1.2.3",
        "::1",
        "::",
        "fe80::1",
        "::ffff:10.1.2.3",
    ];
    let address = if pool.addresses.is_empty() || random.chance(20) {
        (*random.pick(&some)).to_owned()
    } else {
        random.pick(&pool.addresses).to_string()
    };
    let width = if address.contains(':') { 128 } else { 32 };
    if random.chance(40) {
        return address;
    }
    format!("{address}/{}", random.from(0, width))
}

fn port(pool: &Pool, random: &mut Random) -> String {
    let mut one = || {
        let some = [0, 1, 80, 443, 1_023, 1_024, 65_535];
        let port = if pool.ports.is_empty() || random.chance(20) {
            *random.pick(&some)
        } else {
            *random.pick(&pool.ports)
        };
        port.wrapping_add([0, 0, 1, u16::MAX][random.below(4)])
    };
    let (first, second) = (one(), one());
    if random.chance(50) {
        return first.to_string();
    }
    format!("{}:{}", first.min(second), first.max(second))
}

fn named(names: &Numbers, known: impl Iterator<Item = u64>, random: &mut Random) -> String {
    let known: Vec<u64> = known.collect();
    let number = if known.is_empty() || random.chance(30) {
        random.below(14) as u64
    } else {
        *random.pick(&known)
    };
    match names.name(number) {
        Some(name) if random.chance(50) => name.to_owned(),
        _ => number.to_string(),
    }
}

/// A filter on the process.
fn of_process(pool: &Pool, random: &mut Random) -> (&'static str, serde_json::Value) {
    let operator = *random.pick(&["In", "NotIn"]);
    let process = random.pick(&pool.processes);
    match random.below(4) {
        0 => {
            let mut pids = vec![process.pid, pool.own, 1, 4_000_000];
            pids.extend(process.ancestors.iter().map(|ancestor| ancestor.pid));
            // A process that is yet to come.
            pids.retain(|&pid| pid != u32::MAX);
            let values: Vec<u32> = (0..random.from(1, 3)).map(|_| *random.pick(&pids)).collect();
            let follow = random.chance(50);
            let namespaced = random.chance(15);
            let filter = json!({
                "operator": operator, "followForks": follow, "isNamespacePID": namespaced, "values": values,
            });
            ("matchPIDs", filter)
        }
        1 => {
            let operators = [
                (Operator::Equal, "In"),
                (Operator::NotEqual, "NotIn"),
                (Operator::Prefix, "Prefix"),
                (Operator::NotPrefix, "NotPrefix"),
                (Operator::Postfix, "Postfix"),
                (Operator::NotPostfix, "NotPostfix"),
            ];
            let (compared, operator) = *random.pick(&operators);
            let binaries = Pool {
                texts: pool
                    .processes
                    .iter()
                    .filter_map(|process| process.binary.clone())
                    .collect(),
                ..Pool::default()
            };
            let values: Vec<String> = (0..random.from(1, 3))
                .map(|_| text(compared, &binaries, random))
                .collect();
            ("matchBinaries", json!({ "operator": operator, "values": values }))
        }
        2 => {
            let namespace = *random.pick(Namespace::ALL);
            let values: Vec<String> = (0..random.from(1, 2))
                .map(|_| match random.below(3) {
                    0 => "host_ns".to_owned(),
                    1 => random.pick(&pool.processes).namespaces.get(namespace).to_string(),
                    _ => "4026530000".to_owned(),
                })
                .collect();
            let filter = json!({ "namespace": namespace.name(), "operator": operator, "values": values });
            ("matchNamespaces", filter)
        }
        _ => {
            let set = random.pick(CapabilitySet::ALL).name();
            let values: Vec<&str> = (0..random.from(1, 3))
                .filter_map(|_| CAPABILITIES.name(random.below(41) as u64))
                .collect();
            let filter = json!({
                "type": set, "operator": operator, "isNamespaceCapability": random.chance(10), "values": values,
            });
            ("matchCapabilities", filter)
        }
    }
}
