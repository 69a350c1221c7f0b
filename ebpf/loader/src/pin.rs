//! Pins: what lives on when this process ends.
//!
//! A link is detached, and an array of programs is emptied, when the last descriptor of it is closed. A name in a BPF file
//! system counts like a descriptor (`BPF_OBJ_PIN`; kernel 4.4, for links 5.7). Other maps need none: programs hold them.
//!
//! Example: `let pins = Arc::new(Pins::new("/sys/fs/bpf/mine".into())); link.pin(&pins, "open")?;`

use std::{
    ffi::CString,
    fs,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{error::Error, sys};

/// Most bytes of what is pinned that its name has.
const NAME_LEN: usize = 100;

/// A folder of a BPF file system, and whether what is pinned there stays.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    next: AtomicU64,
    left: AtomicBool,
}

impl Pins {
    /// Pins in `folder`, which must be there. They are removed when what is pinned is dropped.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            next: AtomicU64::new(0),
            left: AtomicBool::new(false),
        }
    }

    /// From now on pins stay when what is pinned is dropped.
    pub fn leave(&self) {
        self.left.store(true, Relaxed);
    }

    /// Whether pins stay.
    pub fn are_left(&self) -> bool {
        self.left.load(Relaxed)
    }

    /// Pins `object`, a map or link, under `name` with a number in front of it.
    pub(crate) fn pin(self: &Arc<Self>, object: BorrowedFd<'_>, name: &str) -> Result<Pin, Error> {
        let number = self.next.fetch_add(1, Relaxed);
        let path = self.folder.join(format!("{number}-{}", allowed(name)));
        pin(object, &path)?;
        Ok(Pin {
            path,
            pins: Arc::clone(self),
        })
    }
}

/// Gives `object`, a map or link, the name `path`.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    sys::obj_pin(object, &c_path(path)?).map_err(|source| Error::Pin {
        path: path.to_owned(),
        source,
    })
}

/// What has the name `path`.
pub(crate) fn pinned(path: &Path) -> Result<OwnedFd, Error> {
    sys::obj_get(&c_path(path)?).map_err(|source| Error::Pinned {
        path: path.to_owned(),
        source,
    })
}

fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Nul {
        name: path.display().to_string(),
    })
}

/// `name` with what the file system allows in names: it keeps dots for itself.
fn allowed(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    let chars = name.chars().take(NAME_LEN);
    chars.map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// A name that keeps an object, removed when this is dropped unless its folder was left.
#[derive(Debug)]
pub(crate) struct Pin {
    path: PathBuf,
    pins: Arc<Pins>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        if !self.pins.are_left() {
            // Somebody else may have removed it.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::AsFd as _, rc::Rc};

    use super::*;
    use crate::link::Link;
    use crate::sys::{Command, ReadAttr as _, Syscall, fake::Fake};

    /// A kernel that makes a file of every pin, or answers `errno`.
    fn kernel(errno: Option<i32>) -> (Rc<RefCell<Vec<String>>>, Fake) {
        let seen = Rc::new(RefCell::new(vec![]));
        let paths = Rc::clone(&seen);
        let fake = Fake::new(move |call| {
            let Syscall::Bpf {
                command: Command::ObjPin,
                attr,
            } = call
            else {
                panic!("unexpected {call:?}")
            };
            if let Some(errno) = errno {
                return Err(io::Error::from_raw_os_error(errno));
            }
            let path = attr.text(0);
            File::create(&path)?;
            seen.borrow_mut().push(path);
            Ok(0)
        });
        (paths, fake)
    }

    #[test]
    fn pins_go_with_what_is_pinned_unless_they_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Arc::new(Pins::new(folder.path().to_owned()));
        let (paths, _kernel) = kernel(None);
        let object = File::open("/dev/null").unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let first = pins.pin(object.as_fd(), "lsm:file_open").unwrap();
        let second = pins.pin(object.as_fd(), "/usr/lib/libc.so.6").unwrap();
        assert_eq!(count(), 2);
        drop(first);
        assert_eq!(count(), 1);
        pins.leave();
        drop(second);
        assert_eq!(count(), 1);
        let names: Vec<_> = paths
            .borrow()
            .iter()
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["0-lsm:file_open", "1-_usr_lib_libc_so_6"]);
    }

    #[test]
    fn what_is_no_link_has_no_pin_and_everything_else_is_an_error() {
        let pins = Arc::new(Pins::new("/nowhere".into()));
        let object = || OwnedFd::from(File::open("/dev/null").unwrap());
        let (paths, kernel_of_pins) = kernel(None);
        assert!(!Link::of_event(object()).pin(&pins, "kprobe:f").unwrap());
        assert!(paths.borrow().is_empty());
        drop(kernel_of_pins);
        for (number, (errno, text)) in [
            (libc::EINVAL, "Invalid argument (os error 22)"),
            (libc::ENOENT, "No such file or directory (os error 2)"),
        ]
        .into_iter()
        .enumerate()
        {
            let (_, _refused) = kernel(Some(errno));
            let error = Link::new(object()).pin(&pins, "kprobe:f").unwrap_err().to_string();
            assert_eq!(error, format!("pin /nowhere/{number}-kprobe:f: BPF_OBJ_PIN: {text}"));
        }
    }
}
