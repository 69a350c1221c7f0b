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
use ebpf_loader::Pins;
use rustix::process::geteuid;

use super::{Error, Options, root};
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
        let Options {
            directory,
            keep,
            release,
        } = options;
        let (path, old) = (root.join(directory), root.join(format!("{directory}_old")));
        let old = if *release {
            for path in [&path, &old] {
                match remove(path, "Removed what a former agent has pinned") {
                    Err(error) if !keep => tracing::warn!(%error, "What is pinned there stays"),
                    removed => removed?,
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
            remove(path, "Removed what another user has made")?;
        }
    }
    let is_complete = || path.join(COMPLETE).is_symlink();
    match (path.exists(), old.exists()) {
        (true, true) if !is_complete() => {
            remove(
                path,
                "Removed what an agent has pinned that ended before its policies were loaded",
            )?;
        }
        (true, in_the_way) => {
            if in_the_way {
                remove(old, "Removed what the agent before the last one has pinned")?;
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
            pins = pins(old).len(),
            "What a former agent has pinned stays in force until policies are loaded"
        );
    }
    Ok(there)
}

fn is_ours(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(data) => data.is_dir() && data.uid() == geteuid().as_raw(),
        Err(_) => true,
    }
}

/// Removes everything at `path`, and says so, as `done`. Links are not followed.
fn remove(path: &Path, done: &str) -> Result<(), Error> {
    let Ok(data) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let (by, pins, removed) = if data.is_dir() {
        (whose(path), pins(path), fs::remove_dir_all(path))
    } else {
        ("another program".to_owned(), vec![], fs::remove_file(path))
    };
    removed.map_err(failed("remove", path))?;
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

/// Names of the pins in a directory, in order.
fn pins(path: &Path) -> Vec<String> {
    let (mut names, mut folders) = (vec![], vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
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
    names
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
        pins(root)
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
