//! The directory of pins, and the one of a former agent.

use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, symlink},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use ebpf_abi::ABI_VERSION;
use ebpf_loader::{Maps, Pins};
use rustix::process::geteuid;

use super::{Error, Options, root, spared};
use crate::text;

/// Link that says whose pins they are. A BPF file system has no files that hold text, but links do.
const AGENT: &str = "agent";

/// Link that is there once policies are loaded.
const COMPLETE: &str = "complete";

/// What follows processes, in the name that Tetragon has for it.
const BASE: &str = "__base__";

/// Hook points of policies.
const HOOKS: &str = "hooks";

/// Names of pins that the log shows.
const SHOWN: usize = 32;

/// How deep folders are within each other at most, and how many pins and folders there are, in a directory that is looked
/// through and removed. Agents, also those of Tetragon, make a tenth of that.
const DEPTH: usize = 32;
const ENTRIES: usize = 100_000;

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { operation, path, error }
}

/// Where this agent pins, and what a former one has left. When it is dropped before it is complete, what this agent has
/// pinned is removed, and the other one's stays.
#[derive(Debug, Default)]
pub struct Directory {
    own: Option<Own>,
    old: Option<PathBuf>,
    complete: bool,
}

/// Where this agent pins.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    base: Arc<Pins>,
    hooks: Arc<Pins>,
}

impl Directory {
    /// Does with what is there as `options` say, and makes the directory anew if something is to be pinned.
    pub fn prepare(options: &Options) -> Result<Self, Error> {
        let root = if options.keep {
            Some(root::find_or_mount()?)
        } else {
            root::find()
        };
        root.map_or_else(|| Ok(Self::default()), |root| Self::prepare_in(&root, options))
    }

    fn prepare_in(root: &Path, options: &Options) -> Result<Self, Error> {
        let Options { keep, release, .. } = options;
        let [path, old] = paths(root, options);
        let old = if *release {
            const DONE: &str = "Removed what a former agent has pinned";
            for path in [&path, &old] {
                if *keep {
                    clear(path, DONE)?;
                } else if let Err(error) = remove(path, DONE) {
                    tracing::warn!(%error, "What is pinned there stays");
                }
            }
            None
        } else {
            set_aside(&path, &old)?.then_some(old)
        };
        Ok(Self {
            own: keep.then(|| Own::make(path)).transpose()?,
            old,
            complete: false,
        })
    }

    /// Its path, if something is pinned.
    pub fn path(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.path.as_path())
    }

    /// Pins what says which process the agent is, one of `maps`, if something is pinned.
    pub fn pin_spared(&self, maps: &Maps) -> Result<(), ebpf_loader::Error> {
        self.path().map_or(Ok(()), |path| spared::pin(path, maps))
    }

    /// Where links of what follows processes are pinned.
    pub fn base(&self) -> Option<Arc<Pins>> {
        self.own.as_ref().map(|own| Arc::clone(&own.base))
    }

    /// Where hook points are pinned.
    pub fn hooks(&self) -> Option<Arc<Pins>> {
        self.own.as_ref().map(|own| Arc::clone(&own.hooks))
    }

    /// The policies of this agent are in force: what a former one has left can go.
    pub fn complete(&mut self) -> Result<(), Error> {
        if let Some(own) = &self.own {
            let mark = own.path.join(COMPLETE);
            symlink("policies are loaded", &mark).map_err(failed("link", &mark))?;
            // However the agent ends.
            own.base.leave();
        }
        self.complete = true;
        if let Some(old) = self.old.take()
            && let Err(error) = remove(
                &old,
                "Removed what the former agent has pinned: the policies of this one are loaded",
            )
        {
            // Both in force deny no less than one of them. The next agent tries again.
            tracing::error!(%error, "What the former agent has pinned stays");
        }
        Ok(())
    }

    /// The agent ends: pins stay, if it has come so far that they are to.
    pub fn leave(&self) {
        if let Some(own) = &self.own
            && self.complete
        {
            own.hooks.leave();
            tracing::info!(directory = %own.path.display(), "What is pinned stays in force");
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(own) = &self.own
            && !self.complete
            && let Err(error) = fs::remove_dir_all(&own.path)
        {
            tracing::error!(directory = %own.path.display(), %error, "What was pinned cannot be removed");
        }
    }
}

impl Own {
    fn make(path: PathBuf) -> Result<Self, Error> {
        let made = make(&path).and_then(|()| {
            let agent = path.join(AGENT);
            symlink(mark(), &agent).map_err(failed("link", &agent))?;
            make(&path.join(BASE))?;
            make(&path.join(HOOKS))
        });
        if let Err(error) = made {
            let _not_made = fs::remove_dir_all(&path);
            return Err(error);
        }
        Ok(Self {
            base: Arc::new(Pins::new(path.join(BASE))),
            hooks: Arc::new(Pins::new(path.join(HOOKS))),
            path,
        })
    }
}

