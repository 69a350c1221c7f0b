//! `cargo xtask noise`: how many events each policy of the library tells of on a machine on which nothing is amiss.
//!
//! What the machine is and what goes on there is in `vmtests/everyday.toml`. It takes a quarter of an hour, and is not part of
//! CI.

use crate::everyday::{self, Phase};
use crate::examples::{self, LIBRARY, NOISE};
use crate::initramfs::Payload;
use crate::kernel;
use crate::protocol::{EXAMPLES, Event, Mode, Plan, Verdict};
use crate::vm::folder::Folder;
use crate::vm::machine::Run;
use crate::{build, paths, setup, tool};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// Memory in MiB: the userland is in it, unpacked and, while the machine boots, as an archive.
const MEMORY: u32 = 3072;

/// Time for all phases. Emulation is some ten times slower than a machine.
const LIMIT: Duration = Duration::from_hours(2);

/// Arguments of `cargo xtask noise`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// Make the machine anew, of the packages that Debian has now.
    #[arg(long)]
    fresh: bool,
    /// Write the numbers to the headers of the policies. What is behind a semicolon there stays.
    #[arg(long)]
    write: bool,
}

/// Events by phase.
type Counts = BTreeMap<String, u64>;

pub(crate) fn main(args: &Args) -> Result<()> {
    let everyday = everyday::parse(everyday::TEXT).context("vmtests/everyday.toml")?;
    setup::for_machines()?;
    let kernel = kernel::named(&everyday.kernel)?;
    let userland = setup::userland::get(&everyday.userland, args.fresh)?;
    let payload = Payload::on(&userland, &build::programs(args.no_build)?)?;
    let policies: Vec<String> = examples::policies(LIBRARY)?
        .into_iter()
        .map(|file| format!("{EXAMPLES}/{file}"))
        .collect();
    tool::step(&format!("{}; {}", kernel.description, everyday.userland.about));
    let folder = Folder::claim(&format!("{}-noise", kernel.name))?;
    let run = Run {
        kernel: &kernel,
        payload: &payload,
        // Process 1, which would watch, is Debian's.
        plan: Plan::new(Mode::Noise, &kernel.name, policies),
        memory: MEMORY,
        counted: false,
        limit: LIMIT,
        folder: &folder,
        keep: false,
    };
    let mut all = BTreeMap::<String, Counts>::new();
    let report = run.run(|event| match event {
        Event::Start { name } => {
            let phase = everyday.phases.iter().find(|phase| phase.name == *name);
            tool::step(&format!("{name}: {}", phase.map_or("", |phase| &phase.about)));
        }
        Event::Measure {
            name, quantity, value, ..
        } => {
            all.entry(name.clone())
                .or_default()
                .insert(quantity.clone(), *value as u64);
        }
        _ => {}
    })?;
    for (policy, counts) in &all {
        println!("{policy}: {}", numbers(&everyday.phases, counts));
    }
    tool::step(&format!(
        "what was told of most is in {0}/blobs/kinds.txt, the log in {0}/blobs/agent.log",
        folder.path().display()
    ));
    if let Some(failed) = report
        .outcomes
        .iter()
        .find(|outcome| outcome.verdict == Verdict::Failed)
    {
        bail!("{}", failed.detail);
    }
    if args.write {
        for (policy, counts) in &all {
            let path = paths::root().join(policy);
            let text = fs::read_to_string(&path).with_context(|| format!("read {policy}"))?;
            fs::write(&path, noted(&text, &numbers(&everyday.phases, counts)))
                .with_context(|| format!("write {policy}"))?;
        }
    }
    Ok(())
}

/// What is said of a policy.
fn numbers(phases: &[Phase], counts: &Counts) -> String {
    let mut text = String::new();
    for phase in phases {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(
            text,
            "{separator}{} {}",
            phase.name,
            counts.get(&phase.name).unwrap_or(&0)
        );
    }
    text
}

/// The policy with `numbers` in its header, which may have older ones.
fn noted(policy: &str, numbers: &str) -> String {
    let begin = format!("# {NOISE}: ");
    let there = policy.lines().any(|line| line.starts_with(&begin));
    let mut text = String::new();
    for line in policy.lines() {
        if let Some(old) = line.strip_prefix(&begin) {
            let rest = old.find(';').map_or("", |at| &old[at..]);
            let _ = writeln!(text, "{begin}{numbers}{rest}");
            continue;
        }
        if !there && line.starts_with("# Blind spots: ") {
            let _ = writeln!(text, "{begin}{numbers}");
        }
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::noted;

    #[test]
    fn numbers_are_exchanged_and_what_is_said_of_them_stays() {
        let policy = "# Opening.\n#\n# Cost: c\n# Blind spots: b\nkind: a\n";
        let first = noted(policy, "idle 1, build 2");
        assert_eq!(
            first,
            "# Opening.\n#\n# Cost: c\n# Noise: idle 1, build 2\n# Blind spots: b\nkind: a\n"
        );
        assert_eq!(noted(&first, "idle 3"), first.replace("idle 1, build 2", "idle 3"));
        let said = first.replace("build 2", "build 2; of make,\n#   mostly");
        assert_eq!(noted(&said, "idle 3"), said.replace("idle 1, build 2", "idle 3"));
    }
}
