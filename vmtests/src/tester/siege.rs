//! Somebody who does what a policy forbids, all the time, while agents come and go.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use policy::syscalls::Syscall;
use serde_json::json;

use super::{
    calls::{self, Arena, perform},
    events::Events,
    say,
};
use crate::sys::process::{self, Fork};

/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// Successes after which there is no point in going on.
const ENOUGH: u64 = 100;

/// Rounds that an attacker makes in each state of the agent.
const ROUNDS: u64 = 5;

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It returns this number.
    Returns(i64),
    /// Who makes it is killed.
    Killed,
}

/// A call that is made again and again.
struct Attack {
    expected: Outcome,
    syscall: Syscall,
    arguments: [u64; 6],
    /// Which argument is the number of the round.
    numbered: Option<usize>,
}

impl Attack {
    fn parse(text: &str, arena: &mut Arena) -> Result<Self> {
        let (expected, call) = text.split_once(' ').context("an outcome and a call")?;
        let expected = match expected {
            "SIGKILL" => Outcome::Killed,
            number => Outcome::Returns(number.parse().context("SIGKILL or a number")?),
        };
        let words: Vec<&str> = call.split_ascii_whitespace().collect();
        let numbered = words.iter().skip(1).position(|word| *word == "n");
        let plain: Vec<&str> = words.iter().map(|word| if *word == "n" { "0" } else { word }).collect();
        let (syscall, arguments) = calls::parse(&plain.join(" "), &[], arena)?;
        Ok(Self {
            expected,
            syscall,
            arguments,
            numbered,
        })
    }

    /// Whether the call, in round `number`, came to something else than it was to.
    fn succeeds(&self, number: u64) -> Result<bool> {
        let mut arguments = self.arguments;
        if let Some(at) = self.numbered {
            arguments[at] = number;
        }
        match self.expected {
            Outcome::Returns(expected) => Ok(perform(&self.syscall, arguments) != expected),
            Outcome::Killed => Ok(self.alone(arguments)? != libc::SIGKILL),
        }
    }

    /// Whether the call, made in a process of its own, comes to something else than it was to.
    fn fails_alone(&self) -> Result<bool> {
        let expected = match self.expected {
            Outcome::Returns(_) => 0,
            Outcome::Killed => libc::SIGKILL,
        };
        Ok(self.alone(self.arguments)? != expected)
    }

    /// Makes the call in a process of its own; its wait status, which is 0 if the call returned what it was to.
    fn alone(&self, arguments: [u64; 6]) -> Result<i32> {
        match process::fork()? {
            Fork::Child => {
                let result = Outcome::Returns(perform(&self.syscall, arguments));
                process::exit_group(i32::from(result != self.expected))
            }
            Fork::Parent(child) => Ok(process::wait(child)?),
        }
    }
}

/// `siege FILE CALL…`: makes calls, each `OUTCOME CALL`, as in [`calls::calls`], where `n` is the number of the round,
/// until there is `FILE.stop`. `OUTCOME` is what the call is to return, or `SIGKILL`: then it is made in a process of
/// its own. Adds a byte to `FILE` for each round, and prints how many there were, and how often each call came to
/// something else.
pub fn siege(arguments: &[CString]) -> Result<()> {
    let path = say::string(arguments, 0)?;
    let stop = format!("{path}.stop");
    let mut arena = Arena::new()?;
    let texts = (1..arguments.len()).map(|index| say::string(arguments, index));
    let attacks = texts.map(|text| Attack::parse(text?, &mut arena));
    let attacks = attacks.collect::<Result<Vec<_>>>()?;
    let mut successes = vec![0; attacks.len()];
    let mut rounds = OpenOptions::new().create(true).append(true).open(path)?;
    let mut number = 0_u64;
    while !Path::new(&stop).exists() && successes.iter().all(|count| *count < ENOUGH) {
        number += 1;
        for (attack, successes) in attacks.iter().zip(&mut successes) {
            *successes += u64::from(attack.succeeds(number)?);
        }
        rounds.write_all(b".").context("count a round")?;
    }
    fs::write(format!("{path}.ended"), "").context("tell of the end")?;
    say::line(&json!({ "rounds": number, "successes": successes }))
}

/// `until CALL…`: makes each call, as in [`siege`], again and again until it comes to its outcome: what is detached is
/// so a moment after its pin was removed.
pub fn until(arguments: &[CString]) -> Result<()> {
    let mut arena = Arena::new()?;
    for index in 0..arguments.len() {
        let text = say::string(arguments, index)?;
        let attack = Attack::parse(text, &mut arena)?;
        let deadline = Instant::now() + PATIENCE;
        while attack.fails_alone()? {
            ensure!(Instant::now() < deadline, "{text}: it does not come to that");
        }
    }
    say::line(&json!({ "outcomes": arguments.len() }))
}

