//! The loop that reads the ring.

use std::{
    env,
    os::fd::{AsFd as _, BorrowedFd},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ebpf_abi::map::{ProcessEntry, ProcessKey};
use ebpf_loader::Maps;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    thread::{MembarrierCommand, membarrier},
};

use super::{
    Error, Options, Stats, StatsHandle, Stop,
    errands::Errands,
    naming::Naming,
    pipeline::Pipeline,
    reconcile, seed,
    start::{self, Attached},
    stats::Counters,
};
use crate::{
    clock::Clock,
    executables,
    procfs::Procfs,
    record::{RawReader, RawWriter},
    sensor,
    sink::Sink,
};

/// Records handled before what they led to is made visible.
const BATCH: usize = 1_024;

/// How often the log says what became of the events, if nothing was lost.
const REPORT: Duration = Duration::from_hours(24);

/// The same if something was.
const REPORT_LOSS: Duration = Duration::from_hours(1);

/// Looks at the ring after detaching before what is missing counts as never written.
const LAST_LOOKS: usize = 100;

/// Kernel programs attached and a ring to read.
#[derive(Debug)]
pub struct Observer {
    attached: Attached,
    pipeline: Pipeline,
    naming: Arc<Naming>,
    /// Processes to tell of before anything else.
    running: Vec<ProcessKey>,
    /// What came while `/proc` was read.
    backlog: Vec<u8>,
    raw: Option<(RawWriter, PathBuf)>,
    collect_every: Duration,
    hooks: Arc<sensor::Table>,
}

impl Observer {
    /// Loads the kernel programs, tests them, attaches them, and scans `/proc` for the processes that run already. The
    /// ring fills from then on: [`Self::run`] should follow soon.
    pub fn start(options: Options) -> Result<Self, Error> {
        let counters = Arc::new(Counters::default());
        let raw = record_raw()?;
        let private = options.private_addresses;
        let hooks = Arc::<sensor::Table>::default();
        let mut attached = start::attach(&options, &counters, &hooks)?;
        let collect_every = options.process_cache_gc_interval.max(Duration::from_millis(1));
        let errands = Errands::start(private, own_pid(&attached.procfs)?, Arc::clone(&counters));
        let mut pipeline = start::pipeline(options, Some(&attached.procfs), counters, Clock::now());
        pipeline.errands = Some(errands.map_err(Error::Errands)?);
        pipeline.hooks = sensor::Reader::new(Arc::clone(&hooks));
        let naming = Arc::new(naming(&attached)?);
        pipeline.naming = Some(Arc::clone(&naming));
        let mut backlog = Vec::new();
        let Attached {
            ring,
            maps,
            procfs,
            executable_key,
            ..
        } = &mut attached;
        let kernel = seed::Kernel {
            processes: maps.get("execve_map")?,
            executables: maps.get(executables::MAP)?,
            executable_key: *executable_key,
        };
        let running = seed::seed(procfs, &kernel, &mut pipeline, || {
            ring.consume(usize::MAX, |record| {
                backlog.extend_from_slice(&(record.len() as u32).to_le_bytes());
                backlog.extend_from_slice(record);
            })?;
            Ok(())
        })?;
        Ok(Self {
            attached,
            pipeline,
            naming,
            running,
            backlog,
            raw,
            collect_every,
            hooks,
        })
    }

    /// What policies need of it: its maps, and where to say what the numbers of their hooks stand for.
    pub fn for_policies(&self) -> (Arc<Maps>, Arc<sensor::Table>) {
        (Arc::clone(&self.attached.maps), Arc::clone(&self.hooks))
    }

    /// Counters, readable while the observer runs and after.
    pub fn stats_handle(&self) -> Arc<StatsHandle> {
        Arc::clone(&self.attached.stats)
    }

    /// Emits the processes that run already, then every event, until stopped. Then detaches, reads what is left in the
    /// ring, and returns the final counters.
    pub fn run(mut self, sink: &mut dyn Sink, stop: &Stop) -> Result<Stats, Error> {
        for key in std::mem::take(&mut self.running) {
            self.pipeline.emit_known(key, sink);
        }
        for record in RawReader(&std::mem::take(&mut self.backlog)) {
            write_raw(&mut self.raw, record)?;
            self.pipeline.handle(record, sink);
        }
        sink.flush();
        let stats = self.stats_handle();
        let mut reports = Reports::new(&stats.read());
        let mut collect = Instant::now() + self.collect_every;
        while !self.wait(stop, collect)? {
            self.pipeline.clock.follow();
            self.consume(sink)?;
            let now = Instant::now();
            if self.pipeline.release(now, sink) | self.pipeline.unhashed(now, false, sink) {
                sink.flush();
            }
            if self.pipeline.waiting.next().is_some_and(|next| now >= next) {
                self.pipeline.retry(false, sink);
                sink.flush();
            }
            if now >= collect {
                collect = now + self.collect_every;
                self.pipeline.cache.collect();
                reconcile::reconcile(&mut self.pipeline, &self.attached)?;
                reports.tick(&stats, now);
                reports.tell_of_spared(stats.spared());
                sink.flush();
            }
            self.pipeline.count();
        }
        reports.tell_of_spared(stats.spared());
        self.finish(sink)
    }

    /// Waits for records, for `until`, for what the event cache is to do, or for what events are held back for or await; true
    /// when stopped.
    fn wait(&self, stop: &Stop, until: Instant) -> Result<bool, Error> {
        let Pipeline {
            waiting, held, calls, ..
        } = &self.pipeline;
        let until = [waiting.next(), held.next(), calls.next()]
            .into_iter()
            .flatten()
            .fold(until, Instant::min);
        let [_, stopped, answered] = wait_for([self.attached.ring.as_fd(), stop.as_fd(), self.naming.as_fd()], until)?;
        if answered {
            self.naming.seen();
        }
        Ok(stopped)
    }

