//! Code is run by a small machine, its verdicts compared with those that the plan has when read literally.

mod machine;
mod oracle;

use ebpf_abi::hook::{SAVED, fact, orders};
use expect_test::expect;
use proptest::prelude::*;

use crate::{
    Action, Arg, Change, Context, FileOffsets, Filter, Hashed, Hook, Length, Limit, NewValue, NumberTest, Operand,
    Ownership, Place, Point, Post, Read, Register, Selector, Socket, Source, Stage, Subject, TextTest, compile,
};
use machine::{Done, World};

fn number(index: u8, bytes: u8, signed: bool) -> Arg {
    Arg {
        source: Source::Parameter(index),
        way: vec![],
        read: Read::Number { bytes, signed },
        kind: 1,
        beside: false,
    }
}

fn point(hooks: Vec<Hook>) -> Point {
    Point {
        context: Context::Registers,
        op: 13,
        hooks,
        generation: None,
    }
}

fn is(value: u64) -> NumberTest {
    NumberTest::In {
        ranges: vec![(value, value)],
        not: false,
    }
}

#[test]
fn a_miss_on_a_number_is_a_handful_of_instructions() {
    let hook = Hook {
        number: 7,
        args: vec![number(1, 4, true)],
        selectors: vec![Selector {
            filters: vec![Filter::Number(Subject::Arg(0), is(4444))],
            actions: vec![Action::Signal(9)],
            spared: vec![1],
            spares_agent: true,
        }],
        ..Hook::default()
    };
    expect![[r"
        0: r7 = r1
        1: r6 = 0
        2: r9 = 0
        3: r2 = *(u64*)(r7 +104)
        4: r2 <<= 32
        5: r2 s>>= 32
        6: if r2 == 4444 goto 8
        7: goto 42
        8: call helper 14
        9: r0 >>= 32
        10: if r0 == 1 goto 14
        11: call hook_is_agent
        12: if r0 != 0 goto 14
        13: goto 17
        14: r1 = 0
        15: call hook_count
        16: goto 22
        17: r1 = 9
        18: call helper 109
        19: if r0 == 0 goto 22
        20: r1 = 1
        21: call hook_count
        22: if r6 != 0 goto 27
        23: call claim_scratch
        24: r6 = r0
        25: if r6 == 0 goto 43
        26: *(u64*)(r6 +208) = 0
        27: r1 = *(u32*)(r6 +8)
        28: r2 = 13
        29: r3 = 7
        30: r4 = 2
        31: call hook_begin
        32: r2 = *(u64*)(r7 +104)
        33: r2 <<= 32
        34: r2 s>>= 32
        35: r3 = r2
        36: r1 = *(u32*)(r6 +8)
        37: r2 = 1
        38: call hook_number
        39: r1 = *(u32*)(r6 +8)
        40: call hook_send
        41: goto 45
        42: goto 45
        43: r1 = 13
        44: call hook_lost
        45: if r6 == 0 goto 47
        46: *(u64*)(r6 +0) = 0
        47: r0 = r9
        48: exit
    "]]
    .assert_eq(&compile(&point(vec![hook])).unwrap().to_string());
}

/// A world in which there is nothing but a process and memory for its records.
fn quiet() -> World {
    World {
        args: [0; 6],
        result: 0,
        pid: 1,
        facts: [0; 8],
        strings: vec![],
        binary: None,
        task: 0,
        register: 0,
        in_program: false,
        kept: [None; 2],
        scratch: true,
        limited: false,
        latest: 0,
        told: [0; 2],
    }
}

#[test]
fn a_run_without_scratch_is_counted() {
    let hook = Hook {
        number: 7,
        args: vec![number(1, 4, true)],
        ..Hook::default()
    };
    let point = point(vec![hook]);
    let world = World {
        scratch: false,
        ..quiet()
    };
    let done = machine::run(&compile(&point).unwrap(), &world, point.context, false);
    assert_eq!(done.unwrap(), [Done::Lost(13)]);
}

#[test]
fn a_function_may_be_longer_than_a_jump() {
    let hook = |index: u32| Hook {
        number: index,
        args: vec![number(1, 4, true)],
        selectors: vec![Selector {
            filters: vec![Filter::Number(Subject::Arg(0), is(index.into()))],
            actions: vec![],
            ..Selector::default()
        }],
        ..Hook::default()
    };
    let point = point((0..3_000).map(hook).collect());
    let code = compile(&point).unwrap();
    assert!(code.insns.len() > 2 * i16::MAX as usize, "{}", code.insns.len());
    for (index, scratch) in [
        (0, true),
        (0, false),
        (1_500, true),
        (1_500, false),
        (2_999, true),
        (2_999, false),
    ] {
        let world = World {
            args: [0, index, 0, 0, 0, 0],
            scratch,
            ..quiet()
        };
        let done = machine::run(&code, &world, point.context, false).unwrap();
        let expected = oracle::run(&point, &world);
        assert_eq!(done, if scratch { expected } else { vec![Done::Lost(13)] }, "{index}");
    }
}

#[test]
fn an_operand_in_memory_is_read_as_wide_as_it_is() {
    let operand = Operand {
        place: Place::Memory {
            base: Some(32),
            index: Some((88, 2)),
            displacement: -4,
        },
        bytes: 2,
        signed: true,
    };
    let hook = Hook {
        args: vec![Arg {
            source: Source::Operand(operand),
            ..number(0, 4, true)
        }],
        selectors: vec![Selector {
            filters: vec![Filter::Number(Subject::Arg(0), is(7))],
            actions: vec![Action::NoPost],
            ..Selector::default()
        }],
        ..Hook::default()
    };
    expect![[r"
        0: r7 = r1
        1: r6 = 0
        2: r9 = 0
        3: r3 = *(u64*)(r7 +32)
        4: r0 = *(u64*)(r7 +88)
        5: r0 <<= 2
        6: r3 += r0
        7: r8 = 0xffffffff ll
        9: r1 = r10
        10: r1 += -8
        11: *(u64*)(r10 -8) = 0
        12: r2 = 2
        13: r3 += -4
        14: call helper 112
        15: if r0 != 0 goto 24
        16: r2 = *(u16*)(r10 -8)
        17: r2 <<= 48
        18: r2 s>>= 48
        19: r2 <<= 32
        20: r2 s>>= 32
        21: if r2 == 7 goto 23
        22: goto 24
        23: goto 24
        24: if r6 == 0 goto 26
        25: *(u64*)(r6 +0) = 0
        26: r0 = r9
        27: exit
    "]]
    .assert_eq(&compile(&point(vec![hook])).unwrap().to_string());
}

#[test]
fn an_enforcer_that_was_told_nothing_is_one_call() {
    let enforcer = |overrides| Hook {
        policy: 3,
        selectors: vec![Selector {
            filters: vec![],
            actions: vec![Action::Enforce { overrides }],
            ..Selector::default()
        }],
        ..Hook::default()
    };
    let listing = |hook| compile(&point(vec![hook])).unwrap().to_string();
    expect![[r"
        0: r7 = r1
        1: r6 = 0
        2: r9 = 0
        3: r1 = 3
        4: call hook_take
        5: if r0 == 0 goto 14
        6: r8 = r0
        7: r1 = r0
        8: r1 >>= 32
        9: if r1 == 0 goto 14
        10: call helper 109
        11: if r0 == 0 goto 14
        12: r1 = 1
        13: call hook_count
        14: if r6 == 0 goto 16
        15: *(u64*)(r6 +0) = 0
        16: r0 = r9
        17: exit
    "]]
    .assert_eq(&listing(enforcer(false)));
    let denies = Point {
        context: Context::Lsm { pointers: 0 },
        ..point(vec![enforcer(true)])
    };
    expect![[r"
        0: r7 = r1
        1: r6 = 0
        2: r9 = 0
        3: r1 = 3
        4: call hook_take
        5: if r0 == 0 goto 20
        6: r8 = r0
        7: r1 = r0
        8: r1 >>= 32
        9: if r1 == 0 goto 14
        10: call helper 109
        11: if r0 == 0 goto 14
        12: r1 = 1
        13: call hook_count
        14: r8 <<= 32
        15: r8 s>>= 32
        16: if r8 s>= 0 goto 20
        17: if r8 s< -4095 goto 20
        18: if r9 != 0 goto 20
        19: r9 = r8
        20: if r6 == 0 goto 22
        21: *(u64*)(r6 +0) = 0
        22: r0 = r9
        23: exit
    "]]
    .assert_eq(&compile(&denies).unwrap().to_string());
    // Without `bpf_override_return`, which not every kernel has.
    assert!(!listing(enforcer(false)).contains("helper 58"));
    assert!(listing(enforcer(true)).contains("helper 58"));
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0_u64..6,
        2 => prop::sample::select(vec![
            u64::MAX,
            1 << 63,
            (1 << 63) - 1,
            0xffff_ffff,
            0x8000_0000,
            0x7fff_ffff,
            0x1_0000_0000,
            0xffff_ffff_8000_0000,
            255,
            128,
            0xffff,
        ]),
        1 => any::<u64>(),
    ]
}

fn number_test() -> impl Strategy<Value = NumberTest> {
    let ranges = prop::collection::vec((numbers(), numbers()), 0..12).prop_map(|mut ranges| {
        for (index, range) in ranges.iter_mut().enumerate() {
            if index % 2 == 0 {
                range.1 = range.0;
            }
        }
        ranges
    });
    prop_oneof![
        (ranges, any::<bool>()).prop_map(|(ranges, not)| NumberTest::In { ranges, not }),
        (prop::collection::vec(numbers(), 0..4), any::<bool>())
            .prop_map(|(masks, not)| NumberTest::AnyBit { masks, not }),
    ]
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ab/]{0,3}".prop_map(String::into_bytes),
        "[ab]{6,18}".prop_map(String::into_bytes),
        "a{12,20}[ab]{4,6}".prop_map(String::into_bytes),
        "(/usr|/etc|/b){0,4}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn text_test() -> impl Strategy<Value = TextTest> {
    let list = || prop::collection::vec(texts(), 0..4);
    (list(), list(), list(), any::<bool>()).prop_map(|(equal, prefix, postfix, not)| TextTest {
        equal,
        prefix,
        postfix,
        not,
    })
}

/// Few different bytes, so that networks contain them.
fn address() -> impl Strategy<Value = [u8; 16]> {
    prop::array::uniform16(prop::sample::select(vec![b'a', b'a', b'a', b'b']))
}

fn filter() -> impl Strategy<Value = Filter> {
    let subject = prop_oneof![
        3 => (0_usize..4).prop_map(Subject::Arg),
        1 => Just(Subject::Pid),
        1 => Just(Subject::Binary),
        1 => (2_u32..5).prop_map(Subject::Fact),
    ];
    prop_oneof![
        (subject.clone(), number_test()).prop_map(|(subject, test)| Filter::Number(subject, test)),
        (subject.clone(), text_test()).prop_map(|(subject, test)| Filter::Text(subject, test)),
        (
            subject.clone(),
            16_u16..40,
            prop::sample::select(vec![1_u8, 2, 4, 8]),
            numbers(),
            number_test()
        )
            .prop_map(|(subject, offset, bytes, mask, test)| Filter::Field {
                subject,
                offset,
                bytes,
                mask,
                test
            }),
        (
            subject.clone(),
            prop::collection::vec(texts(), 0..3),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(subject, texts, fold, not)| Filter::Contains {
                subject,
                texts: if fold {
                    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
                } else {
                    texts
                },
                fold,
                not
            }),
        (0_usize..4, 0_usize..4).prop_map(|(old, new)| Filter::Gained { old, new }),
        (any::<bool>(), prop::collection::vec(0_u32..7, 0..3), any::<bool>())
            .prop_map(|(namespaced, pids, not)| { Filter::Lineage { namespaced, pids, not } }),
        Just(Filter::Remember(fact::REMEMBER_NAMESPACES)),
        (
            subject,
            prop::sample::select(vec![16_u16, 24]),
            prop::collection::vec((address(), 0_u8..=128), 0..4),
            any::<bool>()
        )
            .prop_map(|(subject, offset, networks, not)| Filter::Address {
                subject,
                offset,
                networks,
                not
            }),
    ]
}

fn length() -> impl Strategy<Value = Length> {
    let source = prop_oneof![
        (0_u8..6).prop_map(Source::Parameter),
        operand().prop_map(Source::Operand),
    ];
    (source, prop::sample::select(vec![4_u8, 8]), any::<bool>()).prop_map(|(source, bytes, signed)| Length::Word {
        source,
        bytes,
        signed,
    })
}

fn operand() -> impl Strategy<Value = Operand> {
    let register = || prop::sample::select(vec![112_i16, 104, 96, 88, 80]);
    let place = prop_oneof![
        1 => numbers().prop_map(Place::Constant),
        2 => register().prop_map(Place::Register),
        4 => (
            prop::option::of(register()),
            prop::option::of((register(), 0_u8..4)),
            prop_oneof![-20_i32..20, any::<i32>()]
        )
            .prop_map(|(base, index, displacement)| Place::Memory { base, index, displacement }),
    ];
    (place, prop::sample::select(vec![1_u8, 2, 4, 8]), any::<bool>()).prop_map(|(place, bytes, signed)| Operand {
        place,
        bytes,
        signed,
    })
}

fn arg() -> impl Strategy<Value = Arg> {
    let read = prop_oneof![
        3 => (prop::sample::select(vec![1_u8, 2, 4, 8]), any::<bool>()).prop_map(|(bytes, signed)| Read::Number { bytes, signed }),
        2 => any::<bool>().prop_map(|user| Read::Text { user }),
        1 => (0_u32..3).prop_map(Read::Path),
        1 => (prop_oneof![
            length(),
            (0_u32..20).prop_map(Length::Fixed),
        ], any::<bool>()).prop_map(|(len, user)| Read::Bytes { len, user }),
        1 => (0_u32..4).prop_map(Read::Structure),
        1 => (0_u32..2, length()).prop_map(|(what, length)| Read::Pieces(what, length)),
        1 => Just(Read::Syscall),
    ];
    let source = prop_oneof![
        5 => (0_u8..6).prop_map(Source::Parameter),
        1 => Just(Source::Return),
        1 => Just(Source::Task),
        2 => operand().prop_map(Source::Operand),
        1 => prop::sample::select(vec![1_u8, 2, 4, 8]).prop_map(|bytes| Source::Register { offset: 96, bytes }),
        1 => Just(Source::Record),
        2 => (1_u16..8, prop::sample::select(vec![1_u8, 2, 4, 8])).prop_map(|(word, bytes)| Source::Field { offset: 8 * word, bytes }),
        1 => (2_u16..8).prop_map(|word| Source::DataLoc { offset: 4 * word }),
        1 => (0_u8..SAVED as u8).prop_map(Source::Saved),
    ];
    let way = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(-20_i32..40, 1..4)];
    (source, way, read, 0_u16..40, any::<bool>()).prop_map(|(source, way, read, kind, beside)| Arg {
        source,
        way,
        read,
        kind,
        beside,
    })
}

/// Changes of one of two sockets.
fn ownership() -> impl Strategy<Value = Ownership> {
    (0_usize..2, any::<bool>()).prop_map(|(index, track)| {
        if track {
            Ownership::Track(index)
        } else {
            Ownership::Untrack(index)
        }
    })
}

/// None, or two.
fn sockets() -> impl Strategy<Value = Vec<Socket>> {
    let way = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(-20_i32..40, 1..4)];
    let source = prop_oneof![
        4 => (0_u8..6).prop_map(Source::Parameter),
        1 => Just(Source::Return),
        1 => (0_u8..SAVED as u8).prop_map(Source::Saved)
    ];
    let socket = (source, way, 0_u32..2).prop_map(|(source, way, structure)| Socket { source, way, structure });
    prop_oneof![Just(vec![]), prop::collection::vec(socket, 2)]
}

/// Numbers that an enforcer may be told to return, and some that are no errors.
fn errors() -> impl Strategy<Value = i32> {
    prop_oneof![
        Just(0),
        -4_095_i32..0,
        prop::sample::select(vec![1, -4_096, i32::MIN, i32::MAX])
    ]
}

fn selector() -> impl Strategy<Value = Selector> {
    let action = prop_oneof![
        Just(Action::Post(Post::default())),
        (any::<u64>(), 0_u32..3, any::<bool>(), (any::<bool>(), any::<bool>())).prop_map(
            |(window, scope, kernel_stack, (user_stack, hashed))| {
                Action::Post(Post {
                    limit: (scope < 2).then_some(Limit { window, scope }),
                    kernel_stack,
                    user_stack,
                    hash: hashed.then_some(Hashed {
                        point: 9,
                        member: None,
                        offsets: FileOffsets::default(),
                        defers: window.is_multiple_of(2),
                    }),
                })
            }
        ),
        Just(Action::NoPost),
        any::<u64>().prop_map(Action::Mark),
        (1_u8..32).prop_map(Action::Signal),
        (-4095_i32..0).prop_map(Action::Override),
        (6_u16..8).prop_map(Action::Ask),
        (operand(), any::<u32>()).prop_map(|(operand, value)| Action::Set(operand.place, value)),
        (0_usize..2).prop_map(Action::Change),
        ownership().prop_map(Action::Ownership),
        (errors(), 0_u8..3).prop_map(|(error, signal)| Action::Notify { error, signal }),
        Just(Action::Withdraw),
        any::<bool>().prop_map(|overrides| Action::Enforce { overrides }),
    ];
    (
        prop::collection::vec(filter(), 0..3),
        prop::collection::vec(action, 0..3),
        prop::collection::vec(0_u32..3, 0..3),
        any::<bool>(),
    )
        .prop_map(|(filters, actions, spared, spares_agent)| Selector {
            filters,
            actions,
            spared,
            spares_agent,
        })
}

/// Changes of registers of which the world knows what they have.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let register = || {
        let whole = prop::sample::select(vec![112_i16, 104, 96, 88, 80]);
        let part = prop::sample::select(vec![(0, 8), (0, 4), (0, 2), (0, 1), (1, 1)]);
        (whole, part).prop_map(|(whole, (part, bytes))| Register {
            offset: whole + part,
            bytes,
        })
    };
    let offset = || prop_oneof![-20_i64..20, any::<i64>()];
    let value = prop_oneof![
        numbers().prop_map(NewValue::Number),
        (register(), offset()).prop_map(|(register, offset)| NewValue::Register(register, offset)),
        (register(), offset()).prop_map(|(register, offset)| NewValue::Memory(register, offset)),
    ];
    let change = (register(), value).prop_map(|(register, value)| Change { register, value });
    prop::collection::vec(change, 0..6)
}

fn any_point() -> impl Strategy<Value = Point> {
    let saved = prop::collection::vec((0_u8..6).prop_map(Source::Parameter), 0..SAVED);
    let hook = (
        any::<u32>(),
        prop::collection::vec(arg(), 0..5),
        prop::collection::vec(selector(), 0..4),
        prop::option::of(saved),
        prop::option::of(0_u32..40_000),
        (any::<bool>(), 0_u64..2, prop::collection::vec(changes(), 2)),
        sockets(),
        prop::collection::vec(ownership(), 0..2),
    );
    let hook = hook.prop_map(
        |(number, args, selectors, saved, counters, (monitor, policy, changes), sockets, ownership)| Hook {
            number,
            policy,
            args,
            selectors,
            sockets,
            ownership,
            changes,
            stage: saved.map_or(Stage::Whole, |saved| Stage::Entry { saved }),
            counters,
            monitor,
        },
    );
    let context = prop_oneof![
        Just(Context::Registers),
        Just(Context::Program),
        any::<bool>().prop_map(|compat| Context::SyscallRegisters { compat }),
        any::<(bool, bool)>().prop_map(|(compat, skips)| Context::SyscallFunction { compat, skips }),
        any::<u16>().prop_map(|pointers| Context::Function {
            parameters: 6,
            pointers
        }),
        any::<u16>().prop_map(|pointers| Context::Lsm { pointers }),
        Just(Context::Record),
    ];
    let at_return = prop::bool::weighted(0.3);
    let generation = prop::option::of(0_u32..3);
    let point = (context, at_return, generation, prop::collection::vec(hook, 1..4));
    point.prop_map(|(context, at_return, generation, mut hooks)| {
        let substitute = match context {
            Context::Record => Source::Field { offset: 16, bytes: 8 },
            _ => Source::Parameter(0),
        };
        for hook in &mut hooks {
            if at_return {
                hook.stage = Stage::Return;
            } else if let Stage::Entry { saved } = &mut hook.stage
                && context == Context::Record
            {
                saved.clear();
            }
            let by_breakpoint = matches!(context, Context::Registers | Context::Program);
            if !by_breakpoint {
                for selector in &mut hook.selectors {
                    let changes = |action: &Action| matches!(action, Action::Set(..) | Action::Change(_));
                    selector.actions.retain(|action| !changes(action));
                }
            }
            if hook.sockets.is_empty() {
                hook.ownership.clear();
                for selector in &mut hook.selectors {
                    selector
                        .actions
                        .retain(|action| !matches!(action, Action::Ownership(_)));
                }
            }
            let sockets = hook.sockets.iter_mut().map(|socket| &mut socket.source);
            for source in hook.args.iter_mut().map(|arg| &mut arg.source).chain(sockets) {
                let replaced = match source {
                    Source::Register { .. } => matches!(
                        context,
                        Context::SyscallFunction { .. }
                            | Context::Function { .. }
                            | Context::Lsm { .. }
                            | Context::Record
                    ),
                    Source::Operand(_) => !by_breakpoint,
                    Source::Saved(_) => !at_return,
                    Source::Record | Source::Field { .. } | Source::DataLoc { .. } => context != Context::Record,
                    Source::Parameter(_) => context == Context::Record,
                    Source::Return => context.has_verdict() || context == Context::Record,
                    Source::Task => false,
                };
                if replaced {
                    *source = substitute;
                }
            }
            for arg in &mut hook.args {
                let (Read::Bytes { len, .. } | Read::Pieces(_, len)) = &mut arg.read else {
                    continue;
                };
                if let Length::Word { source, .. } = len
                    && (context == Context::Record || !by_breakpoint && matches!(source, Source::Operand(_)))
                {
                    *source = substitute;
                }
            }
        }
        Point {
            context,
            op: 13,
            hooks,
            generation,
        }
    })
}

/// What an enforcer was told, 0 for nothing.
fn told() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        (errors(), 0_u8..3).prop_map(|(error, signal)| orders(error, signal))
    ]
}

