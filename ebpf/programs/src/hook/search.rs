//! Runtime function that looks for text within text.

use ebpf_abi::hook::{NEEDLE_LEN, SLOT_LEN};

/// Whether the needle of the scratch is in a slot: see [`runtime::CONTAINS`](ebpf_abi::hook::runtime::CONTAINS).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_contains(claimed: u32, slot: u32, len: u32, fold: u32) -> u32 {
    let Some(hay) = super::slot(claimed, slot) else {
        return 0;
    };
    if len == 0 {
        return 1;
    }
    // SAFETY: a slot of this CPU.
    let hay_len = unsafe { (&raw const (*hay).len).read_volatile() };
    let mut block = 0;
    while block < SLOT_LEN as u32 {
        if block + len > hay_len {
            return 0;
        }
        if hook_contains_from(claimed, slot, block, len, fold) != 0 {
            return 1;
        }
        block += BLOCK;
    }
    0
}

/// Positions that one function looks at: the verifier follows each of them in every program that searches, and as many calls
/// of the function as make up a slot.
const BLOCK: u32 = 64;

/// Whether the needle begins at one of the next positions from `block` on, a multiple of [`BLOCK`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_contains_from(claimed: u32, slot: u32, block: u32, len: u32, fold: u32) -> u32 {
    let (Some(scratch), Some(hay)) = (super::scratch(claimed), super::slot(claimed, slot)) else {
        return 0;
    };
    // SAFETY: a scratch and a slot of this CPU; there is room for reading a word beyond the end of a slot.
    unsafe {
        let hay_len = (&raw const (*hay).len).read_volatile();
        let start = super::opaque(block) & (SLOT_LEN as u64 - u64::from(BLOCK));
        let bytes = (&raw const (*hay).bytes).cast::<u8>().add(start as usize);
        let mut needle = (&raw const (*scratch).needle).cast::<u64>().read_volatile();
        let mut mask = u64::MAX;
        if len < 8 {
            mask >>= 64 - 8 * len;
        }
        needle &= mask;
        // The eight bytes at the position, the first in the lowest place.
        let mut window = bytes.cast::<u64>().read_volatile() << 8;
        let mut at = 0;
        while at < BLOCK {
            if block + at + len > hay_len {
                return 0;
            }
            window = window >> 8 | u64::from(bytes.add(at as usize + 7).read_volatile()) << 56;
            let word = if fold != 0 { lower(window) } else { window };
            if word & mask == needle && (len <= 8 || hook_same(claimed, slot, block + at, len, fold) != 0) {
                return 1;
            }
            at += 1;
        }
    }
    0
}

/// Whether the needle is at `at` in a slot, apart from its first eight bytes. A function of its own for the verifier, which
/// checks it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_same(claimed: u32, slot: u32, at: u32, len: u32, fold: u32) -> u32 {
    let (Some(scratch), Some(hay)) = (super::scratch(claimed), super::slot(claimed, slot)) else {
        return 0;
    };
    let mut index = 8;
    while index < NEEDLE_LEN {
        if index as u32 >= len {
            break;
        }
        // SAFETY: as above; the position is cut to what a slot has.
        unsafe {
            let needle = (&raw const (*scratch).needle).cast::<u8>().add(index).read_volatile();
            let place = (at & (SLOT_LEN as u32 - 1)) as usize;
            let byte = (&raw const (*hay).bytes)
                .cast::<u8>()
                .add(place)
                .add(index)
                .read_volatile();
            let byte = if fold != 0 { lower(u64::from(byte)) as u8 } else { byte };
            if byte != needle {
                return 0;
            }
        }
        index += 1;
    }
    1
}

/// Eight bytes with the ASCII letters among them in lower case.
#[inline(always)]
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let seven = word & (0x7f * ONES);
    let above = seven + (0x7f - b'Z' as u64) * ONES;
    let from = seven + (0x80 - b'A' as u64) * ONES;
    // The highest bit of each byte that is a capital letter; a third of the way down it is the bit of lower case.
    let capitals = (from ^ above) & !word & (0x80 * ONES);
    word | capitals >> 2
}
