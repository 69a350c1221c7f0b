//! Lookups in small files.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

use btf::{Btf, Builder, Kind, Member, TypeId, minimise};
use expect_test::expect;

/// A file with `build` in it, and what `read` makes of it.
fn with<T>(build: impl FnOnce(&mut Builder), read: impl FnOnce(&Btf<'_>) -> T) -> T {
    let mut builder = Builder::new();
    build(&mut builder);
    let bytes = builder.finish();
    read(&Btf::parse(&bytes).expect("a file that was just written"))
}

fn member(btf: &Btf<'_>, structure: &str, path: &str) -> Option<Member> {
    btf.member(btf.structure(structure)?, path)
}

#[test]
fn paths_descend_by_value_through_typedefs_and_anonymous_members() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        let inner = b.structure("", 8, &[("x", int, 0), ("y", int, 32)]);
        let either = b.union("", 8, &[("word", int, 0), ("", inner, 0)]);
        let constant = b.raw(Kind::Const, "", false, 0, either.0, &[]);
        let tagged = b.raw(Kind::TypeTag, "rcu", false, 0, constant.0, &[]);
        let named = b.typedef("either_t", tagged);
        let pointer = b.pointer(named);
        b.structure(
            "outer",
            32,
            &[
                ("first", int, 0),
                ("", named, 64),
                ("named", named, 128),
                ("far", pointer, 192),
            ],
        );
    };
    with(build, |btf| {
        let at = |path| member(btf, "outer", path).map(|member| (member.byte_offset(), member.size));
        assert_eq!(at("first"), Some((0, Some(4))));
        assert_eq!(at("word"), Some((8, Some(4))));
        assert_eq!(at("y"), Some((12, Some(4))));
        assert_eq!(at("named"), Some((16, Some(8))));
        assert_eq!(at("named.y"), Some((20, Some(4))));
        assert_eq!(at("far"), Some((24, Some(8))));
        for absent in ["far.y", "z", "", ".", "first.", ".first", "first.x", "named.z"] {
            assert_eq!(at(absent), None, "{absent}");
        }
    });
}

#[test]
fn bitfields_have_a_width_and_a_bit_offset() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        let (x, y) = (b.string("x"), b.string("y"));
        b.raw(
            Kind::Struct,
            "bits",
            true,
            2,
            4,
            &[x, int.0, 3 << 24, y, int.0, 5 << 24 | 0xb],
        );
    };
    with(build, |btf| {
        let y = member(btf, "bits", "y").expect("y is there");
        assert_eq!((y.bit_offset, y.bitfield, y.byte_offset()), (11, Some(5), 1));
        let names: Vec<_> = btf
            .members(btf.structure("bits").expect("bits is there"))
            .map(|member| member.name)
            .collect();
        assert_eq!(names, ["x", "y"]);
    });
}

#[test]
fn sizes() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        let row = b.array(int, 3);
        b.array(row, 5);
        b.pointer(TypeId(0));
        b.array(int, u32::MAX);
        let huge = b.array(TypeId(5), u32::MAX);
        b.array(huge, u32::MAX);
        b.raw(Kind::Fwd, "only_declared", false, 0, 0, &[]);
    };
    with(build, |btf| {
        let sizes: Vec<_> = (0..=9).map(|id| btf.size(TypeId(id))).collect();
        let big = 4 * u64::from(u32::MAX);
        let expected = [
            None,
            Some(4),
            Some(12),
            Some(60),
            Some(8),
            Some(big),
            None,
            None,
            None,
            None,
        ];
        assert_eq!(sizes, expected);
    });
}

#[test]
fn the_largest_definition_wins_over_others_and_over_declarations() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        b.raw(Kind::Fwd, "s", false, 0, 0, &[]);
        b.structure("s", 4, &[("a", int, 0)]);
        b.structure("s", 8, &[("a", int, 32)]);
        b.structure("s", 0, &[]);
    };
    with(build, |btf| {
        assert_eq!(
            btf.structures(&["nope", "s", "", "s"]),
            [None, Some(TypeId(4)), None, Some(TypeId(4))]
        );
        assert_eq!(member(btf, "s", "a").map(|member| member.byte_offset()), Some(4));
    });
}

#[test]
fn enumerators_of_both_widths() {
    let build = |b: &mut Builder| {
        b.enumeration("color", &[("RED", 0), ("BLUE", 7)]);
        let (low, high) = (b.string("LOW"), b.string("HIGH"));
        b.raw(Kind::Enum, "signed", true, 1, 4, &[low, (-2_i32).cast_unsigned()]);
        b.raw(Kind::Enum64, "wide", false, 1, 8, &[high, 1, 2]);
    };
    with(build, |btf| {
        assert_eq!(btf.enumerator("color", "BLUE"), Some(7));
        assert_eq!(btf.enumerator("color", "GREEN"), None);
        assert_eq!(btf.enumerator("nope", "RED"), None);
        assert_eq!(btf.enumerator("signed", "LOW"), Some((-2_i64).cast_unsigned()));
        assert_eq!(btf.enumerator("wide", "HIGH"), Some(0x2_0000_0001));
    });
}

#[test]
fn functions_have_named_parameters() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        let code = b.string("code");
        let proto = b.raw(Kind::FuncProto, "", false, 2, 0, &[code, int.0, 0, 0]);
        b.raw(Kind::Func, "do_exit", false, 1, proto.0, &[]);
    };
    with(build, |btf| {
        let function = btf.function("do_exit").expect("do_exit is there");
        assert_eq!(function.id, TypeId(3));
        let params: Vec<_> = btf.params(function.proto).map(|param| (param.name, param.ty)).collect();
        assert_eq!(params, [("code", TypeId(1)), ("", TypeId(0))]);
        assert_eq!(btf.params(TypeId(1)).count(), 0);
        assert!(btf.function("int").is_none());
    });
}

