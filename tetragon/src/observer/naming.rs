//! What is in the files of processes, found out by a thread that nobody waits for.
//!
//! Names of functions and build ids are in files that belong to the processes that are watched, on file systems that may
//! belong to them as well (FUSE, NFS) and then answer late or never; even the list of what a process has mapped waits for
//! whoever changes its memory. So the thread that reads the ring asks and goes on. The event is [held](super::held) back
//! until the answer is there, but no longer than [`PATIENCE`].
//!
//! Promises: asking never waits. When too many questions are open, a question is refused, and the event goes out with what
//! its record says. A trace that is late has the files and offsets if at least the list of mappings was to be had. A
//! process that has become another program meanwhile is not asked.
//!
//! Leaves out: help for a thread that is stuck. As long as one file does not answer, no event gets names; this is counted.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use ebpf_abi::map::ProcessKey;
use rustix::event::{EventfdFlags, eventfd};
use tetragon_api::v1::{GetEventsResponse, StackTraceEntry, get_events_response as events};

use super::loads::{self, Mapped};
use crate::{procfs::Procfs, stack};

/// How long an event waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that are open at most.
const QUESTIONS: usize = 256;

/// What is asked of a process.
#[derive(Debug)]
pub(super) enum Question {
    /// The code that is at these addresses, 8 bytes each.
    Stack(Vec<u8>),
    /// Which build of a program or library that is.
    BuildId(Mapped),
}

/// What is known by now.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Stack(Vec<StackTraceEntry>),
    BuildId(Vec<u8>),
}

/// An answer that is there or will be. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// With whether more will be known.
    found: Arc<Mutex<(Found, bool)>>,
    until: Instant,
}

impl Answer {
    pub(super) fn new(found: Found) -> Self {
        Self {
            found: Arc::new(Mutex::new((found, true))),
            until: Instant::now() + PATIENCE,
        }
    }

    /// When it is no longer waited for.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Whether it is all that will ever be known.
    pub(super) fn is_complete(&self) -> bool {
        !self.lock().1
    }

    /// Puts what is known into the event.
    pub(super) fn fill(&self, response: &mut GetEventsResponse) {
        let found = self.lock().0.clone();
        match (found, &mut response.event) {
            (Found::Stack(entries), Some(events::Event::ProcessKprobe(event))) => event.user_stack_trace = entries,
            (Found::BuildId(id), Some(events::Event::ProcessLoader(event))) => event.buildid = id,
            _ => {}
        }
    }

    /// Notes what is known.
    pub(super) fn set(&self, found: Found) {
        self.lock().0 = found;
    }

    /// Notes that nothing more will be known.
    pub(super) fn complete(&self) {
        self.lock().1 = false;
    }

    /// Never held while anything is waited for.
    fn lock(&self) -> MutexGuard<'_, (Found, bool)> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question, whom it is about, and where the answer goes.
type Asked = (ProcessKey, Question, Answer);

/// The thread, as those who ask see it. It ends when this is dropped and its last answer is given.
#[derive(Debug)]
pub(super) struct Naming {
    questions: SyncSender<Asked>,
    answered: Arc<OwnedFd>,
}

impl Naming {
    /// Starts the thread. `is_other` says whether a process has become another program than it was.
    pub(super) fn start(procfs: &Procfs, is_other: impl Fn(ProcessKey) -> bool + Send + 'static) -> io::Result<Self> {
        let procfs = procfs.clone();
        let mut processes = stack::Processes::new(procfs.clone());
        Self::spawn(move |(process, question, answer)| {
            if is_other(process) {
                return;
            }
            match question {
                Question::Stack(addresses) => trace(&mut processes, process, &addresses, &is_other, &answer),
                Question::BuildId(mapped) => {
                    if let Some(id) = loads::build_id(&procfs, process.pid, &mapped, answer.until)
                        && !is_other(process)
                    {
                        answer.set(Found::BuildId(id));
                    }
                }
            }
        })
    }

