//! Notes of probes, and their arguments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_elf::{OPERANDS, Operand, Place, Probes, split};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        operands(text);
    }
    for base in [None, Some(0x1000)] {
        for probe in Probes::of(bytes.to_vec(), base).iter() {
            assert!(!probe.provider.is_empty() && !probe.name.is_empty());
            operands(probe.arguments);
        }
    }
});

fn operands(text: &str) {
    assert!(split(text).count() <= OPERANDS);
    for operand in split(text).filter_map(|operand| Operand::parse(operand).ok()) {
        assert!(matches!(operand.bytes, 1 | 2 | 4 | 8));
        if let Place::Memory {
            index: Some((_, scale)), ..
        } = operand.place
        {
            assert!(matches!(scale, 1 | 2 | 4 | 8));
        }
    }
}
