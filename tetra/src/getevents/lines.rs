//! Events from lines of JSON, such as an export file or `kubectl logs`.
//!
//! A line that is not an event is reported with its number and passed over. Memory is bounded by the longest line
//! allowed, however long the input. What has been printed is handed over before the input is waited for, so that a
//! following pipe shows events as they come.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use anyhow::{Context as _, bail};
use tetragon_api::json;
use tokio::sync::Mutex;

use super::local::Local;
use super::notes::Notes;
use super::output::Output;

/// Lines of an input, in bounded memory.
#[derive(Debug)]
struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
}

/// What [`Lines::next`] found.
#[derive(Debug)]
enum Line<'a> {
    /// A line without its end.
    Whole(&'a [u8]),
    /// A line of more bytes than allowed.
    TooLong,
}

impl<R: Read> Lines<R> {
    fn new(input: R, limit: usize) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, input),
            line: Vec::new(),
            limit,
        }
    }

    /// Whether the next line is there without waiting for the input.
    fn ready(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }

    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let Self { input, line, limit } = self;
        line.clear();
        // One more than the limit, for the end of the line.
        let most = (*limit as u64).saturating_add(1);
        if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > *limit {
            input.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Whole(line)))
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, empty ones included.
    pub lines: u64,
    /// Lines that are not events.
    pub malformed: u64,
}

impl Summary {
    /// An error if there were malformed lines.
    pub fn into_result(self) -> anyhow::Result<()> {
        let Self { lines, malformed } = self;
        if malformed > 0 {
            bail!("standard input: {malformed} of {lines} lines are not events, they were passed over");
        }
        Ok(())
    }
}

/// Prints to `output` those events of `input` that pass `local`. Lines may have `limit` bytes.
///
/// Must not be called within an asynchronous runtime.
pub fn run(
    input: impl Read,
    limit: usize,
    local: &Local,
    output: &Mutex<Output<impl Write>>,
    notes: &mut Notes<impl Write>,
) -> anyhow::Result<Summary> {
    let mut lines = Lines::new(input, limit);
    let mut summary = Summary::default();
    loop {
        if !lines.ready() {
            output.blocking_lock().flush()?;
        }
        let number = summary.lines + 1;
        let event = match lines.next().context("read standard input")? {
            None => break,
            Some(Line::TooLong) => Err(format!("longer than {limit} bytes, see --max-recv-size")),
            Some(Line::Whole(line)) if line.trim_ascii().is_empty() => {
                summary.lines = number;
                continue;
            }
            Some(Line::Whole(line)) => parse(line),
        };
        summary.lines = number;
        let mut event = match event {
            Ok(event) => event,
            Err(error) => {
                summary.malformed += 1;
                notes.say(format_args!("line {number}"), error);
                continue;
            }
        };
        if local.apply(&mut event)
            && let Err(error) = output.blocking_lock().event(&event)?
        {
            notes.unprintable(format_args!("line {number}"), error);
        }
    }
    output.blocking_lock().flush()?;
    Ok(summary)
}

fn parse(line: &[u8]) -> Result<tetragon_api::v1::GetEventsResponse, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    json::parse_event(text).map_err(|error| error.in_line())
}