/// Where an agent with these options pins, and what a former one has left meanwhile.
pub(super) fn paths(root: &Path, options: &Options) -> [PathBuf; 2] {
    let directory = &options.directory;
    [root.join(directory), root.join(format!("{directory}_old"))]
}

/// Makes a directory that others cannot look into.
fn make(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(failed("make directory", path))
}

/// What the link says of this agent.
fn mark() -> String {
    format!("tetragon {} with ABI {ABI_VERSION}", crate::VERSION)
}

/// Moves what a former agent has left in `path` to `old`; whether there is something. When both are there, an agent has died
/// while it took over: what is in `path` counts only if it came to its end.
fn set_aside(path: &Path, old: &Path) -> Result<bool, Error> {
    for path in [path, old] {
        // Everyone may write to some of these file systems.
        if !is_ours(path) {
            clear(path, "Removed what another user has made")?;
        }
    }
    let is_complete = || path.join(COMPLETE).is_symlink();
    match (path.exists(), old.exists()) {
        (true, true) if !is_complete() => {
            clear(
                path,
                "Removed what an agent has pinned that ended before its policies were loaded",
            )?;
        }
        (true, in_the_way) => {
            if in_the_way {
                clear(old, "Removed what the agent before the last one has pinned")?;
            }
            fs::rename(path, old).map_err(failed("rename", path))?;
        }
        (false, _) => {}
    }
    let there = old.exists();
    if there {
        tracing::info!(
            directory = %old.display(),
            by = whose(old),
            pins = pins(old).map_or(0, |pins| pins.len()),
            "What a former agent has pinned stays in force until policies are loaded"
        );
    }
    Ok(there)
}

pub(super) fn is_ours(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(data) => data.is_dir() && data.uid() == geteuid().as_raw(),
        Err(_) => true,
    }
}

/// Removes everything at `path`, as [`remove`] does. What cannot be removed gets another name, so that it is not in the way.
fn clear(path: &Path, done: &str) -> Result<(), Error> {
    let Err(error) = remove(path, done) else { return Ok(()) };
    // Without dots, which such a file system keeps for itself.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let other = |number: u16| path.with_file_name(format!("{name}-left-{number}"));
    let other = (0..u16::MAX)
        .map(other)
        .find(|other| fs::symlink_metadata(other).is_err());
    let other = other.unwrap_or_else(|| path.to_owned());
    fs::rename(path, &other).map_err(failed("rename", path))?;
    tracing::warn!(%error, directory = %other.display(), "What is pinned there stays in force, and is in this directory now");
    Ok(())
}

/// Removes everything at `path`, and says so, as `done`. Links are not followed.
fn remove(path: &Path, done: &str) -> Result<(), Error> {
    let Ok(data) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let removed = if data.is_dir() {
        let by = whose(path);
        // No deeper than this, removing it needs neither many descriptors nor much of the stack.
        pins(path).and_then(|pins| fs::remove_dir_all(path).map(|()| (by, pins)))
    } else {
        fs::remove_file(path).map(|()| ("another program".to_owned(), vec![]))
    };
    let (by, pins) = removed.map_err(failed("remove", path))?;
    let shown = &pins[..pins.len().min(SHOWN)];
    tracing::info!(directory = %path.display(), by, pins = pins.len(), names = shown.join(" "), "{done}");
    Ok(())
}

/// Whose pins are in a directory, by its link.
fn whose(path: &Path) -> String {
    match fs::read_link(path.join(AGENT)) {
        Ok(text) => {
            let text = text::lossy(text.as_os_str().as_bytes());
            let which = if text == mark() { "this" } else { "another" };
            format!("{}, {which} version", text.replace(char::is_control, " "))
        }
        Err(_) => "another program".to_owned(),
    }
}

