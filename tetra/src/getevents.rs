//! `tetra getevents`: events of the agent, or those on standard input, filtered and printed.
//!
//! - [`args`]: the flags, and the request that they stand for;
//! - [`stream`]: events of the agent, which applies the request itself;
//! - [`lines`]: events on standard input, to which [`local`] applies the request;
//! - [`output`]: how events are printed;
//! - [`notes`]: what is said about those that cannot be.

pub mod args;
mod interrupt;
pub mod lines;
pub mod local;
pub mod notes;
pub mod output;
pub mod stream;

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Mutex;

use crate::compact::Terminal;
use crate::connection::Connection;
use args::Arguments;
use local::Local;
use notes::Notes;
use output::Output;

/// Prints events until they end or the user interrupts.
pub fn run(connection: &Connection, arguments: &Arguments) -> anyhow::Result<()> {
    let request = arguments.request()?;
    let encoder = arguments.encoder(&Terminal::of_process());
    let output = Arc::new(Mutex::new(Output::new(encoder, BufWriter::new(io::stdout()))));
    interrupt::end_cleanly(&output).context("handle interrupts")?;
    let mut notes = Notes::new(io::stderr());
    if let Some(input) = input().context("look at standard input")? {
        let local = Local::compile(&request)?;
        let summary = lines::run(input, connection.max_recv_size, &local, &output, &mut notes)?;
        return summary.into_result();
    }
    let reconnect = arguments.reconnect.then_some(arguments.reconnect_wait);
    output::runtime()?.block_on(stream::run(connection, &request, reconnect, &output, &mut notes))
}

/// Standard input, if events come from there: unless it is a character device, such as a terminal or `/dev/null`.
fn input() -> io::Result<Option<File>> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let device = input.metadata()?.file_type().is_char_device();
    Ok((!device).then_some(input))
}
