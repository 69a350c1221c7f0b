//! Any bytes give an answer: no panic, no endless work.

use btf::{Btf, Builder, Kind, TypeId, fields, minimise};
use proptest::prelude::*;

/// Everything that a caller can ask.
fn ask_everything(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    assert!(btf.len() <= bytes.len() / 12);
    for id in (0..=btf.len() as u32 + 1).map(TypeId) {
        if let Some(ty) = btf.get(id) {
            let _ = (btf.name(&ty), btf.target(&ty));
        }
        let _ = (btf.strip(id), btf.size(id), btf.member(id, "a.b"), btf.member(id, "c"));
        let _ = (btf.members(id).count(), btf.params(id).count());
    }
    let _ = (
        btf.function("a"),
        btf.enumerator("a", "b"),
        btf.structures(&["a", "", "b"]),
    );
    let _ = fields::resolve(&btf).map(|resolved| resolved.to_string());
    let small = minimise(&btf, &["a", "b", "c"]);
    Btf::parse(&small).expect("minimised files are whole");
}

/// A record of any kind, whose references may lead anywhere.
fn record() -> impl Strategy<Value = (u8, bool, u32, Vec<u32>, usize)> {
    (
        1_u8..20,
        any::<bool>(),
        0_u32..12,
        prop::collection::vec(0_u32..12, 0..18),
        0_usize..4,
    )
}

fn kind(number: u8) -> Kind {
    use Kind::{
        Array, Const, Datasec, DeclTag, Enum, Enum64, Float, Func, FuncProto, Fwd, Int, Ptr, Restrict, Struct, TypeTag,
        Typedef, Union, Var, Volatile,
    };
    [
        Int, Ptr, Array, Struct, Union, Enum, Fwd, Typedef, Volatile, Const, Restrict, Func, FuncProto, Var, Datasec,
        Float, DeclTag, TypeTag, Enum64,
    ][usize::from(number - 1)]
}

proptest! {
    // A failure is kept as a test of its own, not in a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ask_everything(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_header(types in prop::collection::vec(0_u32..40, 0..100), strings in "[a-c\0]{0,20}") {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let strings = format!("\0{strings}\0");
        let len = types.len() as u32 * 4;
        for number in [24, 0, len, len, strings.len() as u32].iter().chain(&types) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(strings.bytes());
        ask_everything(&bytes);
    }

    #[test]
    fn random_types(records in prop::collection::vec(record(), 0..12)) {
        let mut builder = Builder::new();
        for name in ["a", "b", "c"] {
            builder.string(name);
        }
        for (number, flag, refers, mut extra, name) in records {
            let kind = kind(number);
            let (each, count) = match kind {
                Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (3, extra.len() / 3),
                Kind::Enum | Kind::FuncProto => (2, extra.len() / 2),
                Kind::Array => (3, 1),
                Kind::Int | Kind::Var | Kind::DeclTag => (1, 1),
                _ => (0, 0),
            };
            extra.resize(each * count, 0);
            let count = if matches!(kind, Kind::Array | Kind::Int | Kind::Var | Kind::DeclTag) { 0 } else { count };
            builder.raw(kind, ["", "a", "b", "c"][name], flag, count as u32, refers, &extra);
        }
        let bytes = builder.finish();
        prop_assert!(Btf::parse(&bytes).is_ok());
        ask_everything(&bytes);
    }

    #[test]
    fn mutated_bytes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut builder = Builder::new();
        let int = builder.int("int", 4);
        let inner = builder.structure("", 8, &[("b", int, 0), ("c", int, 32)]);
        let array = builder.array(inner, 4);
        builder.structure("a", 48, &[("a", inner, 0), ("", array, 64), ("x", int, 320)]);
        builder.enumeration("a", &[("b", 1)]);
        let mut bytes = builder.finish();
        for (index, byte) in &changes {
            let at = index.index(bytes.len());
            bytes[at] = *byte;
        }
        ask_everything(&bytes);
        ask_everything(&bytes[..cut.index(bytes.len())]);
    }
}