#[test]
fn split_files_continue_their_base() {
    let mut base = Builder::new();
    let int = base.int("int", 4);
    base.structure("shared", 4, &[("a", int, 0)]);
    let mut module = base.split();
    let shared = TypeId(2);
    module.structure("private", 8, &[("b", int, 0), ("inner", shared, 32)]);
    let (base, module) = (base.finish(), module.finish());
    let base = Btf::parse(&base).expect("the base is whole");
    let module = Btf::parse_split(&base, &module).expect("the module is whole");
    assert_eq!((base.len(), module.len()), (2, 3));
    assert_eq!(module.structure("private"), Some(TypeId(3)));
    assert_eq!(module.structure("shared"), Some(shared));
    assert_eq!(base.structure("private"), None);
    assert_eq!(
        member(&module, "private", "inner.a").map(|member| member.byte_offset()),
        Some(4)
    );
    assert_eq!(module.get(TypeId(3)).map(|ty| module.name(&ty)), Some("private"));
}

#[test]
fn names_longer_than_any_of_the_kernel_are_none() {
    let (longest, longer) = ("x".repeat(1023), "x".repeat(1024));
    let build = |b: &mut Builder| {
        b.int(&longest, 4);
        b.int(&longer, 4);
    };
    let lengths = with(build, |btf| {
        [1, 2].map(|id| btf.name(&btf.get(TypeId(id)).expect("it is there")).len())
    });
    assert_eq!(lengths, [1023, 0]);
}

#[test]
fn cycles_end() {
    let build = |b: &mut Builder| {
        b.typedef("a", TypeId(2));
        b.typedef("b", TypeId(1));
        b.array(TypeId(3), 1);
        // Each of the two anonymous members is the structure itself: 2^32 ways down without a budget.
        b.structure(
            "self",
            8,
            &[("", TypeId(4), 0), ("", TypeId(4), 0), ("x", TypeId(9), 0)],
        );
    };
    with(build, |btf| {
        assert!(btf.strip(TypeId(1)).is_none());
        assert_eq!(btf.size(TypeId(1)), None);
        assert_eq!(btf.size(TypeId(3)), None);
        assert_eq!(member(btf, "self", "y"), None);
        assert!(!minimise(btf, &["self", "a"]).is_empty());
    });
}

#[test]
fn minimised_keeps_layout_and_cuts_pointers() {
    let build = |b: &mut Builder| {
        let int = b.int("int", 4);
        let unrelated = b.structure("unrelated", 400, &[("a", int, 0)]);
        let pointer = b.pointer(unrelated);
        let inner = b.structure("inner", 8, &[("x", int, 0), ("y", int, 32)]);
        let row = b.array(inner, 4);
        b.structure("kept", 48, &[("p", pointer, 0), ("row", row, 64), ("last", inner, 320)]);
        b.enumeration("color", &[("RED", 3)]);
        b.enumeration("shape", &[("ROUND", 1)]);
    };
    let small = with(build, |btf| minimise(btf, &["kept", "color"]));
    let btf = Btf::parse(&small).expect("minimised files are whole");
    assert_eq!(btf.structure("unrelated"), None);
    assert_eq!(
        member(&btf, "kept", "last.y").map(|member| member.byte_offset()),
        Some(44)
    );
    assert_eq!(member(&btf, "kept", "row").and_then(|member| member.size), Some(32));
    assert_eq!(member(&btf, "kept", "p").and_then(|member| member.size), Some(8));
    assert_eq!(
        (btf.enumerator("color", "RED"), btf.enumerator("shape", "ROUND")),
        (Some(3), None)
    );
}

#[test]
fn what_is_not_btf_is_told() {
    let good = Builder::new().finish();
    let with_byte = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut unknown = Builder::new();
    unknown.raw(Kind::Ptr, "", false, 0, 0, &[]);
    let mut unknown = unknown.finish();
    unknown[24 + 7] = 99;
    let mut short = Builder::new();
    short.raw(Kind::Struct, "", false, 3, 0, &[0, 0, 0]);
    let inputs = [
        b"\x7fELF\x02\x01\x01".to_vec(),
        vec![],
        good[..20].to_vec(),
        vec![0xeb, 0x9f, 1, 0],
        with_byte(2, 2),
        with_byte(20, 9),
        with_byte(24, 1),
        unknown,
        short.finish(),
    ];
    let said: Vec<_> = inputs
        .iter()
        .map(|bytes| Btf::parse(bytes).expect_err("broken").to_string())
        .collect();
    expect![[r#"
        this is not BTF: it begins with 0x457f, not 0xeb9f (an ELF file holds BTF in its .BTF section)
        truncated BTF: the header announces 24 bytes, there are 0
        truncated BTF: the header announces 24 bytes, there are 20
        this is BTF of a big-endian machine, which is not supported
        this is BTF version 2, only version 1 is known
        truncated BTF: the header announces 33 bytes, there are 25
        corrupt BTF: the string section is not enclosed in NUL bytes
        type 1 is of kind 99, which is newer than this program
        corrupt BTF: type 1 reaches beyond the type section"#]]
    .assert_eq(&said.join("\n"));
}
