//! `cargo xtask vmtest`: the cases of `vmtests/cases` on the kernels of `kernels/`.

use crate::examples;
use crate::initramfs::Payload;
use crate::kernel::{self, Kernel};
use crate::machine::Machine;
use crate::protocol::{EXAMPLES, Event, Mode, Plan, Verdict};
use crate::vm::excerpt::excerpt;
use crate::vm::folder::Folder;
use crate::vm::machine::{MEMORY, Run};
use crate::vm::stream::Report;
use crate::{build, paths, setup, shell, tool, verifier};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal as _, stdout};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Arguments of `cargo xtask vmtest`.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    /// Kernels of the matrix, such as 5.10,6.12; all when none is named.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    kernel: Vec<String>,
    /// A kernel image of your own instead of the matrix.
    #[arg(long, value_name = "FILE", conflicts_with = "kernel")]
    kernel_image: Option<PathBuf>,
    /// Folder with the modules of that kernel, as in /lib/modules/RELEASE.
    #[arg(long, value_name = "FOLDER", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Machines that run at a time.
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    jobs: usize,
    /// Keep everything of the runs in target/vm/KERNEL.
    #[arg(long)]
    keep: bool,
    /// A shell in a machine instead of the cases.
    #[arg(long)]
    shell: bool,
    /// Write the raw ring buffer records that cases record to target/vm/KERNEL/blobs, and what verifying the kernel
    /// programs took to vmtests/verifier.toml.
    #[arg(long)]
    record: bool,
    /// Write what the tests of example policies showed, kernels by examples, to target/vm/report.md and report.html.
    #[arg(long)]
    report: bool,
    /// Take the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// Minutes after which a machine is ended.
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    limit: u64,
    /// Parts of names of cases to run; all when none is given.
    filter: Vec<String>,
}

impl Args {
    /// What `cargo xtask test` runs.
    pub(crate) fn whole() -> Self {
        Self {
            kernel: Vec::new(),
            kernel_image: None,
            modules: None,
            jobs: 2,
            keep: false,
            shell: false,
            record: false,
            report: false,
            no_build: false,
            limit: 30,
            filter: Vec::new(),
        }
    }
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let mut names = names(&cases()?, &args.filter)?;
    // What is true of all examples is looked at whenever one is run.
    if names.iter().any(|name| name.starts_with(EXAMPLES)) && !names.iter().any(|name| name == EXAMPLES) {
        names.push(EXAMPLES.to_owned());
    }
    let machines = machines(&names)?;
    setup::for_machines()?;
    let kernels = kernels(args)?;
    let payload = build::payload(args.no_build)?;
    if args.shell {
        let kernel = kernels.last().context("no kernel")?;
        return shell::run(kernel, &payload, Mode::Shell);
    }

