//! Type information from `--btf FILE`: read, searched, resolved and cut down, whatever the bytes.
#![no_main]

use btf::{Btf, TypeId, fields, minimise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for id in 0..=btf.len() as u32 {
        let id = TypeId(id);
        if let Some(ty) = btf.get(id) {
            let _ = (btf.name(&ty), btf.target(&ty));
        }
        let _ = (
            btf.strip(id),
            btf.size(id),
            btf.members(id).count(),
            btf.params(id).count(),
        );
        let _ = btf.member(id, "a.b");
    }
    let _ = (
        btf.structure("task_struct"),
        btf.function("do_exit"),
        btf.enumerator("a", "b"),
    );
    let resolved = fields::resolve(&btf);
    let small = minimise(&btf, &fields::type_names());
    let small = Btf::parse(&small).expect("what is cut down is whole");
    if let Ok(resolved) = resolved {
        let again = fields::resolve(&small).expect("nothing that the table needs is cut");
        assert_eq!(again.choices(), resolved.choices());
    }
});
