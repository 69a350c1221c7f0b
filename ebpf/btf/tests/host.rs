//! The type information of the machine that the tests run on, where it has any.

use btf::{Btf, fields, minimise};

fn host() -> Option<Vec<u8>> {
    std::fs::read("/sys/kernel/btf/vmlinux").ok()
}

#[test]
fn host_kernel_has_every_required_field() {
    let Some(bytes) = host() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let resolved = fields::resolve(&btf).unwrap();
    assert_eq!(resolved.choices().len(), ebpf_abi::field::TABLE.len());
    assert!(resolved.offsets.task_pid < 65_536);
    assert_eq!(resolved.offsets.upid_size, 16);
}

#[test]
fn minimised_resolves_to_the_same() {
    let Some(bytes) = host() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let small = minimise(&btf, &fields::type_names());
    println!("{} bytes of {}", small.len(), bytes.len());
    assert!(small.len() < 200_000, "{} bytes", small.len());
    let small = Btf::parse(&small).unwrap();
    assert_eq!(
        fields::resolve(&small).unwrap().to_string(),
        fields::resolve(&btf).unwrap().to_string()
    );
}

#[test]
fn function_parameters() {
    let Some(bytes) = host() else { return };
    let btf = Btf::parse(&bytes).unwrap();
    let function = btf.function("do_exit").unwrap();
    let params: Vec<_> = btf
        .params(function.proto)
        .map(|param| (param.name, btf.size(param.ty)))
        .collect();
    assert_eq!(params, [("code", Some(8))]);
}
