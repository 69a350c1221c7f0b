//! The agent as a whole: what is started in which order, and how it ends.
//!
//! Everything that can fail because of how the agent was started is tried before anything is attached to the kernel.
//! Every file that it leaves is held by a value that removes it, so that an error on the way cleans up as the end does.
//!
//! Two threads: the observer reads the ring buffer, makes events and writes the file; the other one serves clients and
//! waits for signals.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{self, Command, Config};
use crate::export::{self, Exporter};
use crate::health::Health;
use crate::notify::{self, notify};
use crate::observer::{self, Observer, Stats, Stop};
use crate::outputs::Outputs;
use crate::persistence::{self, Directory};
use crate::procfs::Procfs;
use crate::run_dir::{Info, InfoFile, PidFile};
use crate::sensor::{self, Sensors};
use crate::server::{self, Address, Api, Hub, Listener, Routes, Serving};
use crate::{logging, privileges};

/// Exit status when the configuration is wrong, on the command line or elsewhere.
const USAGE: u8 = 1;
/// Exit status of everything else that fails.
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
            return ExitCode::from(USAGE);
        }
    };
    if let Err(error) = logging::start(&config.logging) {
        complain(&error);
        return ExitCode::from(FATAL);
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = whole(&error), "Failed to execute tetragon");
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

/// `error` with its causes, but for those that it tells of itself.
fn whole(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Runs the agent until a signal ends it.
fn run(config: Config) -> anyhow::Result<()> {
    let Config {
        logging: _,
        mut observer,
        export,
        server,
        health,
        run_dir,
        policies,
        persistence,
        config_dir,
        unknown,
        settings,
    } = config;
    tracing::info!(version = crate::VERSION, pid = std::process::id(), "Starting tetragon");
    if let Some(directory) = &config_dir {
        tracing::info!(directory = %directory.display(), "Loaded config from directory");
    }
    for place in &unknown {
        tracing::debug!(place, "Not a flag, ignored");
    }
    privileges::check()?;
    privileges::raise_file_limit();
    let _pid_file = PidFile::create(&run_dir, &observer.procfs)?;
    // No sooner: another agent that runs is the one that is meant.
    persistence::introduce(&persistence, &Procfs::new(&observer.procfs));

    let mut info = Info {
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
    let source = sensor::Source {
        bpf_lib: observer.bpf_lib.clone(),
        btf: observer.btf.clone(),
        procfs: observer.procfs.clone(),
    };
    let export = export.map(Exporter::open).transpose()?;
    let exported = export.as_ref().map(Exporter::counters);
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
        let mut signals = Signals::new()?;
        let sensors = Arc::<OnceLock<Mutex<Sensors>>>::default();
        let about = server::Info {
            settings,
            source: source.clone(),
            ..server::Info::default()
        };
        let serving = serve(server, &hub, about, &sensors)?;
        let health = health.as_ref().and_then(Health::start);
        let mut directory = Directory::prepare(&persistence)?;
        observer.pins = directory.base();
        info.map_dir = directory
            .path()
            .map_or(String::new(), |path| path.display().to_string());
        let mut observing = Observing::start(observer, outputs)?;
        let mut received = None;
        let mut info_file = None;
        tokio::select! {
            // When it fails, the observer has ended.
            ready = &mut observing.ready => if let Ok((maps, table)) = ready {
                let pinned = directory.pin_spared(&maps);
                let mut loaded = Sensors::new(source, maps, table, directory.hooks());
                let complete = pinned.map_err(anyhow::Error::from).and_then(|()| Ok(policies.load(&mut loaded)?));
                if let Err(error) = complete {
                    drop(loaded);
                    observing.stop.stop();
                    let _ended = (&mut observing.ended).await;
                    serving.stop().await;
                    return Err(error);
                }
                let _only_once = sensors.set(Mutex::new(loaded));
                info_file = Some(InfoFile::write(&run_dir, &info)?);
                directory.complete()?;
                if let Some(health) = &health {
                    health.set(true).await;
                }
                tracing::info!("Listening for events...");
                notify(notify::READY);
            },
            name = signals.next() => received = Some(name),
        }
        let result = loop {
            if let Some(name) = received.take() {
                tracing::info!("Received signal {name}, shutting down...");
                notify(notify::STOPPING);
                // Before the observer, which then reads what they left.
                leave(&directory, &sensors);
                observing.stop.stop();
                break (&mut observing.ended).await;
            }
            tokio::select! {
                result = &mut observing.ended => {
                    leave(&directory, &sensors);
                    break result;
                }
                name = signals.next() => received = Some(name),
            }
        };
        hub.close();
        if let Some(health) = health {
            health.stop().await;
        }
        serving.stop().await;
        drop(info_file);
        account(exported.as_deref(), &hub);
        result.context("the thread of the observer is gone without a word, this is a bug")??;
        Ok(())
    })
}

/// Leaves what is pinned, and detaches all else. What clients want of policies from then on comes too late: before pins were
/// left, the pins of a policy that is deleted go, and afterwards there is no policy.
fn leave(directory: &Directory, sensors: &OnceLock<Mutex<Sensors>>) {
    let mut sensors = sensors
        .get()
        .map(|sensors| sensors.lock().unwrap_or_else(PoisonError::into_inner));
    directory.leave();
    if let Some(sensors) = &mut sensors {
        sensors.clear();
    }
}

/// Says what became of the events that were made.
fn account(exported: Option<&export::Counters>, hub: &Hub) {
    if let Some(counters) = exported {
        let export::Counters {
            events,
            bytes,
            lost,
            rate_limited,
        } = counters;
        tracing::info!(
            events = events.load(Relaxed),
            bytes = bytes.load(Relaxed),
            lost = lost.load(Relaxed),
            rate_limited = rate_limited.load(Relaxed),
            "Export statistics"
        );
    }
    if hub.dropped() > 0 {
        tracing::warn!(lost = hub.dropped(), "Slow gRPC clients have lost events");
    }
}

/// Opens the sockets and serves the API on them.
fn serve(
    options: server::Options,
    hub: &Arc<Hub>,
    info: server::Info,
    sensors: &Arc<OnceLock<Mutex<Sensors>>>,
) -> anyhow::Result<Serving> {
    let server::Options {
        addresses,
        queue,
        deprecated,
        captured,
    } = options;
    let listeners = addresses.iter().map(Listener::open).collect::<Result<Vec<_>, _>>()?;
    for address in &addresses {
        tracing::info!(%address, "Starting gRPC server");
        if matches!(address, Address::Tcp(..)) {
            tracing::warn!(%address, "The gRPC API has no TLS yet: it is open to everyone who can connect to this address");
        }
    }
    let routes = Routes::to(Api {
        hub: Arc::clone(hub),
        queue,
        deprecated,
        captured: Arc::new(captured),
        info: Arc::new(info),
        sensors: Arc::clone(sensors),
    });
    Ok(Serving::start(&routes, listeners))
}

/// The signals that end the agent.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The next one, by the name that Go has for it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "terminated",
            _ = self.interrupt.recv() => "interrupt",
        }
    }
}

/// The observer on its thread.
struct Observing {
    stop: Stop,
    /// Resolves when sensors are attached; fails when that failed.
    ready: oneshot::Receiver<(Arc<ebpf_loader::Maps>, Arc<sensor::Table>)>,
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
                let _nobody_waits = ready_sender.send(observer.for_policies());
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

/// The address that clients on this host are told.
fn local_address(addresses: &[Address]) -> String {
    let socket = addresses.iter().find(|address| matches!(address, Address::Unix(_)));
    socket.or(addresses.first()).map_or(String::new(), Address::to_string)
}