    /// A thread that lets `work` answer, unless it is too late for that.
    fn spawn(mut work: impl FnMut(Asked) + Send + 'static) -> io::Result<Self> {
        let (questions, asked): (_, Receiver<Asked>) = sync_channel(QUESTIONS);
        let answered = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let tell = Arc::clone(&answered);
        thread::Builder::new().name("names".to_owned()).spawn(move || {
            for (process, question, answer) in asked {
                // Those that are late are not waited for any longer.
                if Instant::now() >= answer.until {
                    continue;
                }
                work((process, question, answer.clone()));
                answer.complete();
                // It fails only when the counter is full: then it is readable all the same.
                let _full = rustix::io::write(&tell, &1_u64.to_ne_bytes());
            }
        })?;
        Ok(Self { questions, answered })
    }

    /// Asks `question` about `process`, of which `found` is known. Whether it was refused, as too many are open: then the
    /// answer is complete.
    pub(super) fn ask(&self, process: ProcessKey, question: Question, found: Found) -> (Answer, bool) {
        let answer = Answer::new(found);
        let refused = self.questions.try_send((process, question, answer.clone())).is_err();
        if refused {
            answer.complete();
        }
        (answer, refused)
    }

    /// Makes [`Self::as_fd`] wait for the next answer. To be called before the answers are looked at.
    pub(super) fn seen(&self) {
        // It fails only when there was none.
        let _none = rustix::io::read(&self.answered, &mut [0; 8]);
    }
}

impl AsFd for Naming {
    /// Readable once there is another answer.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answered.as_fd()
    }
}

/// Names the code at `addresses`.
fn trace(
    processes: &mut stack::Processes,
    process: ProcessKey,
    addresses: &[u8],
    is_other: impl Fn(ProcessKey) -> bool,
    answer: &Answer,
) {
    let mappings = processes.mappings(process.pid);
    // What was read may be the memory of the next program.
    if is_other(process) {
        return;
    }
    let (Found::Stack(mut entries), _) = answer.lock().clone() else {
        return;
    };
    stack::place(&mappings, addresses, &mut entries);
    answer.set(Found::Stack(entries.clone()));
    processes.name(process.pid, &mappings, addresses, &mut entries, answer.until);
    if !is_other(process) {
        answer.set(Found::Stack(entries));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn ask(naming: &Naming) -> (Answer, bool) {
        let (addresses, found) = (vec![0; 8], Found::Stack(vec![]));
        naming.ask(ProcessKey::new(1, 1), Question::Stack(addresses), found)
    }

    fn wait(naming: &Naming) {
        poll(&mut [PollFd::new(naming, PollFlags::IN)], None).unwrap();
        naming.seen();
    }

    #[test]
    fn a_thread_that_is_stuck_keeps_nobody_waiting() {
        let (enter, entered) = channel();
        let (go, gate) = channel::<()>();
        let naming = Naming::spawn(move |_| {
            enter.send(()).unwrap();
            gate.recv().unwrap();
        })
        .unwrap();
        let (first, refused) = ask(&naming);
        assert!(!refused && !first.is_complete());
        entered.recv().unwrap();
        let open: Vec<_> = (0..QUESTIONS).map(|_| ask(&naming)).collect();
        assert!(open.iter().all(|(answer, refused)| !refused && !answer.is_complete()));
        let (answer, refused) = ask(&naming);
        assert!(refused && answer.is_complete());
        go.send(()).unwrap();
        wait(&naming);
        assert!(first.is_complete());
    }

    #[test]
    fn code_of_this_very_test_is_placed_unless_it_has_become_another_program() {
        let procfs = Procfs::new("/proc".as_ref());
        let pid = procfs.own_pid().unwrap();
        let naming = Naming::start(&procfs, |process| process.ktime != 1).unwrap();
        let address = ask as *const () as u64;
        let module = |ktime| {
            let question = Question::Stack(address.to_le_bytes().to_vec());
            let found = Found::Stack(vec![StackTraceEntry::default()]);
            let (answer, _) = naming.ask(ProcessKey::new(pid, ktime), question, found);
            while !answer.is_complete() {
                wait(&naming);
            }
            let (Found::Stack(entries), _) = answer.lock().clone() else {
                panic!("a trace");
            };
            entries[0].module.clone()
        };
        assert_eq!(module(1), std::env::current_exe().unwrap().display().to_string());
        assert_eq!(module(2), "");
    }
}
