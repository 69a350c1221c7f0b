//! Writing: values and fields, straight into a byte vector.
//!
//! Every field leaves a comma behind it, which the end of its object or list takes back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::schema::Enum;
use super::sealed::Write;

pub(super) fn open(out: &mut Vec<u8>) {
    out.push(b'{');
}

pub(super) fn close(out: &mut Vec<u8>) {
    end(out, b'}');
}

fn end(out: &mut Vec<u8>, bracket: u8) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = bracket,
        _ => out.push(bracket),
    }
}

/// A field whose zero value means that it is absent.
#[inline]
pub(super) fn field<V: Scalar>(out: &mut Vec<u8>, key: &str, value: &V) {
    if !value.is_zero() {
        set(out, key, value);
    }
}

/// A field that is there.
#[inline]
pub(super) fn set<V: Write>(out: &mut Vec<u8>, key: &str, value: &V) {
    out.extend_from_slice(key.as_bytes());
    value.write(out);
    out.push(b',');
}

pub(super) fn list<V: Write>(out: &mut Vec<u8>, key: &str, values: &[V]) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'[');
    for value in values {
        value.write(out);
        out.push(b',');
    }
    end(out, b']');
    out.push(b',');
}

pub(super) fn names(out: &mut Vec<u8>, key: &str, names: &'static Enum, values: &[i32]) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'[');
    for &value in values {
        Named(names, value).write(out);
        out.push(b',');
    }
    end(out, b']');
    out.push(b',');
}

pub(super) fn map<V: Write>(out: &mut Vec<u8>, key: &str, values: &BTreeMap<String, V>) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    open(out);
    for (key, value) in values {
        key.write(out);
        out.push(b':');
        value.write(out);
        out.push(b',');
    }
    close(out);
    out.push(b',');
}

/// A value of a field without presence.
pub(super) trait Scalar: Write {
    fn is_zero(&self) -> bool;
}

/// An enum number, written as its name, or bare when this version has no name for it.
pub(super) struct Named(pub(super) &'static Enum, pub(super) i32);

impl Write for Named {
    fn write(&self, out: &mut Vec<u8>) {
        let &Self(names, number) = self;
        match names.name(number) {
            Some(name) => quoted(out, name.as_bytes()),
            None => number.write(out),
        }
    }
}

impl Scalar for Named {
    fn is_zero(&self) -> bool {
        self.1 == 0
    }
}

impl Write for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Scalar for bool {
    fn is_zero(&self) -> bool {
        !self
    }
}

impl Write for String {
    fn write(&self, out: &mut Vec<u8>) {
        string(out, self);
    }
}

impl Scalar for String {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

/// `bytes` fields; lists do not come here but to [`list`].
impl Write for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        let start = out.len();
        out.resize(start + self.len().div_ceil(3) * 4, 0);
        if let Err(error) = STANDARD.encode_slice(self, &mut out[start..]) {
            unreachable!("four characters for three bytes: {error}");
        }
        out.push(b'"');
    }
}

impl Scalar for Vec<u8> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl<V: Write> Write for Box<V> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

macro_rules! integers {
    ($($ty:ty => $write:ident),*) => {$(
        impl Write for $ty {
            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                $write(out, itoa::Buffer::new().format(*self).as_bytes());
            }
        }

        impl Scalar for $ty {
            #[inline]
            fn is_zero(&self) -> bool {
                *self == 0
            }
        }
    )*};
}

// Numbers of 64 bits are strings, because readers that hold numbers as floating point would round them.
integers!(i32 => bare, u32 => bare, i64 => quoted, u64 => quoted);

fn bare(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

/// `bytes`, in which nothing needs escaping.
pub(super) fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// A string, with `"`, `\` and control characters escaped and nothing else.
pub(super) fn string(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    while let Some(index) = to_escape(rest) {
        out.extend_from_slice(&rest[..index]);
        escaped(out, rest[index]);
        rest = &rest[index + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte is that cannot stay as it is.
fn to_escape(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // Eight bytes at once. `below(x, n)` has a high bit set when some byte of `x` is below `n`.
    let below = |x: u64, n: u64| x.wrapping_sub(LOW * n) & !x & HIGH;
    let equal = |x: u64, byte: u8| below(x ^ (LOW * u64::from(byte)), 1);
    let (chunks, _) = bytes.as_chunks::<8>();
    let plain = chunks.iter().take_while(|chunk| {
        let x = u64::from_ne_bytes(**chunk);
        below(x, 0x20) | equal(x, b'"') | equal(x, b'\\') == 0
    });
    let start = plain.count() * 8;
    let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    bytes[start..].iter().position(special).map(|index| start + index)
}

#[cold]
fn escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
