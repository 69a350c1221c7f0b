//! The field table against files that lack something.

use btf::{Btf, Builder, fields};
use ebpf_abi::field::{Source, TABLE};

#[test]
fn all_missing_required_fields_are_listed_at_once() {
    let bytes = Builder::new().finish();
    let btf = Btf::parse(&bytes).expect("an empty file is whole");
    let error = fields::resolve(&btf).expect_err("nothing is there");
    let required: Vec<_> = TABLE.iter().filter(|field| field.required).collect();
    assert_eq!(error.missing, required);
    let text = error.to_string();
    assert!(
        text.starts_with("kernel type information lacks task_struct.pid, task_struct.tgid, "),
        "{text}"
    );
    assert!(
        text.contains("task_struct.start_boottime or task_struct.real_start_time"),
        "{text}"
    );
    assert!(
        text.ends_with("the BTF file may belong to another kernel or be incomplete"),
        "{text}"
    );
}

#[test]
fn type_names_are_those_of_the_table() {
    let names = fields::type_names();
    assert!(names.is_sorted());
    for field in TABLE {
        let path = match field.source {
            Source::Member(paths) => paths[0],
            Source::Size(path) | Source::Enumerator(path) => path,
        };
        let name = path.split('.').next().expect("a path has a first part");
        assert!(names.contains(&name), "{name}");
    }
}
