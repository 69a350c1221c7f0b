//! Files of programs: searched for functions, and everything that they say of their probes read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_elf::Elf;

fuzz_target!(|bytes: &[u8]| {
    let Ok(elf) = Elf::read(bytes) else { return };
    let mut first = None;
    let _ = elf.functions(|function| {
        assert!(!function.name.is_empty());
        first.get_or_insert_with(|| function.name.to_owned());
    });
    if let Some(name) = first {
        let _ = elf.find(&["main", &name]);
    }
    let Ok(probes) = elf.probes() else { return };
    for probe in probes.iter() {
        let _ = (elf.offset(probe.address), elf.offset(probe.semaphore));
    }
});