/// Names of the pins in a directory, in order. An error if there are more of them, or deeper ones, than agents make.
fn pins(path: &Path) -> io::Result<Vec<String>> {
    let (mut names, mut folders, mut seen) = (vec![], vec![(path.to_owned(), 0)], 0);
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if depth >= DEPTH || seen > ENTRIES {
                return Err(io::Error::other(
                    "there are more folders and pins within each other than any agent makes",
                ));
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_file() => {
                    let name = entry.path();
                    let name = name.strip_prefix(path).unwrap_or(&name);
                    names.push(name.display().to_string());
                }
                _ => {}
            }
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEPT: Options = Options {
        directory: String::new(),
        keep: true,
        release: false,
    };

    /// An agent that has pinned `hook`.
    fn agent(root: &Path, hook: &str, release: bool) -> Directory {
        let options = Options {
            directory: "t".to_owned(),
            release,
            ..KEPT
        };
        let directory = Directory::prepare_in(root, &options).unwrap();
        fs::write(root.join("t/hooks").join(hook), "").unwrap();
        directory
    }

    /// An agent that is killed.
    fn killed(directory: Directory) {
        std::mem::forget(directory);
    }

    fn there(root: &Path) -> Vec<String> {
        pins(root).unwrap()
    }

    #[test]
    fn one_agent_follows_another() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut first = agent(root, "a", false);
        first.complete().unwrap();
        killed(first);
        let mut second = agent(root, "b", false);
        assert_eq!(there(root), ["t/hooks/b", "t_old/hooks/a"]);
        second.complete().unwrap();
        assert_eq!(there(root), ["t/hooks/b"]);
        assert!(!root.join("t_old").exists());
    }

    #[test]
    fn what_had_come_to_its_end_stays_whenever_agents_are_killed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        // Not even the first one has come to its end: it is all there is.
        killed(agent(root, "a", false));
        killed(agent(root, "b", false));
        killed(agent(root, "c", false));
        assert_eq!(there(root), ["t/hooks/c", "t_old/hooks/a"]);
        let mut complete = agent(root, "d", false);
        complete.complete().unwrap();
        killed(complete);
        // Killed before it had removed what was there before.
        fs::create_dir_all(root.join("t_old/hooks")).unwrap();
        fs::write(root.join("t_old/hooks/a"), "").unwrap();
        killed(agent(root, "e", false));
        assert_eq!(there(root), ["t/hooks/e", "t_old/hooks/d"]);
        // Killed between the two steps of setting aside.
        fs::remove_dir_all(root.join("t")).unwrap();
        killed(agent(root, "f", false));
        assert_eq!(there(root), ["t/hooks/f", "t_old/hooks/d"]);
    }

    #[test]
    fn an_agent_that_fails_leaves_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut first = agent(root, "a", false);
        first.complete().unwrap();
        first.leave();
        drop(first);
        drop(agent(root, "b", false));
        assert_eq!(there(root), ["t_old/hooks/a"]);
        assert!(!root.join("t").exists());
        drop(agent(root, "b", false));
        assert_eq!(there(root), ["t_old/hooks/a"]);
        let mut third = agent(root, "c", false);
        third.complete().unwrap();
        assert_eq!(there(root), ["t/hooks/c"]);
    }

    #[test]
    fn all_of_it_is_removed_at_start_unless_it_is_to_stay() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        killed(agent(root, "a", false));
        killed(agent(root, "b", false));
        fs::create_dir_all(root.join("other")).unwrap();
        let options = Options {
            directory: "t".to_owned(),
            keep: false,
            release: true,
        };
        let directory = Directory::prepare_in(root, &options).unwrap();
        assert_eq!((directory.path(), fs::read_dir(root).unwrap().count()), (None, 1));
        killed(agent(root, "c", true));
        assert_eq!(there(root), ["t/hooks/c"]);
    }

    #[test]
    fn a_link_in_its_place_is_removed_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("file"), "").unwrap();
        for release in [true, false] {
            symlink(other.path(), root.path().join("t")).unwrap();
            killed(agent(root.path(), "a", release));
            assert!(other.path().join("file").exists());
            assert_eq!(there(root.path()), ["t/hooks/a"]);
            fs::remove_dir_all(root.path().join("t")).unwrap();
        }
    }

    #[test]
    fn what_is_too_deep_to_be_removed_is_not_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let deep: PathBuf = std::iter::repeat_n("folder", DEPTH + 1).collect();
        for (release, left) in [(true, "t-left-0"), (false, "t_old")] {
            fs::create_dir_all(root.join("t").join(&deep)).unwrap();
            killed(agent(root, "a", release));
            assert!(root.join("t/hooks/a").exists());
            assert!(root.join(left).join(&deep).exists());
            fs::remove_dir_all(root.join("t")).unwrap();
        }
        // It came to its end, as far as can be told, and stays until another one has.
        let mut last = agent(root, "b", false);
        last.complete().unwrap();
        killed(last);
        assert!(root.join("t_old").join(&deep).exists());
        killed(agent(root, "c", false));
        assert!(root.join("t_old-left-0").join(&deep).exists());
        assert_eq!(there(&root.join("t_old")), ["hooks/b"]);
    }

    #[test]
    fn whose_pins_they_are() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("t");
        killed(agent(root.path(), "a", false));
        assert_eq!(whose(&path), format!("{}, this version", mark()));
        fs::remove_file(path.join(AGENT)).unwrap();
        assert_eq!(whose(&path), "another program");
        symlink("tetragon v0 with\nABI 0", path.join(AGENT)).unwrap();
        assert_eq!(whose(&path), "tetragon v0 with ABI 0, another version");
        for folder in [&path, &path.join(HOOKS)] {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
