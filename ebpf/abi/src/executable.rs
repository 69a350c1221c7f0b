//! Executables by the path that they had when they were executed.
#![allow(clippy::inline_always, reason = "kernel programs have no function to call for it")]

/// Bytes of a path that is remembered, at most: one less than a power of two. A longer one is read anew whenever it is asked
/// for.
pub const PATH_MAX: usize = 511;

/// Words that hold a path and at least one zero behind it.
pub const PATH_WORDS: usize = (PATH_MAX + 1) / 8;

/// Name of a path in `tg_binaries`: its `SipHash-1-3` under a key that nobody else knows, so that nobody can make up two
/// paths of one name. Never 0.
///
/// The words are those of the message, little endian; what is behind its `len` bytes is not looked at. With `len` above
/// [`PATH_MAX`], the name means nothing.
#[inline(always)]
pub fn id(key: [u64; 2], words: &[u64; PATH_WORDS], len: u32) -> u64 {
    let mut state = Sip::new(key);
    let mut index = 0;
    let whole = len / 8;
    while index < PATH_WORDS as u32 {
        // The constant bound is for the verifier.
        if index >= whole {
            break;
        }
        state.word(words[index as usize & (PATH_WORDS - 1)]);
        index += 1;
    }
    let rest = (len % 8) * 8;
    let last = words[whole as usize & (PATH_WORDS - 1)] & !(u64::MAX << rest);
    state.word(last | (len as u64) << 56);
    match state.finish() {
        0 => 1,
        id => id,
    }
}

/// State of `SipHash` (Aumasson and Bernstein, "a fast short-input PRF", 2012).
struct Sip([u64; 4]);

impl Sip {
    #[inline(always)]
    const fn new([first, second]: [u64; 2]) -> Self {
        Self([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }

    #[inline(always)]
    const fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    const fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::hash::{BuildHasher as _, Hasher as _};

    use super::*;

    fn of(key: [u64; 2], bytes: &[u8], filler: u8) -> u64 {
        let mut words = [0; PATH_WORDS];
        for (word, index) in words.iter_mut().zip((0..).step_by(8)) {
            *word = u64::from_le_bytes(core::array::from_fn(|at| *bytes.get(index + at).unwrap_or(&filler)));
        }
        id(key, &words, bytes.len() as u32)
    }

    /// The standard library hashes with the same function, and a key of zeroes.
    #[test]
    fn the_function_is_siphash_1_3() {
        let bytes: std::vec::Vec<u8> = (0..=255).chain(0..=255).take(PATH_MAX).collect();
        for len in 0..=PATH_MAX {
            let mut hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::new().build_hasher();
            hasher.write(&bytes[..len]);
            assert_eq!(of([0, 0], &bytes[..len], 0), hasher.finish(), "{len} bytes");
        }
    }

    #[test]
    fn what_is_behind_does_not_count_and_the_key_does() {
        assert_eq!(of([1, 2], b"/usr/bin/id", 0), of([1, 2], b"/usr/bin/id", b'x'));
        assert_ne!(of([1, 2], b"/usr/bin/id", 0), of([1, 3], b"/usr/bin/id", 0));
        assert_ne!(of([1, 2], b"/usr/bin/id", 0), of([2, 2], b"/usr/bin/id", 0));
    }
}