fn world() -> impl Strategy<Value = World> {
    let strings = prop::collection::vec((prop::option::weighted(0.8, texts()), any::<u8>()), 8);
    (
        (prop::array::uniform6(numbers()), numbers()),
        numbers(),
        prop_oneof![any::<u32>(), 0_u32..3],
        prop::array::uniform8(numbers()),
        strings,
        prop::option::weighted(0.8, texts()),
        prop::array::uniform2(prop::option::weighted(0.8, (1_u64.., prop::array::uniform6(numbers())))),
        (any::<bool>(), 0_u64..3, prop::array::uniform2(told())),
    )
        .prop_map(
            |((args, task), result, pid, facts, strings, binary, kept, (limited, latest, told))| World {
                args,
                result,
                pid,
                facts,
                strings: strings.into_iter().map(|(text, _)| text).collect(),
                binary,
                task,
                register: 0,
                in_program: false,
                kept,
                scratch: true,
                limited,
                latest,
                told,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn code_does_what_the_plan_says(point in any_point(), world in world()) {
        let code = compile(&point).unwrap();
        let world = world.at(point.context);
        let at_return = point.hooks.iter().any(|hook| hook.stage == Stage::Return);
        let done = machine::run(&code, &world, point.context, at_return).map_err(TestCaseError::fail)?;
        prop_assert_eq!(done, oracle::run(&point, &world), "{}", code);
    }
}
