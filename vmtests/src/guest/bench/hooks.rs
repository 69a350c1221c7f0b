//! Rows of hooks: what a policy costs where it looks, and what it costs to report.

use std::{
    fmt::Write as _,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    empty::{self, Place},
    measure::{Measurement, RUNS, bytes, float, instructions, least, seek},
    subject::Subject,
};

/// Where policies are written to.
const POLICIES: &str = "/run/bench-policies.yaml";

/// A file whose path has six components.
const DEEP: &str = "/run/bench-files/a/b/c/file";

/// Operations of one run.
const COUNT: u32 = 20_000;

/// A kind of hook with an integer to look at.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A function by breakpoint, because a register is asked for by name.
    Kprobe,
    /// A system call.
    Syscall,
    /// A function through a trampoline.
    Function,
    /// A security hook.
    Lsm,
    /// A tracepoint with the fields that it records.
    Tracepoint,
}

impl Kind {
    const fn place(self) -> Place {
        match self {
            Self::Kprobe => Place::Kprobe("ksys_lseek"),
            Self::Syscall => Place::Function("__x64_sys_lseek"),
            Self::Function => Place::Function("security_file_permission"),
            Self::Lsm => Place::Lsm("file_permission"),
            Self::Tracepoint => Place::Tracepoint("syscalls", "sys_enter_lseek"),
        }
    }

    /// The section of a policy, without selectors.
    const fn section(self) -> &'static str {
        match self {
            Self::Kprobe => {
                "kprobes:\n  - call: ksys_lseek\n    syscall: false\n    args: [{index: 2, type: int}]\n    data: [{index: 0, type: uint64, source: pt_regs, resolve: di}]"
            }
            Self::Syscall => "kprobes:\n  - call: sys_lseek\n    args: [{index: 2, type: int}]",
            Self::Function => {
                "kprobes:\n  - call: security_file_permission\n    syscall: false\n    args: [{index: 1, type: int}]"
            }
            Self::Lsm => "lsmhooks:\n  - hook: file_permission\n    args: [{index: 1, type: int}]",
            Self::Tracepoint => {
                "tracepoints:\n  - subsystem: syscalls\n    event: sys_enter_lseek\n    args: [{index: 7, type: uint64}]"
            }
        }
    }

    const fn index(self) -> u32 {
        match self {
            Self::Kprobe | Self::Syscall => 2,
            Self::Function | Self::Lsm => 1,
            Self::Tracepoint => 7,
        }
    }

    /// What passes the hook once.
    fn operation(self) -> Result<Box<dyn FnMut() -> Result<()>>> {
        Ok(match self {
            Self::Kprobe | Self::Syscall | Self::Tracepoint => Box::new(seek),
            Self::Function | Self::Lsm => {
                let file = deep_file()?;
                Box::new(move || {
                    let read = file.read_at(&mut [0], 0)?;
                    ensure!(read == 1, "nothing was read");
                    Ok(())
                })
            }
        })
    }

    /// A policy that passes numbers which are `value`.
    fn policy(self, name: &str, value: u64) -> String {
        let (section, index) = (self.section(), self.index());
        let filter = format!("{{index: {index}, operator: Equal, values: [\"{value}\"]}}");
        document(
            name,
            &format!("{section}\n    selectors: [{{matchArgs: [{filter}]}}]\n"),
        )
    }
}

/// A number that no call here has.
const NOTHING: u64 = 9_999;

fn document(name: &str, spec: &str) -> String {
    format!("apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: {name}}}\nspec:\n  {spec}---\n")
}

/// The agent with the policies of `text`.
fn with_policies(text: &str, flags: &[&str]) -> Result<Subject> {
    fs::write(POLICIES, text).context("write policies")?;
    let subject = Subject::start(&[&["--tracing-policy", POLICIES], flags].concat())?;
    subject.wait_idle()?;
    Ok(subject)
}

fn deep_file() -> Result<File> {
    let folder = Path::new(DEEP).parent().context("a path of several components")?;
    fs::create_dir_all(folder)?;
    fs::write(DEEP, "something").context("write a file")?;
    Ok(File::open(DEEP)?)
}

/// What a filter on an integer that misses adds, and an empty program.
pub fn miss(kind: Kind) -> Result<Vec<Measurement>> {
    let mut operation = kind.operation()?;
    let without = least(COUNT, &mut operation)?;
    let link = empty::attach(kind.place()).context("attach an empty program")?;
    let empty = least(COUNT, &mut operation)? - without;
    drop(link);
    let miss = added(&many(kind, 1), without, &mut operation)?;
    Ok(vec![
        instructions("empty", empty),
        instructions("miss", miss),
        ratio(miss / empty),
    ])
}

