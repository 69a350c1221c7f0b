//! Random input: nothing panics, every problem has a place, and printing loses nothing.

use policy::arg_type::ArgType;
use policy::diagnostic::Severity;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::operator::Operator;
use policy::parse::{parse, print};
use policy::resolve::load;
use policy::spec::ActionKind;
use policy::yaml::{Budget, Out, emit};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const SHAPES: &str = include_str!("shapes.yaml");

/// Loads a text that may be anything.
fn never_panics(text: &str) -> Result<(), TestCaseError> {
    let (policies, diagnostics) = load(text, Budget::default(), &Limits::default(), &NoKernel);
    prop_assert!(!policies.is_empty() || !diagnostics.is_empty());
    // A carriage return alone ends a line as well (YAML 1.2, section 5.4).
    let lines = text.split(['\n', '\r']).count();
    for diagnostic in diagnostics {
        prop_assert!(diagnostic.place.line <= lines + 1, "{}", diagnostic);
        prop_assert!(!diagnostic.message.is_empty());
    }
    prints_alike(text)
}

/// What is read without a problem is read again from what is printed.
fn prints_alike(text: &str) -> Result<(), TestCaseError> {
    let (documents, diagnostics) = parse(text, Budget::default());
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        return Ok(());
    }
    for document in documents {
        let printed = print(&document);
        let (again, diagnostics) = parse(&printed, Budget::default());
        prop_assert!(diagnostics.is_empty(), "{:?}\n{}", diagnostics, printed);
        prop_assert_eq!(std::slice::from_ref(&document), again.as_slice(), "{}", printed);
    }
    Ok(())
}

fn map(entries: Vec<(&str, Out)>) -> Out {
    Out::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn text(value: &str) -> Out {
    Out::Text(value.to_owned())
}

/// Text of every kind: names, numbers, ranges, addresses, control characters.
fn any_text() -> impl Strategy<Value = Out> {
    prop_oneof![
        select(vec![
            "1",
            "-1",
            "0x10",
            "1:5",
            "10.0.0.0/8",
            "::1",
            "CAP_KILL",
            "AF_INET",
            "list:a",
            "sys_dup",
            "reg",
            ""
        ])
        .prop_map(text),
        "[ -~]{0,12}".prop_map(Out::Text),
        any::<String>().prop_map(Out::Text),
    ]
}

fn any_number() -> impl Strategy<Value = Out> {
    prop_oneof![0i32..8, 0i32..=i32::MAX].prop_map(|number| Out::Plain(number.to_string()))
}

fn any_filter() -> impl Strategy<Value = Out> {
    (any_number(), select(Operator::ALL), vec(any_text(), 0..4)).prop_map(|(index, operator, values)| {
        map(vec![
            ("index", index),
            ("operator", text(operator.name())),
            ("values", Out::List(values)),
        ])
    })
}

fn any_action() -> impl Strategy<Value = Out> {
    (select(ActionKind::ALL), any_number(), any_text()).prop_map(|(action, number, limit)| {
        map(vec![
            ("action", text(action.name())),
            ("argError", number.clone()),
            ("argSig", number),
            ("rateLimit", limit),
        ])
    })
}

fn any_selector() -> impl Strategy<Value = Out> {
    (
        vec(any_filter(), 0..3),
        vec(any_action(), 0..3),
        vec(any_text(), 0..3),
        vec(any_number(), 0..3),
    )
        .prop_map(|(filters, actions, paths, pids)| {
            let binaries = map(vec![("operator", text("In")), ("values", Out::List(paths))]);
            let pids = map(vec![("operator", text("NotIn")), ("values", Out::List(pids))]);
            map(vec![
                ("matchArgs", Out::List(filters)),
                ("matchActions", Out::List(actions)),
                ("matchBinaries", Out::List(vec![binaries])),
                ("matchPIDs", Out::List(vec![pids])),
            ])
        })
}

fn any_argument() -> impl Strategy<Value = Out> {
    (
        any_number(),
        select(ArgType::ALL),
        any_text(),
        any_text(),
        any::<bool>(),
    )
        .prop_map(|(index, arg_type, label, resolve, flag)| {
            map(vec![
                ("index", index.clone()),
                ("type", text(arg_type.name())),
                ("label", label),
                ("resolve", resolve),
                ("sizeArgIndex", index),
                ("returnCopy", Out::Plain(flag.to_string())),
            ])
        })
}

/// A document with everything in its place, and anything in it.
fn any_document() -> impl Strategy<Value = Out> {
    let kprobe = (
        any_text(),
        any::<bool>(),
        vec(any_argument(), 0..4),
        vec(any_selector(), 0..3),
        any_text(),
    )
        .prop_map(|(call, syscall, args, selectors, message)| {
            map(vec![
                ("call", call),
                ("syscall", Out::Plain(syscall.to_string())),
                ("args", Out::List(args)),
                ("selectors", Out::List(selectors)),
                ("message", message),
            ])
        });
    let labels = vec((any::<String>(), any_text()), 0..3);
    (vec(kprobe, 0..3), labels, any_text(), vec(any_text(), 0..3)).prop_map(|(kprobes, labels, name, values)| {
        let mut unique = Vec::new();
        for (key, value) in labels {
            // `<<` brings in another mapping.
            if key != "<<" && unique.iter().all(|(other, _)| *other != key) {
                unique.push((key, value));
            }
        }
        let list = map(vec![("name", name.clone()), ("values", Out::List(values))]);
        map(vec![
            ("apiVersion", text("cilium.io/v1alpha1")),
            ("kind", text("TracingPolicy")),
            ("metadata", map(vec![("name", name), ("labels", Out::Map(unique))])),
            (
                "spec",
                map(vec![("kprobes", Out::List(kprobes)), ("lists", Out::List(vec![list]))]),
            ),
        ])
    })
}

/// Anything that YAML can say, with words that mean something.
fn any_tree() -> impl Strategy<Value = Out> {
    let leaf = prop_oneof![
        any_text(),
        any_number(),
        select(vec!["true", "null", "~", ""]).prop_map(|it| Out::Plain(it.into()))
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let key = select(vec![
            "apiVersion",
            "kind",
            "metadata",
            "name",
            "spec",
            "kprobes",
            "call",
            "args",
            "index",
            "type",
            "selectors",
            "matchArgs",
            "matchPIDs",
            "operator",
            "values",
            "lists",
            "tracepoints",
            "usdts",
            "podSelector",
            "matchLabels",
            "<<",
        ]);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Out::List),
            vec((key.prop_map(str::to_owned), inner), 0..6).prop_map(Out::Map),
        ]
    })
}