    let mut runs = Vec::new();
    for (position, kernel) in kernels.iter().enumerate() {
        runs.extend(
            machines
                .iter()
                .map(|(machine, names)| (position, kernel, machine, names)),
        );
    }
    let jobs = args.jobs.clamp(1, runs.len());
    let queue = Mutex::new(runs.into_iter());
    let results = Mutex::new(Vec::new());
    let examples = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let Some((position, kernel, machine, names)) = queue.lock().expect("no panic").next() else {
                        return;
                    };
                    let result = one(args, kernel, &payload, machine, names, &examples);
                    results.lock().expect("no panic").push(((position, machine), result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    results.sort_by_key(|(place, _)| *place);
    let mut by_kernel: Vec<Vec<Result<Report>>> = kernels.iter().map(|_| Vec::new()).collect();
    for ((position, _), result) in results {
        by_kernel[position].push(result);
    }
    if args.report {
        let results = examples.into_inner().expect("no panic");
        report(&kernels, &by_kernel, &results)?;
    }
    conclude(&kernels, by_kernel)
}

/// Writes what came of the examples on each kernel; `results` are what the guests sent of them.
fn report(kernels: &[Kernel], by_kernel: &[Vec<Result<Report>>], results: &BTreeMap<String, String>) -> Result<()> {
    let mut report = examples::report::Report::default();
    for (kernel, machines) in kernels.iter().zip(by_kernel) {
        let outcomes = machines.iter().flatten().flat_map(|report| report.outcomes.clone());
        let results = results.get(&kernel.name).map_or("", String::as_str);
        report.add(
            &kernel.name,
            &kernel.description,
            &outcomes.collect::<Vec<_>>(),
            results,
        )?;
    }
    let folder = paths::target().join("vm");
    report.write(&folder)?;
    tool::step(&format!(
        "the report is in {0}/report.md and {0}/report.html",
        folder.display()
    ));
    Ok(())
}

/// The kinds of machines that cases ask for, with those cases.
fn machines(names: &[String]) -> Result<BTreeMap<Machine, Vec<String>>> {
    let mut machines = BTreeMap::<_, Vec<String>>::new();
    for name in names {
        if name.starts_with(EXAMPLES) {
            machines.entry(Machine::default()).or_default().push(name.clone());
            continue;
        }
        let path = paths::root().join("vmtests/cases").join(name).join("case.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let machine = Machine::of(&text).with_context(|| path.display().to_string())?;
        machines.entry(machine).or_default().push(name.clone());
    }
    Ok(machines)
}

/// Runs cases on one machine, and tells how it goes. What it sends of examples goes to `examples`, by kernel.
fn one(
    args: &Args,
    kernel: &Kernel,
    payload: &Payload,
    machine: &Machine,
    names: &[String],
    examples: &Mutex<BTreeMap<String, String>>,
) -> Result<Report> {
    let name = &format!("{}{}", kernel.name, machine.suffix());
    tool::step(&format!("{name}: {}", kernel.description));
    let limit = Duration::from_secs(args.limit * 60);
    let folder = Folder::claim(name)?;
    let run = Run {
        kernel,
        payload,
        plan: Plan {
            machine: machine.clone(),
            // The guest ends itself first: it can say what hangs.
            watchdog_s: limit.as_secs().saturating_sub(30).max(30),
            record: args.record,
            report: args.report,
            ..Plan::new(Mode::Test, &kernel.name, names.to_vec())
        },
        memory: MEMORY,
        counted: false,
        limit,
        folder: &folder,
        keep: args.keep,
    };
    let live = stdout().is_terminal();
    let begin = Instant::now();
    let mut verified = verifier::Programs::new();
    let mut report = run.run(|event| match event {
        Event::Measure { quantity, value, .. } => {
            verified.insert(quantity.clone(), *value as u64);
        }
        Event::Outcome {
            name: case,
            verdict,
            reason,
            millis,
        } if live => {
            let mark = match verdict {
                Verdict::Passed => "ok",
                Verdict::Failed => "FAILED",
                Verdict::Skipped => "skipped",
            };
            let why = reason.lines().next().unwrap_or_default();
            println!(
                "{name:>13}  {mark:7} {case} ({}.{} s) {why}",
                millis / 1000,
                millis % 1000 / 100
            );
        }
        _ => {}
    })?;
    if let Ok(results) = fs::read_to_string(folder.path().join("blobs").join(format!("{EXAMPLES}.jsonl"))) {
        examples.lock().expect("no panic").insert(kernel.name.clone(), results);
    }
    if !verified.is_empty() {
        let findings = verifier::compare(&kernel.name, &verified, args.record)?;
        report.add("(verifier)", &findings);
    }
    tool::step(&format!("{name}: {} in {} s", report.line(), begin.elapsed().as_secs()));
    if report.count(Verdict::Failed) > 0 || args.keep || args.record {
        tool::step(&format!(
            "{name}: console, records and files are in {}",
            folder.path().display()
        ));
    } else {
        folder.discard()?;
    }
    Ok(report)
}

/// Prints what failed and the closing lines; fails when anything did. `results` are those of a kernel's machines.
fn conclude(kernels: &[Kernel], results: Vec<Vec<Result<Report>>>) -> Result<()> {
    let mut lines = Vec::new();
    let mut good = true;
    for (kernel, results) in kernels.iter().zip(results) {
        let mut whole = Report::default();
        for result in results {
            match result {
                Ok(report) => whole.outcomes.extend(report.outcomes),
                Err(error) => whole.add("(machine)", &[format!("{error:#}")]),
            }
        }
        for outcome in &whole.outcomes {
            let detail = excerpt(&outcome.detail);
            match outcome.verdict {
                Verdict::Passed if detail.is_empty() => {}
                Verdict::Passed => println!("{}: {} passed {detail}", kernel.name, outcome.name),
                Verdict::Failed => println!("\n{}: {} failed: {detail}", kernel.name, outcome.name),
                Verdict::Skipped => println!("{}: {} skipped: {detail}", kernel.name, outcome.name),
            }
        }
        good &= whole.count(Verdict::Failed) == 0;
        lines.push(format!("{}: {}", kernel.name, whole.line()));
    }
    println!();
    for line in lines {
        println!("{line}");
    }
    if !good {
        bail!("some cases failed");
    }
    Ok(())
}

/// The kernels to run on, all of them ready to boot.
fn kernels(args: &Args) -> Result<Vec<Kernel>> {
    if let Some(image) = &args.kernel_image {
        return Ok(vec![kernel::custom(image, args.modules.as_deref())?]);
    }
    let mut kernels = Vec::new();
    for entry in kernel::select(&args.kernel)? {
        let kernel = if args.kernel.is_empty() {
            entry.get(false)?
        } else {
            Some(entry.require()?)
        };
        match kernel {
            Some(kernel) => kernels.push(kernel),
            None => tool::step(&format!(
                "kernel {} ({}) is left out: no folder of XTASK_KERNEL_PATH has it",
                entry.name, entry.about
            )),
        }
    }
    Ok(kernels)
}

/// Names of all cases.
fn cases() -> Result<Vec<String>> {
    let folder = paths::root().join("vmtests/cases");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("case.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names.extend(examples::tests()?);
    Ok(names)
}

/// The names that contain one of the filters; all when there is no filter.
pub(crate) fn names(all: &[String], filters: &[String]) -> Result<Vec<String>> {
    let wanted = |name: &&String| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let names: Vec<String> = all.iter().filter(wanted).cloned().collect();
    if names.is_empty() {
        bail!(
            "nothing is named like {}; there are {}",
            filters.join(" or "),
            all.join(", ")
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::names;
    use expect_test::expect;

    #[test]
    fn filters() {
        let all = ["exec-args", "exec-cwd", "exit"].map(str::to_owned);
        assert_eq!(names(&all, &["exec".into()]).unwrap(), ["exec-args", "exec-cwd"]);
        assert_eq!(
            names(&all, &["cwd".into(), "exit".into()]).unwrap(),
            ["exec-cwd", "exit"]
        );
        assert_eq!(names(&all, &[]).unwrap(), all);
        expect![[r#"nothing is named like no such; there are exec-args, exec-cwd, exit"#]]
            .assert_eq(&names(&all, &["no such".into()]).unwrap_err().to_string());
    }
}
