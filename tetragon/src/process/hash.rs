//! A hash for identities: start times and process ids come from the kernel, not from somebody who looks for collisions.

use std::hash::Hasher;

/// An odd number without a pattern: the golden ratio, as in Fibonacci hashing.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes the numbers of a [`ProcessKey`](ebpf_abi::map::ProcessKey).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(29) ^ number).wrapping_mul(MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        // The low bits of a product know nothing of the high bits of its factors.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        hash::{BuildHasher as _, BuildHasherDefault},
    };

    use ebpf_abi::map::ProcessKey;

    use super::*;

    #[test]
    fn neighbours_spread() {
        let builder = BuildHasherDefault::<KeyHasher>::default();
        let ticks = (0..64_u64).flat_map(|tick| (0..64).map(move |pid| ProcessKey::new(pid, tick * 10_000_000)));
        let hashes: Vec<u64> = ticks.map(|key| builder.hash_one(key)).collect();
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xfff).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        // 4,096 thrown at random into as many places hit 63 % of them.
        assert!(low.len() > 2_000, "{}", low.len());
        assert_eq!(high.len(), 128);
    }
}
