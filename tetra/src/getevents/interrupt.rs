//! Ctrl-C and SIGTERM: the last line is finished, what is buffered is written, and the exit code is 0.
//!
//! A thread of its own waits for it, so that it works whatever the others wait for: the agent, a pipe without lines, a
//! pager that does not read on.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use super::output::{Output, runtime};

/// How long a blocked output may delay the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// From now on, SIGINT and SIGTERM end the process as soon as `output` is free.
pub(super) fn end_cleanly<W: Write + Send + 'static>(output: &Arc<Mutex<Output<W>>>) -> io::Result<()> {
    let output = Arc::clone(output);
    let runtime = runtime()?;
    // Here, not in the thread: what comes after this function can be interrupted.
    let (mut interrupts, mut terminations) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = async move {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        // Held to the end: another line would be cut.
        let mut output = tokio::time::timeout(PATIENCE, output.lock()).await;
        if let Ok(output) = &mut output {
            // The process ends: nobody is left to hear that this failed.
            let _ = output.flush();
        }
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || runtime.block_on(wait))?;
    Ok(())
}
