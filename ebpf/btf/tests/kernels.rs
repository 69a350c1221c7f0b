//! The field table against each kernel of the matrix (`kernels/*.toml` of the checkout), whose type information, cut
//! down to the structures of the table, lies in `kernels/` here. What each field resolves to stands next to it.
//!
//! | file | made from |
//! | --- | --- |
//! | `5.10.btf` | `linux-image-5.10.0-46-cloud-amd64` 5.10.262-1 (bullseye-security) |
//! | `6.1.btf` | `linux-image-6.1.0-56-cloud-amd64` 6.1.192-2 (bookworm-security) |
//! | `6.12.btf` | `linux-image-6.12.118+deb13-cloud-amd64` 6.12.118-1 (trixie-security) |
//! | `6.12-override.btf` | the prebuilt kernel of that name, 6.12.107 |
//! | `6.18.btf` | `linux-image-6.18.15+deb13-cloud-amd64` 6.18.15-1~bpo13+1 (trixie-backports) |
//! | `7.x.btf` | `linux-binary-7.3.4+deb13-cloud-amd64` 7.3.4-1~bpo13+1 (trixie-backports) |
//!
//! A file must be written anew when the table names a structure that it lacks (a further member of one that it has is
//! there already). Of the kernel that runs:
//!
//! ```text
//! cargo run -p btf --example minimise -- /sys/kernel/btf/vmlinux ebpf/btf/tests/kernels/6.12.btf
//! ```
//!
//! Of one that does not, from its section `.BTF`, with the script of the kernel sources that unpacks images:
//!
//! ```text
//! apt-get download linux-image-6.12.118+deb13-cloud-amd64 && dpkg-deb --extract linux-image-*.deb unpacked
//! scripts/extract-vmlinux unpacked/boot/vmlinuz-* > vmlinux
//! objcopy --dump-section .BTF=full.btf vmlinux
//! cargo run -p btf --example minimise -- full.btf ebpf/btf/tests/kernels/6.12.btf
//! ```
//!
//! Then `UPDATE_EXPECT=1 cargo test -p btf` writes what fields resolve to; read the difference.

use std::path::{Path, PathBuf};

use btf::{Btf, fields, minimise};
use expect_test::expect_file;

/// The files of type information, by kernel.
fn kernels() -> Vec<(String, Vec<u8>)> {
    let read = |(name, path)| (name, std::fs::read(path).expect("a readable file"));
    files("tests/kernels", "btf").into_iter().map(read).collect()
}

/// The files with `extension` in `folder`, by their name without it.
fn files(folder: &str, extension: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is part of the checkout");
    let name = |path: PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        path.extension()
            .is_some_and(|other| other == extension)
            .then(|| (stem.expect("ASCII"), path))
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| name(entry.expect("a folder can be read").path()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_kernel_of_the_matrix_has_a_file() {
    let names = |folder, extension| {
        files(folder, extension)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("tests/kernels", "btf"), names("../../kernels", "toml"));
}

#[test]
fn every_field_resolves_as_recorded() {
    for (kernel, bytes) in kernels() {
        let btf = Btf::parse(&bytes).unwrap_or_else(|error| panic!("{kernel}: {error}"));
        let resolved = fields::resolve(&btf).unwrap_or_else(|error| panic!("{kernel}: {error}"));
        expect_file![format!("kernels/{kernel}.txt")].assert_eq(&resolved.to_string());
    }
}

#[test]
fn minimising_again_changes_nothing() {
    for (kernel, bytes) in kernels() {
        let btf = Btf::parse(&bytes).unwrap_or_else(|error| panic!("{kernel}: {error}"));
        let again = minimise(&btf, &fields::type_names());
        assert_eq!(
            again.len(),
            bytes.len(),
            "{kernel}: the file holds types that the table does not need"
        );
    }
}