    /// Emits what is held back, as soon as what it waits for is known or no longer waited for.
    fn release(&mut self, sink: &mut dyn Sink) -> Result<(), Error> {
        while let Some(until) = self.pipeline.held.next() {
            wait_for([self.naming.as_fd()], until)?;
            self.naming.seen();
            self.pipeline.release(Instant::now(), sink);
        }
        Ok(())
    }

    /// Handles all records there are, or one batch if they come faster than they can be handled.
    fn consume(&mut self, sink: &mut dyn Sink) -> Result<usize, Error> {
        let Self {
            attached,
            pipeline,
            raw,
            ..
        } = self;
        let mut failed = Ok(());
        let records = attached.ring.consume(BATCH, |record| {
            if raw.is_some() && failed.is_ok() {
                failed = write_raw(raw, record);
            }
            pipeline.handle(record, sink);
        })?;
        if records > 0 {
            sink.flush();
        }
        failed.map(|()| records)
    }

    /// Detaches, waits for programs that still run, reads what they left.
    fn finish(mut self, sink: &mut dyn Sink) -> Result<Stats, Error> {
        let stats = self.stats_handle();
        self.attached.links.clear();
        // Programs run with preemption disabled or within a read-side section: a grace period later none runs any more.
        // Where the kernel does not have this, the counters below tell.
        let _unknown = membarrier(MembarrierCommand::Global);
        for _ in 0..LAST_LOOKS {
            while self.consume(sink)? > 0 {}
            let now = stats.read();
            if now.ops.iter().all(|op| op.received >= op.sent) {
                break;
            }
        }
        self.pipeline.unhashed(Instant::now(), true, sink);
        self.pipeline.retry(true, sink);
        self.release(sink)?;
        self.pipeline.count();
        sink.flush();
        if let Some((raw, path)) = &mut self.raw {
            let path = path.clone();
            raw.flush().map_err(|error| Error::RecordRaw { path, error })?;
        }
        let total = stats.read();
        tracing::info!("BPF events statistics: {total}");
        Ok(total)
    }
}

/// Waits until one of these can be read or it is `until`; says which.
fn wait_for<const COUNT: usize>(files: [BorrowedFd<'_>; COUNT], until: Instant) -> Result<[bool; COUNT], Error> {
    let timeout = until.saturating_duration_since(Instant::now());
    let timeout = Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let mut events = files.map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN));
    match poll(&mut events, Some(&timeout)) {
        Ok(_) => Ok(events.map(|event| event.revents().contains(PollFlags::IN))),
        Err(Errno::INTR) => Ok([false; COUNT]),
        Err(error) => Err(Error::Wait(error.into())),
    }
}

/// The agent's own id.
fn own_pid(procfs: &Procfs) -> Result<u32, Error> {
    procfs.own_pid().map_err(|error| Error::Procfs {
        path: procfs.root().join("self"),
        error,
    })
}

/// Starts the thread that looks into the files of processes. What these run is in the kernel's map.
fn naming(attached: &Attached) -> Result<Naming, Error> {
    let maps = Arc::clone(&attached.maps);
    maps.get("execve_map")?;
    let is_other = move |process: ProcessKey| {
        let map = maps.get("execve_map");
        let entry: Option<ProcessEntry> = map.and_then(|map| map.get(&process.pid)).ok().flatten();
        entry.is_some_and(|entry| entry.key != process)
    };
    Naming::start(&attached.procfs, is_other).map_err(Error::Naming)
}

/// When the log says what became of the events.
#[derive(Debug)]
struct Reports {
    last: Instant,
    lost: u64,
    /// Whether it was told that signals are not sent.
    told_of_spared: bool,
}

impl Reports {
    fn new(stats: &Stats) -> Self {
        Self {
            last: Instant::now(),
            lost: stats.lost(),
            told_of_spared: false,
        }
    }

    /// Says once that policies want signals sent to whom they are not; how many it were is in the statistics.
    fn tell_of_spared(&mut self, spared: u64) {
        if spared > 0 && !self.told_of_spared {
            self.told_of_spared = true;
            tracing::warn!(
                "Policies have signals for process 1 or this agent, which do not get them; if that is meant, name the \
                 process in matchPIDs"
            );
        }
    }

    fn tick(&mut self, stats: &StatsHandle, now: Instant) {
        let since = now - self.last;
        if since < REPORT_LOSS {
            return;
        }
        let stats = stats.read();
        if stats.lost() != self.lost || since >= REPORT {
            tracing::info!("BPF events statistics: {stats}");
            self.last = now;
            self.lost = stats.lost();
        }
    }
}

/// For the corpus that decoders are tested with: see [`crate::record::RawWriter`].
fn record_raw() -> Result<Option<(RawWriter, PathBuf)>, Error> {
    let Some(path) = env::var_os("TETRAGON_RECORD_RAW").map(PathBuf::from) else {
        return Ok(None);
    };
    match RawWriter::create(&path) {
        Ok(writer) => Ok(Some((writer, path))),
        Err(error) => Err(Error::RecordRaw { path, error }),
    }
}

fn write_raw(raw: &mut Option<(RawWriter, PathBuf)>, record: &[u8]) -> Result<(), Error> {
    let Some((writer, path)) = raw else { return Ok(()) };
    let path = path.clone();
    writer.write(record).map_err(|error| Error::RecordRaw { path, error })
}