/// A change of a text.
#[derive(Debug, Clone)]
enum Edit {
    Delete(Index, usize),
    Insert(Index, String),
    Repeat(Index, Index),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), 1usize..20).prop_map(|(at, length)| Edit::Delete(at, length)),
        (any::<Index>(), "[-:{}\\[\\]&*!|>'\"%@` \t\n#,?~a-z0-9]{1,4}").prop_map(|(at, text)| Edit::Insert(at, text)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Repeat(from, to)),
    ]
}

fn edited(text: &str, edits: Vec<Edit>) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        if chars.is_empty() {
            break;
        }
        match edit {
            Edit::Delete(at, length) => {
                let at = at.index(chars.len());
                chars.drain(at..(at + length).min(chars.len()));
            }
            Edit::Insert(at, text) => {
                let at = at.index(chars.len());
                chars.splice(at..at, text.chars());
            }
            Edit::Repeat(from, to) => {
                let from = from.index(chars.len());
                let part: Vec<char> = chars[from..].iter().copied().take(200).collect();
                let to = to.index(chars.len());
                chars.splice(to..to, part);
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        never_panics(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_characters(text in any::<String>()) {
        never_panics(&text)?;
    }

    #[test]
    fn any_yaml(tree in any_tree()) {
        never_panics(&emit(&tree))?;
    }

    #[test]
    fn documents_print_alike(document in any_document()) {
        let text = emit(&document);
        let (documents, diagnostics) = parse(&text, Budget::default());
        prop_assert_eq!(documents.len(), 1, "{}", text);
        prop_assert!(diagnostics.is_empty(), "{:?}\n{}", diagnostics, text);
        never_panics(&text)?;
    }

    #[test]
    fn edited_policies(edits in vec(any_edit(), 1..6)) {
        never_panics(&edited(SHAPES, edits))?;
    }
}