/// What the policies of `text`, of which none may match, add to an operation that costs `without` by itself.
fn added(text: &str, without: f64, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut subject = with_policies(text, &[])?;
    let with = least(COUNT, &mut operation)?;
    let events = subject.stop()?;
    // A handful of programs start and end meanwhile.
    ensure!(events < 100, "{events} events of policies that match nothing");
    Ok(with - without)
}

fn ratio(value: f64) -> Measurement {
    Measurement {
        quantity: "times",
        value,
        unit: "",
    }
}

/// `count` policies on the same hook that miss.
fn many(kind: Kind, count: u64) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "{}", kind.policy(&format!("miss-{number}"), NOTHING + number));
        text
    })
}

/// What a filter on the path of an opened file adds that misses.
pub fn miss_path() -> Result<Vec<Measurement>> {
    const OPENINGS: u32 = 5_000;
    deep_file()?;
    let mut open = || {
        File::open(DEEP)?;
        Ok(())
    };
    let without = least(OPENINGS, &mut open)?;
    let section = "lsmhooks:\n  - hook: file_open\n    args: [{index: 0, type: file}]";
    let selectors = "selectors: [{matchArgs: [{index: 0, operator: Equal, values: [/etc/shadow]}]}]";
    let text = document("path", &format!("{section}\n    {selectors}\n"));
    let mut subject = with_policies(&text, &[])?;
    let with = least(OPENINGS, &mut open)?;
    subject.stop()?;
    Ok(vec![
        instructions("added", with - without),
        instructions("baseline", without),
    ])
}

/// What a report costs: in the kernel while the agent is stopped, and the agent, up to the bytes in the JSON file.
pub fn hit() -> Result<Vec<Measurement>> {
    const HITS: u32 = 5_000;
    let without = least(HITS, seek)?;
    let text = Kind::Syscall.policy("hit", 0);
    let mut subject = with_policies(&text, &["--rb-size-total", "128M"])?;
    subject.signal(libc::SIGSTOP)?;
    let kernel = least(HITS, seek);
    subject.signal(libc::SIGCONT)?;
    let kernel = kernel? - without;
    let mut agent = f64::INFINITY;
    for run in 0..=RUNS {
        subject.wait_idle()?;
        let before = subject.cpu()?;
        for _ in 0..HITS {
            seek()?;
        }
        subject.wait_idle()?;
        if run > 0 {
            agent = agent.min(float(subject.cpu()? - before) / f64::from(HITS));
        }
    }
    let (events, expected) = (subject.stop()?, 2 * HITS as usize * (RUNS + 1));
    ensure!(events >= expected, "{events} events in the file, {expected} expected");
    Ok(vec![instructions("kernel", kernel), instructions("agent", agent)])
}

/// What many policies on one hook cost that all miss, measured in single ones, and the memory of each further one.
pub fn policies(count: u64) -> Result<Vec<Measurement>> {
    let kind = Kind::Syscall;
    let without = least(COUNT, seek)?;
    let single = added(&many(kind, 1), without, seek)?;
    let all = added(&many(kind, count), without, seek)?;
    let memory = |count| {
        let mut subject = with_policies(&many(kind, count), &[])?;
        let used = kernel_memory();
        subject.stop()?;
        used
    };
    let (few, many) = (memory(1)?, memory(count)?);
    Ok(vec![
        instructions("single", single),
        instructions("all", all),
        ratio(all / single),
        bytes("memory", many.saturating_sub(few) / (count - 1)),
    ])
}

/// Bytes of memory that the kernel has for itself: all that is neither free nor a cache of files nor of a process. What
/// was freed a moment ago is waited for.
fn kernel_memory() -> Result<u64> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let (mut least, mut same) = (u64::MAX, 0);
    while same < 5 {
        ensure!(Instant::now() < deadline, "memory does not come to rest");
        fs::write("/proc/sys/vm/drop_caches", "3").context("drop caches")?;
        // Takes pages back that a processor keeps for itself.
        fs::write("/proc/sys/vm/compact_memory", "1").context("compact memory")?;
        std::thread::sleep(Duration::from_millis(50));
        let now = used()?;
        same = if now < least { 0 } else { same + 1 };
        least = least.min(now);
    }
    Ok(least)
}

fn used() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("read meminfo")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.with_context(|| format!("meminfo has no {name}"))
    };
    let others = ["MemFree", "Buffers", "Cached", "AnonPages"];
    let others = others
        .iter()
        .map(|name| field(name))
        .sum::<Result<u64>>()
        .context("memory of others")?;
    Ok((field("MemTotal")? - others) * 1024)
}
