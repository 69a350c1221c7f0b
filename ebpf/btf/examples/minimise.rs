//! Cuts a kernel's type information down to the structures of the field table, for `tests/kernels/`.
//!
//! ```text
//! cargo run -p btf --example minimise -- /sys/kernel/btf/vmlinux small.btf
//! ```

#![forbid(unsafe_code)]

use std::error::Error;

use btf::{Btf, fields, minimise};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("give the file to read and the file to write".into());
    };
    let bytes = std::fs::read(from)?;
    let btf = Btf::parse(&bytes)?;
    let small = minimise(&btf, &fields::type_names());
    // A file that resolves to something else would make its test a lie.
    let (before, after) = (fields::resolve(&btf)?, fields::resolve(&Btf::parse(&small)?)?);
    if before.choices() != after.choices() {
        return Err("the small file resolves to other values than the large one".into());
    }
    std::fs::write(to, &small)?;
    println!("{} bytes of {}", small.len(), bytes.len());
    Ok(())
}
