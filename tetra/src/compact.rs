//! The compact form of events: one line an event, for eyes and for `grep`.
//!
//! ```text
//! 🚀 process node-a /usr/bin/tar "-xf archive.tgz"
//! 💥 exit    node-a /usr/bin/tar "-xf archive.tgz" 0
//! ```
//!
//! Lines are those of Tetragon 1.7, character by character, including the space that ends a line whose last word is
//! empty. Two things differ on purpose, both where the old line was of no use:
//!
//! - `🛑 CAP_SYS_ADMIN` stands behind processes whose effective set contains that capability. Tetragon 1.7 shows it
//!   when the set has at least 22 members, whichever they are.
//! - What Tetragon never quotes (names of pods, functions, capabilities, …) is quoted as soon as it contains something
//!   that is not printable, so that no event, whoever made it, writes control sequences to a terminal.
//!
//! An event's line comes from one declarative table a kind: `kprobes` for kernel functions, `event` for the rest.

mod colour;
mod event;
mod kprobes;
mod quote;
mod syscalls;
mod time;
mod trail;

#[cfg(test)]
mod tests;

use tetragon_api::v1::GetEventsResponse;

pub use colour::{ColourMode, Terminal};
pub use quote::escape;

use colour::Paint;

/// Which parts of the compact form are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, independent of the others"
)]
pub struct Options {
    /// Colour escape sequences.
    pub colour: bool,
    /// The event's time, in UTC with nanoseconds, in front of its line.
    pub timestamps: bool,
    /// Stack traces of kprobe events, on lines after the event's own.
    pub stack_traces: bool,
    /// The IMA hash of LSM events, on a line after the event's own.
    pub ima_hash: bool,
}

/// An event that has no compact form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field filter took the process away, or the event never had one.
    #[error("an event without a process has no compact form: keep the field `process`, or use -o json")]
    MissingProcess,
    /// Events were dropped by a rate limit: nothing a line of a process could say.
    #[error("{dropped} events were dropped by the agent's export rate limit")]
    RateLimited {
        /// How many.
        dropped: u64,
    },
    /// A type of event that this version does not know.
    #[error("an event of a type that this version does not know: use a newer tetra")]
    UnknownType,
}

/// Encoder of the compact form.
#[derive(Clone, Copy, Debug)]
pub struct Compact {
    paint: Paint,
    options: Options,
}

impl Compact {
    /// An encoder that writes what `options` asks for.
    pub fn new(options: Options) -> Self {
        Self {
            paint: Paint::new(options.colour),
            options,
        }
    }

    /// Appends the lines of `event` to `out`, each ended by a newline. Appends nothing on an error.
    pub fn encode(&self, event: &GetEventsResponse, out: &mut String) -> Result<(), Error> {
        let start = out.len();
        if self.options.timestamps {
            time::write(event.time.as_ref(), out);
            out.push(' ');
        }
        if let Err(error) = event::write(event, self.paint, out) {
            out.truncate(start);
            return Err(error);
        }
        out.push('\n');
        if self.options.stack_traces {
            trail::stack_traces(event, self.paint, out);
        }
        if self.options.ima_hash {
            trail::ima_hash(event, self.paint, out);
        }
        Ok(())
    }
}
