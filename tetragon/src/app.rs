//! The agent as a whole: what is started in which order, and how it ends.
//!
//! Everything that can fail because of how the agent was started is tried before anything is attached to the kernel. Every
//! file that it leaves is held by a value that removes it, so that an error on the way cleans up as the end does.
//!
//! Two threads: the observer reads the ring buffer, makes events and writes the file; the other one serves clients and
//! waits for signals.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{self, Command, Config};
use crate::export::Exporter;
use crate::notify::{self, notify};
use crate::observer::{self, Observer, Stats, Stop};
use crate::outputs::Outputs;
use crate::run_dir::{Info, InfoFile, PidFile};
use crate::server::{Address, Hub};
use crate::{logging, privileges};

/// Exit status of everything that fails except for the command line.
const FATAL: u8 = 255;

/// Runs the agent as the command line says.
pub fn main() -> ExitCode {
    let config = match config::load(std::env::args_os(), &config::System) {
        Ok(Command::Print(text)) => {
            // Nobody to tell when it cannot be written.
            let _lost = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(config)) => *config,
        Err(error) => {
            complain(&error);
            return ExitCode::from(error.exit_status());
        }
    };
    if let Err(error) = logging::start(&config.logging) {
        complain(&error);
        return ExitCode::from(FATAL);
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "Failed to execute tetragon");
            ExitCode::from(FATAL)
        }
    }
}

/// Says on standard error what is wrong, before there is a log.
fn complain(error: &dyn std::fmt::Display) {
    let text = error.to_string().replace(char::is_control, " ");
    // Without standard error there is nobody to tell.
    let _lost = writeln!(std::io::stderr(), "Error: {text}");
}

/// Runs the agent until a signal ends it.
fn run(config: Config) -> anyhow::Result<()> {
    let Config {
        logging: _,
        observer,
        export,
        server,
        health: _,
        run_dir,
        policy_dir,
        unknown,
    } = config;
    tracing::info!(version = crate::VERSION, pid = std::process::id(), "Starting tetragon");
    for place in &unknown {
        tracing::debug!(place, "Not a flag, ignored");
    }
    privileges::check()?;
    let _pid_file = PidFile::create(&run_dir, &observer.procfs)?;
    warn_of_policies(&policy_dir);

    let info = Info {
        export_fname: export
            .as_ref()
            .map_or(String::new(), |export| export.file.path.display().to_string()),
        lib_dir: observer
            .bpf_lib
            .as_ref()
            .map_or(String::new(), |path| path.display().to_string()),
        btf_fname: observer
            .btf
            .as_ref()
            .map_or(String::new(), |path| path.display().to_string()),
        server_address: local_address(&server.addresses),
        pid: std::process::id(),
        ..Info::default()
    };
    let export = export.map(Exporter::open).transpose()?;
    let hub = Arc::<Hub>::default();
    let outputs = Outputs {
        export,
        hub: Arc::clone(&hub),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut signalled = async || {
            tokio::select! {
                _ = terminate.recv() => "terminated",
                _ = interrupt.recv() => "interrupt",
            }
        };
        let mut observing = Observing::start(observer, outputs)?;
        let mut name = None;
        let mut info_file = None;
        tokio::select! {
            ready = &mut observing.ready => if ready.is_ok() {
                info_file = Some(InfoFile::write(&run_dir, &info)?);
                tracing::info!("Listening for events...");
                notify(notify::READY);
            },
            signal = signalled() => name = Some(signal),
        }
        if name.is_none() {
            tokio::select! {
                // The observer has ended by itself.
                result = &mut observing.ended => return finish(result),
                signal = signalled() => name = Some(signal),
            }
        }
        tracing::info!("Received signal {}, shutting down...", name.unwrap_or_default());
        notify(notify::STOPPING);
        observing.stop.stop();
        let result = (&mut observing.ended).await;
        drop(info_file);
        finish(result)
    })
}

/// The observer on its thread.
struct Observing {
    stop: Stop,
    /// Resolves when sensors are attached; fails when that failed.
    ready: oneshot::Receiver<()>,
    /// What it came to.
    ended: oneshot::Receiver<Result<Stats, observer::Error>>,
}

impl Observing {
    fn start(options: observer::Options, mut outputs: Outputs) -> anyhow::Result<Self> {
        let stop = Stop::new().context("start the observer")?;
        let (ready_sender, ready) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        let observer_stop = stop.clone();
        let work = move || {
            let result = Observer::start(options).and_then(|observer| {
                let _nobody_waits = ready_sender.send(());
                observer.run(&mut outputs, &observer_stop)
            });
            // The file is written and closed before anyone hears of the end.
            drop(outputs);
            let _nobody_waits = ended_sender.send(result);
        };
        std::thread::Builder::new()
            .name("tetragon-observe".into())
            .spawn(work)
            .context("start the thread of the observer")?;
        Ok(Self { stop, ready, ended })
    }
}

/// The end of an observer: its statistics, or why it ended.
fn finish(result: Result<Result<Stats, observer::Error>, oneshot::error::RecvError>) -> anyhow::Result<()> {
    let stats = result.context("the observer is gone without a word, this is a bug")??;
    let lost: u64 = stats.ops.iter().map(|op| op.ring_full + op.no_scratch).sum();
    let made = stats.received + lost;
    let hundredths = (lost * 10_000).checked_div(made).unwrap_or_default();
    tracing::info!(
        "BPF events statistics: {} received, {}.{:02}% events loss",
        stats.received,
        hundredths / 100,
        hundredths % 100
    );
    Ok(())
}

/// The address that clients on this host are told.
fn local_address(addresses: &[Address]) -> String {
    let socket = addresses.iter().find(|address| matches!(address, Address::Unix(_)));
    socket.or(addresses.first()).map_or(String::new(), Address::to_string)
}

/// A policy that is not loaded must not be taken for one that is.
fn warn_of_policies(directory: &std::path::Path) {
    let entries = std::fs::read_dir(directory).map_or(0, Iterator::count);
    if entries > 0 {
        tracing::warn!(directory = %directory.display(), entries, "Policies are not supported yet, none of these is loaded");
    }
}
