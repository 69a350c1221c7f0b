//! Where in a file something was written.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The way to a node: `spec.kprobes[0].args[1].type`.
///
/// A path shares its beginning with the paths of its neighbours, so that thousands of values cost little.
#[derive(Clone, Default)]
pub struct Path(Option<Arc<Step>>);

struct Step {
    parent: Path,
    segment: Segment,
}

enum Segment {
    Field(Arc<str>),
    Index(usize),
}

impl Path {
    /// The path of the document itself.
    pub const ROOT: Self = Self(None);

    /// The path of a field of the mapping at this path.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.step(Segment::Field(name.into()))
    }

    /// The path of an item of the list at this path; the first is 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Segment::Index(index))
    }

    fn step(&self, segment: Segment) -> Self {
        Self(Some(Arc::new(Step {
            parent: self.clone(),
            segment,
        })))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.parent.fmt(f)?;
        match &step.segment {
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Field(name) if step.parent.0.is_none() => f.write_str(name),
            Segment::Field(name) => write!(f, ".{name}"),
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The place of a node in a file.
///
/// All places are equal: what a policy says does not depend on where in the file it says it.
/// That makes `==` on specs and policies compare meaning.
#[derive(Clone, Default)]
pub struct Place {
    /// Line, from 1; 0 when the thing stands in no file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the thing stands in no file.
    pub column: usize,
    /// Field path inside the document.
    pub path: Path,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.line, self.column, self.path)
    }
}

/// A value and where it was written. Compares by value alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where; for a value that was left out and has a default, the object it belongs to.
    pub place: Place,
}

impl<T> Spanned<T> {
    /// A value that stands in no file.
    pub fn nowhere(value: T) -> Self {
        Self {
            value,
            place: Place::default(),
        }
    }
}

impl<T> From<T> for Spanned<T> {
    fn from(value: T) -> Self {
        Self::nowhere(value)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
