//! The smallest program there is: what a process costs is then mostly the kernel's work, and the same each time.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use policy_test::act::ending;

/// Where it is written to.
const PATH: &str = "/run/nothing";

/// `mov edi, 0; mov eax, 60; syscall`: `exit(0)` on x86-64.
const CODE: [u8; 12] = [0xbf, 0, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

/// Where it is loaded.
const ADDRESS: u64 = 0x40_0000;

/// Sizes of the headers (elf(5)).
const ELF_HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;

/// Writes the program.
pub fn write() -> Result<()> {
    let start = ELF_HEADER + PROGRAM_HEADER;
    let end = start + CODE.len() as u64;
    let mut image = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves =
        |image: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
    let words = |image: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
    let longs = |image: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
    // ET_EXEC for EM_X86_64, version 1; entry, program headers, no sections.
    halves(&mut image, &[2, 62]);
    words(&mut image, &[1]);
    longs(&mut image, &[ADDRESS + start, ELF_HEADER, 0]);
    words(&mut image, &[0]);
    halves(&mut image, &[ELF_HEADER as u16, PROGRAM_HEADER as u16, 1, 0, 0, 0]);
    // PT_LOAD of the whole file, readable and executable.
    words(&mut image, &[1, 5]);
    longs(&mut image, &[0, ADDRESS, ADDRESS, end, end, 0x1000]);
    image.extend(CODE);
    fs::write(PATH, image).context("write a program")?;
    fs::set_permissions(PATH, fs::Permissions::from_mode(0o755)).context("make it executable")?;
    ensure!(Path::new(PATH).metadata()?.len() == end, "the program is not whole");
    run()
}

/// Starts it, and waits for its end.
pub fn run() -> Result<()> {
    let mut command = Command::new(PATH);
    command.env_clear().stdin(Stdio::null());
    let status = command.status().context("spawn")?;
    ensure!(status.success(), "ended with {}", ending(status));
    Ok(())
}