/// Waits until an attacker has made `count` more rounds.
fn attacked_on(path: &Path, count: u64) -> Result<u64> {
    let rounds = || {
        File::open(path)
            .and_then(|file| file.metadata())
            .map_or(0, |data| data.len())
    };
    let before = rounds();
    let (deadline, ended) = (Instant::now() + PATIENCE, path.with_extension("ended"));
    // The one that is being made now began before.
    while rounds() < before + count + 1 {
        ensure!(!ended.exists(), "the attacker has ended");
        ensure!(Instant::now() < deadline, "the attacker makes no more attempts");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(rounds())
}

/// `attacked FILE ROUNDS`: waits until so many more rounds were made.
pub fn attacked(arguments: &[CString]) -> Result<()> {
    let rounds = attacked_on(Path::new(say::string(arguments, 0)?), say::number(arguments, 1)?)?;
    say::line(&json!({ "rounds": rounds }))
}

/// `generations COUNT FILE DIRECTORY COMMAND…`: agents that are killed, one after the other, while an attacker makes
/// attempts: each second one when it is ready, the others when they have pinned none, one, two and so on of their hook
/// points in `DIRECTORY`. Prints how many were killed in which state.
pub fn generations(arguments: &[CString]) -> Result<()> {
    let count: usize = say::number(arguments, 0)?;
    let (file, directory) = (say::string(arguments, 1)?, say::string(arguments, 2)?);
    let (file, directory) = (Path::new(file), Path::new(directory));
    let command = arguments.get(3..).unwrap_or_default();
    let command: Vec<&str> = command.iter().map(|word| word.to_str()).collect::<Result<_, _>>()?;
    let socket = Path::new("generations.notify");
    let _none_yet = fs::remove_file(socket);
    let ready = UnixDatagram::bind(socket).context("bind")?;
    ready.set_nonblocking(true)?;
    let socket = fs::canonicalize(socket)?;
    let (program, rest) = command.split_first().context("a command")?;
    let (mut whole, mut starting) = (0, 0);
    for generation in 0..count {
        // What the one before has sent in its last moment.
        while ready.recv(&mut [0; 256]).is_ok() {}
        let mut agent = Command::new(program);
        let mut agent = agent
            .args(rest)
            .env("NOTIFY_SOCKET", &socket)
            .spawn()
            .context("agent")?;
        let pinned = (generation % 2 == 1).then_some(generation / 2);
        if ready_before(&mut agent, &ready, || {
            pinned.is_some_and(|least| has_pinned(directory, least))
        })? {
            whole += 1;
            attacked_on(file, ROUNDS)?;
        } else {
            starting += 1;
        }
        agent.kill()?;
        agent.wait()?;
        attacked_on(file, ROUNDS)?;
    }
    say::line(&json!({ "killed": whole + starting, "ready": whole, "starting": starting }))
}

/// Whether an agent that has not come to its end has pinned so many hook points.
fn has_pinned(directory: &Path, least: usize) -> bool {
    let hooks = fs::read_dir(directory.join("hooks"));
    hooks.is_ok_and(|hooks| hooks.count() >= least) && !directory.join("complete").is_symlink()
}

/// Waits until the agent is ready, which is true, or for something else.
fn ready_before(agent: &mut Child, ready: &UnixDatagram, other: impl Fn() -> bool) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    let mut message = [0; 256];
    loop {
        if let Ok(len) = ready.recv(&mut message)
            && String::from_utf8_lossy(&message[..len]).contains("READY=1")
        {
            return Ok(true);
        }
        if other() {
            return Ok(false);
        }
        if let Some(status) = agent.try_wait()? {
            bail!("an agent ended with {status}");
        }
        ensure!(Instant::now() < deadline, "an agent is not ready in time");
        std::thread::yield_now();
    }
}

/// `once EXPORT POLICY LAST`: looks at the numbers that events of POLICY have, up to event number LAST or one behind
/// it, and prints how many were there and how many of them twice.
pub fn once(arguments: &[CString]) -> Result<()> {
    let mut events = Events::open(Path::new(say::string(arguments, 0)?))?;
    let (policy, last) = (say::string(arguments, 1)?, say::number::<i64>(arguments, 2)?);
    let (mut numbers, mut twice) = (std::collections::HashSet::new(), 0);
    events.wait(|event| {
        if event.policy == policy
            && let Some(number) = event.number
        {
            twice += u64::from(!numbers.insert(number));
            return number >= last;
        }
        false
    })?;
    say::line(&json!({ "events": !numbers.is_empty(), "twice": twice }))
}
