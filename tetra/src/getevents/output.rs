//! Events on standard output.

use std::io::{self, ErrorKind, Write};

use tetragon_api::v1::GetEventsResponse;
use tetragon_api::v1::get_events_response::Event;
use tetragon_api::v1::kprobe_argument::Arg;
use tetragon_api::{json, v1};
use tokio::runtime::{Builder, Runtime};

use crate::compact::{self, Compact};

/// Output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write to standard output")]
pub struct WriteError(#[from] io::Error);

impl WriteError {
    /// Nobody reads any more, as when `head` has seen enough: no reason to complain.
    pub fn reader_is_gone(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

/// The form of events.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// One JSON object a line.
    Json,
    /// Lines for reading.
    Compact(Compact),
    /// What kprobe events say was written to the terminal of this path, byte by byte and nothing else.
    Tty(String),
}

/// Prints events to `W`, which should be buffered.
#[derive(Debug)]
pub struct Output<W> {
    encoder: Encoder,
    writer: W,
    /// What is being printed. As large as the largest event so far.
    bytes: Vec<u8>,
    text: String,
}

impl<W: Write> Output<W> {
    /// Prints to `writer` what `encoder` makes of events.
    pub fn new(encoder: Encoder, writer: W) -> Self {
        Self {
            encoder,
            writer,
            bytes: Vec::new(),
            text: String::new(),
        }
    }

    /// Prints `event`; the inner error says that it cannot be.
    pub fn event(&mut self, event: &GetEventsResponse) -> Result<Result<(), compact::Error>, WriteError> {
        let Self {
            encoder,
            writer,
            bytes,
            text,
        } = self;
        match encoder {
            Encoder::Json if event.event.is_none() => return Ok(Err(compact::Error::UnknownType)),
            Encoder::Json => {
                bytes.clear();
                json::write_event(event, bytes);
                writer.write_all(bytes)?;
            }
            Encoder::Compact(compact) => {
                text.clear();
                if let Err(error) = compact.encode(event, text) {
                    return Ok(Err(error));
                }
                writer.write_all(text.as_bytes())?;
            }
            Encoder::Tty(path) => {
                if let Some(bytes) = written(event, path) {
                    writer.write_all(bytes)?;
                }
            }
        }
        Ok(Ok(()))
    }

    /// Hands over everything printed so far.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.writer.flush()?)
    }

    /// Where it prints to.
    pub fn writer(&self) -> &W {
        &self.writer
    }
}

/// What `event` says was written to the file at `path`: its arguments are that file and the bytes.
fn written<'a>(event: &'a GetEventsResponse, path: &str) -> Option<&'a [u8]> {
    let Some(Event::ProcessKprobe(v1::ProcessKprobe { args, .. })) = &event.event else {
        return None;
    };
    match (args.first()?.arg.as_ref()?, args.get(1)?.arg.as_ref()?) {
        (Arg::FileArg(file), Arg::BytesArg(bytes)) if file.path == path => Some(bytes),
        _ => None,
    }
}

/// Prints `bytes` to standard output.
pub fn print(bytes: &[u8]) -> Result<(), WriteError> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    Ok(output.flush()?)
}

/// What drives calls to the agent: this thread.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
