//! Little-endian numbers out of borrowed bytes.

/// The `u32` at byte `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let end = offset.checked_add(4)?;
    bytes.get(offset..end)?.try_into().ok().map(u32::from_le_bytes)
}

/// The `index`-th group of `N` numbers.
pub(crate) fn group_at<const N: usize>(bytes: &[u8], index: usize) -> Option<[u32; N]> {
    let start = index.checked_mul(N * 4)?;
    let mut group = [0; N];
    for (position, number) in group.iter_mut().enumerate() {
        *number = u32_at(bytes, start.checked_add(position * 4)?)?;
    }
    Some(group)
}
